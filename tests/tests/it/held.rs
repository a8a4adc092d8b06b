//! A denial applies whatever credentials a principal uses. Public access does not give away the store.

#![expect(clippy::panic, reason = "a test that fails says what was answered")]

use reqwest::Method;
use serde_json::{Value, json};
use zot_tests::backend::Backend;
use zot_tests::client::{Client, Reply};
use zot_tests::issuer::Issuer;
use zot_tests::server::{READER, Server, Setup};
use zot_tests::signed::Signer;

use crate::access_keys::{Key, account};

crate::on_both_backends!(
    a_session_of_one_role_keeps_denials_and_revocations,
    a_key_of_a_person_keeps_what_is_denied_to_them,
    what_is_open_to_everybody_is_not_the_store,
    what_protects_nothing_is_refused,
    a_person_has_so_many_keys,
    accounts_and_keys_are_explained_as_they_are,
);

const POLICIES: &str = "/api/v1/rbac/policies";
const KEYS: &str = "/api/v1/rbac/access-keys";

/// A store with an issuer, `prod/app` and an object in it, closed to contractors.
async fn store(backend: Backend) -> (Server, Issuer, Client) {
    let issuer = Issuer::start("https://sso.example.com", "store").await;
    let setup = Setup::on(&backend.fresh().await).with_access_control();
    let server = setup.set("extensions.rbac.issuers", json!([issuer.settings()])).start().await;
    let admin = server.client();
    admin.push_image("prod/app", "v1", vec![1; 100]).await;
    Reply::to(admin.request(Method::PUT, "/s3/prod/key").body("x")).await.expect_status(200);
    let deny = json!({"id": "no-prod", "resource": "prod/*", "actions": ["*"], "effect": "deny", "principals": ["group:contractors"]});
    admin.send(Method::POST, POLICIES, &deny).await.expect_status(201);
    (server, issuer, admin)
}

/// Temporary credentials, as their holder signs with them.
struct Session {
    signer: Signer,
    token: String,
}

impl Session {
    async fn of_role(server: &Server, token: &str, role: &str) -> Self {
        let form = format!(
            "Action=AssumeRoleWithWebIdentity&RoleArn=arn:aws:iam::000000000000:role/{role}&RoleSessionName=test&\
             Version=2011-06-15&WebIdentityToken={token}"
        );
        let request = server.client().with(None).request(Method::POST, "/s3/");
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(form);
        let body = String::from_utf8(Reply::to(request).await.expect_status(200).body.to_vec()).expect("XML");
        let field = |name: &str| {
            let found = body.split_once(&format!("<{name}>")).and_then(|(_, rest)| rest.split_once("</"));
            found.unwrap_or_else(|| panic!("no {name}: {body}")).0.to_owned()
        };
        let endpoint = format!("http://{}/s3", server.address());
        let signer = Signer { endpoint, access_key: field("AccessKeyId"), secret_key: field("SecretAccessKey") };
        Self { signer, token: field("SessionToken") }
    }

    async fn status(&self, method: Method, path: &str) -> u16 {
        let token = [("x-amz-security-token", self.token.clone())];
        // a bucket is made without a body
        let body = if path.matches('/').count() > 1 { "y" } else { "" };
        Reply::to(self.signer.request_with(method, path, "", &token).body(body)).await.status.as_u16()
    }
}

async fn a_session_of_one_role_keeps_denials_and_revocations(backend: Backend) {
    let (server, issuer, admin) = store(backend).await;
    for role in ["self", "developer"] {
        let token = issuer.token("alice", &json!({"roles": ["developer"], "groups": ["contractors"]}));
        server.client().with_token(&token).get("/s3/prod/key").await.expect_status(403);
        let session = Session::of_role(&server, &token, role).await;
        assert_eq!(session.status(Method::PUT, "/open").await, 200, "{role}");
        assert_eq!(session.status(Method::PUT, "/open/key").await, 200, "{role}");
        assert_eq!(session.status(Method::GET, "/prod/key").await, 403, "{role}");
        assert_eq!(session.status(Method::PUT, "/prod/key").await, 403, "{role}");
        let revocation = json!({"principal": "group:contractors"});
        admin.send(Method::POST, "/api/v1/rbac/revocations", &revocation).await.expect_status(204);
        assert_eq!(session.status(Method::GET, "/open/key").await, 403, "{role}: it was revoked");
        admin.request(Method::DELETE, "/s3/open/key").send().await.expect("an answer");
        admin.request(Method::DELETE, "/s3/open").send().await.expect("an answer");
        // those of the next second are good again
        tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    }
}

async fn a_key_of_a_person_keeps_what_is_denied_to_them(backend: Backend) {
    let (_server, issuer, admin) = store(backend).await;
    let allow = json!({"id": "all", "resource": "*", "actions": ["read"]});
    admin.send(Method::POST, POLICIES, &allow).await.expect_status(201);
    admin.push_image("team/app", "v1", vec![1; 100]).await;
    let grants = json!({"resource": "team/*", "actions": ["delete"], "principals": ["group:contractors"]});
    admin.send(Method::POST, POLICIES, &grants).await.expect_status(201);
    let alice = admin.with_token(&issuer.token("alice", &json!({"groups": ["contractors"]})));
    let made = Key::of(&alice.send(Method::POST, KEYS, &json!({})).await.expect_status(201).json());
    let rotate = async |client: &Client, key: &Key| {
        let grace = json!({"graceSeconds": 3600});
        let made = client.send(Method::POST, &format!("{KEYS}/{}/rotate", key.id), &grace).await;
        Key::of(&made.expect_status(201).json())
    };
    let rotated = rotate(&alice, &made).await;
    let by_admin = rotate(&admin, &rotated).await;
    for client in [alice, made.client(&admin), rotated.client(&admin), by_admin.client(&admin)] {
        client.get_manifest("team/app", "v1").await.expect_status(200);
        client.get_manifest("prod/app", "v1").await.expect_error(403, "DENIED");
    }
    // never for what is allowed
    let refused = made.client(&admin).delete("/v2/team/app/manifests/v1").await;
    refused.expect_error(403, "DENIED");
}

async fn what_is_open_to_everybody_is_not_the_store(backend: Backend) {
    let (_server, _, admin) = store(backend).await;
    for (id, resource) in [("open", "*"), ("wide-open", "system:*")] {
        let open = json!({"id": id, "resource": resource, "actions": ["*"], "principals": ["anonymous"]});
        admin.send(Method::POST, POLICIES, &open).await.expect_status(201);
    }
    let nobody = admin.with(None);
    nobody.get_manifest("prod/app", "v1").await.expect_status(200);
    nobody.push_image("open/app", "v1", vec![2; 100]).await;
    for path in [POLICIES, "/api/v1/rbac/accounts", KEYS, "/api/v1/rbac/audit", "/api/v1/rbac/roles"] {
        nobody.get(path).await.expect_status(401);
    }
    let mine = json!({"id": "mine", "resource": "*", "actions": ["*"]});
    nobody.send(Method::POST, POLICIES, &mine).await.expect_status(401);
    nobody.delete(&format!("{POLICIES}/no-prod")).await.expect_status(401);
    nobody.send(Method::POST, KEYS, &json!({"owner": "user:eve"})).await.expect_status(401);
    Reply::to(nobody.request(Method::PUT, "/s3/prod?policy").body("{}")).await.expect_status(403);
}

async fn what_protects_nothing_is_refused(backend: Backend) {
    let (_server, _, admin) = store(backend).await;
    let refused = async |body: String, named: &str| {
        let sent = admin.request(Method::POST, POLICIES).header("content-type", "application/json").body(body.clone());
        let answer = Reply::to(sent).await.expect_status(400).json();
        assert!(answer["message"].as_str().is_some_and(|text| text.contains(named)), "{body}: {answer}");
    };
    for (resource, named) in [
        ("repositories:prod/*", "repository:"),
        ("bucket:prod", "object:prod"),
        ("repository:prod/app:v1", "repository:prod/app"),
        ("System:audit", "system:audit"),
        ("system:policies/open", "system:policies"),
        ("Prod/*", "lower-case"),
    ] {
        refused(json!({"resource": resource, "actions": ["read"], "effect": "deny"}).to_string(), named).await;
    }
    for principal in ["Anonymous", "user:*", " alice"] {
        let policy = json!({"resource": "prod/*", "actions": ["read"], "principals": [principal]});
        refused(policy.to_string(), principal.trim()).await;
    }
    let twice =
        r#"{"resource": "*", "actions": ["read"], "conditions": {"sourceIp": "10.0.0.0/8", "sourceIp": "0.0.0.0/0"}}"#;
    refused(twice.to_owned(), "twice").await;
    for id in ["..", ".hidden", "a/b", "a b", "ü"] {
        refused(json!({"id": id, "resource": "*", "actions": ["read"]}).to_string(), "id").await;
    }
    let role = json!({"id": "../x", "permissions": ["read"]});
    admin.send(Method::POST, "/api/v1/rbac/roles", &role).await.expect_status(400);
}

async fn a_person_has_so_many_keys(backend: Backend) {
    let (_server, issuer, admin) = store(backend).await;
    let alice = admin.with_token(&issuer.token("alice", &json!({})));
    let mut keys = Vec::new();
    for _ in 0..20 {
        keys.push(Key::of(&alice.send(Method::POST, KEYS, &json!({})).await.expect_status(201).json()));
    }
    let full = alice.send(Method::POST, KEYS, &json!({})).await.expect_status(409).json();
    assert!(full["message"].as_str().is_some_and(|text| text.contains("delete one")), "{full}");
    let rotate = |key: &Key| format!("{KEYS}/{}/rotate", key.id);
    alice.send(Method::POST, &rotate(&keys[0]), &json!({})).await.expect_status(409);
    // somebody else's are theirs, and so is somebody's whose id is a name
    let other = admin.with_token(&issuer.token("alice", &json!({"name": null, "sub": "alice"})));
    let made = other.send(Method::POST, KEYS, &json!({})).await.expect_status(201).json();
    assert_eq!(made["owner"], "userid:alice");
    assert_eq!(other.get(KEYS).await.json()["count"], 1);
    alice.delete(&format!("{KEYS}/{}", keys[0].id)).await.expect_status(204);
    let one = format!("{KEYS}/{}", keys[1].id);
    alice.send(Method::PATCH, &one, &json!({"disabled": true})).await.expect_status(200);
    // a disabled key does not come back as another one, and says what is wrong with it
    for client in [&alice, &admin] {
        let refused = client.send(Method::POST, &rotate(&keys[1]), &json!({})).await.expect_status(409).json();
        assert!(refused["message"].as_str().is_some_and(|text| text.contains("disabled")), "{refused}");
    }
    let said = async |key: &Key| {
        let reply = key.client(&admin).get("/api/v1/rbac/permissions").await.expect_status(401).json();
        reply["message"].as_str().unwrap_or_default().to_owned()
    };
    assert!(said(&keys[1]).await.contains("disabled"));
    let ended = json!({"disabled": false, "expiresAt": "2020-01-01T00:00:00Z"});
    alice.send(Method::PATCH, &one, &ended).await.expect_status(200);
    assert!(said(&keys[1]).await.contains("expired"));
    let guessed = Key { id: keys[1].id.clone(), secret: "wrong".to_owned() };
    assert!(said(&guessed).await.contains("wrong secret"));
}

async fn accounts_and_keys_are_explained_as_they_are(backend: Backend) {
    let (_server, issuer, admin) = store(backend).await;
    let key = account(&admin, "ci", &["developer"]).await;
    let mistyped = json!({"name": "robot", "roles": ["viewer", "develper"], "groups": ["nobodys"]});
    let made = admin.send(Method::POST, "/api/v1/rbac/accounts", &mistyped).await.expect_status(201).json();
    let warned = made["warnings"].to_string();
    assert!(
        warned.contains("role:develper") && warned.contains("group:nobodys") && !warned.contains("viewer"),
        "{made}"
    );
    let back = admin.send(Method::PUT, "/api/v1/rbac/accounts/robot", &made).await.expect_status(200).json();
    assert_eq!(back["warnings"], made["warnings"]);
    let alice = admin.with_token(&issuer.token("alice", &json!({"groups": ["contractors"]})));
    let own = Key::of(&alice.send(Method::POST, KEYS, &json!({})).await.expect_status(201).json());
    let ask = async |client: &Client, body: Value| client.send(Method::POST, "/api/v1/rbac/authorize", &body).await;
    for (who, resource, allowed, policy) in [
        ("account:ci".to_owned(), "team/app", true, json!("role-developer")),
        (format!("key:{}", key.id), "team/app", true, json!("role-developer")),
        (format!("key:{}", own.id), "prod/app", false, json!("no-prod")),
    ] {
        let question = json!({"userId": who, "resource": resource, "action": "update"});
        let answer = ask(&admin, question.clone()).await.expect_status(200).json();
        assert_eq!((&answer["allowed"], &answer["policyId"]), (&json!(allowed), &policy), "{question}: {answer}");
        ask(&admin.with(Some(READER)), question).await.expect_status(403);
    }
    for gone in ["account:nobody", "key:ZAKNOTHERE"] {
        let question = json!({"userId": gone, "resource": "team/app", "action": "read"});
        ask(&admin, question.clone()).await.expect_status(404);
        ask(&admin.with(Some(READER)), question).await.expect_status(403);
    }
    let night = json!({"id": "elsewhere", "resource": "team/*", "actions": ["read"], "conditions": {"sourceIp": "192.0.2.0/24"}});
    admin.send(Method::POST, POLICIES, &night).await.expect_status(201);
    let question = json!({"userId": "bob", "resource": "team/app", "action": "read"});
    let answer = ask(&admin, question).await.expect_status(200).json();
    assert_eq!((&answer["allowed"], &answer["policyId"]), (&json!(false), &json!("elsewhere")), "{answer}");
    assert!(answer["reason"].as_str().is_some_and(|reason| reason.contains("conditions")), "{answer}");
    ask(&admin, json!({"resource": "bucket:prod", "action": "read"})).await.expect_status(400);
}
