//! The S3 API with real clients: on both backends, on the S3 port and at `/s3`, and through a proxy in front of three
//! replicas.

mod clients;
mod large;
mod observed;
mod policy;
mod suite;
mod two_apis;

use std::net::SocketAddr;

use zot_tests::backend::Backend;
use zot_tests::server::{ADMIN, Server, Setup};
use zot_tests::tools::Run;

/// A guarded server whose S3 API has a port of its own.
async fn guarded(backend: Backend) -> Server {
    Setup::on(&backend.fresh().await).with_access_control().with_s3_port().start().await
}

/// Where the API is at the root of its own port.
fn root(address: SocketAddr) -> String {
    format!("http://{address}")
}

/// What the scripts under `tests/clients` want to know, and what AWS's own tools read.
fn with_keys(run: Run, endpoint: &str) -> Run {
    run.env("ENDPOINT", endpoint)
        .env("ACCESS_KEY", ADMIN.id)
        .env("SECRET_KEY", ADMIN.secret)
        .env("OWNER", "tests")
        .env("AWS_ACCESS_KEY_ID", ADMIN.id)
        .env("AWS_SECRET_ACCESS_KEY", ADMIN.secret)
        .env("AWS_DEFAULT_REGION", "us-east-1")
        .env("AWS_EC2_METADATA_DISABLED", "true")
}
