//! Metrics of the S3 API.

use axum::http::Method;
use zot_testing::app::{ADMIN, Config, TestApp};

async fn counted(app: &TestApp, series: &str) -> Option<f64> {
    let metrics = app.anonymous().get("/metrics").await;
    let text = String::from_utf8(metrics.body.to_vec()).unwrap();
    text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}

#[tokio::test]
async fn transfers_and_credentials_are_counted() {
    let mut config = Config::default();
    config.s3.domain = Some("s3.example.com".to_owned());
    let app = TestApp::with(config).await;
    let admin = app.admin();
    admin.put("/s3/team", "").await.expect_status(200);
    admin.put("/s3/team/dir/key", "12345").await.expect_status(200);
    let in_host = admin.call(Method::GET, "/s3/dir/key").header("host", "team.s3.example.com");
    in_host.send().await.expect_status(200);
    admin.delete("/s3/team/dir/key").await.expect_status(204);

    app.anonymous().with_key((ADMIN.0, "wrong")).get("/s3/team").await.expect_status(403);
    let time = zot_core::ambient::now().strftime("%Y%m%dT%H%M%SZ").to_string();
    let signature = format!(
        "AWS4-HMAC-SHA256 Credential=NOBODY/{}/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-content-sha256;x-amz-date, \
         Signature={}",
        &time[..8],
        "0".repeat(64)
    );
    let stranger =
        app.anonymous().call(Method::GET, "/s3/team").header("authorization", signature).header("host", "localhost");
    let stranger = stranger.header("x-amz-date", &time).header("x-amz-content-sha256", "UNSIGNED-PAYLOAD");
    stranger.send().await.expect_status(403);
    for (series, expected) in [
        ("artifact_uploads_total{bucket=\"team\",type=\"object\",status=\"success\"}", 1.0),
        ("artifact_downloads_total{bucket=\"team\",type=\"object\",status=\"success\"}", 1.0),
        ("artifact_deletes_total{bucket=\"team\",status=\"success\"}", 1.0),
        ("artifact_size_bytes_sum{bucket=\"team\",type=\"object\",operation=\"upload\"}", 5.0),
        ("rbac_authentication_attempts_total{method=\"access_key\",status=\"success\"}", 4.0),
        ("rbac_authentication_attempts_total{method=\"access_key\",status=\"failure\"}", 1.0),
        ("rbac_authentication_attempts_total{method=\"signature\",status=\"failure\"}", 1.0),
    ] {
        assert_eq!(counted(&app, series).await, Some(expected), "{series}");
    }
}
