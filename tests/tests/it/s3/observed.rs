//! Faults in the metrics and the log. `server/s3/tests/it/observed.rs` has the other metrics.

use std::path::Path;

use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use zot_tests::backend::Backend;
use zot_tests::server::{Server, Setup};

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
