//! The keys of each driver in `storage.storageDriver`.

use serde_json::Value;

use crate::Fault;
use crate::keys::{at, description, join};

const SECTION: &str = "storage.storageDriver";

/// A driver's keys besides the common ones. The first of them are required, as many as the number says.
const KEYS: [(&str, usize, &[&str]); 3] = [
    ("s3", 1, &["bucket", "region", "accesskey", "secretkey", "forcepathstyle"]),
    ("gcs", 1, &["bucket", "keyfile"]),
    ("azure", 2, &["accountname", "container", "accountkey"]),
];

/// Missing keys of the driver, and keys of other drivers, in the merged tree. Decoding refuses an unknown driver.
pub(super) fn faults(tree: &Value) -> Vec<(String, Fault)> {
    let Some(section) = tree.pointer("/storage/storageDriver") else { return Vec::new() };
    let name = section.get("name").and_then(Value::as_str);
    let Some((name, needed, own)) = KEYS.into_iter().find(|(driver, ..)| name == Some(driver)) else {
        return Vec::new();
    };
    let is_given = |key: &&str| section.get(key).is_some();
    let missing = own[..needed].iter().filter(|key| !is_given(key)).map(|key| {
        let path = join(SECTION, key);
        let meaning = at(&path).map(description).unwrap_or_default();
        (path, Fault::Missing(meaning))
    });
    let mut faults: Vec<_> = missing.collect();
    for key in KEYS.iter().flat_map(|(.., keys)| *keys).filter(|key| !own.contains(key) && is_given(key)) {
        let owners: Vec<_> = KEYS.iter().filter(|(.., keys)| keys.contains(key)).map(|(owner, ..)| *owner).collect();
        let message = format!("belongs to the driver {}, and this one is {name}; remove it", owners.join(" or "));
        faults.push((join(SECTION, key), Fault::Wrong(message)));
    }
    faults.sort_by(|a, b| a.0.cmp(&b.0));
    faults.dedup_by(|a, b| a.0 == b.0);
    faults
}
