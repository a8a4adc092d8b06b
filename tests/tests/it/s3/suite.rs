//! Every operation with boto3, compared with S3's answers to good and to bad input.

use zot_tests::backend::Backend;
use zot_tests::cluster::Cluster;
use zot_tests::server::Setup;
use zot_tests::tools::{Home, tool};
use zot_tests::workspace;

use super::{guarded, root, with_keys};

crate::on_both_backends!(passes_at_the_root_of_its_own_port, passes_under_a_prefix_of_the_main_port);

async fn passes_at_the_root_of_its_own_port(backend: Backend) {
    let server = guarded(backend).await;
    boto3(&root(server.s3_address())).await;
}

async fn passes_under_a_prefix_of_the_main_port(backend: Backend) {
    let server = guarded(backend).await;
    boto3(&format!("http://{}/s3", server.address())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passes_when_each_request_meets_another_of_three_replicas() {
    let setup = Setup::on(&Backend::PostgresS3.fresh().await).with_access_control().with_s3_port();
    let cluster = Cluster::start(setup).await;
    let proxy = cluster.s3_proxy().await;
    boto3(&root(proxy.address())).await;
    assert!(proxy.passed() > 300, "the requests went through the proxy");
}

async fn boto3(endpoint: &str) {
    let home = Home::new();
    let script = workspace().join("tests/clients/python/suite.py");
    let printed = with_keys(home.command(tool("python-s3").await).arg(script), endpoint).ok().await;
    assert!(printed.stdout.ends_with("ok clean_up\n"), "{printed}");
}
