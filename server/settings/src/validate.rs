//! Rules that types cannot express: ranges, forms, and keys that depend on each other. `load/check.rs` checks types and
//! spelling before.

mod driver;

use std::net::IpAddr;
use std::time::Duration;

use url::Url;

use crate::{Cors, Fault, Rbac, Settings, Storage};

/// The wrong key, and what to do.
type Found = Vec<(&'static str, String)>;

/// All problems of decoded settings.
pub(crate) fn faults(settings: &Settings) -> Vec<(String, Fault)> {
    let mut found = Found::new();
    if let Some(address) = &settings.http.address {
        check_address(address, &mut found);
    }
    check_cors(&settings.http.cors, &mut found);
    if let Some(driver) = &settings.storage.storage_driver {
        driver::check(driver, &mut found);
    }
    check_gc(&settings.storage, &mut found);
    check_database(settings, &mut found);
    check_paths(settings, &mut found);
    check_ports(settings, &mut found);
    if let Some(realm) = &settings.auth.bearer.realm
        && !is_plain_url(realm)
    {
        found.push(("auth.bearer.realm", "expected a URL such as https://store.example.com/v2/token".to_owned()));
    }
    check_auth(settings, &mut found);
    check_issuers(&settings.extensions.rbac, &mut found);
    check_limits(settings, &mut found);
    found.into_iter().map(|(path, message)| (path.to_owned(), Fault::Wrong(message))).collect()
}

/// What is allowed but likely a mistake.
pub(crate) fn warnings(settings: &Settings) -> Vec<String> {
    let rbac = &settings.extensions.rbac;
    let mut warnings = Vec::new();
    if rbac.allow_anonymous_get && !rbac.enabled {
        warnings.push(
            "extensions.rbac.allowAnonymousGet changes nothing while extensions.rbac.enabled is false: everybody may \
             do everything"
                .to_owned(),
        );
    }
    let trusted = rbac.keycloak.is_some() || !rbac.issuers.is_empty() || rbac.kubernetes.enabled;
    if trusted && !rbac.enabled {
        warnings.push(
            "extensions.rbac names issuers, but their tokens change nothing while extensions.rbac.enabled is false"
                .to_owned(),
        );
    }
    warnings
}

fn check_address(address: &str, found: &mut Found) {
    let is_host = address.chars().all(|c| c.is_ascii_alphanumeric() || c == '.' || c == '-');
    if address.parse::<IpAddr>().is_err() && !is_host {
        let message = "expected an IP address or host name, without brackets; a port goes to `http.port`";
        found.push(("http.address", message.to_owned()));
    }
}

fn check_cors(cors: &Cors, found: &mut Found) {
    let is_origin = |text: &str| {
        text == "*"
            || Url::parse(text).is_ok_and(|url| url.origin().is_tuple() && url.origin().ascii_serialization() == text)
    };
    if let Some(origin) = cors.allow_origin.iter().find(|origin| !is_origin(origin)) {
        let message =
            format!("\"{origin}\" is not an origin; expected `*` or one such as https://ui.example.com, with no path");
        found.push(("http.cors.allowOrigin", message));
    }
    for (key, names) in [
        ("http.cors.allowMethods", &cors.allow_methods),
        ("http.cors.allowHeaders", &cors.allow_headers),
        ("http.cors.exposeHeaders", &cors.expose_headers),
    ] {
        if let Some(name) = names.iter().find(|name| !is_token(name)) {
            found.push((key, format!("\"{name}\" is not a name that HTTP allows here; correct or remove it")));
        }
    }
}

fn check_auth(settings: &Settings, found: &mut Found) {
    // an IPv4-mapped IPv6 network that is wider than all of IPv4 matches no IPv4 proxy
    let is_comparable = |network: ipnet::IpNet| match network {
        ipnet::IpNet::V6(six) => six.addr().to_ipv4_mapped().is_none() || six.prefix_len() >= 96,
        ipnet::IpNet::V4(_) => true,
    };
    let is_network =
        |text: &String| text.parse::<ipnet::IpNet>().is_ok_and(is_comparable) || text.parse::<IpAddr>().is_ok();
    if let Some(proxy) = settings.http.trusted_proxies.iter().find(|text| !is_network(text)) {
        found.push((
            "http.trustedProxies",
            format!("\"{proxy}\" is not a network such as 10.0.0.0/8, nor an address; correct or remove it"),
        ));
    }
    let longest = settings.auth.session_max_duration.0;
    if !(Duration::from_mins(15)..=Duration::from_hours(12)).contains(&longest) {
        found.push(("auth.sessionMaxDuration", "expected 15m to 12h".to_owned()));
    }
}

fn check_issuers(rbac: &Rbac, found: &mut Found) {
    if let Some(keycloak) = &rbac.keycloak {
        let urls = [("extensions.rbac.keycloak.url", Some(&keycloak.url))];
        for (key, url) in
            urls.into_iter().chain([("extensions.rbac.keycloak.internalUrl", keycloak.internal_url.as_ref())])
        {
            if url.is_some_and(|url| !is_plain_url(url)) {
                found.push((key, "expected a URL such as https://sso.example.com".to_owned()));
            }
        }
    }
    for issuer in &rbac.issuers {
        if !is_plain_url(&issuer.issuer) || issuer.jwks_url.as_ref().is_some_and(|url| !is_plain_url(url)) {
            let message = format!("issuer {}: expected URLs such as https://token.example.com", issuer.name);
            found.push(("extensions.rbac.issuers", message));
        }
        if issuer.audiences.is_empty() {
            let message = format!("issuer {}: set the audiences of tokens for this store", issuer.name);
            found.push(("extensions.rbac.issuers", message));
        }
    }
    let names: std::collections::BTreeSet<_> = rbac.issuers.iter().map(|issuer| &issuer.name).collect();
    if names.len() < rbac.issuers.len() {
        found.push(("extensions.rbac.issuers", "two issuers have the same name; rename one".to_owned()));
    }
    if rbac.kubernetes.enabled && rbac.kubernetes.audiences.is_empty() {
        found.push(("extensions.rbac.kubernetes.audiences", "set the audiences of tokens for this store".to_owned()));
    }
}

/// Whether a text is a token of RFC 9110, as methods and header names are.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

/// Garbage collection is only safe with these times (docs/STORE.md).
fn check_gc(storage: &Storage, found: &mut Found) {
    if storage.gc_delay.0 < Duration::from_hours(1) {
        let message = "expected 1h or more: a push may take an hour";
        found.push(("storage.gcDelay", message.to_owned()));
    }
    if storage.gc_interval.0 < Duration::from_secs(1) {
        found.push(("storage.gcInterval", "expected 1s or more; to turn it off set `storage.gc: false`".to_owned()));
    }
    if storage.gc_delete_delay.0 < Duration::from_hours(24) {
        let message = "expected 24h or more, and at least as long as you keep backups of the database";
        found.push(("storage.gcDeleteDelay", message.to_owned()));
    }
}

fn is_plain_url(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none()
    })
}

fn check_database(settings: &Settings, found: &mut Found) {
    if let Some(url) = &settings.database.url {
        let is_usable = match url.expose().split_once(':') {
            Some(("sqlite", path)) => !path.trim_start_matches('/').is_empty(),
            Some(("postgres" | "postgresql", _)) => Url::parse(url.expose()).is_ok(),
            _ => false,
        };
        if !is_usable {
            let message = "expected postgres://user:password@host/name or sqlite:PATH; MySQL and other databases are not \
                           supported, use Postgres";
            found.push(("database.url", message.to_owned()));
        }
    }
    if !(1..=1000).contains(&settings.database.max_connections) {
        found.push(("database.maxConnections", "expected a number from 1 to 1000".to_owned()));
    }
}

fn check_paths(settings: &Settings, found: &mut Found) {
    let metrics = &settings.extensions.metrics;
    let mut taken: Vec<&str> = Vec::new();
    for (key, path) in [
        ("extensions.metrics.prometheus.path", &metrics.prometheus.path),
        ("extensions.metrics.health.readinessPath", &metrics.health.readiness_path),
        ("extensions.metrics.health.livenessPath", &metrics.health.liveness_path),
        ("extensions.metrics.health.healthPath", &metrics.health.health_path),
        ("extensions.s3api.basePath", &settings.extensions.s3api.base_path),
    ] {
        // the router would read braces as a pattern
        let is_path = path.starts_with('/') && path.len() > 1 && !path.contains(['{', '}', '?', '#', ' ']);
        let below = |root: &str| path == root || path.starts_with(&format!("{root}/"));
        if !is_path || path.ends_with('/') || ["/v2", "/api", "/auth"].into_iter().any(below) {
            found.push((key, "expected a path such as /metrics, and none below /v2, /api or /auth".to_owned()));
        } else if taken.contains(&path.as_str()) {
            found.push((key, format!("another endpoint has the path {path}; choose another path")));
        }
        taken.push(path);
    }
}

fn check_ports(settings: &Settings, found: &mut Found) {
    let (port, s3api) = (settings.http.port, &settings.extensions.s3api);
    if s3api.enabled && port != 0 && port == s3api.port {
        let message = format!("http.port and extensions.s3api.port are both {port}: change one of them");
        found.push(("extensions.s3api.port", message));
    }
}

fn check_limits(settings: &Settings, found: &mut Found) {
    let limits = &settings.limits;
    for (key, is_zero) in [
        ("limits.maxConcurrentRequests", limits.max_concurrent_requests == Some(0)),
        ("limits.requestTimeout", limits.request_timeout.is_some_and(|span| span.0.is_zero())),
        ("limits.maxRequestBodySize", limits.max_request_body_size.is_some_and(|size| size.0 == 0)),
    ] {
        if is_zero {
            found.push((key, "must be more than 0; remove the key for no limit".to_owned()));
        }
    }
}

#[cfg(test)]
mod tests;
