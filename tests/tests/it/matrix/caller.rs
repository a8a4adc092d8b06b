//! All callers: some with credentials that are refused, each for one reason, and some with a part of the rights.

use reqwest::Method;
use serde_json::{Value, json};
use zot_tests::client::Client;
use zot_tests::issuer::Issuer;

use super::Apis;
use super::row::{Access, Outcome};
use crate::access_keys::Key;

const KEYS: &str = "/api/v1/rbac/access-keys";
/// What everybody may read.
pub(super) const PUBLIC: &str = "public/b";

/// Who signs tokens.
pub(super) struct Issuers {
    /// Trusted.
    pub(super) ours: Issuer,
    /// Another realm beside it: same server, other name, other key.
    other_realm: Issuer,
    stranger: Issuer,
}

impl Issuers {
    pub(super) async fn start() -> Self {
        let url = "https://sso.example.com/realms";
        Self {
            ours: Issuer::start(&format!("{url}/ours"), "store").await,
            other_realm: Issuer::start(&format!("{url}/theirs"), "store").await,
            stranger: Issuer::start("https://stranger.example.com", "store").await,
        }
    }
}

/// What is sent of who it is.
#[derive(Clone)]
pub(super) enum Credentials {
    None,
    Token(String),
    /// An access key: Basic, or a signature at the S3 API.
    Key {
        id: String,
        secret: String,
    },
    /// Temporary credentials, which are for the S3 API alone.
    Session {
        id: String,
        secret: String,
        token: String,
    },
}

/// What somebody may do.
#[derive(Clone, Copy)]
pub(super) enum May {
    Nothing,
    /// See names of repositories.
    Names,
    /// With the repository or object of that name, this at most.
    This(&'static str, Access),
    Everything,
}

/// Somebody.
pub(super) struct Caller {
    pub(super) name: &'static str,
    pub(super) credentials: Credentials,
    /// S3's code for credentials that are not taken.
    pub(super) refused: Option<&'static str>,
    pub(super) anonymous: bool,
    /// A registry token is good for repositories alone. What more than its scope is answered: to get another token helps
    /// or does not.
    pub(super) registry: Option<Outcome>,
    pub(super) may: May,
}

impl Caller {
    fn known(name: &'static str, credentials: Credentials, may: May) -> Self {
        Self { name, credentials, refused: None, anonymous: false, registry: None, may }
    }

    fn refused(name: &'static str, credentials: Credentials, code: &'static str) -> Self {
        Self { refused: Some(code), ..Self::known(name, credentials, May::Nothing) }
    }

    /// The same where repositories are not what it is about.
    pub(super) fn beyond_repositories(&self) -> Self {
        let may = if self.registry.is_some() { May::Nothing } else { self.may };
        Self { credentials: self.credentials.clone(), may, registry: None, ..*self }
    }

    /// The same with other credentials.
    pub(super) fn with(&self, credentials: Credentials) -> Self {
        Self { credentials, ..Self::known(self.name, Credentials::None, self.may) }
    }

    /// A client of the address of `other`.
    pub(super) fn client(&self, other: &Client) -> Client {
        match &self.credentials {
            Credentials::None | Credentials::Session { .. } => other.with(None),
            Credentials::Token(token) => other.with_token(token),
            Credentials::Key { id, secret } => other.with_key(id, secret),
        }
    }
}

/// Makes accounts, keys and policies, and whoever has them.
pub(super) async fn all(apis: &Apis, issuers: &Issuers) -> Vec<Caller> {
    let admin = &apis.admin;
    for (principal, resource, actions) in [
        ("user:reader", "team/b", json!(["read", "list"])),
        ("user:keeper", "team/b", json!(["*"])),
        ("account:reader", "team/b", json!(["read", "list"])),
        ("anonymous", PUBLIC, json!(["read", "list"])),
    ] {
        let policy = json!({"resource": resource, "actions": actions, "principals": [principal]});
        admin.send(Method::POST, "/api/v1/rbac/policies", &policy).await.expect_status(201);
    }
    let mut callers = with_tokens(admin, issuers).await;
    callers.extend(with_keys(admin).await);
    callers.extend(with_registry_tokens(admin, issuers).await);
    // last, as it changes what is there
    let admin = json!({"roles": ["admin"]});
    callers.push(Caller::known("the administrator", token(issuers, "root", &admin), May::Everything));
    // what was said to one replica must have reached all
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    callers
}

fn token(issuers: &Issuers, user: &str, changes: &Value) -> Credentials {
    Credentials::Token(issuers.ours.token(user, changes))
}

async fn with_tokens(admin: &Client, issuers: &Issuers) -> Vec<Caller> {
    let root = json!({"roles": ["admin"]});
    let with = |changes: Value| {
        let mut all = root.clone();
        all.as_object_mut().expect("claims").extend(changes.as_object().expect("claims").clone());
        token(issuers, "root", &all)
    };
    let now = jiff::Timestamp::now().as_second();
    let foreign_key =
        issuers.other_realm.signed(&issuers.other_realm.header(), &issuers.ours.claims("root", &root).to_string());
    let revoked = json!({"roles": ["admin"], "iat": now - 60});
    let revocation = json!({"principal": "user:revoked"});
    let revoked = token(issuers, "revoked", &revoked);
    admin.send(Method::POST, "/api/v1/rbac/revocations", &revocation).await.expect_status(204);
    let refused = |name, credentials| Caller::refused(name, credentials, "InvalidAccessKeyId");
    let of = |issuer: &Issuer| Credentials::Token(issuer.token("root", &root));
    vec![
        Caller { anonymous: true, ..Caller::known("nobody", Credentials::None, May::Nothing) },
        Caller::refused("an expired token", with(json!({"exp": now - 3600})), "ExpiredToken"),
        refused("a token of tomorrow", with(json!({"nbf": now + 86400}))),
        refused("a token for another audience", with(json!({"aud": "another"}))),
        refused("a token for others", with(json!({"aud": ["account", "another"]}))),
        refused("a token of a stranger", of(&issuers.stranger)),
        refused("a token of another realm", of(&issuers.other_realm)),
        refused("our realm by another one's key", Credentials::Token(foreign_key)),
        refused("a revoked token", revoked),
        Caller::known("somebody of no policy", token(issuers, "somebody", &json!({})), May::Nothing),
        Caller::known(
            "somebody of another team",
            token(issuers, "other", &json!({"groups": ["ops"], "roles": ["guest"]})),
            May::Nothing,
        ),
        Caller::known("a reader of team/b", token(issuers, "reader", &json!({})), May::This("team/b", Access::Read)),
        Caller::known("a keeper of team/b", token(issuers, "keeper", &json!({})), May::This("team/b", Access::Write)),
    ]
}

async fn with_keys(admin: &Client) -> Vec<Caller> {
    let key = async |account: &str| {
        let made = admin.send(Method::POST, KEYS, &json!({"owner": format!("account:{account}")})).await;
        Key::of(&made.expect_status(201).json())
    };
    let credentials = |key: Key| Credentials::Key { id: key.id, secret: key.secret };
    for (name, roles) in [("boss", json!(["admin"])), ("away", json!(["admin"])), ("reader", json!([]))] {
        let account = json!({"name": name, "roles": roles});
        admin.send(Method::POST, "/api/v1/rbac/accounts", &account).await.expect_status(201);
    }
    let (deleted, disabled, ended, rotated) =
        (key("boss").await, key("boss").await, key("boss").await, key("boss").await);
    let (of_disabled, reader) = (key("away").await, key("reader").await);
    admin.delete(&format!("{KEYS}/{}", deleted.id)).await.expect_status(204);
    for (key, change) in
        [(&disabled, json!({"disabled": true})), (&ended, json!({"expiresAt": "2020-01-01T00:00:00Z"}))]
    {
        admin.send(Method::PATCH, &format!("{KEYS}/{}", key.id), &change).await.expect_status(200);
    }
    admin.send(Method::POST, &format!("{KEYS}/{}/rotate", rotated.id), &json!({})).await.expect_status(201);
    let away = json!({"roles": ["admin"], "disabled": true});
    admin.send(Method::PUT, "/api/v1/rbac/accounts/away", &away).await.expect_status(200);
    let wrong = Credentials::Key { id: reader.id.clone(), secret: "wrong".to_owned() };
    let refused = |name, key| Caller::refused(name, credentials(key), "InvalidAccessKeyId");
    vec![
        refused("a deleted key", deleted),
        refused("a disabled key", disabled),
        refused("a key that ended", ended),
        refused("a key that was rotated", rotated),
        refused("a key of a disabled account", of_disabled),
        Caller::refused("a key with a wrong secret", wrong, "SignatureDoesNotMatch"),
        Caller::known("a key that may read team/b", credentials(reader), May::This("team/b", Access::Read)),
    ]
}

/// Their holders may more than their scopes.
async fn with_registry_tokens(admin: &Client, issuers: &Issuers) -> Vec<Caller> {
    let root = issuers.ours.token("root", &json!({"roles": ["admin"]}));
    let scoped = async |scope: &str| {
        let issued = admin.with_token(&root).get(&format!("/auth/token?scope={scope}")).await.expect_status(200);
        Credentials::Token(issued.json()["token"].as_str().expect("a token").to_owned())
    };
    let reader = issuers.ours.token("reader", &json!({}));
    let issued = admin.with_token(&reader).get("/auth/token?scope=repository:team/b:*").await.expect_status(200);
    let cut = Credentials::Token(issued.json()["token"].as_str().expect("a token").to_owned());
    let cut = Caller::known("a reader's token for all of team/b", cut, May::This("team/b", Access::Read));
    let caller = |name, credentials, may| {
        let registry = Some(Outcome::OutOfScope);
        Caller { registry, ..Caller::known(name, credentials, may) }
    };
    vec![
        caller("a token to pull team/b", scoped("repository:team/b:pull").await, May::This("team/b", Access::Read)),
        caller("a token for all of team/b", scoped("repository:team/b:*").await, May::This("team/b", Access::Write)),
        Caller { registry: Some(Outcome::Denied), ..cut },
        caller("a token for elsewhere", scoped("repository:elsewhere:*").await, May::Nothing),
        caller("a token for the catalog", scoped("registry:catalog:*").await, May::Names),
    ]
}
