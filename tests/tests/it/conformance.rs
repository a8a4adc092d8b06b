//! The conformance program of the OCI distribution spec, for 1.1 and for the current state of the next version.

use std::net::SocketAddr;

use zot_tests::backend::Backend;
use zot_tests::client::Credentials;
use zot_tests::cluster::Cluster;
use zot_tests::server::{ADMIN, Server};
use zot_tests::tools::{Home, tool};

/// Fewer passed cases than this mean that the program did not test what it should (1.1 has about 690).
const PASSED_MIN: usize = 650;

#[tokio::test]
async fn spec_1_1_passes_on_sqlite_and_disk() {
    let server = Server::open(Backend::SqliteDisk).await;
    conformance("1.1", server.address(), None).await;
}

#[tokio::test]
async fn spec_dev_passes_on_sqlite_and_disk() {
    let server = Server::open(Backend::SqliteDisk).await;
    conformance("dev", server.address(), None).await;
}

#[tokio::test]
async fn spec_1_1_passes_on_postgres_and_s3() {
    let server = Server::open(Backend::PostgresS3).await;
    conformance("1.1", server.address(), None).await;
}

#[tokio::test]
async fn spec_dev_passes_on_postgres_and_s3() {
    let server = Server::open(Backend::PostgresS3).await;
    conformance("dev", server.address(), None).await;
}

#[tokio::test]
async fn spec_1_1_passes_on_sqlite_and_gcs() {
    let server = Server::open(Backend::SqliteGcs).await;
    conformance("1.1", server.address(), None).await;
}

#[tokio::test]
async fn spec_1_1_passes_on_sqlite_and_azure() {
    let server = Server::open(Backend::SqliteAzure).await;
    conformance("1.1", server.address(), None).await;
}

#[tokio::test]
async fn spec_1_1_passes_with_access_control() {
    let server = Server::guarded(Backend::SqliteDisk).await;
    conformance("1.1", server.address(), Some(ADMIN)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spec_1_1_passes_when_each_request_meets_another_of_three_replicas() {
    let cluster = Cluster::open().await;
    conformance("1.1", cluster.proxy().address(), None).await;
    assert!(cluster.proxy().passed() > PASSED_MIN, "the requests went through the proxy");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spec_dev_passes_when_each_request_meets_another_of_three_guarded_replicas() {
    let cluster = Cluster::guarded().await;
    conformance("dev", cluster.proxy().address(), Some(ADMIN)).await;
}

/// Runs the program, prints its counts, and fails with the list of what failed.
async fn conformance(version: &str, registry: SocketAddr, credentials: Option<Credentials>) {
    let home = Home::new();
    let mut run = home
        .command(tool("conformance").await)
        .env("OCI_REGISTRY", registry.to_string())
        .env("OCI_TLS", "disabled")
        .env("OCI_REPO1", "conformance/repo1")
        .env("OCI_REPO2", "conformance/repo2")
        .env("OCI_RESULTS_DIR", home.path())
        .env("OCI_VERSION", version);
    // what 1.1 leaves to registries, and this one offers
    for api in ["BLOBS_DIGEST_HEADER", "BLOBS_UPLOAD_CANCEL", "MANIFESTS_DIGEST_HEADER"] {
        run = run.env(&format!("OCI_API_{api}"), "true");
    }
    if let Some(key) = credentials {
        run = run.env("OCI_USERNAME", key.id).env("OCI_PASSWORD", key.secret);
    }
    let printed = run.run().await;
    let junit = String::from_utf8(home.read("junit.xml")).expect("a report in UTF-8");
    let report = Report::parse(&junit);
    let (failed, skipped) = (report.failed.len(), report.skipped.len());
    println!("conformance {version}: {} passed, {failed} failed, {skipped} skipped", report.passed);
    println!("skipped: {:#?}", report.skipped);
    assert!(report.failed.is_empty(), "{failed} cases failed:\n{}", report.failed.join("\n"));
    assert!(printed.status.success() && report.passed >= PASSED_MIN, "{} passed; {printed}", report.passed);
}

/// The counts of the program's report.
#[derive(Default)]
struct Report {
    passed: usize,
    /// Names of the cases.
    skipped: Vec<String>,
    /// Name of the case and what was wrong.
    failed: Vec<String>,
}

impl Report {
    fn parse(junit: &str) -> Self {
        let mut report = Self::default();
        for case in junit.split("<testcase ").skip(1) {
            let attribute = |name: &str| between(case, &format!("{name}=\""), "\"").unwrap_or_default();
            match attribute("status") {
                "passed" => report.passed += 1,
                "skipped" => report.skipped.push(attribute("name").to_owned()),
                status => {
                    let output = between(case, "<system-out>", "</system-out>").unwrap_or_default();
                    let output: String = output.replace("&#xA;", "\n    ").chars().take(3000).collect();
                    report.failed.push(format!("{status}: {}\n    {output}", attribute("name")));
                }
            }
        }
        report
    }
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    text.split_once(before)?.1.split_once(after).map(|(found, _)| found)
}
