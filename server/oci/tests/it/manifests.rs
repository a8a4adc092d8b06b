//! Manifests: byte-exact once they are in, and refused where two clients could read them in two ways.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};
use zot_core::media_type::{OCI_INDEX, OCI_MANIFEST};

use zot_testing::app::TestApp;
use zot_testing::content::{bytes, descriptor, image, sha256, sha512};

const MIB: usize = 1024 * 1024;

/// A store whose repository `team/app` holds a config and a layer.
async fn with_blobs() -> TestApp {
    let app = TestApp::new().await;
    app.admin().push_image("team/app", "first").await;
    app
}

/// The image with one member set to another value.
fn with(pointer: &str, value: Value) -> String {
    let mut document = image(b"config", b"layer");
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    document.pointer_mut(parent).unwrap()[key] = value;
    document.to_string()
}

async fn refused(app: &TestApp, document: impl AsRef<[u8]>, code: &str) {
    let reply = app.admin().put_manifest("team/app", "bad", document).await;
    reply.assert(StatusCode::BAD_REQUEST, code);
    app.admin().get("/v2/team/app/manifests/bad").await.assert(StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN");
}

#[tokio::test]
async fn bytes_come_back_exactly() {
    let app = with_blobs().await;
    let text = format!(" {} \n", image(b"config", b"layer").to_string().replace("\":", "\" :\t"));
    for (reference, digest) in
        [("tagged", sha256(text.as_bytes())), (&sha512(text.as_bytes()), sha512(text.as_bytes()))]
    {
        let put = app.admin().put_manifest("team/app", reference, &text).await;
        put.assert_status(StatusCode::CREATED);
        assert_eq!(put.header("docker-content-digest"), digest);
        assert_eq!(put.header("location"), format!("/v2/team/app/manifests/{digest}"));
        for path in [format!("/v2/team/app/manifests/{reference}"), put.header("location").to_owned()] {
            let got = app.reader().get(&path).await;
            assert_eq!(got.assert_status(StatusCode::OK).body, text, "{path}");
            assert_eq!(got.header("content-type"), OCI_MANIFEST);
            assert_eq!(got.header("docker-content-digest"), digest);
        }
    }
}

#[tokio::test]
async fn more_than_4_mib_is_too_large() {
    let app = with_blobs().await;
    let padded = |length: usize| {
        let mut text = image(b"config", b"layer").to_string();
        text.push_str(&" ".repeat(length - text.len()));
        text
    };
    let announced = app.admin().put_manifest("team/app", "large", padded(4 * MIB + 1)).await;
    announced.assert(StatusCode::PAYLOAD_TOO_LARGE, "SIZE_INVALID");
    let call = app.admin().call(Method::PUT, "/v2/team/app/manifests/large");
    let chunked = call.chunked(&[padded(4 * MIB).as_bytes(), b" "]).send().await;
    chunked.assert(StatusCode::PAYLOAD_TOO_LARGE, "SIZE_INVALID");
    app.admin().put_manifest("team/app", "large", padded(4 * MIB)).await.assert_status(StatusCode::CREATED);
    let got = app.admin().get("/v2/team/app/manifests/large").await;
    assert_eq!(got.assert_status(StatusCode::OK).body.len(), 4 * MIB);
}

/// Gives `team/app` 40,000 blobs of one byte; their digests are made up, as pushing them would take minutes.
async fn many_blobs(app: &TestApp) {
    let numbers = "WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 40000)";
    for sql in [
        "INSERT INTO blob (id, size, state, touched_at) SELECT 1000000 + n, 1, 'sealed', 4000000000000000 FROM number",
        "INSERT INTO blob_inline (blob, bytes) SELECT 1000000 + n, x'00' FROM number",
        "INSERT INTO blob_name (digest, blob) SELECT printf('sha256:%064d', n), 1000000 + n FROM number",
        "INSERT INTO repo_blob (repo, blob, touched_at) SELECT r.id, 1000000 + n, 4000000000000000
            FROM number, repository r WHERE r.name = 'team/app'",
    ] {
        let (insert, select) = sql.split_once("SELECT").unwrap();
        let sql = format!("{insert} {numbers} SELECT {select}");
        sqlx::query(sqlx::AssertSqlSafe(sql)).execute(app.store.raw_pool()).await.unwrap();
    }
}

#[tokio::test]
async fn forty_thousand_layers_are_served_where_they_are_members() {
    let app = with_blobs().await;
    let layers = |from: u32| (0..40_000).map(move |n| json!({"digest": format!("sha256:{:064}", from + n), "size": 1}));
    let document = |from| with("/layers", layers(from).collect());
    let unknown = app.admin().put_manifest("team/app", "many", document(1)).await;
    unknown.assert(StatusCode::BAD_REQUEST, "MANIFEST_BLOB_UNKNOWN");
    assert_eq!(unknown.json()["errors"][0]["detail"]["digests"].as_array().unwrap().len(), 100);
    many_blobs(&app).await;
    let begun = std::time::Instant::now();
    let put = app.admin().put_manifest("team/app", "many", document(1)).await;
    let digest = put.assert_status(StatusCode::CREATED).header("docker-content-digest");
    assert!(begun.elapsed().as_secs() < 30, "no other write gets on for {:?}", begun.elapsed());
    let got = app.reader().get("/v2/team/app/manifests/many").await;
    assert_eq!(got.assert_status(StatusCode::OK).body, document(1));
    app.admin().delete(&format!("/v2/team/app/manifests/{digest}")).await.assert_status(StatusCode::ACCEPTED);
}

#[tokio::test]
async fn what_is_no_json_document_is_refused() {
    let app = with_blobs().await;
    let good = image(b"config", b"layer").to_string();
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for bad in
        ["", "{", "[]", "null", "\"x\"", "\u{feff}{}", &format!("\u{feff}{good}"), &format!("{good}{good}"), &deep]
    {
        refused(&app, bad, "MANIFEST_INVALID").await;
    }
    for field in ["annotations", "config", "layers", "subject", "mediaType"] {
        refused(&app, good.replacen('{', &format!("{{\"{field}\":{deep},"), 1), "MANIFEST_INVALID").await;
    }
    for field in ["annotations", "unknown"] {
        let value: &[u8] = if field == "unknown" { b"\"\xff\"" } else { b"{\"key\":\"\xc3\x28\"}" };
        let text = [format!("{{\"{field}\":").as_bytes(), value, b",", &good.as_bytes()[1..]].concat();
        refused(&app, text, "MANIFEST_INVALID").await;
    }
}

#[tokio::test]
async fn deep_nesting_in_a_field_that_nobody_reads_does_no_harm() {
    let app = with_blobs().await;
    let deep = format!("{}{}", "[".repeat(1_000_000), "]".repeat(1_000_000));
    let text = image(b"config", b"layer").to_string().replacen('{', &format!("{{\"unknown\":{deep},"), 1);
    app.admin().put_manifest("team/app", "deep", text).await.assert_status(StatusCode::CREATED);
}

#[tokio::test]
async fn a_field_given_twice_is_refused() {
    let app = with_blobs().await;
    let good = image(b"config", b"layer").to_string();
    for field in ["config", "mediaType", "layers", "schemaVersion", "subject", "artifactType"] {
        let value = match field {
            "config" | "subject" => descriptor(b"other"),
            "layers" => json!([]),
            "schemaVersion" => json!(2),
            _ => json!("application/vnd.example"),
        };
        let twice = format!("{{\"{field}\":{value},\"{field}\":{value},{}", &good[1..]);
        refused(&app, &twice, "MANIFEST_INVALID").await;
    }
    let inner = good.replacen("\"digest\"", &format!("\"digest\":\"{}\",\"digest\"", sha256(b"other")), 1);
    refused(&app, &inner, "MANIFEST_INVALID").await;
}

#[tokio::test]
async fn a_document_is_what_it_says_or_it_is_refused() {
    let app = with_blobs().await;
    let put = |content_type: &'static str, document: String| {
        let call = app.admin().call(Method::PUT, "/v2/team/app/manifests/typed");
        call.header("content-type", content_type).body(document).send()
    };
    let good = image(b"config", b"layer").to_string();
    for (content_type, document) in [
        (OCI_INDEX, good.clone()),
        ("application/json", good.clone()),
        (OCI_MANIFEST, with("/mediaType", json!(OCI_INDEX))),
        (OCI_MANIFEST, with("/manifests", json!([]))),
        (OCI_INDEX, json!({"schemaVersion": 2, "manifests": [], "layers": []}).to_string()),
        (OCI_INDEX, json!({"schemaVersion": 2, "mediaType": OCI_INDEX}).to_string()),
        ("application/vnd.docker.distribution.manifest.v1+json", json!({"schemaVersion": 1}).to_string()),
        (OCI_MANIFEST, with("/fsLayers", json!([]))),
        (OCI_MANIFEST, with("/schemaVersion", json!(1))),
    ] {
        put(content_type, document).await.assert(StatusCode::BAD_REQUEST, "MANIFEST_INVALID");
    }
    put("Application/VND.oci.image.manifest.v1+json; charset=utf-8", good).await.assert_status(StatusCode::CREATED);
    let untyped = app.admin().put_manifest("team/app", "typed", r#"{"schemaVersion":2,"manifests":[]}"#).await;
    untyped.assert(StatusCode::BAD_REQUEST, "MANIFEST_INVALID");
}

#[tokio::test]
async fn sizes_and_data_must_be_true() {
    let app = with_blobs().await;
    for size in [json!(-1), json!(4), json!(6), json!(1.5), json!("5"), json!(u64::MAX), json!(null)] {
        refused(&app, with("/layers/0/size", size), "MANIFEST_INVALID").await;
    }
    for data in ["bGF5ZXI", "!!", "b3RoZXI=", "bGF5ZXJz"] {
        refused(&app, with("/layers/0/data", json!(data)), "MANIFEST_INVALID").await;
    }
    let true_data = app.admin().put_manifest("team/app", "data", with("/layers/0/data", json!("bGF5ZXI="))).await;
    true_data.assert_status(StatusCode::CREATED);
    refused(&app, with("/layers/0/digest", json!("sha256:abc")), "DIGEST_INVALID").await;
    refused(&app, with("/layers/0/digest", json!(sha256(b"absent"))), "MANIFEST_BLOB_UNKNOWN").await;
}

#[tokio::test]
async fn layers_kept_elsewhere_are_taken_on_trust_and_never_fetched() {
    let app = with_blobs().await;
    let layer = json!([{"digest": sha256(b"absent"), "size": 6, "urls": ["http://127.0.0.1:1/layer"]}]);
    let put = app.admin().put_manifest("team/app", "urls", with("/layers", layer)).await;
    put.assert_status(StatusCode::CREATED);
    app.admin()
        .get(&format!("/v2/team/app/blobs/{}", sha256(b"absent")))
        .await
        .assert(StatusCode::NOT_FOUND, "BLOB_UNKNOWN");
}

#[tokio::test]
async fn an_index_may_name_what_is_absent_and_itself_by_tag() {
    let app = with_blobs().await;
    let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [
        {"mediaType": OCI_MANIFEST, "digest": sha256(b"absent"), "size": 6},
    ]});
    let first = app.admin().push_manifest("team/app", "index", &index).await;
    let mut second = index.clone();
    second["manifests"][0]["digest"] = json!(first);
    app.admin().push_manifest("team/app", "index", &second).await;
    app.admin().get("/v2/team/app/manifests/index").await.assert_status(StatusCode::OK);
    app.admin().delete(&format!("/v2/team/app/manifests/{first}")).await.assert_status(StatusCode::ACCEPTED);
}

#[tokio::test]
async fn annotations_of_3_mb_are_kept() {
    let app = with_blobs().await;
    let document = with("/annotations", json!({"note": "x".repeat(3 * MIB)}));
    app.admin().put_manifest("team/app", "noted", &document).await.assert_status(StatusCode::CREATED);
    assert_eq!(app.admin().get("/v2/team/app/manifests/noted").await.body, document);
}

#[tokio::test]
async fn a_type_with_control_characters_is_refused() {
    let app = with_blobs().await;
    for pointer in ["/artifactType", "/config/mediaType"] {
        refused(&app, with(pointer, json!("application/a\u{0}b")), "MANIFEST_INVALID").await;
    }
}

#[tokio::test]
async fn a_manifest_put_by_another_digest_is_refused() {
    let app = with_blobs().await;
    let document = image(b"config", b"layer").to_string();
    for digest in [sha256(b"other"), sha512(b"other")] {
        let put = app.admin().put_manifest("team/app", &digest, &document).await;
        put.assert(StatusCode::BAD_REQUEST, "DIGEST_INVALID");
    }
    let call = app.admin().call(Method::PUT, "/v2/team/app/manifests/zipped").header("content-encoding", "gzip");
    call.body(bytes(100)).send().await.assert_status(StatusCode::BAD_REQUEST);
}
