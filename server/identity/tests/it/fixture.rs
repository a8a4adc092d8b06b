//! Identities over a database of their own, with three trusted issuers that are one program.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderMap, HeaderValue, header};
use tempfile::TempDir;
use zot_core::policy::Settings;
use zot_core::principal::Principal;
use zot_domain::authorizer::Authorizer;
use zot_domain::call::{Agent, Origin, RequestId};
use zot_domain::{Access, AdministrationError, Call, Error, Result};
use zot_identity::{
    AccessKey, Accounts, ClaimPath, Identity, Issuer, IssuerConfig, KeySet, Kind, NewKey, Setup, ShownKey, Source,
};
use zot_store::{Options, Store};

use crate::issuer::{AUDIENCE, TestIssuer};

/// The access key of the administrator, which the process has, and its secret.
pub(crate) const ADMIN: (&str, &str) = ("test-admin", "the admin's secret");
/// The `iss` of tokens of a cluster.
pub(crate) const CLUSTER: &str = "https://kubernetes.example";
/// The `iss` of an issuer whose audience may be in `azp`.
pub(crate) const BY_AZP: &str = "https://azp.example";
/// The audience of registry tokens.
pub(crate) const SERVICE: &str = "zot-test";
/// Longest life of a session in seconds.
pub(crate) const SESSION_MAX_SECS: i64 = 7200;
/// The address that requests come from.
pub(crate) const HOME: Option<IpAddr> = Some(IpAddr::V4(Ipv4Addr::LOCALHOST));

/// Identities, and what they depend on.
pub(crate) struct Fixture {
    pub(crate) identity: Arc<Identity>,
    pub(crate) accounts: Accounts,
    pub(crate) database: Store,
    pub(crate) issuer: TestIssuer,
    directory: TempDir,
}

/// What differs from one test to the other.
#[derive(Clone, Copy)]
pub(crate) struct Differs<'a> {
    pub(crate) masters: &'a [&'a str],
    pub(crate) failures_per_minute: Option<u32>,
    pub(crate) read_only: bool,
    pub(crate) service: &'a str,
}

impl Default for Differs<'_> {
    fn default() -> Self {
        Self { masters: &["one"], failures_per_minute: None, read_only: false, service: SERVICE }
    }
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        Self::with(Differs::default()).await
    }

    pub(crate) async fn with(differs: Differs<'_>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("token"), "token of the store\n").unwrap();
        let url = format!("sqlite:{}", directory.path().join("metadata.db").display());
        let database = Store::open(&Options { url, max_connections: 4, create: true }).await.unwrap();
        database.migrate().await.unwrap();
        let issuer = TestIssuer::start().await;
        let (identity, accounts) = replica(&database, &issuer, directory.path().join("token"), differs).await;
        Self { identity, accounts, database, issuer, directory }
    }

    /// Another process with the same database and issuers.
    pub(crate) async fn replica(&self, differs: Differs<'_>) -> (Arc<Identity>, Accounts) {
        replica(&self.database, &self.issuer, self.directory.path().join("token"), differs).await
    }

    /// Who comes with this `Authorization` header.
    pub(crate) async fn authorized(&self, value: &str) -> Result<Principal> {
        authorized(&self.identity, value).await
    }

    /// Who comes with this token.
    pub(crate) async fn bearer(&self, token: &str) -> Result<Principal> {
        self.authorized(&format!("Bearer {token}")).await
    }

    /// Who comes with this access key.
    pub(crate) async fn basic(&self, id: &str, secret: &str) -> Result<Principal> {
        self.authorized(&basic(id, secret)).await
    }

    /// An access key of this account, which is created first.
    pub(crate) async fn key_of_account(&self, name: &str) -> (ShownKey, String) {
        let account = zot_domain::ports::identities::Account {
            name: name.to_owned(),
            roles: vec!["developer".to_owned()],
            groups: vec!["ci".to_owned()],
            ..Default::default()
        };
        self.accounts.create_account(&admin(), account).await.unwrap();
        let new = NewKey { owner: Some(format!("account:{name}")), ..NewKey::default() };
        self.accounts.create_key(&admin(), new).await.unwrap()
    }
}

pub(crate) async fn authorized(identity: &Identity, value: &str) -> Result<Principal> {
    let headers = HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap())]);
    identity.principal(&headers, HOME).await.principal
}

/// The `Authorization` header of an access key.
pub(crate) fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{id}:{secret}")))
}

async fn replica(
    database: &Store,
    issuer: &TestIssuer,
    token_file: PathBuf,
    differs: Differs<'_>,
) -> (Arc<Identity>, Accounts) {
    let authorizer =
        Authorizer::new(Settings { access_control: true, anonymous_read: false, read_only: differs.read_only });
    let config = |name: &str, kind, url: &str, prefix: &str| IssuerConfig {
        name: name.to_owned(),
        kind,
        issuer: url.to_owned(),
        audiences: vec![AUDIENCE.to_owned()],
        accept_azp: url == BY_AZP,
        prefix: prefix.to_owned(),
        username_claim: ClaimPath::parse("name"),
        roles_claims: vec![ClaimPath::parse("roles"), ClaimPath::parse("https://acme.example/roles")],
        groups_claims: vec![ClaimPath::parse("groups")],
        client_id: None,
    };
    let client = reqwest::Client::new();
    let discovered = Source { issuer: issuer.url().to_owned(), jwks: None, token_file: None };
    let named = |url: &str| Source { issuer: url.to_owned(), jwks: Some(issuer.keys_url()), token_file: None };
    let cluster = Source { token_file: Some(token_file), ..named(CLUSTER) };
    let issuers = vec![
        Issuer::new(config("sso", Kind::Oidc, issuer.url(), ""), KeySet::new(discovered, client.clone())),
        Issuer::new(config("cluster", Kind::Kubernetes, CLUSTER, ""), KeySet::new(cluster, client.clone())),
        Issuer::new(config("azp", Kind::Oidc, BY_AZP, "partner:"), KeySet::new(named(BY_AZP), client)),
    ];
    let setup = Setup {
        fixed: vec![AccessKey::new(ADMIN.0.to_owned(), ADMIN.1.to_owned(), admin().principal)],
        store_id: "store".to_owned(),
        service: differs.service.to_owned(),
        masters: masters(differs.masters),
        issuers,
        failures_per_minute: differs.failures_per_minute,
        session_max_secs: SESSION_MAX_SECS,
    };
    let policies = Access::new(Arc::new(database.clone()), authorizer.clone());
    let identity = Arc::new(Identity::new(setup, Arc::new(database.clone()), policies).unwrap());
    identity.follow().await.unwrap();
    (Arc::clone(&identity), Accounts::new(identity, authorizer))
}

pub(crate) fn masters(secrets: &[&str]) -> Vec<Vec<u8>> {
    secrets.iter().map(|secret| secret.as_bytes().to_vec()).collect()
}

/// A request of this principal.
pub(crate) fn call(principal: Principal) -> Call {
    Call { principal, request_id: RequestId::new(), origin: Origin::default(), agent: Agent::default() }
}

/// A request of the administrator whom no policy can deny.
pub(crate) fn admin() -> Call {
    call(Principal::break_glass(&format!("key:{}", ADMIN.0)))
}

/// A request of a person.
pub(crate) fn person(name: &str) -> Call {
    let subject = format!("user:{name}");
    call(Principal::known(&subject, [subject.clone(), "role:viewer".to_owned()], [].into()))
}

/// Which error came of it; an empty text if none did.
pub(crate) fn error_of<T, E: Into<AdministrationError>>(result: Result<T, E>) -> &'static str {
    let Err(error) = result else { return "" };
    match error.into() {
        AdministrationError::Common(error) => common_of(&error),
        AdministrationError::AccountExists(_) => "exists",
        AdministrationError::StateConflict(_) => "conflict",
        AdministrationError::PolicyExists(_) => "another",
    }
}

fn common_of(error: &Error) -> &'static str {
    match error {
        Error::CredentialsInvalid(_) => "invalid",
        Error::CredentialsExpired(_) => "expired",
        Error::Unavailable { .. } => "unavailable",
        Error::TooManyRequests(_) => "too many",
        Error::Denied(_) => "denied",
        Error::Unauthenticated => "unauthenticated",
        Error::ParameterInvalid(_) => "parameter",
        Error::NotFound(_) => "not found",
        _ => "another",
    }
}
