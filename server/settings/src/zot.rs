//! Reads a configuration of project-zot's zot: the keys that this server has too, and the others. The server turns its
//! access control into policies.

use std::path::Path;

use serde_json::{Map, Value, json};

use crate::keys::refused::{Verdict, verdict};
use crate::load::{Layer, alias, check, checked, file};
use crate::{ConfigError, Fault, Problem};

/// A key of zot that is not in the table of refused keys.
const UNKNOWN: &str = "this server has no such key";

#[derive(Debug)]
pub struct FromZot {
    /// Valid for this server.
    pub config: Value,
    /// `http.accessControl`, unchanged.
    pub access_control: Option<Value>,
    /// `http.auth`, unchanged.
    pub auth: Map<String, Value>,
    /// Keys that are not in `config`, and what to do instead.
    pub left_out: Vec<Problem>,
}

/// Reads zot's configuration file. The result has access control if zot authenticated its callers or had access
/// control.
///
/// # Errors
/// [`ConfigError`], also for values that this server does not accept: it would be unsafe to leave out a wrong
/// `http.tls`.
pub fn from_zot(path: &Path) -> Result<FromZot, ConfigError> {
    let mut layer = file::open(path, "as the argument")?;
    let mut problems = Vec::new();
    alias::ignore_case(&mut layer, &mut problems);
    layer.tree.remove("distSpecVersion");
    let mut http = layer.tree.get_mut("http").and_then(Value::as_object_mut);
    let mut taken = |key| http.as_mut().and_then(|http| http.remove(key)).filter(|value| !value.is_null());
    let access_control = taken("accessControl");
    let auth = match taken("auth") {
        Some(Value::Object(auth)) => auth,
        Some(_) => {
            let fault = Fault::Wrong("expected a map, such as `htpasswd: { path: FILE }`".to_owned());
            problems.push(layer.problem("http.auth".to_owned(), fault));
            Map::new()
        }
        None => Map::new(),
    };
    problems.extend(auth.iter().map(|(key, value)| of_auth(&layer, key, value)));
    alias::rewrite(&mut layer, &mut problems);
    check::layer(&mut layer, &mut problems);
    // zot refuses keys that it does not know
    for problem in &mut problems {
        if matches!(problem.fault, Fault::Unknown { .. }) {
            problem.fault = Fault::Refused(UNKNOWN);
        }
    }
    let (left_out, wrong): (Vec<_>, Vec<_>) =
        problems.into_iter().partition(|problem| matches!(problem.fault, Fault::Refused(_)));
    if !wrong.is_empty() {
        return Err(ConfigError::Invalid(wrong));
    }
    if access_control.is_some() || !auth.is_empty() {
        let extensions = layer.tree.entry("extensions").or_insert_with(|| json!({}));
        extensions["rbac"] = json!({ "enabled": true });
    }
    let config = Value::Object(layer.tree.clone());
    checked(&[layer], config.clone())?;
    Ok(FromZot { config, access_control, auth, left_out })
}

fn of_auth(layer: &Layer, key: &str, value: &Value) -> Problem {
    let path = format!("http.auth.{key}");
    let fault = match verdict(&path, value) {
        Verdict::Refused(fault) => fault,
        Verdict::None | Verdict::Accepted if key == "bearer" => Fault::Refused(
            "this server issues the tokens of the registry protocol itself, and accepts none of another token server; name an \
             OIDC provider in extensions.rbac.issuers",
        ),
        Verdict::None | Verdict::Accepted => Fault::Refused(UNKNOWN),
    };
    layer.problem(path, fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<FromZot, ConfigError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("zot.json");
        std::fs::write(&path, text).unwrap();
        from_zot(&path)
    }

    #[test]
    fn settings_stay_and_the_rest_is_named() {
        let zot = read(
            "{\n\t\"distSpecVersion\": \"1.1.0\", \"storage\": {\"rootDirectory\": \"/srv/zot\", \"gc\": true, \"commit\": true},\n\
             \t\"http\": {\"address\": \"0.0.0.0\", \"port\": \"5000\", \"compat\": [\"docker2s2\"],\n\
             \t\"auth\": {\"htpasswd\": {\"path\": \"/etc/htpasswd\"}, \"failDelay\": 5}, \"AccessControl\": {\"repositories\": {}}},\n\
             \t\"log\": {\"level\": \"debug\"}, \"extensions\": {\"search\": {\"enable\": true}}\n}",
        );
        let zot = zot.unwrap();
        assert_eq!(
            zot.config,
            json!({
                "storage": {"rootDirectory": "/srv/zot", "gc": true}, "http": {"address": "0.0.0.0", "port": 5000},
                "log": {"level": "debug"}, "extensions": {"rbac": {"enabled": true}},
            })
        );
        let mut left: Vec<_> = zot.left_out.iter().map(|problem| problem.path.as_str()).collect();
        left.sort_unstable();
        assert_eq!(
            left,
            ["extensions.search", "http.auth.failDelay", "http.auth.htpasswd", "http.compat", "storage.commit"]
        );
        assert!(zot.access_control.is_some() && zot.auth.contains_key("htpasswd"));
    }

    #[test]
    fn what_is_left_out_need_not_be_removed() {
        let zot = read(
            "storage: {rootDirectory: /srv, dedupe: false, retention: {dryRun: true}, subPaths: {/a: {}}, of_later: 1}\n\
             http: {auth: {ldap: {}, apikey: true, OpenId: {}, bearer: {}, later: 1}, Compat: [x]}\n\
             extensions: {search: {enable: true}, ui: {enable: true}, later: {}}\ncluster: {members: []}",
        );
        for left in zot.unwrap().left_out {
            for word in ["remove", "did you mean", "/api/v1"] {
                assert!(!left.advice().contains(word), "{}: {}", left.path, left.advice());
            }
            assert!(
                left.path.to_lowercase().contains("later") || !left.advice().contains("no such key"),
                "{}",
                left.path
            );
        }
    }

    #[test]
    fn an_open_zot_stays_open_and_a_closed_one_closed() {
        let enabled = |text: &str| read(text).unwrap().config["extensions"]["rbac"]["enabled"] == true;
        assert!(!enabled("http: {port: 5000}"));
        assert!(!enabled("http: {port: 5000, auth: {}}"));
        assert!(enabled("http: {accessControl: {}}"));
        assert!(enabled("http: {Auth: {htpasswd: {path: /p}}}"));
        assert!(read("http: {Auth: {Bearer: {realm: r}}}").unwrap().auth.contains_key("bearer"));
        assert!(enabled("http: {auth: {openid: {}}, accessControl: {}}\nextensions: {rbac: {enabled: false}}"));
    }

    #[test]
    fn keys_in_another_case_are_not_lost() {
        let zot =
            read("HTTP: {Port: 5000, TLS: {Cert: /c, KEY: /k}, AccessControl: {}}\nStorage: {GC: false}").unwrap();
        assert_eq!(zot.config["http"], json!({"port": 5000, "tls": {"cert": "/c", "key": "/k"}}));
        assert!(zot.access_control.is_some() && zot.config["storage"]["gc"] == false, "{zot:?}");
        let error = read("http: {port: 1}\nHttp: {accessControl: {}}").unwrap_err().to_string();
        assert!(error.contains("is given twice, also as `Http`; keep only `http`"), "{error}");
    }

    #[test]
    fn a_value_that_cannot_be_taken_is_an_error() {
        for (text, key) in [
            ("http: {tls: {cert: /c}}", "http.tls.key"),
            ("http: {tls: /c}", "http.tls"),
            ("storage: {gcDelay: 1s}", "storage.gcDelay"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(&format!("`{key}`")), "{error}");
        }
    }
}
