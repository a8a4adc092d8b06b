//! `health`: asks a running server for its health, for containers without a shell or curl.

use std::error::Error as _;
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
    let wrong = |why: &str| Error::Refused(format!("{url}: {why}"));
    match reqwest::Url::parse(url) {
        Ok(parsed) if matches!(parsed.scheme(), "http" | "https") => ask(url, reqwest::Client::builder()).await,
        // `localhost:8080` parses as a URL with the scheme `localhost`
        _ if !url.contains("://") => Err(wrong(&format!("the scheme is missing: write http://{url}"))),
        Ok(parsed) => Err(wrong(&format!("the scheme {} cannot be used: write http:// or https://", parsed.scheme()))),
        Err(error) => Err(wrong(&format!("{error}; write a URL such as http://localhost:8080/health"))),
    }
}

async fn ask(url: &str, client: reqwest::ClientBuilder) -> Result<ExitCode, Error> {
    let failed = |error: reqwest::Error| Error::Refused(format!("{url}: {}", explained(&error)));
    let client = client.timeout(TIMEOUT).build().map_err(failed)?;
    let response = client.get(url).send().await.map_err(failed)?;
    let healthy = response.status().is_success();
    print(&response.text().await.map_err(failed)?);
    Ok(if healthy { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Why the server did not answer, and what to do. The error's own text only says that sending failed.
fn explained(error: &reqwest::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| (*cause).source()).map(ToString::to_string);
    let causes = causes.collect::<Vec<_>>().join(": ");
    let remedy = if error.is_timeout() {
        return format!(
            "no answer within {} s; check the host, and that the server is not overloaded",
            TIMEOUT.as_secs()
        );
    } else if causes.contains("InvalidContentType") {
        "the server does not speak TLS: write http:// instead of https://"
    } else if causes.contains("invalid peer certificate") {
        "this machine does not trust the server's certificate: correct the host name, or trust its authority; without \
         --url, `health` with the server's --config accepts it"
    } else if causes.contains("connection closed") || causes.contains("invalid HTTP version") {
        "the server did not answer in HTTP: write https:// if it has http.tls"
    } else {
        "check that the server runs, and host and port"
    };
    format!("{causes}; {remedy}")
}
