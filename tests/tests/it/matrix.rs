//! Access control, route by route: each caller requests each route of each API. A route that is missing here fails the test.
//! The expected answer follows from what the route needs ([`row`]) and what the caller has ([`caller`]).
//!
//! OCI and S3 requests use names that begin with each other, `team/b`, `team/bc` and `team/b/c`, and a public name.

#![expect(clippy::panic, reason = "a test that fails says what was asked and answered")]

mod caller;
mod oci;
mod rest;
mod row;
mod s3;

use std::any::Any;

use reqwest::Method;
use serde_json::json;
use zot_tests::backend::Backend;
use zot_tests::client::{Client, IMAGE_MANIFEST, Reply, digest};
use zot_tests::cluster::Cluster;
use zot_tests::server::{ADMIN, Setup};

use self::caller::Issuers;

/// The APIs of a running store.
struct Apis {
    admin: Client,
    /// Where the S3 API is, as the administrator: an address and what is before each path.
    s3: Client,
    prefix: &'static str,
    /// What runs behind them, until this is dropped.
    _running: Box<dyn Any>,
}

async fn setup(backend: Backend, issuers: &Issuers) -> Setup {
    // so many wrong credentials would be too many
    let setup = Setup::on(&backend.fresh().await).with_access_control().set("auth.failuresPerMinute", 0);
    setup.with_s3_port().set("extensions.rbac.issuers", json!([issuers.ours.settings()]))
}

impl Apis {
    /// The S3 API below `/s3`.
    async fn of_one_server(issuers: &Issuers) -> Self {
        let server = setup(Backend::SqliteDisk, issuers).await.start().await;
        let admin = server.client();
        Self { s3: admin.clone(), admin, prefix: "/s3", _running: Box::new(server) }
    }

    /// The S3 API at its own port.
    async fn of_three_replicas(issuers: &Issuers) -> Self {
        let cluster = Cluster::start(setup(Backend::PostgresS3, issuers).await).await;
        let proxy = cluster.s3_proxy().await;
        let s3 = Client::new(proxy.address(), Some(ADMIN));
        Self { admin: cluster.client(), s3, prefix: "", _running: Box::new((cluster, proxy)) }
    }
}

#[tokio::test]
async fn on_one_server() {
    let issuers = Issuers::start().await;
    walk(&Apis::of_one_server(&issuers).await, &issuers).await;
}

#[tokio::test]
async fn through_three_replicas() {
    let issuers = Issuers::start().await;
    walk(&Apis::of_three_replicas(&issuers).await, &issuers).await;
}

#[test]
fn no_route_is_missing() {
    for (api, served, rows) in [("OCI", oci::served(), oci::rows()), ("S3", s3::served(), s3::rows())] {
        let mut walked: Vec<_> = rows.iter().map(|row| row.route.to_owned()).collect();
        walked.dedup();
        let missing: Vec<_> = served.iter().filter(|route| !walked.contains(route)).collect();
        assert!(missing.is_empty(), "no row of {api} asks {missing:?}: add one to rows() in tests/tests/it/matrix/");
        let gone: Vec<_> = walked.iter().filter(|route| !served.contains(route)).collect();
        assert!(gone.is_empty(), "{api} has no {gone:?} any more: remove the rows");
        assert!(served.len() > 10, "the table of {api}'s routes was not found where it was");
    }
}

/// Whoever may write here does not get by it what they may not read there.
#[tokio::test]
async fn what_one_may_not_read_cannot_be_taken_from_there() {
    let issuers = Issuers::start().await;
    let apis = Apis::of_one_server(&issuers).await;
    let keeper = apis.admin.with_token(&issuers.ours.token("keeper", &json!({})));
    let policy = json!({"resource": "team/b", "actions": ["*"], "principals": ["user:keeper"]});
    apis.admin.send(Method::POST, "/api/v1/rbac/policies", &policy).await.expect_status(201);
    apis.admin.push_image("team/b", "v1", "of team/b").await;
    apis.admin.push_image("team/bc", "v1", "of team/bc").await;
    let theirs = digest(b"of team/bc");
    // nor is somebody else's upload theirs, in a repository that is
    let location = apis.admin.begin_upload("team/b").await;
    keeper.append_upload(&location, 0, "x").await.expect_error(404, "BLOB_UPLOAD_UNKNOWN");
    keeper.delete(&location).await.expect_error(404, "BLOB_UPLOAD_UNKNOWN");
    // to mount is refused as if there were no such blob
    for source in ["team/bc", "team/none"] {
        let path = format!("/v2/team/b/blobs/uploads/?mount={theirs}&from={source}");
        Reply::to(keeper.request(Method::POST, &path)).await.expect_status(202);
    }
    let path = format!("/v2/team/b/blobs/uploads/?mount={theirs}");
    Reply::to(keeper.request(Method::POST, &path)).await.expect_status(202);
    keeper.get_blob("team/b", &theirs).await.expect_error(404, "BLOB_UNKNOWN");
    let sized = |digest: &str| json!({"mediaType": "application/octet-stream", "digest": digest, "size": 10});
    let manifest = json!({"schemaVersion": 2, "mediaType": IMAGE_MANIFEST, "config": sized(&theirs), "layers": []});
    let put = keeper.put_manifest("team/b", "v2", IMAGE_MANIFEST, manifest.to_string().as_bytes()).await;
    put.expect_error(400, "MANIFEST_BLOB_UNKNOWN");
    for (path, body) in [("/s3/team/b", "of b"), ("/s3/team/bc", "of bc")] {
        Reply::to(apis.admin.request(Method::PUT, path).body(body)).await.expect_status(200);
    }
    let upload = Reply::to(keeper.request(Method::POST, "/s3/team/b?uploads")).await.expect_status(200);
    let text = String::from_utf8_lossy(&upload.body).into_owned();
    let id = text.split_once("<UploadId>").and_then(|(_, rest)| rest.split_once('<')).expect("an upload").0;
    for path in ["/s3/team/b".to_owned(), format!("/s3/team/b?partNumber=1&uploadId={id}")] {
        for source in ["team/bc", "team/none", "elsewhere/x"] {
            let copy = keeper.request(Method::PUT, &path).header("x-amz-copy-source", source).body("");
            Reply::to(copy).await.expect_status(403);
        }
    }
    let delete = "<Delete><Object><Key>b</Key></Object><Object><Key>bc</Key></Object></Delete>";
    Reply::to(keeper.request(Method::POST, "/s3/team?delete").body(delete)).await.expect_status(200);
    apis.admin.get("/s3/team/b").await.expect_status(404);
    apis.admin.get("/s3/team/bc").await.expect_status(200);
}

async fn walk(apis: &Apis, issuers: &Issuers) {
    let callers = caller::all(apis, issuers).await;
    let mut wrong = Vec::new();
    wrong.extend(oci::walk(apis, &callers).await);
    wrong.extend(s3::walk(apis, &callers).await);
    wrong.extend(rest::walk(apis, &callers).await);
    assert!(wrong.is_empty(), "{} answers are not as they should be:\n{}", wrong.len(), wrong.join("\n"));
}
