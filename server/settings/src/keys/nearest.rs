//! "Did you mean": the known key that is most similar to an unknown one.

use serde_json::Value;
use strsim::jaro_winkler;

use super::{SCHEMA, join, properties};

/// Similarity, 0 to 1, from which a key of the same section is suggested.
const SIBLING: f64 = 0.84;
/// The same for a whole path: shared section names make all paths similar.
const PATH: f64 = 0.92;

/// The suggestion for `key` in the section `prefix`: a key of that section, else the one of the same name in the fewest
/// sections, else one with a similar path.
pub(crate) fn nearest(section: Option<&Value>, prefix: &str, key: &str) -> Option<String> {
    let siblings = section.and_then(properties).into_iter().flatten().map(|(name, _)| name.clone());
    if let Some(sibling) = most_alike(siblings, SIBLING, key) {
        return Some(join(prefix, &sibling));
    }
    let mut paths = Vec::new();
    collect(&SCHEMA, "", &mut paths);
    let namesake = |path: &&String| path.rsplit('.').next().is_some_and(|name| name.eq_ignore_ascii_case(key));
    match paths.iter().filter(namesake).min_by_key(|path| path.split('.').count()) {
        Some(path) => Some(path.clone()),
        None => most_alike(paths.into_iter(), PATH, &join(prefix, key)),
    }
}

fn most_alike(names: impl Iterator<Item = String>, least: f64, wanted: &str) -> Option<String> {
    let wanted = wanted.to_lowercase();
    names
        .map(|name| (jaro_winkler(&name.to_lowercase(), &wanted), name))
        .filter(|(likeness, _)| *likeness >= least)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, name)| name)
}

/// The paths of all sections and keys, sections first.
fn collect(schema: &Value, prefix: &str, paths: &mut Vec<String>) {
    for (key, child) in properties(schema).into_iter().flatten() {
        let path = join(prefix, key);
        paths.push(path.clone());
        collect(child, &path, paths);
    }
}
