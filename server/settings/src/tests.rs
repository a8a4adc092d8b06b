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
