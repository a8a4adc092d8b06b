//! `health`: asks a running server, for container health checks without a shell or curl.

use std::process::ExitCode;
use std::time::Duration;

use super::print;
use crate::error::Error;

const TIMEOUT: Duration = Duration::from_secs(5);

/// Prints the report; fails unless the server says that it is well.
pub(crate) async fn run(url: &str) -> Result<ExitCode, Error> {
    let failed = |error: reqwest::Error| Error::Refused(format!("{url}: {error}; is the server running?"));
    let client = reqwest::Client::builder().timeout(TIMEOUT).build().map_err(failed)?;
    let response = client.get(url).send().await.map_err(failed)?;
    let well = response.status().is_success();
    print(&response.text().await.map_err(failed)?);
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
