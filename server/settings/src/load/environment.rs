//! The environment variables that set keys. `expand.rs` has `${VAR}` in the file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::file;
use super::layer::{Layer, overlay};
use crate::{Fault, Problem};

type Env = BTreeMap<String, String>;

/// Variable and key. They win over the file.
const VARIABLES: [(&str, &str); 6] = [
    ("ZOT_HTTP_ADDRESS", "http.address"),
    ("ZOT_HTTP_PORT", "http.port"),
    ("ZOT_STORAGE_ROOT", ROOT),
    ("ZOT_DATA_DIR", ROOT),
    ("ZOT_LOG_LEVEL", "log.level"),
    ("ZOT_DATABASE_URL", "database.url"),
];

/// Folder of the log file, which is `zot.log` in it.
const LOG_DIR: &str = "ZOT_LOG_DIR";

/// Driver, variable and key. The file wins over them: they are often set for other programs.
const DRIVER_FALLBACKS: [(&str, &str, &str); 9] = [
    ("s3", "AWS_REGION", "storage.storageDriver.region"),
    ("s3", "AWS_ACCESS_KEY_ID", "storage.storageDriver.accesskey"),
    ("s3", "AWS_SECRET_ACCESS_KEY", "storage.storageDriver.secretkey"),
    ("s3", "S3_BUCKET", "storage.storageDriver.bucket"),
    ("gcs", "GCS_BUCKET", "storage.storageDriver.bucket"),
    ("gcs", "GOOGLE_APPLICATION_CREDENTIALS", "storage.storageDriver.keyfile"),
    ("azure", "AZURE_STORAGE_ACCOUNT_NAME", "storage.storageDriver.accountname"),
    ("azure", "AZURE_STORAGE_ACCOUNT_KEY", "storage.storageDriver.accountkey"),
    ("azure", "AZURE_STORAGE_CONTAINER", "storage.storageDriver.container"),
];

/// Variable and key of a Keycloak realm. They complete a section in the file.
const KEYCLOAK_FALLBACKS: [(&str, &str); 2] =
    [("KEYCLOAK_URL", "extensions.rbac.keycloak.url"), ("KEYCLOAK_REALM", "extensions.rbac.keycloak.realm")];

/// Variables that the server reads but that are not settings.
const ACCESS_KEYS: [&str; 4] =
    ["ZOT_ADMIN_ACCESS_KEY", "ZOT_ADMIN_SECRET_KEY", "ZOT_READER_ACCESS_KEY", "ZOT_READER_SECRET_KEY"];

/// Variables that other parts of the project read.
const ELSEWHERE: [&str; 2] = ["ZOT_TOOLS", "ZOT_BIN"];

const ROOT: &str = "storage.rootDirectory";

/// A variable's value. An empty one counts as not set, because container tools cannot unset variables.
fn get<'a>(env: &'a Env, variable: &str) -> Option<&'a str> {
    env.get(variable).map(String::as_str).filter(|value| !value.is_empty())
}

/// One layer per variable that is set.
pub(super) fn layers(env: &Env, problems: &mut Vec<Problem>) -> Vec<Layer> {
    let layer = |(variable, key): &(&str, &str)| {
        get(env, variable).map(|value| Layer::single((*variable).to_owned(), key, value))
    };
    let mut layers: Vec<_> = VARIABLES.iter().filter_map(layer).collect();
    if let Some(dir) = get(env, LOG_DIR) {
        let file = Path::new(dir).join("zot.log");
        layers.push(Layer::single(LOG_DIR.to_owned(), "log.output", &file.to_string_lossy()));
    }
    if let (Some(root), Some(data)) = (get(env, "ZOT_STORAGE_ROOT"), get(env, "ZOT_DATA_DIR"))
        && root != data
    {
        let fault = Fault::Wrong("ZOT_STORAGE_ROOT and ZOT_DATA_DIR differ; set only one of them".to_owned());
        problems.push(Problem { path: ROOT.to_owned(), origin: None, fault });
    }
    layers
}

/// Adds the lowest layers: values from the environment that apply only if nothing else sets the key.
pub(super) fn add_fallbacks(env: &Env, layers: &mut Vec<Layer>) {
    let mut below = Vec::new();
    if let Some(home) = data_home(env) {
        below.push(Layer::single("the home directory".to_owned(), ROOT, &home.to_string_lossy()));
    }
    let tree = overlay(layers);
    let name = tree.pointer("/storage/storageDriver/name").and_then(Value::as_str);
    for (driver, variable, key) in DRIVER_FALLBACKS {
        if name == Some(driver) {
            below.extend(get(env, variable).map(|value| Layer::single(variable.to_owned(), key, value)));
        }
    }
    if tree.pointer("/extensions/rbac/keycloak").is_some() {
        for (variable, key) in KEYCLOAK_FALLBACKS {
            below.extend(get(env, variable).map(|value| Layer::single(variable.to_owned(), key, value)));
        }
    }
    layers.splice(0..0, below);
}

/// The user's data directory, by the XDG rules: a relative path there is invalid.
fn data_home(env: &Env) -> Option<PathBuf> {
    let absolute = |variable| get(env, variable).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = absolute("XDG_DATA_HOME").or_else(|| Some(absolute("HOME")?.join(".local/share")))?;
    Some(base.join("zot-artifact-store"))
}

/// A warning for each unknown `ZOT_` variable: most likely a typing error.
pub(super) fn warnings(env: &Env) -> Vec<String> {
    let mut read: BTreeSet<&str> = VARIABLES.iter().map(|(variable, _)| *variable).collect();
    read.extend([LOG_DIR, file::VARIABLE]);
    read.extend(ACCESS_KEYS);
    let known = |name: &str| read.contains(name) || ELSEWHERE.contains(&name) || name.starts_with("ZOT_TEST_");
    let names = read.iter().copied().collect::<Vec<_>>().join(", ");
    env.keys()
        .filter(|name| name.starts_with("ZOT_") && !known(name))
        .map(|name| format!("the environment variable {name} is not read by the server; the ones it reads are {names}"))
        .collect()
}
