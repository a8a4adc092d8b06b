//! Every configuration key changes what a running server does. A key without a test fails the last test.

mod changed;

use reqwest::{Client, Method, StatusCode};
use serde_json::Value;
use tokio::io::AsyncReadExt as _;
use zot_tests::backend::Backend;
use zot_tests::client::Reply;
use zot_tests::server::{ADMIN, Server, Setup};
use zot_tests::tools::Home;
use zot_tests::workspace;

use self::changed::CHANGED;

/// Keys that have one accepted value, and are refused with another: [`refused_keys_say_what_to_do`].
const REFUSED: &[(&str, &str)] = &[
    ("extensions.metrics.tracing.enabled", "true"),
    ("extensions.supplychain.enabled", "true"),
    ("storage.dedupe", "false"),
];

async fn on_disk() -> Setup {
    Setup::on(&Backend::SqliteDisk.fresh().await)
}

fn url(server: &Server, path: &str) -> String {
    format!("http://{}{path}", server.address())
}

async fn status(server: &Server, path: &str) -> u16 {
    reqwest::get(url(server, path)).await.expect("a response").status().as_u16()
}

#[tokio::test]
async fn paths_of_health_and_metrics_move() {
    let moved = on_disk()
        .await
        .set("extensions.metrics.prometheus.path", "/numbers")
        .set("extensions.metrics.health.healthPath", "/well")
        .set("extensions.metrics.health.livenessPath", "/well/live");
    let server = moved.start().await;
    for (path, expected) in [
        ("/numbers", 200),
        ("/metrics", 404),
        ("/well", 200),
        ("/health", 404),
        ("/well/live", 200),
        ("/health/live", 404),
    ] {
        assert_eq!(status(&server, path).await, expected, "{path}");
    }
    for key in ["extensions.metrics.enabled", "extensions.metrics.prometheus.enabled"] {
        assert_eq!(status(&on_disk().await.set(key, false).start().await, "/metrics").await, 404, "{key}");
    }
}

#[tokio::test]
async fn readiness_moves_and_health_can_be_switched_off() {
    let home = Home::new();
    let log = home.path().join("log");
    for (key, value) in [("readinessPath", Value::from("/ready")), ("enabled", Value::from(false))] {
        let setup = on_disk().await.set(&format!("extensions.metrics.health.{key}"), value);
        // the harness waits at the usual path, so this one is awaited by its log
        let server = setup.set("log.output", log.to_string_lossy().into_owned()).start_logging_to(&log).await;
        assert_eq!(status(&server, "/health/ready").await, 404, "{key}");
        assert_eq!(status(&server, "/ready").await == 200, key == "readinessPath");
        std::fs::remove_file(&log).expect("the log is where it was set to be");
    }
}

#[tokio::test]
async fn access_control_and_its_announcements() {
    let server = on_disk()
        .await
        .with_access_control()
        .set("auth.bearer.realm", "https://tokens.example.com/x")
        .set("auth.bearer.service", "my-service")
        .set("http.realm", "my realm")
        .start()
        .await;
    let challenge = reqwest::get(url(&server, "/v2/")).await.expect("a response");
    let text = challenge.headers()["www-authenticate"].to_str().expect("text").to_owned();
    assert!(text.contains("https://tokens.example.com/x") && text.contains("service=\"my-service\""), "{text}");
    let wrong =
        Client::new().get(url(&server, "/auth/token")).basic_auth("a", Some("b")).send().await.expect("a response");
    assert_eq!(wrong.headers()["www-authenticate"], "Basic realm=\"my realm\", charset=\"UTF-8\"");
    assert_eq!(status(&server, "/v2/_catalog").await, 401);
    let public = on_disk().await.with_access_control().set("extensions.rbac.allowAnonymousGet", true).start().await;
    assert_eq!(status(&public, "/v2/_catalog").await, 200);
    assert_eq!(status(&on_disk().await.start().await, "/v2/_catalog").await, 200);
}

#[tokio::test]
async fn a_read_only_store_takes_nothing() {
    let server = on_disk().await.set("http.readOnly", true).start().await;
    let push = server.client().request(Method::POST, "/v2/team/app/blobs/uploads/");
    Reply::to(push).await.expect_error(403, "DENIED");
}

#[tokio::test]
async fn browsers_are_let_in() {
    let server = on_disk()
        .await
        .set("http.cors.allowOrigin", "https://ui.example.com")
        .set("http.cors.allowMethods", "GET,PUT")
        .set("http.cors.allowHeaders", "Authorization")
        .set("http.cors.exposeHeaders", "ETag")
        .with_s3_port()
        .start()
        .await;
    let ask = Client::new()
        .request(Method::OPTIONS, url(&server, "/v2/"))
        .header("origin", "https://ui.example.com")
        .header("access-control-request-method", "PUT");
    let preflight = ask.send().await.expect("a response");
    assert_eq!(preflight.headers()["access-control-allow-origin"], "https://ui.example.com");
    assert_eq!(preflight.headers()["access-control-allow-methods"], "GET,PUT");
    assert_eq!(preflight.headers()["access-control-allow-headers"], "authorization");
    let get = Client::new().get(url(&server, "/v2/")).header("origin", "https://ui.example.com");
    assert_eq!(get.send().await.expect("a response").headers()["access-control-expose-headers"], "etag");
    for s3 in [url(&server, "/s3"), format!("http://{}/", server.s3_address())] {
        let get = Client::new().get(s3).header("origin", "https://ui.example.com").send().await.expect("a response");
        assert_eq!(get.headers()["access-control-allow-origin"], "https://ui.example.com");
    }
    let closed = reqwest::get(url(&on_disk().await.start().await, "/v2/")).await.expect("a response");
    assert!(closed.headers().get("access-control-allow-origin").is_none());
}

#[tokio::test]
async fn limits_hold() {
    let server = on_disk().await.set("limits.maxRequestBodySize", 1000).start().await;
    let digest = zot_tests::client::digest(&[0; 2000]);
    let path = format!("/v2/team/app/blobs/uploads/?digest={digest}");
    let push = server.client().request(Method::POST, &path).body(vec![0; 2000]);
    Reply::to(push).await.expect_error(413, "SIZE_INVALID");
    assert_eq!(reqwest::Client::new().put(url(&server, "/s3/team")).send().await.expect("a response").status(), 200);
    let put = Client::new().put(url(&server, "/s3/team/key"));
    assert_eq!(put.body(vec![0; 2000]).send().await.expect("a response").status(), 400);

    let slow = on_disk().await.set("limits.requestTimeout", "300ms").start().await;
    let never = reqwest::Body::wrap_stream(futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>());
    let path = format!("/v2/team/app/blobs/uploads/?digest={digest}");
    let reply = Reply::to(slow.client().request(Method::POST, &path).body(never)).await.expect_status(503);
    assert_eq!(reply.header("retry-after"), "5");
    assert_eq!(Client::new().put(url(&slow, "/s3/team")).send().await.expect("a response").status(), 200);
    let never = reqwest::Body::wrap_stream(futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>());
    let late = Client::new().put(url(&slow, "/s3/team/key")).body(never).send().await.expect("a response");
    assert_eq!((late.status().as_u16(), late.headers()["retry-after"].to_str().ok()), (503, Some("5")));
    assert!(late.text().await.expect("text").contains("<Code>ServiceUnavailable</Code>"));

    let narrow = on_disk().await.set("limits.maxConcurrentRequests", 1).start().await;
    let hang = || {
        let never = reqwest::Body::wrap_stream(futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>());
        tokio::spawn(narrow.client().request(Method::POST, &path).body(never).send())
    };
    let mut hanging = hang();
    while status(&narrow, "/v2/_catalog").await != 503 {
        // the look at the catalog may have had the only place when it came
        if hanging.is_finished() {
            hanging = hang();
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let s3 = reqwest::get(url(&narrow, "/s3")).await.expect("a response");
    assert_eq!((s3.status().as_u16(), s3.headers()["retry-after"].to_str().ok()), (503, Some("5")));
    let json = Client::new().get(url(&narrow, "/s3")).header("accept", "application/json").send().await;
    let json: Value = json.expect("a response").json().await.expect("JSON");
    assert_eq!((&json["code"], &json["retryable"]), (&"service_unavailable".into(), &true.into()));
    assert_eq!(status(&narrow, "/api/v1/artifacts/team/key").await, 503);
    for exempt in ["/health", "/metrics"] {
        assert_eq!(status(&narrow, exempt).await, 200, "{exempt}");
    }
    hanging.abort();
}

#[tokio::test]
async fn the_log_has_the_place_and_form_that_are_set() {
    let home = Home::new();
    let file = home.path().join("log.txt");
    let setup = on_disk().await.set("log.output", file.to_string_lossy().into_owned());
    let server = setup.clone().set("log.format", "text").set("log.level", "debug").start_logging_to(&file).await;
    assert_eq!(status(&server, "/v2/bad%00/tags/list").await, 400);
    drop(server);
    let log = String::from_utf8(home.read("log.txt")).expect("text");
    assert!(log.lines().all(|line| !line.starts_with('{')), "{log}");
    assert!(log.contains("DEBUG"), "{log}");
    std::fs::remove_file(&file).expect("the log");
    setup.set("log.level", "error").start_silent().await;
    assert_eq!(home.read("log.txt"), b"");
}

#[tokio::test]
async fn the_s3_api_moves_shrinks_and_closes() {
    let server = on_disk().await.set("extensions.s3api.basePath", "/objects").with_s3_port().start().await;
    assert_eq!(status(&server, "/objects").await, 200);
    assert_eq!(status(&server, "/s3").await, 404);
    assert_eq!(reqwest::get(format!("http://{}/", server.s3_address())).await.expect("a response").status(), 200);
    let closed = on_disk().await.set("extensions.s3api.enabled", false).start().await;
    assert_eq!(status(&closed, "/s3").await, 404);

    let small =
        on_disk().await.set("extensions.s3api.maxUploadSize", "1k").set("extensions.s3api.enableMultipart", false);
    let small = small.start().await;
    let send = async |method: Method, path: &str, body: Vec<u8>| {
        Client::new().request(method, url(&small, path)).body(body).send().await.expect("a response").status()
    };
    assert_eq!(send(Method::PUT, "/s3/team", Vec::new()).await, StatusCode::OK);
    assert_eq!(send(Method::PUT, "/s3/team/a", vec![0; 1000]).await, StatusCode::OK);
    assert_eq!(send(Method::PUT, "/s3/team/a", vec![0; 1001]).await, StatusCode::BAD_REQUEST);
    assert_eq!(send(Method::POST, "/s3/team/a?uploads", Vec::new()).await, StatusCode::NOT_IMPLEMENTED);
}

#[tokio::test]
async fn s3_accepts_virtual_hosts_and_can_refuse_presigned_urls() {
    let server = on_disk().await.set("extensions.s3api.domain", "s3.example.com").with_s3_port().start().await;
    let send = async |method: Method, path: &str| {
        let url = format!("http://{}{path}", server.s3_address());
        Client::new()
            .request(method, url)
            .header("host", "team.s3.example.com")
            .send()
            .await
            .expect("a response")
            .status()
    };
    assert_eq!(send(Method::PUT, "/").await, StatusCode::OK);
    assert_eq!(send(Method::PUT, "/key").await, StatusCode::OK);
    assert_eq!(send(Method::GET, "/key").await, StatusCode::OK);

    let strict = on_disk().await.with_access_control().set("extensions.s3api.enablePresignedURL", false).start().await;
    let home = Home::new();
    let python = zot_tests::tools::tool("python-s3").await;
    let script = "import boto3,sys;from botocore.config import Config;print(boto3.client('s3',endpoint_url=sys.argv[1],\
                  aws_access_key_id=sys.argv[2],aws_secret_access_key=sys.argv[3],region_name='us-east-1',\
                  config=Config(signature_version='s3v4',s3={'addressing_style':'path'})).generate_presigned_url('list_buckets'))";
    let run = home.command(python).arg("-c").arg(script).arg(url(&strict, "/s3")).arg(ADMIN.id).arg(ADMIN.secret);
    let presigned = run.ok().await.stdout;
    let refused = reqwest::get(presigned.trim()).await.expect("a response");
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    assert!(refused.text().await.expect("text").contains("presigned URLs are switched off"));
}

/// What a server that cannot start prints.
async fn refusal(setup: Setup) -> String {
    setup.start_refused().await
}

#[tokio::test]
async fn database_and_storage_are_those_that_are_set() {
    let storage = Backend::PostgresS3.fresh().await;
    let driver = |key: &str, value: &str| Setup::on(&storage).set(&format!("storage.storageDriver.{key}"), value);
    for (key, value) in [
        ("accesskey", "wrong"),
        ("secretkey", "wrong-secret"),
        ("bucket", "no-such-bucket-at-all"),
        ("endpoint", "http://127.0.0.1:1"),
        ("name", "gcs"),
        ("accountname", "of-another-driver"),
    ] {
        let why = refusal(driver(key, value)).await;
        assert!(why.contains("storageDriver"), "{key}: {why}");
    }
    let plain = storage.bucket().expect("a bucket").endpoint().trim_start_matches("http://").to_owned();
    let why = refusal(driver("endpoint", &plain).set("storage.storageDriver.secure", true)).await;
    assert!(why.contains("storageDriver"), "secure: {why}");
    Setup::on(&storage)
        .set("storage.storageDriver.endpoint", plain)
        .set("storage.storageDriver.secure", false)
        .start()
        .await;
    let why = refusal(Setup::on(&storage).set("storage.storageDriver.forcepathstyle", false)).await;
    assert!(why.contains("storageDriver"), "forcepathstyle: {why}");
    let why = refusal(Setup::on(&storage).set("database.url", "postgres://127.0.0.1:1/none")).await;
    assert!(why.contains("database"), "{why}");
}

#[tokio::test]
async fn azure_is_used_as_it_is_set() {
    let storage = Backend::SqliteAzure.fresh().await;
    let driver = |key: &str, value: Value| Setup::on(&storage).set(&format!("storage.storageDriver.{key}"), value);
    for (key, value) in [
        ("accountname", "nobody"),
        ("accountkey", "d3Jvbmc="),
        ("accountkey", "not Base64"),
        ("container", "no-such-container"),
        ("endpoint", "http://127.0.0.1:1/account"),
        ("bucket", "of-another-driver"),
    ] {
        let why = refusal(driver(key, value.into())).await;
        assert!(why.contains("storageDriver") && !why.contains("d3Jvbmc="), "{key}: {why}");
    }
    let below = |setup: Setup| setup.set("storage.storageDriver.rootdirectory", "below/here");
    let server = below(Setup::on(&storage)).start().await;
    server.client().push_blob("team/app", vec![7; 100_000]).await;
    let keys = storage.keys().await;
    assert!(keys.len() == 2 && keys.iter().all(|key| key.starts_with("below/here/")), "{keys:?}");
    drop(server);
    // the same out of the environment, where the file is silent
    let mut silent = below(Setup::on(&storage));
    let given = storage.driver().expect("a driver");
    for (key, variable) in [
        ("accountname", "AZURE_STORAGE_ACCOUNT_NAME"),
        ("accountkey", "AZURE_STORAGE_ACCOUNT_KEY"),
        ("container", "AZURE_STORAGE_CONTAINER"),
    ] {
        let value = given[key].as_str().expect("text");
        silent = silent.set(&format!("storage.storageDriver.{key}"), Value::Null).env(variable, value);
    }
    silent.start().await.client().push_blob("team/app", vec![8; 100_000]).await;
    assert_eq!(storage.keys().await.len(), 3);
}

#[tokio::test]
async fn gcs_is_used_as_it_is_set() {
    let storage = Backend::SqliteGcs.fresh().await;
    let driver = |key: &str, value: Value| Setup::on(&storage).set(&format!("storage.storageDriver.{key}"), value);
    let home = Home::new();
    let no_key = home.write("no-key.json", r#"{"type": "external_account"}"#).to_string_lossy().into_owned();
    for (key, value) in [
        ("bucket", "no-such-bucket-at-all"),
        ("endpoint", "http://127.0.0.1:1"),
        ("keyfile", "/nowhere/key.json"),
        ("keyfile", &no_key),
        ("region", "of-another-driver"),
    ] {
        let why = refusal(driver(key, value.into())).await;
        assert!(why.contains("storageDriver"), "{key}: {why}");
    }
    // a key file of Google's form may name an endpoint, and that no token is wanted there
    let given = storage.driver().expect("a driver");
    let key = serde_json::json!({
        "type": "service_account", "private_key": "", "private_key_id": "", "client_email": "",
        "gcs_base_url": given["endpoint"], "disable_oauth": true,
    });
    let file = home.write("key.json", key.to_string()).to_string_lossy().into_owned();
    let by_file = driver("endpoint", Value::Null).set("storage.storageDriver.rootdirectory", "below/here");
    let server = by_file.clone().set("storage.storageDriver.keyfile", file.clone()).start().await;
    server.client().push_blob("team/app", vec![7; 100_000]).await;
    let keys = storage.keys().await;
    assert!(keys.len() == 2 && keys.iter().all(|key| key.starts_with("below/here/")), "{keys:?}");
    drop(server);
    // the same out of the environment, where the file is silent, and by zot's other word for it
    let silent = by_file.set("storage.storageDriver.bucket", Value::Null).set("storage.storageDriver.name", "gcp");
    let silent = silent.env("GCS_BUCKET", given["bucket"].as_str().expect("text"));
    let server = silent.env("GOOGLE_APPLICATION_CREDENTIALS", file).start().await;
    server.client().push_blob("team/app", vec![8; 100_000]).await;
    assert_eq!(storage.keys().await.len(), 3);
}

#[tokio::test]
async fn requests_to_the_backend_are_signed_for_the_region_that_is_set() {
    let backend = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let endpoint = format!("http://{}", backend.local_addr().expect("an address"));
    let storage = Backend::PostgresS3.fresh().await;
    let setup = Setup::on(&storage)
        .set("storage.storageDriver.endpoint", endpoint)
        .set("storage.storageDriver.region", "eu-west-9");
    let starting = tokio::spawn(async move { setup.start_refused().await });
    let (mut stream, _) = backend.accept().await.expect("a connection");
    let mut request = vec![0; 4096];
    let length = stream.read(&mut request).await.expect("a request");
    let request = String::from_utf8_lossy(&request[..length]);
    assert!(request.contains("/eu-west-9/s3/aws4_request"), "{request}");
    starting.abort();
}

#[tokio::test]
async fn keys_in_a_bucket_have_the_prefix_that_is_set() {
    let storage = Backend::PostgresS3.fresh().await;
    let server = Setup::on(&storage).set("storage.storageDriver.rootdirectory", "below/here").start().await;
    server.client().push_blob("team/app", vec![7; 100_000]).await;
    let keys = storage.bucket().expect("a bucket").keys().await;
    assert!(!keys.is_empty() && keys.iter().all(|key| key.starts_with("below/here/")), "{keys:?}");
}

#[tokio::test]
async fn a_pool_has_as_many_connections_as_are_set() {
    let server = Setup::on(&Backend::PostgresS3.fresh().await).set("database.maxConnections", 2).start().await;
    let requests = (0..50).map(|_| tokio::spawn(reqwest::get(url(&server, "/v2/_catalog"))));
    for request in requests.collect::<Vec<_>>() {
        assert!(request.await.expect("a task").expect("a response").status().is_success());
    }
    let metrics = reqwest::get(url(&server, "/metrics")).await.expect("a response").text().await.expect("text");
    let open = metrics.lines().find_map(|line| line.strip_prefix("database_connections_open ")).expect("the metric");
    assert!(open.parse::<u64>().expect("a number") <= 2, "{open}");
}

#[tokio::test]
async fn directory_and_address_are_those_that_are_set() {
    let home = Home::new();
    let root = home.path().join("elsewhere");
    let setup = on_disk().await.set("storage.rootDirectory", root.to_string_lossy().into_owned());
    let server = setup.set("http.address", "127.0.0.2").start().await;
    assert_eq!(server.address().ip().to_string(), "127.0.0.2");
    server.client().push_blob("team/app", vec![7; 100_000]).await;
    assert!(root.join("metadata.db").is_file() && root.join("blobs").is_dir());
    let taken = on_disk().await.set("http.port", server.address().port()).set("http.address", "127.0.0.2");
    assert!(refusal(taken).await.contains("http.port"));
}

#[tokio::test]
async fn access_control_does_not_move_the_listener() {
    for enabled in [false, true] {
        let setup = on_disk().await.set("http.address", Value::Null).set("extensions.rbac.enabled", enabled);
        assert_eq!(setup.start_listening().await.address().ip().to_string(), "127.0.0.1");
    }
}

#[tokio::test]
async fn what_hinders_a_first_start_is_named_with_value_reason_and_remedy() {
    let home = Home::new();
    let file = home.write("file", "").join("data").to_string_lossy().into_owned();
    for (key, value, wanted) in [
        // a directory below a file, and one where nobody may create files
        ("storage.rootDirectory", file.as_str(), [file.as_str(), "Not a directory", "ZOT_DATA_DIR"]),
        ("storage.rootDirectory", "/proc", ["/proc", "storage.rootDirectory", "ZOT_DATA_DIR"]),
        ("http.address", "192.0.2.1", ["192.0.2.1:", "Cannot assign", "correct http.address"]),
        ("distSpecVersion", "1.1.0", ["distSpecVersion", "remove the key", "migrate-config"]),
    ] {
        let said = refusal(on_disk().await.set(key, value)).await;
        assert!(wanted.iter().all(|text| said.contains(text)), "{key}: {said}");
    }
    let zot = serde_json::json!({"repositories": {"**": {"anonymousPolicy": ["read"]}}});
    let said = refusal(on_disk().await.set("http.accessControl", zot)).await;
    assert!(said.contains("http.accessControl") && said.contains("migrate-config FILE"), "{said}");
}

#[tokio::test]
async fn an_endpoint_without_a_scheme_says_what_was_assumed() {
    let storage = Backend::PostgresS3.fresh().await;
    let plain = storage.bucket().expect("a bucket").endpoint().trim_start_matches("http://").to_owned();
    let setup = Setup::on(&storage).set("storage.storageDriver.endpoint", plain.clone());
    let said = refusal(setup.clone()).await;
    let wanted = [format!("endpoint: {plain} has no scheme"), format!("http://{plain}")];
    assert!(wanted.iter().all(|text| said.contains(text)), "{said}");
    let report = setup.run(&["preflight"]).await.json();
    assert!(report["storage"]["message"].as_str().is_some_and(|text| text.contains(&wanted[0])), "{report:#}");
}

#[tokio::test]
async fn refused_keys_say_what_to_do() {
    for (key, value) in REFUSED {
        let why = refusal(on_disk().await.set(key, value.parse::<bool>().expect("a switch"))).await;
        assert!(why.contains(key) && why.len() > key.len() + 30, "{key}: {why}");
    }
    let why = refusal(on_disk().await.set("http.adress", "x")).await;
    assert!(why.contains("http.adress") && why.contains("http.address"), "{why}");
}

#[test]
fn no_key_is_left_out() {
    let schema = std::fs::read_to_string(workspace().join("docs/reference/config.schema.json")).expect("the schema");
    let schema: Value = serde_json::from_str(&schema).expect("JSON");
    let mut keys = Vec::new();
    collect(&schema["properties"], "", &mut keys);
    let known = |key: &String| CHANGED.contains(&key.as_str()) || REFUSED.iter().any(|(refused, _)| refused == key);
    let missing: Vec<_> = keys.iter().filter(|key| !known(key)).collect();
    assert!(missing.is_empty(), "keys that no test changes: {missing:?}");
    assert!(keys.len() >= CHANGED.len(), "{keys:?}");
}

fn collect(properties: &Value, prefix: &str, keys: &mut Vec<String>) {
    for (name, schema) in properties.as_object().into_iter().flatten() {
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        let inner =
            [&schema["properties"], &schema["anyOf"][0]["properties"]].into_iter().find(|inner| inner.is_object());
        let items = schema["items"]["properties"].is_object().then(|| &schema["items"]["properties"]);
        let path = if items.is_some() { format!("{path}[]") } else { path };
        match inner.or(items) {
            Some(inner) => collect(inner, &path, keys),
            None => keys.push(path),
        }
    }
}
