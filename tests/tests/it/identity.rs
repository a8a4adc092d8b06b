//! Credentials without configuration: what a cloud gives a pod or machine, requested as the cloud's documents say. A recorder
//! replaces the cloud.

use serde_json::{Value, json};
use zot_tests::backend::Backend;
use zot_tests::recorder::{Asked, Recorder};
use zot_tests::server::Setup;
use zot_tests::tools::Home;

async fn setup(driver: Value) -> Setup {
    Setup::on(&Backend::SqliteDisk.fresh().await).set("storage.storageDriver", driver)
}

async fn on_azure(blobs: &Recorder) -> Setup {
    let endpoint = format!("http://{}/account", blobs.address());
    setup(json!({ "name": "azure", "accountname": "account", "container": "blobs", "endpoint": endpoint })).await
}

/// A backend that knows nobody.
async fn closed() -> Recorder {
    Recorder::start(403, "<Error><Code>Nobody</Code><Message>I know nobody.</Message></Error>").await
}

fn authorizations(asked: &[Asked]) -> Vec<&str> {
    asked.iter().filter_map(|asked| asked.headers.get("authorization")?.to_str().ok()).collect()
}

#[tokio::test]
async fn on_azure_a_pod_shows_the_token_of_its_cluster() {
    let authority =
        Recorder::start(200, json!({ "access_token": "token-of-azure", "expires_in": 3600 }).to_string()).await;
    let blobs = closed().await;
    let home = Home::new();
    let file = home.write("token", "token-of-the-cluster");
    let why = on_azure(&blobs)
        .await
        .env("AZURE_CLIENT_ID", "client-1")
        .env("AZURE_TENANT_ID", "tenant-1")
        .env("AZURE_FEDERATED_TOKEN_FILE", file.to_string_lossy())
        .env("AZURE_AUTHORITY_HOST", format!("http://{}", authority.address()))
        .start_refused()
        .await;
    assert!(why.contains("may not write") && why.contains("Nobody: I know nobody"), "{why}");
    let asked = authority.asked();
    assert!(asked[0].target.starts_with("/tenant-1/"), "{asked:?}");
    assert!(asked[0].body.contains("client_assertion=token-of-the-cluster"), "{asked:?}");
    assert!(asked[0].body.contains("client_id=client-1"), "{asked:?}");
    let asked = blobs.asked();
    let shown = authorizations(&asked);
    assert!(!shown.is_empty() && shown.iter().all(|shown| *shown == "Bearer token-of-azure"), "{shown:?}");
}

#[tokio::test]
async fn on_azure_a_service_principal_shows_its_secret() {
    let authority =
        Recorder::start(200, json!({ "access_token": "token-of-azure", "expires_in": 3600 }).to_string()).await;
    let blobs = closed().await;
    let why = on_azure(&blobs)
        .await
        .env("AZURE_CLIENT_ID", "client-1")
        .env("AZURE_TENANT_ID", "tenant-1")
        .env("AZURE_CLIENT_SECRET", "secret-1")
        .env("AZURE_AUTHORITY_HOST", format!("http://{}", authority.address()))
        .start_refused()
        .await;
    assert!(!why.contains("secret-1"), "{why}");
    assert!(authority.asked()[0].body.contains("client_secret=secret-1"), "{:?}", authority.asked());
    let asked = blobs.asked();
    assert_eq!(authorizations(&asked)[0], "Bearer token-of-azure");
}

/// The token is asked for, and then Google's endpoint is not there. (Over plain HTTP no token is sent.)
#[tokio::test]
async fn on_google_a_pod_asks_the_metadata_server() {
    let metadata = Recorder::start(200, json!({ "access_token": "token", "expires_in": 3600 }).to_string()).await;
    let driver = json!({ "name": "gcs", "bucket": "blobs", "endpoint": "https://127.0.0.1:1" });
    let setup = setup(driver).await.env("GCE_METADATA_HOST", metadata.address().to_string());
    let why = setup.start_refused().await;
    assert!(why.contains("gs://blobs at https://127.0.0.1:1") && why.contains("Connection refused"), "{why}");
    let asked = metadata.asked();
    assert!(asked[0].target.contains("/service-accounts/default/token"), "{asked:?}");
    assert_eq!(asked[0].headers["metadata-flavor"], "Google");
}

#[tokio::test]
async fn a_metadata_server_that_gives_no_token_is_named() {
    let metadata = closed().await;
    let driver = json!({ "name": "gcs", "bucket": "blobs", "endpoint": "https://127.0.0.1:1" });
    let host = metadata.address().to_string();
    let setup = setup(driver).await.env("GCE_METADATA_HOST", &host).env("GCE_METADATA_IP", host);
    let why = setup.start_refused().await;
    assert!(why.contains("cannot write to gs://blobs") && why.contains("no token was given"), "{why}");
}

#[tokio::test]
async fn without_credentials_for_s3_the_bucket_is_not_blamed() {
    let (metadata, blobs) = (closed().await, closed().await);
    let driver = json!({ "name": "s3", "bucket": "blobs", "endpoint": format!("http://{}", blobs.address()) });
    let endpoint = format!("http://{}", metadata.address());
    let why = setup(driver).await.env("AWS_METADATA_ENDPOINT", endpoint).start_refused().await;
    assert!(why.contains("no credentials were found in the configuration or the environment"), "{why}");
    assert!(why.contains("metadata service gave none") && !why.contains("s3:PutObject"), "{why}");
}

/// EKS Pod Identity.
#[tokio::test]
async fn on_aws_a_pod_shows_the_token_of_its_cluster() {
    let keys = json!({
        "AccessKeyId": "key-of-aws", "SecretAccessKey": "secret", "Token": "session", "Expiration": "2999-01-01T00:00:00Z",
    });
    let (agent, blobs) = (Recorder::start(200, keys.to_string()).await, closed().await);
    let home = Home::new();
    let file = home.write("token", "token-of-the-cluster");
    let driver = json!({ "name": "s3", "bucket": "blobs", "endpoint": format!("http://{}", blobs.address()) });
    let why = setup(driver)
        .await
        .env("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("http://{}/v1/credentials", agent.address()))
        .env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", file.to_string_lossy())
        .start_refused()
        .await;
    assert!(why.contains("s3:PutObject") && why.contains("Nobody: I know nobody"), "{why}");
    let asked = agent.asked();
    assert_eq!(authorizations(&asked)[0], "token-of-the-cluster");
    let asked = blobs.asked();
    assert!(authorizations(&asked)[0].contains("Credential=key-of-aws/"), "{asked:?}");
    assert_eq!(asked[0].headers["x-amz-security-token"], "session");
}
