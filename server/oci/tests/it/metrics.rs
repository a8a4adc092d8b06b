//! Metrics by the names and labels that dashboards know.

use axum::http::{Method, StatusCode};

use zot_testing::app::{ADMIN, STRICT, TestApp, options};
use zot_testing::client::Client;
use zot_testing::content::sha256;

/// The value of the series with that name and exactly these labels.
async fn value(client: &Client, series: &str) -> Option<f64> {
    let text = client.get("/metrics").await;
    text.assert_status(StatusCode::OK);
    assert!(text.header("content-type").starts_with("application/openmetrics-text"));
    let text = String::from_utf8(text.body.to_vec()).unwrap();
    assert!(text.ends_with("# EOF\n"));
    text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}

#[tokio::test]
async fn transfers_are_counted_by_bucket_and_type() {
    let app = TestApp::new().await;
    let client = app.client(STRICT, options()).with_key(ADMIN);
    client.push_image("team/app", "v1").await;
    client.get("/v2/team/app/manifests/v1").await.assert_status(StatusCode::OK);
    client.get(&format!("/v2/team/app/blobs/{}", sha256(b"layer"))).await.assert_status(StatusCode::OK);
    client.delete("/v2/team/app/manifests/v1").await.assert_status(StatusCode::ACCEPTED);
    for (series, expected) in [
        ("artifact_uploads_total{bucket=\"team\",type=\"blob\",status=\"success\"}", 2.0),
        ("artifact_uploads_total{bucket=\"team\",type=\"manifest\",status=\"success\"}", 1.0),
        ("artifact_downloads_total{bucket=\"team\",type=\"blob\",status=\"success\"}", 1.0),
        ("artifact_downloads_total{bucket=\"team\",type=\"manifest\",status=\"success\"}", 1.0),
        ("artifact_deletes_total{bucket=\"team\",status=\"success\"}", 1.0),
        ("artifact_size_bytes_count{bucket=\"team\",type=\"blob\",operation=\"upload\"}", 2.0),
        ("artifact_size_bytes_sum{bucket=\"team\",type=\"blob\",operation=\"upload\"}", 11.0),
        ("artifact_operation_duration_seconds_count{operation=\"upload\",bucket=\"team\"}", 3.0),
        ("artifact_operation_duration_seconds_count{operation=\"download\",bucket=\"team\"}", 2.0),
        ("system_requests_total{method=\"PUT\",endpoint=\"/v2/{name}/manifests/{reference}\",status=\"201\"}", 1.0),
    ] {
        assert_eq!(value(&client, series).await, Some(expected), "{series}");
    }
}

#[tokio::test]
async fn failures_and_credentials_are_counted() {
    let app = TestApp::new().await;
    let client = app.client(STRICT, options());
    let admin = client.clone().with_key(ADMIN);
    admin.get("/v2/").await.assert_status(StatusCode::OK);
    client.clone().with_key(("admin", "wrong")).get("/v2/").await.assert_status(StatusCode::UNAUTHORIZED);
    client.with_token("x.y.z").get("/v2/").await.assert_status(StatusCode::UNAUTHORIZED);
    admin.put_manifest("team/app", "v1", "{").await.assert_status(StatusCode::BAD_REQUEST);
    for (series, expected) in [
        ("rbac_authentication_attempts_total{method=\"access_key\",status=\"success\"}", 2.0),
        ("rbac_authentication_attempts_total{method=\"access_key\",status=\"failure\"}", 1.0),
        ("rbac_authentication_attempts_total{method=\"bearer_token\",status=\"failure\"}", 1.0),
        ("artifact_uploads_total{bucket=\"other\",type=\"unknown\",status=\"failure\"}", 1.0),
        ("system_requests_total{method=\"GET\",endpoint=\"/v2/\",status=\"401\"}", 2.0),
    ] {
        assert_eq!(value(&client, series).await, Some(expected), "{series}");
    }
}

#[tokio::test]
async fn faults_are_counted_by_component() {
    let app = TestApp::new().await;
    let client = app.client(STRICT, options()).with_key(ADMIN);
    app.store.close().await;
    client.get("/v2/team/app/tags/list").await.assert_status(StatusCode::SERVICE_UNAVAILABLE);
    let series = "system_errors_total{type=\"unavailable\",component=\"metadata_store\"}";
    assert_eq!(value(&client, series).await, Some(1.0));
}

#[tokio::test]
async fn the_process_shows_its_figures() {
    let app = TestApp::new().await;
    let client = app.client(STRICT, options());
    for series in ["process_resident_memory_bytes", "process_open_fds"] {
        assert!(value(&client, series).await.unwrap() > 0.0, "{series}");
    }
    for series in ["system_active_connections", "database_connections_open", "database_queued_writes"] {
        assert_eq!(value(&client, series).await, Some(0.0), "{series}");
    }
    assert_eq!(value(&client, "system_active_requests").await, Some(1.0));
}

#[tokio::test]
async fn no_clients_text_makes_a_series() {
    let app = TestApp::new().await;
    let client = app.client(STRICT, options()).with_key(ADMIN);
    for n in 0..20 {
        client.get(&format!("/v2/made-up-{n}/app/manifests/v1")).await.assert_status(StatusCode::NOT_FOUND);
        client.get(&format!("/made-up-{n}")).await.assert_status(StatusCode::NOT_FOUND);
        client.call(Method::from_bytes(format!("MADE-UP-{n}").as_bytes()).unwrap(), "/v2/").send().await;
        client.put_manifest(&format!("made-up-{n}/app"), "v1", "{").await.assert_status(StatusCode::BAD_REQUEST);
    }
    let text = client.get("/metrics").await.body;
    assert!(!String::from_utf8(text.to_vec()).unwrap().to_ascii_lowercase().contains("made-up"));
}
