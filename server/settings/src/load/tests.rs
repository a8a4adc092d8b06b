use std::fs;
use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::{ByteSize, DriverName, Level, Span};

mod sources;
mod unknown;

/// Sources with this text as the file; the folder lives as long as the test needs it.
fn sources(yaml: &str, env: &[(&str, &str)], flags: &[(&str, &str)]) -> (tempfile::TempDir, Sources) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("zot.yaml");
    fs::write(&file, yaml).unwrap();
    let pairs =
        |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect::<Vec<_>>();
    let sources = Sources { file: Some(file), env: pairs(env).into_iter().collect(), flags: pairs(flags) };
    (dir, sources)
}

fn loaded(yaml: &str, env: &[(&str, &str)], flags: &[(&str, &str)]) -> Loaded {
    load(&sources(yaml, env, flags).1).unwrap_or_else(|error| panic!("{error}"))
}

fn settings(yaml: &str) -> Settings {
    loaded(yaml, &[], &[]).settings
}

/// The problems of a file, as `path: text`.
fn problems(yaml: &str) -> Vec<String> {
    let (_dir, sources) = sources(yaml, &[], &[]);
    match load(&sources) {
        Err(ConfigError::Invalid(problems)) => problems.iter().map(|p| format!("{}: {}", p.path, p.fault)).collect(),
        other => panic!("expected problems, got {other:?}"),
    }
}

#[test]
fn an_empty_file_is_the_default() {
    for yaml in ["", "# nothing\n", "{}", "http:\nstorage:\n  storageDriver:\n"] {
        assert_eq!(settings(yaml), Settings::default(), "{yaml}");
    }
}

#[test]
fn values_are_read_in_all_their_forms() {
    let settings = settings(
        "http: {port: '9009', cors: {allowOrigin: '*', allowMethods: [GET, PUT]}}\n\
         log: {level: warning, format: text}\n\
         limits: {maxConcurrentRequests: 100, requestTimeout: 1h30m, maxRequestBodySize: 10Gi}\n",
    );
    assert_eq!(settings.http.port, 9009);
    assert_eq!(settings.http.cors.allow_origin, ["*"]);
    assert_eq!(settings.http.cors.allow_methods, ["GET", "PUT"]);
    assert_eq!(settings.log.level, Level::Warn);
    assert_eq!(settings.limits.max_concurrent_requests, Some(100));
    assert_eq!(settings.limits.request_timeout, Some(Span(Duration::from_mins(90))));
    assert_eq!(settings.limits.max_request_body_size, Some(ByteSize(10 << 30)));
}

#[test]
fn each_of_a_list_of_sections_is_checked() {
    let of = |issuer: &str| format!("extensions: {{rbac: {{enabled: true, issuers: [{{name: ci, {issuer}}}]}}}}");
    let read = settings(&of("issuer: 'https://ci.example.com', audiences: 'a, b'"));
    assert_eq!(read.extensions.rbac.issuers[0].audiences, ["a", "b"]);
    for (issuer, want) in [
        ("issuer: 'https://ci.example.com', audiences: [a], audience: b", "extensions.rbac.issuers[0].audience: "),
        ("issuer: 'https://ci.example.com'", "extensions.rbac.issuers[0].audiences: "),
        ("issuer: 'https://ci.example.com', audiences: []", "extensions.rbac.issuers: "),
        ("issuer: ci, audiences: [a]", "extensions.rbac.issuers: "),
        ("issuer: 'https://ci.example.com', audiences: [a], kind: ldap", "extensions.rbac.issuers[0].kind: "),
    ] {
        let problems = problems(&of(issuer));
        assert!(problems[0].starts_with(want), "{issuer}: {problems:?}");
    }
}

#[test]
fn a_wrong_value_is_named_with_its_key_and_meaning() {
    for (yaml, want) in [
        ("http: {port: 70000}", "http.port: expected a whole number from 0 to 65535, got integer `70000`; correct it"),
        ("http: {port: http}", "http.port: expected a whole number from 0 to 65535, got string \"http\""),
        ("http: {readOnly: no}", "http.readOnly: expected true or false, got string \"no\""),
        ("http: 8080", "http: expected a section"),
        ("http: {realm: ''}", "http.realm: is empty"),
        ("limits: {requestTimeout: 5 minutes}", "limits.requestTimeout: expected a duration such as"),
        ("limits: {maxRequestBodySize: 1.5Gi}", "limits.maxRequestBodySize: expected a whole number of bytes"),
        ("log: {level: loud}", "log.level: `loud` is not accepted here; expected one of"),
        ("storage: {storageDriver: {name: ftp, bucket: b}}", "storage.storageDriver.name: `ftp` is not accepted here"),
    ] {
        let problems = problems(yaml);
        assert!(problems.len() == 1 && problems[0].starts_with(want), "{yaml}: {problems:?}");
    }
    assert!(problems("http: {port: x}")[0].contains("The key is: TCP port"));
}

#[test]
fn a_missing_key_is_named_with_its_meaning() {
    assert_eq!(
        problems("http: {tls: {cert: /c}}\nstorage: {storageDriver: {name: s3}}"),
        [
            "http.tls.key: is missing; set it: Private key of the certificate, PEM file.",
            "storage.storageDriver.bucket: is missing; set it: `s3` and `gcs`: bucket, which must exist. Falls back to \
             `S3_BUCKET` or `GCS_BUCKET`.",
        ]
    );
}

#[test]
fn a_file_that_cannot_be_parsed_is_located_without_quoting_it() {
    let (_dir, sources) = sources("database:\n  url: postgres://u:hunter2@h/d: x\n", &[], &[]);
    let error = load(&sources).unwrap_err();
    assert!(matches!(&error, ConfigError::Syntax { line: 2, .. }), "{error:?}");
    assert!(error.to_string().contains("zot.yaml:2:") && !error.to_string().contains("hunter2"), "{error}");
}

#[test]
fn other_files_are_refused() {
    let missing = Sources { file: Some("/nowhere/zot.yaml".into()), ..Sources::default() };
    let text = load(&missing).unwrap_err().to_string();
    assert!(text.contains("/nowhere/zot.yaml") && text.contains("--config"), "{text}");
    let text = crate::from_zot(Path::new("/nowhere/zot.json")).unwrap_err().to_string();
    assert!(text.contains("/nowhere/zot.json") && !text.contains("--config"), "{text}");
    assert_eq!(problems("[http]").len(), 1);
    let (_dir, twice) = sources("http:\n  port: 1\n  port: 2\n", &[], &[]);
    assert!(load(&twice).unwrap_err().to_string().contains("the key `port` is given twice"));
}

proptest! {
    #[test]
    fn no_secret_is_printed(secret in "[A-Za-z0-9]{12,24}") {
        let yaml = format!(
            "storage: {{storageDriver: {{name: s3, bucket: b, accesskey: a, secretkey: \"{secret}\"}}}}\n\
             database: {{url: \"postgres://u:{secret}@h/d\"}}\n"
        );
        let loaded = loaded(&yaml, &[], &[]);
        let printed = format!("{loaded:?} {}", serde_json::to_string(&loaded.settings).unwrap());
        prop_assert!(!printed.contains(&secret));
        let read = loaded.settings.storage.storage_driver.unwrap().secret_key.unwrap();
        prop_assert_eq!(read.expose(), secret);
    }

    #[test]
    fn no_secret_is_in_an_error(secret in "[1-9][0-9]{11,17}") {
        for yaml in [
            format!("database: {{url: \"mysql://u:{secret}@h/d\"}}"),
            format!("database: {{url: {secret}}}"),
            format!("database: {{url: [\"{secret}\"]}}"),
            format!("storage: {{storageDriver: {{name: s3, bucket: b, accesskey: a, secretkey: {secret}}}}}"),
            format!("storage: {{storageDriver: {{name: s3, bucket: b, secretkey: \"{secret}\"}}}}"),
            format!("storage: {{storageDriver: {{name: s3, bucket: b, endpoint: \"https://u:{secret}@h\"}}}}"),
            format!("storage: {{storageDriver: {{name: azure, accountname: a, container: c, accountkey: {secret}}}}}"),
            format!("storage: {{storageDriver: {{name: s3, bucket: b, accountkey: \"{secret}\"}}}}"),
        ] {
            let (_dir, sources) = sources(&yaml, &[], &[]);
            let error = load(&sources).unwrap_err();
            prop_assert!(!format!("{error} {error:?}").contains(&secret), "{}", error);
        }
    }
}

#[test]
fn a_driver_has_its_own_keys_and_needs_some() {
    for (yaml, want) in [
        ("{name: gcs, bucket: b, keyfile: /k, endpoint: h, secure: false, skipverify: true, rootdirectory: r}", vec![]),
        ("{name: azure, accountname: a, accountkey: a2V5, container: c}", vec![]),
        ("{name: gcs}", vec!["bucket: is missing"]),
        ("{name: azure, accountkey: a2V5}", vec!["accountname: is missing", "container: is missing"]),
        (
            "{name: gcs, bucket: b, region: r, accountname: a}",
            vec![
                "accountname: belongs to the driver azure, and this one is gcs; remove it",
                "region: belongs to the driver s3, and this one is gcs; remove it",
            ],
        ),
        (
            "{name: azure, accountname: a, container: c, bucket: b, accesskey: k}",
            vec![
                "accesskey: belongs to the driver s3, and this one is azure; remove it",
                "bucket: belongs to the driver s3 or gcs, and this one is azure; remove it",
            ],
        ),
        (
            "{name: s3, bucket: b, keyfile: /k}",
            vec!["keyfile: belongs to the driver gcs, and this one is s3; remove it"],
        ),
    ] {
        let (_dir, sources) = sources(&format!("storage: {{storageDriver: {yaml}}}"), &[], &[]);
        let problems = match load(&sources) {
            Ok(_) => Vec::new(),
            Err(ConfigError::Invalid(problems)) => problems,
            Err(other) => panic!("{other}"),
        };
        let texts: Vec<_> = problems.iter().map(|problem| format!("{}: {}", problem.path, problem.fault)).collect();
        assert_eq!(texts.len(), want.len(), "{texts:?}");
        for (text, want) in texts.iter().zip(&want) {
            assert!(text.starts_with(&format!("storage.storageDriver.{want}")), "{text}");
        }
    }
}

fn sample(name: &str, env: &[(&str, &str)]) -> Settings {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/samples/server").join(name);
    let loaded = loaded(&fs::read_to_string(path).unwrap(), env, &[]);
    assert_eq!(loaded.warnings, [""; 0]);
    loaded.settings
}

#[test]
fn the_minimal_sample_is_an_embedded_store() {
    let settings = sample("minimal.yaml", &[]);
    assert_eq!(settings.effective_address(), "127.0.0.1");
    assert!(settings.effective_database_url().expose().starts_with("sqlite:"));
    assert_eq!(settings.storage.storage_driver, None);
}

#[test]
fn the_samples_of_the_clouds_take_names_and_keys_from_the_environment() {
    let driver = |name, env: &[(&str, &str)]| sample(name, env).storage.storage_driver.unwrap();
    let gcs = driver("gcs.yaml", &[("GCS_BUCKET", "artifacts"), ("ZOT_DATABASE_URL", "postgres://db/zot")]);
    assert_eq!((gcs.name, gcs.bucket.as_deref(), gcs.keyfile), (DriverName::Gcs, Some("artifacts"), None));
    let env = [
        ("AZURE_STORAGE_ACCOUNT_NAME", "account"),
        ("AZURE_STORAGE_CONTAINER", "artifacts"),
        ("ZOT_DATABASE_URL", "postgres://db/zot"),
    ];
    let azure = driver("azure.yaml", &env);
    assert_eq!((azure.name, azure.account_name.as_deref()), (DriverName::Azure, Some("account")));
    assert_eq!((azure.container.as_deref(), azure.account_key), (Some("artifacts"), None));
}

#[test]
fn the_production_sample_uses_postgres_s3_tls_and_access_control() {
    for (endpoint, url) in [("minio:9000", "https://minio:9000"), ("http://minio:9000", "http://minio:9000")] {
        let settings = sample(
            "production.yaml",
            &[("ZOT_DATABASE_URL", "postgres://zot:pw@db/zot"), ("S3_BUCKET", "artifacts"), ("S3_ENDPOINT", endpoint)],
        );
        assert_eq!(settings.effective_database_url().expose(), "postgres://zot:pw@db/zot");
        assert_eq!(settings.storage.storage_driver.unwrap().endpoint_url().as_deref(), Some(url));
        assert!(settings.http.tls.is_some() && settings.extensions.rbac.enabled);
    }
}
