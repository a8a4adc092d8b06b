//! Messages at start about credentials that lack a permission. A proxy refuses one kind of request instead of the backend. In
//! one test MinIO itself refuses.

use hyper::body::Incoming;
use hyper::{Method, Request};
use serde_json::Value;
use zot_tests::backend::{Backend, Storage};
use zot_tests::proxy::Proxy;
use zot_tests::server::{Server, Setup};

type Asked = Request<Incoming>;
type Refuses = fn(&Asked) -> bool;

fn query(request: &Asked) -> &str {
    request.uri().query().unwrap_or_default()
}

fn is_list(request: &Asked) -> bool {
    request.method() == Method::GET && (query(request).contains("list-type=2") || query(request).contains("comp=list"))
}

fn is_read(request: &Asked) -> bool {
    request.method() == Method::GET && !is_list(request)
}

fn is_part(request: &Asked) -> bool {
    ["uploads", "uploadId", "comp=block"].iter().any(|word| query(request).contains(word))
}

fn is_write(request: &Asked) -> bool {
    request.method() == Method::PUT && !is_part(request)
}

fn is_range(request: &Asked) -> bool {
    is_read(request) && request.headers().contains_key("range")
}

/// One for each, or S3's and Azure's for many.
fn is_delete(request: &Asked) -> bool {
    request.method() == Method::DELETE && !is_part(request)
        || query(request).split('&').any(|pair| pair.trim_end_matches('=') == "delete")
        || query(request).contains("comp=batch")
}

/// A server whose backend is behind a proxy.
async fn behind(storage: &Storage, refuses: Refuses) -> (Proxy, Setup) {
    let driver = storage.driver().expect("a driver");
    let endpoint = driver["endpoint"].as_str().expect("an endpoint");
    let (server, path) = endpoint.trim_start_matches("http://").split_once('/').unwrap_or((&endpoint[7..], ""));
    let proxy = Proxy::refusing(vec![server.parse().expect("the endpoint's address")], refuses).await;
    let through = format!("http://{}/{path}", proxy.address());
    let setup = Setup::on(storage).set("storage.storageDriver.endpoint", through);
    (proxy, setup)
}

async fn health(server: &Server) -> Value {
    let response = reqwest::get(format!("http://{}/health", server.address())).await.expect("a response");
    assert_eq!(response.status(), 200);
    response.json().await.expect("JSON")
}

/// Keys that a preflight left.
async fn left(storage: &Storage) -> usize {
    storage.keys().await.iter().filter(|key| key.contains("preflight")).count()
}

#[tokio::test]
async fn without_the_rights_to_write_and_read_no_server_starts() {
    for (backend, rights) in [
        (Backend::PostgresS3, ["s3:PutObject", "s3:GetObject", "s3:GetObject", "s3:PutObject"]),
        (
            Backend::SqliteGcs,
            ["storage.objects.create", "storage.objects.get", "storage.objects.get", "storage.multipartUploads.create"],
        ),
        (Backend::SqliteAzure, ["blobs/write", "blobs/read", "blobs/read", "blobs/write"]),
    ] {
        let storage = backend.fresh().await;
        let kinds: [(Refuses, &str); 4] = [
            (is_write, "write to"),
            (is_read, "read from"),
            (is_range, "read a range from"),
            (is_part, "write in parts to"),
        ];
        for ((refuses, what), right) in kinds.into_iter().zip(rights) {
            let (_proxy, setup) = behind(&storage, refuses).await;
            let why = setup.start_refused().await;
            let start = format!("storage.storageDriver: the credentials may not {what} ");
            assert!(why.contains(&start) && why.contains(&format!("({right})")), "{backend:?}: {why}");
            assert!(why.contains("AccessDenied: Access Denied"), "{backend:?}: {why}");
            assert_eq!(left(&storage).await, 0, "{backend:?}, {what}");
        }
    }
}

#[tokio::test]
async fn without_the_rights_to_list_and_delete_a_server_warns() {
    for (backend, list, delete) in [
        (Backend::PostgresS3, "s3:ListBucket", "s3:DeleteObject"),
        (Backend::SqliteGcs, "storage.objects.list", "storage.objects.delete"),
        (Backend::SqliteAzure, "blobs/read", "blobs/delete"),
    ] {
        let storage = backend.fresh().await;
        for (refuses, what, right) in
            [(is_list as Refuses, "may not list", list), (is_delete, "may not delete from", delete)]
        {
            let (_proxy, setup) = behind(&storage, refuses).await;
            let server = setup.start().await;
            let report = health(&server).await;
            let warnings = report["warnings"].as_array().expect("a list");
            let [Value::String(warning)] = &warnings[..] else { panic!("{backend:?}: {report}") };
            assert!(warning.contains(what) && warning.contains(right), "{backend:?}: {warning}");
            assert_eq!(report["status"], "degraded");
            let warned = server.log().lines().any(|line| line.contains("\"WARN\"") && line.contains(what));
            assert!(warned, "{}", server.output());
            let digest = server.client().push_blob("team/app", vec![3; 100_000]).await;
            server.client().get_blob("team/app", &digest).await.expect_status(200);
            let stays = if what == "may not list" { 0 } else { 2 };
            assert_eq!(left(&storage).await, stays, "{backend:?}, {what}");
        }
    }
}

#[tokio::test]
async fn replicas_that_start_together_leave_nothing_behind() {
    let storage = Backend::PostgresS3.fresh().await;
    let setup = Setup::on(&storage);
    let (first, second, third) = tokio::join!(setup.start(), setup.start(), setup.start());
    for server in [first, second, third] {
        assert_eq!(health(&server).await["warnings"], Value::Array(Vec::new()));
    }
    assert_eq!(left(&storage).await, 0);
}

#[tokio::test]
async fn a_backend_that_fails_is_named_with_what_it_was_asked() {
    let storage = Backend::PostgresS3.fresh().await;
    let (_proxy, setup) = behind(&storage, |_| false).await;
    let why = setup.clone().set("storage.storageDriver.bucket", "no-such-bucket").start_refused().await;
    assert!(why.contains("cannot write") && why.contains("s3://no-such-bucket at http://127.0.0.1:"), "{why}");
    assert!(why.contains("NoSuchBucket"), "{why}");
    let why = setup.set("storage.storageDriver.endpoint", "http://127.0.0.1:1").start_refused().await;
    assert!(why.contains("cannot write") && why.contains("Connection refused"), "{why}");
}

/// MinIO gives out temporary keys whose rights are cut down to a policy.
#[tokio::test]
async fn rights_that_minio_withholds_are_named() {
    let storage = Backend::PostgresS3.fresh().await;
    let bucket = storage.bucket().expect("a bucket");
    let start = async |actions: &[&str]| {
        let keys = bucket.keys_that_may(actions).await;
        Setup::on(&storage)
            .set("storage.storageDriver.accesskey", Value::Null)
            .set("storage.storageDriver.secretkey", Value::Null)
            .env("AWS_ACCESS_KEY_ID", keys.access_key)
            .env("AWS_SECRET_ACCESS_KEY", keys.secret_key)
            .env("AWS_SESSION_TOKEN", keys.session_token)
    };
    let all = ["s3:PutObject", "s3:GetObject", "s3:ListBucket", "s3:DeleteObject"];
    let without = |right: &str| all.into_iter().filter(|action| *action != right).collect::<Vec<_>>();
    let server = start(&all).await.start().await;
    assert_eq!(health(&server).await["warnings"], Value::Array(Vec::new()));
    drop(server);
    for right in ["s3:PutObject", "s3:GetObject"] {
        let why = start(&without(right)).await.start_refused().await;
        assert!(why.contains("may not") && why.contains(right) && why.contains("AccessDenied"), "{why}");
    }
    for right in ["s3:ListBucket", "s3:DeleteObject"] {
        // a new store: its first start has to see that there is no marker
        let server = start(&without(right)).await.set("storage.storageDriver.rootdirectory", right).start().await;
        let warnings = health(&server).await["warnings"].to_string();
        assert!(warnings.contains("may not") && warnings.contains(right), "{warnings}");
    }
}
