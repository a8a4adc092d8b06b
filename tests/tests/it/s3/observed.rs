//! Metrics and log lines of the S3 API.

use std::path::Path;

use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use zot_tests::backend::Backend;
use zot_tests::server::{ADMIN, Server, Setup};

crate::on_both_backends!(transfers_and_credentials_are_counted);

fn ask(server: &Server, method: Method, path: &str) -> RequestBuilder {
    Client::new().request(method, format!("http://{}{path}", server.s3_address()))
}

async fn answer(request: RequestBuilder) -> Response {
    request.send().await.expect("a response")
}

async fn counted(server: &Server, series: &str) -> Option<f64> {
    let text = reqwest::get(format!("http://{}/metrics", server.address())).await.expect("a response").text().await;
    text.expect("text").lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}

async fn transfers_and_credentials_are_counted(backend: Backend) {
    let setup = Setup::on(&backend.fresh().await).with_access_control().with_s3_port();
    let server = setup.set("extensions.s3api.domain", "s3.example.com").start().await;
    let admin = |request: RequestBuilder| request.basic_auth(ADMIN.id, Some(ADMIN.secret));
    assert_eq!(answer(admin(ask(&server, Method::PUT, "/team"))).await.status(), StatusCode::OK);
    assert_eq!(answer(admin(ask(&server, Method::PUT, "/team/dir/key")).body("12345")).await.status(), StatusCode::OK);
    let in_host = admin(ask(&server, Method::GET, "/dir/key")).header("host", "team.s3.example.com");
    assert_eq!(answer(in_host).await.status(), StatusCode::OK);
    assert_eq!(answer(admin(ask(&server, Method::DELETE, "/team/dir/key"))).await.status(), StatusCode::NO_CONTENT);

    let wrong = ask(&server, Method::GET, "/team").basic_auth(ADMIN.id, Some("wrong"));
    assert_eq!(answer(wrong).await.status(), StatusCode::FORBIDDEN);
    let time = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
    let signature = format!(
        "AWS4-HMAC-SHA256 Credential=NOBODY/{}/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-content-sha256;x-amz-date, \
         Signature={}",
        &time[..8],
        "0".repeat(64)
    );
    let stranger = ask(&server, Method::GET, "/team").header("authorization", signature).header("x-amz-date", &time);
    let stranger = answer(stranger.header("x-amz-content-sha256", "UNSIGNED-PAYLOAD")).await;
    assert_eq!(stranger.status(), StatusCode::FORBIDDEN);
    for (series, expected) in [
        ("artifact_uploads_total{bucket=\"team\",type=\"object\",status=\"success\"}", 1.0),
        ("artifact_downloads_total{bucket=\"team\",type=\"object\",status=\"success\"}", 1.0),
        ("artifact_deletes_total{bucket=\"team\",status=\"success\"}", 1.0),
        ("artifact_size_bytes_sum{bucket=\"team\",type=\"object\",operation=\"upload\"}", 5.0),
        ("rbac_authentication_attempts_total{method=\"access_key\",status=\"success\"}", 4.0),
        ("rbac_authentication_attempts_total{method=\"access_key\",status=\"failure\"}", 1.0),
        ("rbac_authentication_attempts_total{method=\"signature\",status=\"failure\"}", 1.0),
    ] {
        assert_eq!(counted(&server, series).await, Some(expected), "{series}");
    }
}

#[tokio::test]
async fn faults_are_counted_and_logged_with_their_request() {
    let storage = Backend::SqliteDisk.fresh().await;
    let server = Setup::on(&storage).with_s3_port().start().await;
    assert_eq!(answer(ask(&server, Method::PUT, "/team")).await.status(), StatusCode::OK);
    assert_eq!(answer(ask(&server, Method::PUT, "/team/key").body(vec![1; 100_000])).await.status(), StatusCode::OK);
    lose_segments(&storage.root().join("blobs"));
    let failed = answer(ask(&server, Method::GET, "/team/key")).await;
    assert_eq!(failed.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let id = failed.headers()["x-amz-request-id"].to_str().expect("an id").to_owned();
    let body = failed.text().await.expect("text");
    assert!(!body.contains("segment"), "internals for a client: {body}");
    assert_eq!(counted(&server, "system_errors_total{type=\"internal\",component=\"server\"}").await, Some(1.0));
    let log = server.log();
    let line = log.lines().find(|line| line.contains("is missing in blob storage")).expect("a line of the cause");
    assert!(line.contains(&id), "{line} is not of request {id}");
}

/// Deletes all that lies in folders of their own: segments do, the store's marker does not.
fn lose_segments(blobs: &Path) {
    for store in std::fs::read_dir(blobs).expect("the folder of the blobs") {
        for entry in std::fs::read_dir(store.expect("an entry").path()).expect("the store's folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                std::fs::remove_dir_all(path).expect("segments");
            }
        }
    }
}
