//! The trusted issuers of the settings: a Keycloak realm, further providers and clusters, and the server's own cluster.

use std::path::{Path, PathBuf};
use std::time::Duration;

use zot_identity::{ClaimPath, Issuer, IssuerConfig, KeySet, Kind, Source, issuer_of};
use zot_settings::{IssuerKind, Keycloak, Kubernetes, Rbac, TrustedIssuer};

use crate::error::Error;

/// Longest time to connect to an issuer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

pub(crate) fn trusted(rbac: &Rbac) -> Result<Vec<Issuer>, Error> {
    let mut found = Vec::new();
    if let Some(it) = &rbac.keycloak {
        found.push(keycloak(it)?);
    }
    if rbac.kubernetes.enabled {
        found.push(kubernetes(&rbac.kubernetes)?);
    }
    for it in &rbac.issuers {
        found.push(further(it)?);
    }
    Ok(found)
}

fn keycloak(it: &Keycloak) -> Result<Issuer, Error> {
    let realm = |base: &str| format!("{}/realms/{}", base.trim_end_matches('/'), it.realm);
    let paths = |texts: &Option<Vec<String>>, or: Vec<ClaimPath>| match texts {
        Some(texts) => texts.iter().map(|text| ClaimPath::parse(text)).collect(),
        None => or,
    };
    let own_roles = ClaimPath::new(&["resource_access", &it.client_id, "roles"]);
    let config = IssuerConfig {
        name: "keycloak".to_owned(),
        kind: Kind::Oidc,
        issuer: realm(&it.url),
        audiences: if it.audiences.is_empty() { vec![it.client_id.clone()] } else { it.audiences.clone() },
        accept_azp: it.audiences.is_empty(),
        prefix: String::new(),
        username_claim: ClaimPath::parse(it.username_claim.as_deref().unwrap_or("preferred_username")),
        roles_claims: paths(&it.roles_claims, vec![ClaimPath::new(&["realm_access", "roles"]), own_roles]),
        groups_claims: paths(&it.groups_claims, vec![ClaimPath::new(&["groups"])]),
        client_id: Some(it.client_id.clone()),
    };
    // Keycloak's discovery document repeats the host of the request, so the URL of the keys is built here
    let jwks = it.internal_url.as_ref().map(|url| format!("{}/protocol/openid-connect/certs", realm(url)));
    let source = Source { issuer: config.issuer.clone(), jwks, token_file: None };
    Ok(Issuer::new(config, KeySet::new(source, client("extensions.rbac.keycloak.cacert", it.cacert.as_deref())?)))
}

fn kubernetes(it: &Kubernetes) -> Result<Issuer, Error> {
    let own = || {
        let key = "extensions.rbac.kubernetes.tokenFile";
        let token = std::fs::read_to_string(&it.token_file).map_err(|error| {
            Error::Refused(format!(
                "{key}: {}: {error}; Kubernetes gives this file only in a pod: outside of one set \
                 extensions.rbac.kubernetes.enabled to false, or set extensions.rbac.kubernetes.issuer and apiServer",
                it.token_file.display()
            ))
        })?;
        issuer_of(token.trim()).map_err(|_| {
            Error::Refused(format!(
                "{key}: {} is not a token with an issuer: set extensions.rbac.kubernetes.issuer",
                it.token_file.display()
            ))
        })
    };
    let issuer = it.issuer.clone().map_or_else(own, Ok)?;
    let config = IssuerConfig {
        name: "kubernetes".to_owned(),
        kind: Kind::Kubernetes,
        issuer: issuer.clone(),
        audiences: it.audiences.clone(),
        accept_azp: false,
        prefix: String::new(),
        username_claim: ClaimPath::new(&["sub"]),
        roles_claims: Vec::new(),
        groups_claims: Vec::new(),
        client_id: None,
    };
    // the address in its discovery document may be unreachable from here, or not be in the certificate
    let jwks = Some(format!("{}/openid/v1/jwks", it.api_server.trim_end_matches('/')));
    let token_file = it.token_file.exists().then(|| it.token_file.clone());
    let cacert: Option<PathBuf> = it.cacert.exists().then(|| it.cacert.clone());
    let client = client("extensions.rbac.kubernetes.cacert", cacert.as_deref())?;
    Ok(Issuer::new(config, KeySet::new(Source { issuer, jwks, token_file }, client)))
}

fn further(it: &TrustedIssuer) -> Result<Issuer, Error> {
    let paths = |texts: &[String]| texts.iter().map(|text| ClaimPath::parse(text)).collect();
    let config = IssuerConfig {
        name: it.name.clone(),
        kind: match it.kind {
            IssuerKind::Oidc => Kind::Oidc,
            IssuerKind::Kubernetes => Kind::Kubernetes,
        },
        issuer: it.issuer.clone(),
        audiences: it.audiences.clone(),
        accept_azp: false,
        prefix: match it.prefix.as_deref() {
            Some("-") => String::new(),
            Some(prefix) => prefix.to_owned(),
            None => format!("{}:", it.name),
        },
        username_claim: ClaimPath::parse(it.username_claim.as_deref().unwrap_or("sub")),
        roles_claims: paths(&it.roles_claims),
        groups_claims: paths(&it.groups_claims),
        client_id: it.client_id.clone(),
    };
    let source = Source { issuer: it.issuer.clone(), jwks: it.jwks_url.clone(), token_file: None };
    Ok(Issuer::new(config, KeySet::new(source, client("extensions.rbac.issuers.cacert", it.cacert.as_deref())?)))
}

/// An HTTP client for one issuer. It follows no redirects: only the issuer and the settings decide where keys come
/// from.
fn client(key: &'static str, cacert: Option<&Path>) -> Result<reqwest::Client, Error> {
    let mut builder =
        reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).connect_timeout(CONNECT_TIMEOUT);
    if let Some(path) = cacert {
        let pem = std::fs::read(path).map_err(Error::file_of(key, path))?;
        let invalid = |error: reqwest::Error| Error::Refused(format!("{key}: {}: {error}", path.display()));
        for certificate in reqwest::Certificate::from_pem_bundle(&pem).map_err(invalid)? {
            builder = builder.add_root_certificate(certificate);
        }
    }
    builder.build().map_err(|error| Error::Refused(format!("cannot create an HTTP client for issuers: {error}")))
}
