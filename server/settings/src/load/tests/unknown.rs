//! Keys that are not read: unknown and refused ones.

use super::*;
use crate::{KeyDoc, Status, known_keys};

#[test]
fn all_problems_with_keys_are_reported_at_once() {
    let yaml =
        "http: {prot: 1}\nstorage: {dedupe: false, rootDir: /x, subPaths: {/hot: {rootDirectory: /hot}}}\nbogus: 1";
    let problems = problems(yaml);
    assert_eq!(problems.len(), 5, "{problems:?}");
    let (_dir, sources) = sources(yaml, &[], &[]);
    assert_eq!(load(&sources).unwrap_err().to_string().lines().count(), 6);
}

#[test]
fn an_unknown_key_names_the_nearest() {
    for (yaml, want) in [
        ("http: {prot: 1}", Some("http.port")),
        ("storage: {rootDir: /x}", Some("storage.rootDirectory")),
        ("storge: {rootDirectory: /x}", Some("storage")),
        ("http: {readonly: true}", Some("http.readOnly")),
        ("rootDirectory: /x", Some("storage.rootDirectory")),
        ("http: {maxConnections: 1}", Some("database.maxConnections")),
        ("port: 8080", Some("http.port")),
        ("address: 0.0.0.0", Some("http.address")),
        ("zzz: 1", None),
    ] {
        let problems = problems(yaml);
        let nearest = problems[0].split("did you mean `").nth(1).and_then(|rest| rest.split('`').next());
        assert_eq!(nearest, want, "{problems:?}");
    }
}

#[test]
fn a_dotted_key_is_not_a_path() {
    assert!(problems("'http.port': 1")[0].contains("a key has no dots"));
    assert!(problems("'storage.gc': false")[0].contains("a key has no dots"));
}

/// YAML for one key.
fn nested(path: &str, value: &str) -> String {
    let close = "}".repeat(path.split('.').count());
    format!("{{{}: {value}{close}", path.replace('.', ": {"))
}

#[test]
fn every_refused_key_is_refused_with_its_message() {
    let refused = known_keys().into_iter().filter_map(|key| match key.status {
        Status::Refused(message) => Some((key.path.replace('*', "extensions.rbac"), message, key.description)),
        Status::Works => None,
    });
    for (path, message, values) in refused {
        let value = match values.as_str() {
            "only `true` is accepted" => "false",
            "only `false` is accepted" => "true",
            _ => "x",
        };
        let remove = if path == "http.accessControl" { "" } else { "; remove the key" };
        assert_eq!(problems(&nested(&path, value)), [format!("{path}: {message}{remove}")]);
    }
}

#[test]
fn a_key_of_zot_is_never_compared_with_other_keys() {
    for key in [
        "extensions.search",
        "extensions.ui",
        "extensions.scrub",
        "extensions.sync",
        "extensions.lint",
        "extensions.mgmt",
        "extensions.userprefs",
        "extensions.imagetrust",
        "extensions.events",
        "extensions.apikey",
        "extensions.Search",
        "storage.retention",
        "storage.commit",
        "storage.remoteCache",
        "storage.cacheDriver",
        "http.compat",
        "http.externalUrl",
        "http.ratelimit",
        "http.auth.htpasswd",
        "http.auth.ldap",
        "http.auth.openid",
        "http.auth.apikey",
        "http.auth.failDelay",
        "http.auth.sessionKeysFile",
        "http.auth.sessionDriver",
        "http.auth.secureSession",
        "scheduler",
        "cluster",
    ] {
        let problems = problems(&nested(key, "{enable: true}"));
        assert_eq!(problems.len(), 1, "{key}: {problems:?}");
        let text = &problems[0];
        assert!(text.starts_with(&format!("{key}: ")) && text.ends_with("; remove the key"), "{text}");
        assert!(!text.contains("unknown") && !text.contains("did you mean"), "{text}");
    }
}

#[test]
fn what_is_switched_off_anyway_is_accepted() {
    for yaml in [
        "storage: {dedupe: true}",
        "extensions: {supplychain: {enabled: false}, rbac: {auditLogging: true}}",
        "extensions: {metrics: {tracing: {enabled: false}}}",
        "cluster:",
    ] {
        assert_eq!(settings(yaml), Settings::default(), "{yaml}");
    }
    let off = loaded("", &[], &[("extensions.supplychain.enabled", "false")]).settings;
    assert_eq!(off, Settings::default());
}

/// All sections, by path; the empty path is the top.
fn sections() -> Vec<String> {
    let works = known_keys().into_iter().filter(|key| key.status == Status::Works);
    let mut sections: Vec<_> =
        works.filter_map(|KeyDoc { path, .. }| Some(path.rsplit_once('.')?.0.to_owned())).collect();
    // a list's elements are tried in `values_are_read_in_all_their_forms`
    sections.retain(|section| !section.ends_with("[]"));
    sections.extend([String::new(), "extensions.s3api".to_owned(), "extensions.supplychain".to_owned()]);
    sections.dedup();
    sections
}

proptest! {
    // a `q` first keeps the random names apart from the known ones
    #[test]
    fn any_unknown_key_is_refused_with_its_path(
        section in proptest::sample::select(sections()),
        key in "q[a-zA-Z0-9_-]{0,12}",
        by_flag: bool,
    ) {
        let path = keys::join(&section, &key);
        let (_dir, sources) = if by_flag {
            sources("", &[], &[(&path, "1")])
        } else {
            sources(&nested(&path, "1"), &[], &[])
        };
        match load(&sources) {
            Err(ConfigError::Invalid(problems)) => {
                prop_assert_eq!(problems.len(), 1);
                prop_assert_eq!(&problems[0].path, &path);
                let is_unknown = matches!(problems[0].fault, Fault::Unknown { .. });
                prop_assert!(is_unknown);
            }
            other => prop_assert!(false, "{:?}", other),
        }
    }
}
