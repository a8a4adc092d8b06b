//! People and pipelines with tokens of a real Keycloak: on every API, the token's content decides, and a wrong token is
//! refused.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use reqwest::Method;
use serde_json::{Value, json};
use zot_tests::DEADLINE;
use zot_tests::backend::Backend;
use zot_tests::client::{Client, Reply};
use zot_tests::keycloak::{self, ClientKind, Keycloak, Realm};
use zot_tests::proxy::Proxy;
use zot_tests::server::{Server, Setup};
use zot_tests::tools::{Home, tool};

const MANIFEST: &str = "/v2/team/app/manifests/v1";
const STORE: &str = "zot-client";

/// A realm with the store's client, and a server that trusts it.
struct Sso {
    realm: Realm,
    client: keycloak::Client,
    server: Server,
    admin: Client,
}

async fn realm() -> (Realm, keycloak::Client) {
    let realm = Keycloak::shared().await.realm().await;
    let client = realm.client(STORE, ClientKind::Public).await;
    realm.map_groups(&client).await;
    realm.map_audience(&client, STORE).await;
    (realm, client)
}

/// The settings of a server that trusts a realm.
async fn trusting(realm: &Realm) -> Setup {
    let url = realm.issuer_url();
    let (url, name) = url.split_once("/realms/").expect("a realm's URL");
    let keycloak = json!({ "url": url, "realm": name, "clientId": STORE });
    let setup = Setup::on(&Backend::SqliteDisk.fresh().await).with_access_control();
    setup.set("extensions.rbac.keycloak", keycloak)
}

impl Sso {
    async fn start() -> Self {
        let (realm, client) = realm().await;
        let server = trusting(&realm).await.start().await;
        let admin = server.client();
        admin.push_image("team/app", "v1", vec![1; 100]).await;
        Self { realm, client, server, admin }
    }

    async fn token(&self, user: &str) -> String {
        self.realm.token_by_password(&self.client, user, "pw").await.access
    }

    fn with(&self, token: &str) -> Client {
        self.admin.with_token(token)
    }

    async fn policy(&self, principal: &str, resource: &str, actions: &[&str]) {
        let policy = json!({"resource": resource, "actions": actions, "principals": [principal]});
        self.admin.send(Method::POST, "/api/v1/rbac/policies", &policy).await.expect_status(201);
    }
}

#[tokio::test]
async fn a_person_s_roles_groups_and_name_decide_on_every_api() {
    let sso = Sso::start().await;
    let id = sso.realm.user("alice", "pw", &["viewer"], &["ops"]).await;
    sso.realm.user("eve", "pw", &[], &[]).await;
    let token = sso.token("alice").await;
    let alice = sso.with(&token);
    // by the role
    alice.get(MANIFEST).await.expect_status(200);
    Reply::to(sso.admin.request(Method::PUT, "/s3/team/object").body("x")).await.expect_status(200);
    alice.get("/s3/team/object").await.expect_status(200);
    Reply::to(alice.request(Method::PUT, "/s3/team/object").body("y")).await.expect_status(403);
    // by the group, the name and the id
    for (number, principal) in ["group:ops", "alice", &format!("user:{id}")].into_iter().enumerate() {
        let repository = format!("by{number}/app");
        Reply::to(alice.request(Method::POST, &format!("/v2/{repository}/blobs/uploads/"))).await.expect_status(403);
        sso.policy(principal, &format!("by{number}/*"), &["write", "read", "list"]).await;
        alice.push_blob(&repository, vec![7; 10]).await;
    }
    let oneself = alice.get("/api/v1/rbac/permissions").await.expect_status(200).json();
    assert_eq!(oneself["subject"], "user:alice", "{oneself:#}");
    assert!(oneself["roles"].to_string().contains("\"viewer\"") && oneself["groups"].to_string().contains("\"ops\""));
    // as a password, and by the token protocol
    let basic = sso.admin.with_key("anything", &token);
    basic.get(MANIFEST).await.expect_status(200);
    let issued = basic.get("/auth/token?scope=repository:team/app:pull,push").await.expect_status(200).json();
    let issued = sso.with(issued["token"].as_str().expect("a token"));
    issued.get(MANIFEST).await.expect_status(200);
    Reply::to(issued.request(Method::POST, "/v2/team/app/blobs/uploads/")).await.expect_status(403);
    let form = [("grant_type", "refresh_token"), ("refresh_token", &token), ("scope", "repository:team/app:pull")];
    let reply = Reply::to(sso.admin.with(None).request(Method::POST, "/auth/token").form(&form)).await;
    let issued = reply.expect_status(200).json();
    sso.with(issued["access_token"].as_str().expect("a token")).get(MANIFEST).await.expect_status(200);
    // somebody of the realm whom no policy names
    let eve = sso.with(&sso.token("eve").await);
    eve.get(MANIFEST).await.expect_error(403, "DENIED");
    eve.get("/s3/team/object").await.expect_status(403);
    eve.get("/api/v1/rbac/policies").await.expect_status(403);
    // keys of one's own need no administrator; they have one's name and none of one's roles
    let key = alice.send(Method::POST, "/api/v1/rbac/access-keys", &json!({"description": "laptop"})).await;
    let key = crate::access_keys::Key::of(&key.expect_status(201).json());
    key.client(&sso.admin).get("/v2/by1/app/tags/list").await.expect_status(200);
    key.client(&sso.admin).get(MANIFEST).await.expect_status(403);
    let listed = alice.get("/api/v1/rbac/access-keys").await.expect_status(200).json();
    assert_eq!((&listed["count"], &listed["accessKeys"][0]["owner"]), (&json!(1), &json!("user:alice")));
    eve.get(&format!("/api/v1/rbac/access-keys/{}", key.id)).await.expect_status(403);
    assert!(!sso.server.log().contains(&token), "a token in the log");
}

#[tokio::test]
async fn a_pipeline_has_the_token_of_its_client() {
    let sso = Sso::start().await;
    let pipeline = sso.realm.client("pipeline", ClientKind::Confidential).await;
    sso.realm.give_client_roles(&pipeline, &["developer"]).await;
    let token = sso.realm.token_by_client_credentials(&pipeline).await.access;
    // of that client, for nobody in particular: not for the store
    let refused = sso.with(&token).get(MANIFEST).await.expect_error(401, "UNAUTHORIZED");
    assert!(refused.to_string().contains("another audience"), "{refused}");
    sso.realm.map_audience(&pipeline, STORE).await;
    let token = sso.realm.token_by_client_credentials(&pipeline).await.access;
    sso.with(&token).push_image("team/app", "v2", vec![2; 100]).await;
    // oras logs in with it, as docker does
    let home = Home::new();
    home.write("note.txt", "from a pipeline");
    let oras = tool("oras").await;
    let address = sso.server.address();
    let run = |words: String| home.command(&oras).words(&words);
    run(format!("login --plain-http -u pipeline --password-stdin {address}")).input(&token).ok().await;
    run(format!("push --plain-http {address}/team/notes:v1 note.txt:text/plain")).ok().await;
    run(format!("pull --plain-http {address}/team/notes:v1 -o back")).ok().await;
    assert_eq!(home.read("back/note.txt"), b"from a pipeline");
}

#[tokio::test]
async fn a_person_logs_in_through_a_device() {
    let sso = Sso::start().await;
    sso.realm.user("alice", "pw", &["developer"], &[]).await;
    // a program that knows the store alone finds the issuer, and by its discovery the device grant
    let login = sso.admin.with(None).get("/api/v1/auth").await.expect_status(200).json();
    let issuer = &login["issuers"][0];
    assert_eq!((&issuer["issuer"], &issuer["clientId"]), (&json!(sso.realm.issuer_url()), &json!(STORE)), "{login:#}");
    let described = sso.admin.with(None).get("/.well-known/oauth-protected-resource").await.expect_status(200).json();
    assert_eq!(described["authorization_servers"], json!([sso.realm.issuer_url()]));
    let url = format!("{}/.well-known/openid-configuration", issuer["issuer"].as_str().expect("a URL"));
    let discovery: Value = reqwest::get(url).await.expect("an answer").json().await.expect("a document");
    assert!(discovery["device_authorization_endpoint"].is_string(), "{discovery:#}");
    let device = sso.realm.start_device(&sso.client).await;
    sso.realm.approve_device(&device.verification_uri_complete, "alice", "pw").await;
    let token = sso.realm.token_by_device(&sso.client, &device).await.access;
    sso.with(&token).push_image("team/app", "v2", vec![2; 100]).await;
}

#[tokio::test]
async fn who_leaves_a_group_loses_its_rights_with_the_next_token() {
    let sso = Sso::start().await;
    sso.realm.user("alice", "pw", &[], &["ops"]).await;
    sso.policy("group:ops", "team/*", &["read"]).await;
    let with = sso.token("alice").await;
    sso.with(&with).get(MANIFEST).await.expect_status(200);
    sso.realm.remove_from_group("alice", "ops").await;
    let without = sso.token("alice").await;
    sso.with(&without).get(MANIFEST).await.expect_status(403);
    // the one of before is good until it ends, unless it is revoked
    sso.with(&with).get(MANIFEST).await.expect_status(200);
    let revocation = json!({"principal": "user:alice"});
    sso.admin.send(Method::POST, "/api/v1/rbac/revocations", &revocation).await.expect_status(204);
    sso.with(&with).get(MANIFEST).await.expect_error(401, "UNAUTHORIZED");
    sso.realm.disable_user("alice").await;
    sso.realm.try_password(&sso.client, "alice", "pw").await.expect_status(400);
}

#[tokio::test]
async fn keys_are_rotated_while_requests_run() {
    let sso = Sso::start().await;
    sso.realm.user("alice", "pw", &["viewer"], &[]).await;
    let old = sso.token("alice").await;
    let requests = {
        let client = sso.with(&old);
        tokio::spawn(async move {
            let mut done = 0;
            for _ in 0..200 {
                client.get(MANIFEST).await.expect_status(200);
                done += 1;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            done
        })
    };
    for _ in 0..3 {
        sso.realm.add_key().await;
        let new = sso.token("alice").await;
        // each asks for a key that is not known yet; soon after the last time that is waited for
        let begun = Instant::now();
        while sso.with(&new).get(MANIFEST).await.status != 200 {
            assert!(begun.elapsed() < DEADLINE, "a token of a new key is never taken");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
    assert_eq!(requests.await.expect("no request failed"), 200);
}

#[tokio::test]
async fn while_the_realm_is_away_known_keys_serve_and_others_fail_closed() {
    let (realm, client) = realm().await;
    realm.user("alice", "pw", &["viewer"], &[]).await;
    let url = realm.issuer_url();
    let address = url.split("://").nth(1).and_then(|rest| rest.split('/').next()).expect("an address");
    let upstream = address.parse().expect("an address");
    let proxy = Proxy::start(vec![upstream]).await;
    let setup = trusting(&realm).await;
    let setup = setup.set("extensions.rbac.keycloak.internalUrl", format!("http://{}", proxy.address()));
    let server = setup.start().await;
    let admin = server.client();
    admin.push_image("team/app", "v1", vec![1; 100]).await;
    let token = async || realm.token_by_password(&client, "alice", "pw").await.access;
    let known = token().await;
    admin.with_token(&known).get(MANIFEST).await.expect_status(200);
    proxy.take_out(upstream);
    admin.with_token(&known).get(MANIFEST).await.expect_status(200);
    admin.with_token(&token().await).get(MANIFEST).await.expect_status(200);
    realm.add_key().await;
    let unknown = admin.with_token(&token().await);
    tokio::time::sleep(Duration::from_secs(4)).await; // past the pause between two attempts to reach it
    let refused = unknown.get(MANIFEST).await;
    assert_eq!(refused.status, 503, "{refused}");
    assert!(refused.headers.contains_key("retry-after"), "{refused}");
    assert!(refused.to_string().contains("identity_provider"), "{refused}");
    let refused = unknown.get("/api/v1/rbac/permissions").await.expect_status(503).json();
    assert_eq!(refused["code"], "service_unavailable", "{refused:#}");
    admin.with_token(&known).get(MANIFEST).await.expect_status(200);
    proxy.put_in(upstream);
    let begun = Instant::now();
    while unknown.get(MANIFEST).await.status != 200 {
        assert!(begun.elapsed() < DEADLINE, "the realm is back and its new key is never taken");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn a_token_that_is_wrong_in_one_thing_is_refused() {
    let sso = Sso::start().await;
    sso.realm.user("alice", "pw", &["admin"], &[]).await;
    let tokens = sso.realm.token_by_password(&sso.client, "alice", "pw").await;
    sso.with(&tokens.access).get(MANIFEST).await.expect_status(200);
    let (other_realm, other_client) = realm().await;
    other_realm.user("alice", "pw", &["admin"], &[]).await;
    let foreign = other_realm.token_by_password(&other_client, "alice", "pw").await.access;
    let elsewhere = sso.realm.client("another-service", ClientKind::Public).await;
    let elsewhere = sso.realm.token_by_password(&elsewhere, "alice", "pw").await.access;
    let parts: Vec<&str> = tokens.access.split('.').collect();
    let claims = |change: fn(&mut Value)| {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(parts[1]).expect("base64");
        let mut claims: Value = serde_json::from_slice(&bytes).expect("claims");
        change(&mut claims);
        BASE64_URL_SAFE_NO_PAD.encode(claims.to_string())
    };
    let none = BASE64_URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#);
    let unknown = BASE64_URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256","kid":"../../x' OR 1=1","typ":"JWT"}"#);
    let hs256 = BASE64_URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","kid":"x","typ":"JWT"}"#);
    for (why, token) in [
        ("another realm", foreign),
        ("another audience", elsewhere),
        ("an ID token", tokens.id.clone().expect("an ID token")),
        ("a refresh token", tokens.refresh.clone().expect("a refresh token")),
        (
            "other claims",
            format!("{}.{}.{}", parts[0], claims(|it| it["preferred_username"] = json!("root")), parts[2]),
        ),
        ("no signature", format!("{none}.{}.", parts[1])),
        ("an unknown key", format!("{unknown}.{}.{}", parts[1], parts[2])),
        ("a symmetric algorithm", format!("{hs256}.{}.{}", parts[1], parts[2])),
        (
            "the trusted issuer's name alone",
            format!("{}.{}.{}", parts[0], claims(|it| it["iss"] = json!("https://evil.example")), parts[2]),
        ),
        ("two parts", format!("{}.{}", parts[0], parts[1])),
        ("a megabyte", format!("{}.{}.{}", parts[0], "A".repeat(1024 * 1024), parts[2])),
    ] {
        for path in [MANIFEST, "/v2/", "/api/v1/rbac/permissions", "/auth/token"] {
            let reply = sso.with(&token).get(path).await;
            assert!([401, 431].contains(&reply.status.as_u16()), "{why} at {path}: {reply}");
        }
        let reply = sso.with(&token).get("/s3/").await;
        assert!([400, 401, 403, 431].contains(&reply.status.as_u16()), "{why} at /s3/: {reply}");
    }
    sso.realm.access_tokens_live(2).await;
    let short = sso.token("alice").await;
    sso.with(&short).get(MANIFEST).await.expect_status(200);
    let begun = Instant::now();
    // thirty seconds are allowed for clocks
    while sso.with(&short).get(MANIFEST).await.status == 200 {
        assert!(begun.elapsed() < DEADLINE, "it never expires");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let refused = sso.with(&short).get("/api/v1/rbac/permissions").await.expect_status(401);
    assert_eq!(refused.json()["code"], "token_expired", "{refused}");
}

/// Each key of the section changes what a token is taken for.
#[tokio::test]
async fn claims_and_audiences_are_as_configured() {
    let (realm, client) = realm().await;
    realm.user("alice", "pw", &["viewer"], &["ops"]).await;
    let token = realm.token_by_password(&client, "alice", "pw").await.access;
    let subject_and_roles = async |key: &str, value: Value| {
        let server = trusting(&realm).await.set(&format!("extensions.rbac.keycloak.{key}"), value).start().await;
        let reply = server.client().with_token(&token).get("/api/v1/rbac/permissions").await;
        if reply.status != 200 {
            return (reply.status.to_string(), Value::Null, Value::Null);
        }
        let oneself = reply.json();
        (
            oneself["subject"].as_str().unwrap_or_default().to_owned(),
            oneself["roles"].clone(),
            oneself["groups"].clone(),
        )
    };
    let (subject, roles, groups) = subject_and_roles("audiences", json!([STORE])).await;
    assert_eq!((subject.as_str(), groups), ("user:alice", json!(["ops"])));
    assert!(roles.to_string().contains("viewer"));
    assert_eq!(subject_and_roles("audiences", json!(["another"])).await.0, "401 Unauthorized");
    assert_eq!(subject_and_roles("clientId", json!("another")).await.0, "401 Unauthorized");
    assert_eq!(subject_and_roles("usernameClaim", json!("email")).await.0, "user:alice@example.org");
    assert_eq!(subject_and_roles("rolesClaims", json!(["groups"])).await.1, json!(["ops"]));
    assert!(subject_and_roles("groupsClaims", json!(["realm_access.roles"])).await.2.to_string().contains("viewer"));
    let missing = trusting(&realm).await.set("extensions.rbac.keycloak.cacert", "/nowhere/ca.pem");
    assert!(missing.start_refused().await.contains("/nowhere/ca.pem"));
}

/// A further issuer's users are not those of the first one, whatever they are called.
#[tokio::test]
async fn two_issuers_users_do_not_meet() {
    let (first, client) = realm().await;
    let (second, other_client) = realm().await;
    for realm in [&first, &second] {
        realm.user("alice", "pw", &["viewer"], &[]).await;
    }
    let issuer = json!({
        "name": "partner", "issuer": second.issuer_url(), "audiences": [STORE], "usernameClaim": "preferred_username",
        "rolesClaims": ["realm_access.roles"], "groupsClaims": ["groups"], "clientId": "partner-cli",
    });
    let setup = trusting(&first).await.set("extensions.rbac.issuers", json!([issuer.clone()]));
    let server = setup.start().await;
    let admin = server.client();
    admin.push_image("team/app", "v1", vec![1; 100]).await;
    let token = first.token_by_password(&client, "alice", "pw").await.access;
    let partner = second.token_by_password(&other_client, "alice", "pw").await.access;
    admin.with_token(&token).get(MANIFEST).await.expect_status(200);
    let stranger = admin.with_token(&partner);
    stranger.get(MANIFEST).await.expect_error(403, "DENIED");
    assert_eq!(stranger.get("/api/v1/rbac/permissions").await.json()["subject"], "user:partner:alice");
    let policy = json!({"resource": "team/*", "actions": ["read"], "principals": ["role:partner:viewer"]});
    admin.send(Method::POST, "/api/v1/rbac/policies", &policy).await.expect_status(201);
    stranger.get(MANIFEST).await.expect_status(200);
    let login = admin.with(None).get("/api/v1/auth").await.json();
    assert_eq!(login["issuers"][1]["clientId"], "partner-cli", "{login:#}");
    // with the same prefix they are the same
    let mut same = issuer;
    same["prefix"] = json!("-");
    same["jwksUrl"] = json!(format!("{}/protocol/openid-connect/certs", second.issuer_url()));
    let server = trusting(&first).await.set("extensions.rbac.issuers", json!([same.clone()])).start().await;
    let client = server.client().with_token(&partner);
    assert_eq!(client.get("/api/v1/rbac/permissions").await.json()["subject"], "user:alice");
    same["jwksUrl"] = json!("http://127.0.0.1:1/keys");
    let server = trusting(&first).await.set("extensions.rbac.issuers", json!([same])).start().await;
    server.client().with_token(&partner).get("/v2/").await.expect_status(503);
}
