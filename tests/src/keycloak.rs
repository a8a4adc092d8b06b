//! Keycloak, with a realm for each test. The test changes its realm as an administrator does.
//!
//! [`grants`] requests tokens. `browser` fills in Keycloak's pages like a person.

mod browser;
pub mod grants;

use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::Mutex;
use uuid::Uuid;

use crate::client::Reply;
use crate::services::further;

/// How long an administrator's token is used. Keycloak's are valid for a minute.
const ADMIN_TOKEN_AGE: Duration = Duration::from_secs(30);

/// The server.
#[derive(Clone)]
pub struct Keycloak {
    url: String,
    admin: String,
    password: String,
}

impl Keycloak {
    /// Returns the server at `ZOT_TEST_KEYCLOAK_URL`, or asks `hack/with-services` to start one.
    pub async fn shared() -> Self {
        let variables = ["ZOT_TEST_KEYCLOAK_URL", "ZOT_TEST_KEYCLOAK_ADMIN", "ZOT_TEST_KEYCLOAK_PASSWORD"];
        let [url, admin, password] = further("keycloak", variables).await;
        Self { url: url.trim_end_matches('/').to_owned(), admin, password }
    }

    /// Creates a realm. Access tokens are valid for five minutes. A device may ask every second whether it was approved.
    pub async fn realm(&self) -> Realm {
        let name = format!("zot-test-{}", Uuid::new_v4().simple());
        let realm = Realm {
            keycloak: self.clone(),
            name,
            http: reqwest::Client::builder().no_proxy().build().expect("an HTTP client"),
            admin_token: Mutex::default(),
        };
        let settings = json!({
            "realm": realm.name, "enabled": true, "accessTokenLifespan": 300, "oauth2DevicePollingInterval": 1,
        });
        realm.send(Method::POST, &format!("{}/admin/realms", self.url), Some(settings)).await.expect_status(201);
        realm
    }
}

/// The kind of a client, and the grants that it may use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ClientKind {
    /// Without a secret: a person's password, or a person's approval of a device.
    Public,
    /// With a secret: tokens for itself, beside a person's password.
    Confidential,
}

/// A client of a realm.
#[derive(Clone, Debug)]
pub struct Client {
    /// Its id: `client_id`, and `azp` in tokens.
    pub id: String,
    /// A confidential one's secret.
    pub secret: Option<String>,
    uuid: String,
}

/// A realm for one test. It exists until [`Realm::delete`], or until Keycloak's data is removed.
pub struct Realm {
    keycloak: Keycloak,
    name: String,
    http: reqwest::Client,
    admin_token: Mutex<Option<(Instant, String)>>,
}

impl Realm {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its URL: `iss` in tokens, and where discovery begins.
    pub fn issuer_url(&self) -> String {
        format!("{}/realms/{}", self.keycloak.url, self.name)
    }

    /// Sets the lifetime of future access tokens.
    pub async fn access_tokens_live(&self, seconds: u32) {
        self.put("", json!({ "accessTokenLifespan": seconds })).await;
    }

    /// Registers a client. Its tokens name the user's realm roles (`realm_access.roles`), but neither groups nor a
    /// resource server as audience: [`Realm::map_groups`] and [`Realm::map_audience`] add those.
    pub async fn client(&self, id: &str, kind: ClientKind) -> Client {
        let secret = (kind == ClientKind::Confidential).then(|| Uuid::new_v4().simple().to_string());
        let uuid = self
            .create("/clients", json!({
                "clientId": id, "enabled": true, "publicClient": secret.is_none(), "secret": secret,
                "directAccessGrantsEnabled": true, "standardFlowEnabled": false,
                "serviceAccountsEnabled": kind == ClientKind::Confidential,
                "attributes": { "oauth2.device.authorization.grant.enabled": (kind == ClientKind::Public).to_string() },
            }))
            .await;
        Client { id: id.to_owned(), secret, uuid }
    }

    /// Lets the client's access tokens name this audience in `aud`.
    pub async fn map_audience(&self, client: &Client, audience: &str) {
        let config = json!({ "included.custom.audience": audience, "access.token.claim": "true" });
        self.map(client, "oidc-audience-mapper", &format!("audience {audience}"), config).await;
    }

    /// Lets the client's tokens list the names of the user's groups in the claim `groups`.
    pub async fn map_groups(&self, client: &Client) {
        let config = json!({
            "claim.name": "groups", "full.path": "false", "access.token.claim": "true", "id.token.claim": "true",
        });
        self.map(client, "oidc-group-membership-mapper", "groups", config).await;
    }

    async fn map(&self, client: &Client, mapper: &str, name: &str, config: Value) {
        let body = json!({ "name": name, "protocol": "openid-connect", "protocolMapper": mapper, "config": config });
        self.create(&format!("/clients/{}/protocol-mappers/models", client.uuid), body).await;
    }

    /// Creates a person with these groups and realm roles. Missing groups and roles are created.
    /// Returns the id, which is `sub` in tokens.
    pub async fn user(&self, name: &str, password: &str, roles: &[&str], groups: &[&str]) -> String {
        let id = self
            .create(
                "/users",
                json!({
                    "username": name, "enabled": true, "email": format!("{name}@example.org"), "emailVerified": true,
                    "firstName": name, "lastName": "Test", // Keycloak first asks a person without a name for it
                    "credentials": [{ "type": "password", "value": password, "temporary": false }],
                }),
            )
            .await;
        self.give_roles(&id, roles).await;
        for group in groups {
            self.add_to_group(name, group).await;
        }
        id
    }

    /// Gives realm roles to the client itself, for tokens by [`Realm::token_by_client_credentials`].
    pub async fn give_client_roles(&self, client: &Client, roles: &[&str]) {
        let account = self.get(&format!("/clients/{}/service-account-user", client.uuid)).await;
        self.give_roles(text(&account, "id"), roles).await;
    }

    async fn give_roles(&self, user_id: &str, roles: &[&str]) {
        let mut wanted = Vec::new();
        for role in roles {
            let made = self.admin(Method::POST, "/roles", Some(json!({ "name": role }))).await;
            assert!([StatusCode::CREATED, StatusCode::CONFLICT].contains(&made.status), "{made}");
            wanted.push(self.get(&format!("/roles/{role}")).await);
        }
        let path = format!("/users/{user_id}/role-mappings/realm");
        self.admin(Method::POST, &path, Some(Value::Array(wanted))).await.expect_status(204);
    }

    /// Adds a person to a group, and creates the group if it is missing.
    pub async fn add_to_group(&self, user: &str, group: &str) {
        let made = self.admin(Method::POST, "/groups", Some(json!({ "name": group }))).await;
        assert!([StatusCode::CREATED, StatusCode::CONFLICT].contains(&made.status), "{made}");
        self.put(&self.membership(user, group).await, json!({})).await;
    }

    /// Removes a person from a group.
    pub async fn remove_from_group(&self, user: &str, group: &str) {
        self.remove(&self.membership(user, group).await).await;
    }

    async fn membership(&self, user: &str, group: &str) -> String {
        let groups = self.get(&format!("/groups?exact=true&search={group}")).await;
        format!("/users/{}/groups/{}", self.user_id(user).await, text(&groups[0], "id"))
    }

    /// Disables a person's login.
    pub async fn disable_user(&self, name: &str) {
        let id = self.user_id(name).await;
        self.put(&format!("/users/{id}"), json!({ "enabled": false })).await;
    }

    /// Deletes a person.
    pub async fn delete_user(&self, name: &str) {
        self.remove(&format!("/users/{}", self.user_id(name).await)).await;
    }

    async fn user_id(&self, name: &str) -> String {
        let users = self.get(&format!("/users?exact=true&username={name}")).await;
        text(&users[0], "id").to_owned()
    }

    /// Signs with a new key from now on. Older public keys stay published, so their tokens stay valid.
    pub async fn add_key(&self) {
        let last = self.keys().await.iter().map(priority).max().unwrap_or(0);
        let config = json!({ "priority": [(last + 1).to_string()], "algorithm": ["RS256"], "keySize": ["2048"] });
        let body = json!({
            "name": format!("signs-{}", last + 1), "providerId": "rsa-generated", "config": config,
            "providerType": "org.keycloak.keys.KeyProvider",
        });
        self.create("/components", body).await;
    }

    /// Signs with a new key from now on, and no longer publishes older keys.
    pub async fn rotate_keys(&self) {
        let old = self.keys().await;
        self.add_key().await;
        for key in old {
            self.remove(&format!("/components/{}", text(&key, "id"))).await;
        }
    }

    /// The components that hold keys for signatures.
    async fn keys(&self) -> Vec<Value> {
        let components = self.get("/components?type=org.keycloak.keys.KeyProvider").await;
        let components = components.as_array().expect("a list").iter();
        components.filter(|component| component["providerId"] == "rsa-generated").cloned().collect()
    }

    /// Ids of the published keys for signatures.
    pub async fn published_keys(&self) -> Vec<String> {
        let url = format!("{}/protocol/openid-connect/certs", self.issuer_url());
        let keys = Reply::to(self.http.get(url)).await.expect_status(200).json();
        let keys = keys["keys"].as_array().expect("a list of keys").iter().filter(|key| key["use"] == "sig");
        keys.map(|key| text(key, "kid").to_owned()).collect()
    }

    /// Deletes the realm and everything in it.
    pub async fn delete(self) {
        self.remove("").await;
    }

    async fn create(&self, path: &str, body: Value) -> String {
        let reply = self.admin(Method::POST, path, Some(body)).await.expect_status(201);
        reply.header("location").rsplit('/').next().unwrap_or_default().to_owned()
    }

    async fn get(&self, path: &str) -> Value {
        self.admin(Method::GET, path, None).await.expect_status(200).json()
    }

    async fn put(&self, path: &str, body: Value) {
        self.admin(Method::PUT, path, Some(body)).await.expect_status(204);
    }

    async fn remove(&self, path: &str) {
        self.admin(Method::DELETE, path, None).await.expect_status(204);
    }

    /// A request to the administrators' API, below the realm.
    async fn admin(&self, method: Method, path: &str, body: Option<Value>) -> Reply {
        self.send(method, &format!("{}/admin/realms/{}{path}", self.keycloak.url, self.name), body).await
    }

    async fn send(&self, method: Method, url: &str, body: Option<Value>) -> Reply {
        let request = self.http.request(method, url).bearer_auth(self.admin_token().await);
        Reply::to(match body {
            Some(body) => request.json(&body),
            None => request,
        })
        .await
    }

    async fn admin_token(&self) -> String {
        let mut cached = self.admin_token.lock().await;
        if let Some((since, token)) = &*cached
            && since.elapsed() < ADMIN_TOKEN_AGE
        {
            return token.clone();
        }
        let Keycloak { url, admin, password } = &self.keycloak;
        let form =
            [("grant_type", "password"), ("client_id", "admin-cli"), ("username", admin), ("password", password)];
        let request = self.http.post(format!("{url}/realms/master/protocol/openid-connect/token")).form(&form);
        let since = Instant::now();
        let token = text(&Reply::to(request).await.expect_status(200).json(), "access_token").to_owned();
        *cached = Some((since, token.clone()));
        token
    }
}

/// How a key's component ranks: the highest one signs.
fn priority(component: &Value) -> u64 {
    component["config"]["priority"][0].as_str().and_then(|priority| priority.parse().ok()).unwrap_or(0)
}

#[track_caller]
fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}"))
}
