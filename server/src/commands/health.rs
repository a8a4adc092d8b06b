//! `health`: asks a running server for its health, for containers without a shell or curl.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::process::ExitCode;
use std::time::Duration;

use zot_settings::Settings;

use super::print;
use crate::error::Error;

const TIMEOUT: Duration = Duration::from_secs(5);

/// Asks the server with these settings on this machine.
pub(crate) async fn run_by(settings: &Settings) -> Result<ExitCode, Error> {
    let health = &settings.extensions.metrics.health;
    if !health.enabled {
        let key = "extensions.metrics.health.enabled";
        return Err(Error::Refused(format!("{key} is false: a server with this configuration has no health endpoint")));
    }
    let scheme = if settings.http.tls.is_some() { "https" } else { "http" };
    let host = match settings.effective_address().parse::<IpAddr>() {
        Ok(IpAddr::V6(address)) if address.is_unspecified() => format!("[{}]", Ipv6Addr::LOCALHOST),
        Ok(IpAddr::V4(address)) if address.is_unspecified() => Ipv4Addr::LOCALHOST.to_string(),
        Ok(IpAddr::V6(address)) => format!("[{address}]"),
        _ => settings.effective_address().to_owned(),
    };
    let url = format!("{scheme}://{host}:{}{}", settings.http.port, health.health_path);
    // the certificate does not have this address, and a proxy would connect to itself
    ask(&url, reqwest::Client::builder().danger_accept_invalid_certs(true).no_proxy()).await
}

/// Prints the response. Fails unless the server is healthy.
pub(crate) async fn run(url: &str) -> Result<ExitCode, Error> {
    ask(url, reqwest::Client::builder()).await
}

async fn ask(url: &str, client: reqwest::ClientBuilder) -> Result<ExitCode, Error> {
    let failed = |error: reqwest::Error| Error::Refused(format!("{url}: {error}; is the server running?"));
    let client = client.timeout(TIMEOUT).build().map_err(failed)?;
    let response = client.get(url).send().await.map_err(failed)?;
    let healthy = response.status().is_success();
    print(&response.text().await.map_err(failed)?);
    Ok(if healthy { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
