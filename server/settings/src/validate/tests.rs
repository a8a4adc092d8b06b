use super::*;
use crate::{ByteSize, DriverName, Health, Secret, Span, Storage, StorageDriver};

fn faulty(change: impl FnOnce(&mut Settings)) -> Vec<String> {
    let mut settings = Settings::default();
    change(&mut settings);
    faults(&settings).into_iter().map(|(path, _)| path).collect()
}

fn driver(change: impl FnOnce(&mut StorageDriver)) -> Vec<String> {
    let mut driver = StorageDriver { bucket: Some("b".into()), ..StorageDriver::named(DriverName::S3) };
    change(&mut driver);
    faulty(|settings| settings.storage = Storage { storage_driver: Some(driver), ..Storage::default() })
}

#[test]
fn the_default_is_without_fault() {
    assert_eq!(faulty(|_| ()), [""; 0]);
    assert_eq!(driver(|_| ()), [""; 0]);
}

#[test]
fn an_address_has_no_port() {
    for (address, is_good) in [
        ("127.0.0.1", true),
        ("::", true),
        ("localhost", true),
        ("0.0.0.0:80", false),
        ("[::1]", false),
        ("a/b", false),
    ] {
        assert_eq!(faulty(|settings| settings.http.address = Some(address.into())).is_empty(), is_good, "{address}");
    }
}

#[test]
fn origins_are_origins() {
    for (origin, is_good) in
        [("*", true), ("https://a.example:1", true), ("https://a.example/", false), ("a.example", false), ("", false)]
    {
        assert_eq!(faulty(|s| s.http.cors.allow_origin = vec![origin.into()]).is_empty(), is_good, "{origin}");
    }
    assert_eq!(faulty(|s| s.http.cors.allow_headers = vec!["X-Amz-Meta-*".into()]), [""; 0]);
    assert_eq!(faulty(|s| s.http.cors.expose_headers = vec!["a b".into()]), ["http.cors.exposeHeaders"]);
}

#[test]
fn only_postgres_and_sqlite_are_databases() {
    for (url, is_good) in [
        ("postgres://u:p@h/d", true),
        ("postgresql:///d?host=/run", true),
        ("sqlite:/x.db", true),
        ("sqlite::memory:", true),
        ("sqlite://", false),
        ("mysql://h/d", false),
        ("/x.db", false),
    ] {
        assert_eq!(faulty(|s| s.database.url = Some(Secret::from(url.to_owned()))).is_empty(), is_good, "{url}");
    }
    assert_eq!(faulty(|settings| settings.database.max_connections = 0), ["database.maxConnections"]);
    assert_eq!(faulty(|settings| settings.database.max_connections = 1001), ["database.maxConnections"]);
}

#[test]
fn an_endpoint_is_a_server() {
    for (endpoint, is_good) in [
        ("minio:9000", true),
        ("http://10.0.0.1:9000", true),
        ("https://h/", true),
        ("https://h/bucket", false),
        ("https://u:p@h", false),
        ("https://h?x", false),
        ("ftp://h", false),
    ] {
        assert_eq!(driver(|driver| driver.endpoint = Some(endpoint.into())).is_empty(), is_good, "{endpoint}");
    }
    let contradiction = |driver: &mut StorageDriver| {
        (driver.endpoint, driver.secure) = (Some("http://h".into()), Some(true));
    };
    assert_eq!(driver(contradiction), ["storage.storageDriver.secure"]);
    let emulator = |driver: &mut StorageDriver| {
        (driver.name, driver.endpoint) = (DriverName::Azure, Some("http://127.0.0.1:10000/account".into()));
    };
    assert_eq!(driver(emulator), [""; 0]);
}

#[test]
fn keys_of_a_driver_go_together() {
    assert_eq!(driver(|driver| driver.access_key = Some("a".into())), ["storage.storageDriver.accesskey"]);
    let secret = || Some(Secret::from("s".to_owned()));
    assert_eq!(driver(|driver| driver.secret_key = secret()), ["storage.storageDriver.secretkey"]);
    assert_eq!(driver(|driver| driver.bucket = Some("b/prefix".into())), ["storage.storageDriver.bucket"]);
    assert_eq!(driver(|driver| driver.container = Some("c/x".into())), ["storage.storageDriver.container"]);
    let url = "https://acct.blob.core.windows.net";
    assert_eq!(driver(|driver| driver.account_name = Some(url.into())), ["storage.storageDriver.accountname"]);
}

#[test]
fn endpoints_of_the_server_are_apart() {
    let health = |change: fn(&mut Health)| faulty(|settings| change(&mut settings.extensions.metrics.health));
    assert_eq!(health(|health| health.liveness_path = "/metrics".into()), ["extensions.metrics.health.livenessPath"]);
    for path in ["health", "/", "/v2/x", "/{x}"] {
        assert_eq!(faulty(|s| s.extensions.metrics.health.health_path = path.into()).len(), 1, "{path}");
    }
}

#[test]
fn two_listeners_have_two_ports() {
    let ports = |http: u16, s3: u16, enabled| {
        faulty(|settings| {
            settings.http.port = http;
            (settings.extensions.s3api.port, settings.extensions.s3api.enabled) = (s3, enabled);
        })
    };
    assert_eq!(ports(9000, 9000, true), ["extensions.s3api.port"]);
    assert_eq!([ports(9000, 9000, false), ports(0, 0, true), ports(9000, 9001, true)].concat(), [""; 0]);
}

#[test]
fn limits_are_not_zero() {
    assert_eq!(faulty(|settings| settings.limits.max_concurrent_requests = Some(0)).len(), 1);
    assert_eq!(faulty(|settings| settings.limits.request_timeout = Some(Span(std::time::Duration::ZERO))).len(), 1);
    assert_eq!(faulty(|settings| settings.limits.max_request_body_size = Some(ByteSize(0))).len(), 1);
}

#[test]
fn a_token_endpoint_is_a_url() {
    assert_eq!(faulty(|settings| settings.auth.bearer.realm = Some("my realm".into())), ["auth.bearer.realm"]);
}

#[test]
fn anonymous_reads_without_access_control_are_a_warning() {
    let mut settings = Settings::default();
    settings.extensions.rbac.allow_anonymous_get = true;
    assert_eq!(warnings(&settings).len(), 1);
    settings.extensions.rbac.enabled = true;
    assert_eq!(warnings(&settings), [""; 0]);
}
