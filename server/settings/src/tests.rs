use super::*;

#[test]
fn nothing_given_is_the_documented_default() {
    let settings: Settings = serde_json::from_str("{}").unwrap();
    assert_eq!(settings, Settings::default());
    assert_eq!(settings.http.port, 8080);
    assert_eq!(settings.database.max_connections, 10);
    assert_eq!(settings.log.level.as_str(), "info");
    assert_eq!(settings.extensions.metrics.health.readiness_path, "/health/ready");
}

#[test]
fn what_is_serialised_is_read_back() {
    let settings = Settings::default();
    let json = serde_json::to_string(&settings).unwrap();
    assert_eq!(serde_json::from_str::<Settings>(&json).unwrap(), settings);
}

#[test]
fn a_server_binds_to_loopback_unless_an_address_is_set() {
    let mut settings = Settings::default();
    assert_eq!(settings.effective_address(), "127.0.0.1");
    settings.extensions.rbac.enabled = true;
    assert_eq!(settings.effective_address(), "127.0.0.1", "access control does not move the listener");
    settings.http.address = Some("10.0.0.1".to_owned());
    assert_eq!(settings.effective_address(), "10.0.0.1");
}

#[test]
fn the_embedded_database_lies_in_the_root() {
    let mut settings = Settings::default();
    settings.storage.root_directory = "/srv/50%?".into();
    assert_eq!(settings.effective_database_url().expose(), "sqlite:/srv/50%25%3F/metadata.db");
    settings.database.url = Some(Secret::from("postgres://db/zot".to_owned()));
    assert_eq!(settings.effective_database_url().expose(), "postgres://db/zot");
}

#[test]
fn shown_settings_have_the_values_in_use() {
    let shown = |yaml| {
        let given: Settings = serde_json::from_value(yaml).unwrap();
        serde_json::to_value(given.effective()).unwrap()
    };
    assert_eq!(shown(serde_json::json!({}))["http"]["address"], "127.0.0.1");
    let driver =
        |driver| shown(serde_json::json!({"storage": {"storageDriver": driver}}))["storage"]["storageDriver"].take();
    let s3 = driver(serde_json::json!({"name": "s3", "bucket": "b", "endpoint": "http://h"}));
    assert_eq!(
        (&s3["region"], &s3["forcepathstyle"], &s3["secure"]),
        (&"us-east-1".into(), &true.into(), &false.into())
    );
    let gcs = driver(serde_json::json!({"name": "gcs", "bucket": "b"}));
    assert!(gcs["region"].is_null() && gcs["forcepathstyle"].is_null() && gcs["secure"] == true, "{gcs}");
}
