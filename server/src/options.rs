//! The gateway's settings, and warnings about settings.

use std::str::FromStr;

use axum::http::{HeaderName, HeaderValue, Method};
use zot_gateway::{Cors, HealthPaths, Notes, Options};
use zot_settings::Settings;

use crate::admin;
use crate::error::Error;

pub(crate) fn gateway(settings: &Settings, storage_warnings: &[String]) -> Result<Options, Error> {
    let metrics = &settings.extensions.metrics;
    let health = metrics.health.enabled.then(|| HealthPaths {
        health: metrics.health.health_path.clone(),
        live: metrics.health.liveness_path.clone(),
        ready: metrics.health.readiness_path.clone(),
    });
    let limits = &settings.limits;
    Ok(Options {
        health,
        metrics_path: (metrics.enabled && metrics.prometheus.enabled).then(|| metrics.prometheus.path.clone()),
        cors: cors(settings)?,
        max_concurrent_requests: limits.max_concurrent_requests.map(|most| most as usize),
        request_timeout: limits.request_timeout.map(|span| span.0),
        trusted_proxies: networks(&settings.http.trusted_proxies),
        warnings: [&*warnings(settings), storage_warnings].concat(),
        notes: Notes::default(),
    })
}

/// Warnings for an operator, at start and in `/health`.
pub(crate) fn warnings(settings: &Settings) -> Vec<String> {
    let mut warnings = Vec::new();
    let address = settings.effective_address();
    if !settings.extensions.rbac.enabled && !is_loopback(address) {
        warnings.push(format!(
            "access control is off and http.address is {address}: everybody who reaches it may change everything; \
             set extensions.rbac.enabled"
        ));
    }
    let on_postgres = settings.effective_database_url().expose().starts_with("postgres");
    let given = settings.auth.key_file.is_some() || admin::is_given();
    if settings.extensions.rbac.enabled && on_postgres && !given {
        warnings.push(
            "secrets of access keys are encrypted with a key that is derived from admin-key.json in storage.rootDirectory: \
             without this file all of them are lost. Set auth.keyFile, or ZOT_ADMIN_ACCESS_KEY and ZOT_ADMIN_SECRET_KEY"
                .to_owned(),
        );
    }
    warnings
}

/// Networks, and addresses as networks of one. Invalid ones were refused when the settings were loaded.
fn networks(texts: &[String]) -> Vec<ipnet::IpNet> {
    texts.iter().filter_map(|text| zot_core::policy::condition::network(text)).collect()
}

fn is_loopback(address: &str) -> bool {
    address == "localhost" || address.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn cors(settings: &Settings) -> Result<Option<Cors>, Error> {
    let cors = &settings.http.cors;
    if cors.allow_origin.is_empty() {
        return Ok(None);
    }
    Ok(Some(Cors {
        origins: parsed::<HeaderValue>("http.cors.allowOrigin", &cors.allow_origin)?,
        methods: parsed::<Method>("http.cors.allowMethods", &cors.allow_methods)?,
        headers: parsed::<HeaderName>("http.cors.allowHeaders", &cors.allow_headers)?,
        expose: parsed::<HeaderName>("http.cors.exposeHeaders", &cors.expose_headers)?,
    }))
}

fn parsed<T: FromStr>(key: &str, texts: &[String]) -> Result<Vec<T>, Error> {
    let parse = |text: &String| text.parse().map_err(|_| Error::Refused(format!("{key}: {text:?} is not valid there")));
    texts.iter().map(parse).collect()
}
