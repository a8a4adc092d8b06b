//! Accounts and access keys: creating, using on every API, rotating and revoking them; revoked tokens; limits on wrong
//! credentials.

use std::time::Instant;

use reqwest::Method;
use serde_json::{Value, json};
use zot_tests::DEADLINE;
use zot_tests::backend::Backend;
use zot_tests::client::{Client, Reply};
use zot_tests::cluster::Cluster;
use zot_tests::server::{READER, Server, Setup};
use zot_tests::signed::Signer;

crate::on_both_backends!(
    an_account_has_its_roles_on_every_api,
    what_is_disabled_deleted_or_expired_is_not_accepted,
    a_rotated_key_lives_on_for_as_long_as_was_asked,
    strangers_look_after_no_accounts,
    wrong_accounts_and_keys_are_refused,
    too_many_wrong_credentials_have_to_wait,
    revoked_tokens_count_no_more,
    roles_are_policies_and_tokens_can_be_looked_at,
);

const ACCOUNTS: &str = "/api/v1/rbac/accounts";
const KEYS: &str = "/api/v1/rbac/access-keys";

/// An access key with its secret.
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) secret: String,
}

impl Key {
    pub(crate) fn of(document: &Value) -> Self {
        let text = |name: &str| document[name].as_str().expect("an access key with its secret").to_owned();
        Self { id: text("id"), secret: text("secretKey") }
    }

    pub(crate) fn client(&self, of: &Client) -> Client {
        of.with_key(&self.id, &self.secret)
    }

    /// The status of a signed request at `/s3`.
    pub(crate) async fn signed(&self, server: &Server, method: Method, path: &str) -> u16 {
        let endpoint = format!("http://{}", server.address());
        let signer = Signer { endpoint, access_key: self.id.clone(), secret_key: self.secret.clone() };
        signer.request(method, &format!("/s3{path}"), "").send().await.expect("an answer").status().as_u16()
    }
}

/// An account with these roles, and a key of it.
pub(crate) async fn account(admin: &Client, name: &str, roles: &[&str]) -> Key {
    admin.send(Method::POST, ACCOUNTS, &json!({"name": name, "roles": roles})).await.expect_status(201);
    key(admin, name).await
}

async fn key(admin: &Client, name: &str) -> Key {
    let made = admin.send(Method::POST, KEYS, &json!({"owner": format!("account:{name}")})).await.expect_status(201);
    Key::of(&made.json())
}

/// Asks until the status is that one.
async fn wait_for(client: &Client, path: &str, status: u16) {
    let begun = Instant::now();
    loop {
        let reply = client.get(path).await;
        if reply.status == status {
            return;
        }
        assert!(begun.elapsed() < DEADLINE, "{path}: {reply}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

async fn an_account_has_its_roles_on_every_api(backend: Backend) {
    let server = Server::guarded(backend).await;
    let admin = server.client();
    admin.push_image("team/app", "v1", vec![1; 100]).await;
    let (developer, viewer) =
        (account(&admin, "ci", &["developer"]).await, account(&admin, "robot", &["viewer"]).await);
    developer.client(&admin).push_image("team/app", "v2", vec![2; 100]).await;
    assert_eq!(developer.signed(&server, Method::PUT, "/team/object").await, 200);
    let reads = viewer.client(&admin);
    reads.get_manifest("team/app", "v2").await.expect_status(200);
    assert_eq!(viewer.signed(&server, Method::GET, "/team/object").await, 200);
    assert_eq!(viewer.signed(&server, Method::PUT, "/team/object").await, 403);
    let manifest = reads.get_manifest("team/app", "v1").await.body;
    reads.put_manifest("team/app", "v3", zot_tests::client::IMAGE_MANIFEST, &manifest).await.expect_status(403);
    // a policy of its own, by its name
    let policy = json!({"resource": "robots/*", "actions": ["write"], "principals": ["account:robot"]});
    admin.send(Method::POST, "/api/v1/rbac/policies", &policy).await.expect_status(201);
    reads.push_blob("robots/app", vec![3; 10]).await;
    let oneself = reads.get("/api/v1/rbac/permissions").await.expect_status(200).json();
    assert_eq!((&oneself["subject"], &oneself["roles"]), (&json!("account:robot"), &json!(["viewer"])), "{oneself:#}");
    // other roles are in force at once
    admin.send(Method::PUT, &format!("{ACCOUNTS}/robot"), &json!({"roles": []})).await.expect_status(200);
    reads.get_manifest("team/app", "v1").await.expect_status(403);
    assert_eq!(viewer.signed(&server, Method::GET, "/team/object").await, 403);
    let listed = admin.get(KEYS).await.expect_status(200);
    assert_eq!(listed.json()["count"], 2);
    let text = String::from_utf8_lossy(&listed.body).into_owned();
    assert!(!text.contains(&viewer.secret) && !text.contains("secretKey"), "{text}");
    assert!(!server.log().contains(&viewer.secret), "a secret in the log");
}

async fn what_is_disabled_deleted_or_expired_is_not_accepted(backend: Backend) {
    let server = Server::guarded(backend).await;
    let admin = server.client();
    admin.push_image("team/app", "v1", vec![1; 100]).await;
    let first = account(&admin, "ci", &["viewer"]).await;
    let path = format!("{KEYS}/{}", first.id);
    let client = first.client(&admin);
    let manifest = "/v2/team/app/manifests/v1";
    let token = client.get("/auth/token?scope=repository:team/app:pull").await.expect_status(200).json();
    let bearer = admin.with_token(token["token"].as_str().expect("a token"));
    for (change, back) in [
        (json!({"disabled": true}), json!({"disabled": false})),
        (json!({"expiresAt": "2020-01-01T00:00:00Z"}), json!({"expiresAt": null})),
    ] {
        bearer.get(manifest).await.expect_status(200);
        admin.send(Method::PATCH, &path, &change).await.expect_status(200);
        client.get(manifest).await.expect_error(401, "UNAUTHORIZED");
        bearer.get(manifest).await.expect_error(401, "UNAUTHORIZED");
        assert_eq!(first.signed(&server, Method::GET, "/").await, 403);
        admin.send(Method::PATCH, &path, &back).await.expect_status(200);
        client.get(manifest).await.expect_status(200);
        assert_eq!(first.signed(&server, Method::GET, "/").await, 200);
    }
    let account = format!("{ACCOUNTS}/ci");
    admin.send(Method::PUT, &account, &json!({"roles": ["viewer"], "disabled": true})).await.expect_status(200);
    client.get(manifest).await.expect_status(401);
    bearer.get(manifest).await.expect_status(401);
    admin.send(Method::PUT, &account, &json!({"roles": ["viewer"]})).await.expect_status(200);
    client.get(manifest).await.expect_status(200);
    admin.delete(&path).await.expect_status(204);
    client.get(manifest).await.expect_status(401);
    admin.delete(&path).await.expect_status(404);
    // an account that is made again has none of the keys of before
    let second = key(&admin, "ci").await;
    admin.delete(&account).await.expect_status(204);
    admin.send(Method::POST, ACCOUNTS, &json!({"name": "ci", "roles": ["admin"]})).await.expect_status(201);
    second.client(&admin).get(manifest).await.expect_status(401);
}

async fn a_rotated_key_lives_on_for_as_long_as_was_asked(backend: Backend) {
    let server = Server::guarded(backend).await;
    let admin = server.client();
    let old = account(&admin, "ci", &["viewer"]).await;
    let rotate = |key: &Key| format!("{KEYS}/{}/rotate", key.id);
    let made = admin.send(Method::POST, &rotate(&old), &json!({"graceSeconds": 3600})).await.expect_status(201).json();
    let new = Key::of(&made);
    assert_eq!(made["owner"], "account:ci");
    for key in [&old, &new] {
        key.client(&admin).get("/v2/").await.expect_status(200);
    }
    let last = admin.send(Method::POST, &rotate(&new), &json!({})).await.expect_status(201).json();
    new.client(&admin).get("/v2/").await.expect_status(401);
    Key::of(&last).client(&admin).get("/v2/").await.expect_status(200);
    admin.send(Method::POST, &rotate(&new), &json!({"graceSeconds": -1})).await.expect_status(400);
    let bare = Reply::to(admin.request(Method::POST, &rotate(&Key::of(&last)))).await.expect_status(201).json();
    Key::of(&bare).client(&admin).get("/v2/").await.expect_status(200);
    let gone = format!("{KEYS}/ZAKGONE/rotate");
    admin.send(Method::POST, &gone, &json!({})).await.expect_status(404);
}

async fn strangers_look_after_no_accounts(backend: Backend) {
    let server = Server::guarded(backend).await;
    let admin = server.client();
    let key = account(&admin, "ci", &["developer"]).await;
    let one = format!("{KEYS}/{}", key.id);
    let body = json!({"name": "mine", "roles": ["admin"]});
    for (method, path, body) in [
        (Method::GET, ACCOUNTS, json!({})),
        (Method::POST, ACCOUNTS, body.clone()),
        (Method::GET, "/api/v1/rbac/accounts/ci", json!({})),
        (Method::PUT, "/api/v1/rbac/accounts/ci", body),
        (Method::DELETE, "/api/v1/rbac/accounts/ci", json!({})),
        (Method::GET, KEYS, json!({})),
        (Method::POST, KEYS, json!({"owner": "account:ci"})),
        (Method::POST, KEYS, json!({"owner": "user:alice"})),
        (Method::GET, &one, json!({})),
        (Method::PATCH, &one, json!({"disabled": true})),
        (Method::POST, &format!("{one}/rotate"), json!({})),
        (Method::DELETE, &one, json!({})),
        (Method::DELETE, &format!("{KEYS}/ZAKNOTHERE"), json!({})),
        (Method::POST, "/api/v1/rbac/revocations", json!({"principal": "user:alice"})),
        (Method::POST, "/api/v1/rbac/validate", json!({"token": "x"})),
    ] {
        admin.with(None).send(method.clone(), path, &body).await.expect_status(401);
        for stranger in [admin.with(Some(READER)), key.client(&admin)] {
            stranger.send(method.clone(), path, &body).await.expect_status(403);
        }
    }
}

async fn wrong_accounts_and_keys_are_refused(backend: Backend) {
    let server = Server::guarded(backend).await;
    let admin = server.client();
    account(&admin, "ci", &[]).await;
    for account in [
        json!({}),
        json!({"name": ""}),
        json!({"name": "Upper"}),
        json!({"name": "a/b"}),
        json!({"name": "a".repeat(64)}),
        json!({"name": "x", "roles": [""]}),
        json!({"name": "x", "roles": "admin"}),
        json!({"name": "x", "groups": ["a\u{0}b"]}),
        json!({"name": "x", "description": "d".repeat(2000)}),
        json!({"name": "x", "admin": true}),
        json!(["x"]),
    ] {
        let reply = admin.send(Method::POST, ACCOUNTS, &account).await.expect_status(400);
        assert_eq!(reply.json()["code"], "bad_request", "{account}");
    }
    admin.send(Method::POST, ACCOUNTS, &json!({"name": "ci"})).await.expect_status(409);
    admin.send(Method::PUT, &format!("{ACCOUNTS}/nobody"), &json!({})).await.expect_status(404);
    for (key, status) in [
        (json!({}), 400),
        (json!({"owner": "ci"}), 400),
        (json!({"owner": "role:admin"}), 400),
        (json!({"owner": "key:test-admin"}), 400),
        (json!({"owner": "account:nobody"}), 404),
        (json!({"owner": "account:ci", "expiresAt": "tomorrow"}), 400),
        (json!({"owner": "account:ci", "expiresAt": "2020-01-01T00:00:00Z"}), 400),
        (json!({"owner": "user:alice", "expiresAt": "2999-01-01T00:00:00Z"}), 400),
        (json!({"owner": "account:ci", "secretKey": "chosen"}), 400),
        (json!({"owner": format!("user:{}", "n".repeat(256))}), 400),
        (json!({"owner": format!("user:{}", "n".repeat(12_000))}), 400),
        (json!({"owner": "user:a\u{0}b"}), 400),
        (json!({"owner": format!("user:{}", "n".repeat(255))}), 201),
    ] {
        admin.send(Method::POST, KEYS, &key).await.expect_status(status);
    }
    let revocations = "/api/v1/rbac/revocations";
    for principal in ["*", "anonymous", "", "nobody:x", &format!("user:{}", "n".repeat(12_000))] {
        admin.send(Method::POST, revocations, &json!({"principal": principal})).await.expect_status(400);
    }
    let too_many = format!("/auth/token?scope=repository:team/app:{}", "*,".repeat(1000));
    admin.get(&too_many).await.expect_status(400);
}

async fn too_many_wrong_credentials_have_to_wait(backend: Backend) {
    let setup = Setup::on(&backend.fresh().await).with_access_control().set("auth.failuresPerMinute", 5);
    let server = setup.set("http.trustedProxies", json!(["127.0.0.1"])).start().await;
    let admin = server.client();
    let key = account(&admin, "ci", &["viewer"]).await;
    let wrong = admin.with_key(&key.id, "not the secret");
    let from = |client: &Client, address: &'static str, path: &str| {
        Reply::to(client.request(Method::GET, path).header("x-forwarded-for", address))
    };
    for _ in 0..5 {
        from(&wrong, "192.0.2.1", "/v2/").await.expect_error(401, "UNAUTHORIZED");
    }
    let refused = from(&wrong, "192.0.2.1", "/v2/").await.expect_error(429, "TOOMANYREQUESTS");
    assert!(refused.headers.contains_key("retry-after"));
    from(&wrong, "192.0.2.1", "/api/v1/rbac/permissions").await.expect_status(429);
    // the right secret has to wait too from there, and not from elsewhere; nor have other keys
    from(&key.client(&admin), "192.0.2.1", "/v2/").await.expect_status(429);
    from(&key.client(&admin), "192.0.2.2", "/v2/").await.expect_status(200);
    from(&admin, "192.0.2.1", "/v2/").await.expect_status(200);
    // signatures count alike
    let endpoint = format!("http://{}", server.address());
    let signer = Signer { endpoint, access_key: key.id.clone(), secret_key: "wrong".to_owned() };
    let sent = signer.request(Method::GET, "/s3/", "").header("x-forwarded-for", "192.0.2.1").send().await;
    assert_eq!(sent.expect("an answer").status(), 503, "S3 says SlowDown");
    // after half a minute it would be forgiven; with no bound nobody waits
    let open = Setup::on(&backend.fresh().await).with_access_control().set("auth.failuresPerMinute", 0).start().await;
    for _ in 0..70 {
        open.client().with_key("nobody", "wrong").get("/v2/").await.expect_status(401);
    }
}

async fn revoked_tokens_count_no_more(backend: Backend) {
    let server = Server::guarded(backend).await;
    let admin = server.client();
    admin.push_image("team/app", "v1", vec![1; 100]).await;
    let key = account(&admin, "ci", &["viewer"]).await;
    let path = "/auth/token?scope=repository:team/app:pull";
    let issue =
        async || key.client(&admin).get(path).await.expect_status(200).json()["token"].as_str().map(str::to_owned);
    let token = issue().await.expect("a token");
    let bearer = admin.with_token(&token);
    bearer.get("/v2/team/app/manifests/v1").await.expect_status(200);
    let revocation = json!({"principal": "account:ci"});
    admin.send(Method::POST, "/api/v1/rbac/revocations", &revocation).await.expect_status(204);
    bearer.get("/v2/team/app/manifests/v1").await.expect_error(401, "UNAUTHORIZED");
    // the key stays, and gets new ones: those of the next second
    let begun = Instant::now();
    loop {
        let again = admin.with_token(&issue().await.expect("a token"));
        if again.get("/v2/team/app/manifests/v1").await.status == 200 {
            break;
        }
        assert!(begun.elapsed() < DEADLINE, "no token is accepted any more");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    bearer.get("/v2/team/app/manifests/v1").await.expect_status(401);
}

async fn roles_are_policies_and_tokens_can_be_looked_at(backend: Backend) {
    const ROLES: &str = "/api/v1/rbac/roles";
    let server = Server::guarded(backend).await;
    let admin = server.client();
    admin.push_image("release/app", "v1", vec![1; 100]).await;
    let key = account(&admin, "publisher", &["release"]).await;
    let publisher = key.client(&admin);
    publisher.get("/v2/release/app/manifests/v1").await.expect_status(403);
    let role = json!({"id": "release", "resource": "release/*", "permissions": ["read", "write"]});
    admin.send(Method::POST, ROLES, &role).await.expect_status(201);
    admin.send(Method::POST, ROLES, &role).await.expect_status(409);
    publisher.get("/v2/release/app/manifests/v1").await.expect_status(200);
    let mut one = admin.get(&format!("{ROLES}/release")).await.expect_status(200).json();
    one["permissions"] = json!(["list"]);
    admin.send(Method::PUT, &format!("{ROLES}/release"), &one).await.expect_status(200);
    publisher.get("/v2/release/app/manifests/v1").await.expect_status(403);
    let ids: Vec<_> =
        admin.get(ROLES).await.json()["roles"].as_array().expect("roles").iter().map(|it| it["id"].clone()).collect();
    assert_eq!(ids, ["admin", "auditor", "developer", "release", "viewer"]);
    // a principal who is named has the role's rights too
    let assigned = json!({"roleId": "viewer"});
    admin.send(Method::POST, "/api/v1/rbac/users/account:publisher/roles", &assigned).await.expect_status(200);
    publisher.get("/v2/release/app/manifests/v1").await.expect_status(200);
    admin.send(Method::POST, "/api/v1/rbac/users/alice/roles", &json!({"roleId": "none"})).await.expect_status(404);
    let token = publisher.get("/auth/token").await.expect_status(200).json();
    let looked = admin.send(Method::POST, "/api/v1/rbac/validate", &json!({"token": token["token"]})).await;
    let looked = looked.expect_status(200).json();
    assert_eq!((&looked["valid"], &looked["userId"]), (&json!(true), &json!("account:publisher")), "{looked:#}");
    let looked = admin.send(Method::POST, "/api/v1/rbac/validate", &json!({"token": "eyJ.x.y"})).await.json();
    assert_eq!(looked["valid"], false);
    admin.delete(&format!("{ROLES}/release")).await.expect_status(204);
    admin.get(&format!("{ROLES}/release")).await.expect_status(404);
}

/// A change at one replica is in force on all. Without the database nobody is authenticated by old knowledge.
#[tokio::test]
async fn replicas_agree_on_keys_and_revocations() {
    let cluster = Cluster::guarded().await;
    let [one, two, three] = [0, 1, 2].map(|index| cluster.replica(index).client());
    one.push_image("team/app", "v1", vec![1; 100]).await;
    let key = account(&one, "ci", &["viewer"]).await;
    let manifest = "/v2/team/app/manifests/v1";
    for client in [&two, &three] {
        wait_for(&key.client(client), manifest, 200).await;
    }
    let path = format!("{KEYS}/{}", key.id);
    two.send(Method::PATCH, &path, &json!({"disabled": true})).await.expect_status(200);
    for client in [&one, &three] {
        wait_for(&key.client(client), manifest, 401).await;
    }
}

/// Secrets are encrypted with a key that is not in the database, and again when it is rotated, while clients continue.
#[tokio::test]
async fn master_keys_are_rotated_while_the_server_runs() {
    let home = zot_tests::tools::Home::new();
    let (old, new) = ("old-".repeat(8), "new-".repeat(8));
    let file = home.write("keys", &old);
    let setup = Setup::on(&Backend::SqliteDisk.fresh().await).with_access_control();
    let setup = setup.set("auth.keyFile", file.to_string_lossy().into_owned());
    let mut server = setup.start().await;
    let admin = server.client();
    let key = account(&admin, "ci", &["viewer"]).await;
    home.write("keys", format!("{new}\n{old}\n"));
    let begun = Instant::now();
    while !server.log().contains("encrypted with the master key in use") {
        assert!(begun.elapsed() < DEADLINE, "no key was encrypted again\n{}", server.output());
        key.client(&admin).get("/v2/").await.expect_status(200);
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    key.client(&admin).get("/v2/").await.expect_status(200);
    // the old one is not needed any more
    server.kill();
    home.write("keys", &new);
    let server = setup.start().await;
    key.client(&server.client()).get("/v2/").await.expect_status(200);
    drop(server);
    // without the right one a key cannot be decrypted, which health says
    home.write("keys", "another one".repeat(4));
    let server = setup.start().await;
    key.client(&server.client()).get("/v2/").await.expect_status(401);
    let begun = Instant::now();
    loop {
        let health = server.client().with(None).get("/health").await.json().to_string();
        if health.contains("cannot be decrypted") {
            break;
        }
        assert!(begun.elapsed() < DEADLINE, "{health}");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    drop(server);
    home.write("keys", "short");
    let why = setup.start_refused().await;
    assert!(why.contains("fewer than 32 characters"), "{why}");
}

/// With a new key in the place of a missing one no access key could be decrypted.
#[tokio::test]
async fn a_master_key_that_is_missing_is_not_made_anew() {
    let storage = Backend::SqliteDisk.fresh().await;
    let setup = Setup::on(&storage).with_access_control();
    let server = setup.start().await;
    let key = account(&server.client(), "ci", &["viewer"]).await;
    drop(server);
    let file = storage.root().join("master-key");
    let kept = std::fs::read(&file).expect("the master key");
    std::fs::remove_file(&file).expect("removing it");
    let why = setup.start_refused().await;
    assert!(why.contains("master-key is missing") && !file.exists(), "{why}");
    std::fs::write(&file, kept).expect("putting it back");
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&file, private).expect("its mode");
    let server = setup.start().await;
    key.client(&server.client()).get("/v2/").await.expect_status(200);
    drop(server);
    // another one on purpose: the server says what that means
    std::fs::write(&file, "another one".repeat(4)).expect("another key");
    let server = setup.start().await;
    assert!(server.log().contains("access keys cannot be decrypted"), "{}", server.output());
    key.client(&server.client()).get("/v2/").await.expect_status(401);
}

/// Keys that were encrypted with the admin's secret are encrypted again with the file's, and no longer need the secret.
#[tokio::test]
async fn a_key_file_may_come_later() {
    let home = zot_tests::tools::Home::new();
    let storage = Backend::PostgresS3.fresh().await;
    let setup = Setup::on(&storage).with_access_control();
    let server = setup.start().await;
    let key = account(&server.client(), "ci", &["viewer"]).await;
    drop(server);
    let file = home.write("keys", "file".repeat(8));
    let setup = setup.set("auth.keyFile", file.to_string_lossy().into_owned());
    let server = setup.start().await;
    let begun = Instant::now();
    while !server.log().contains("encrypted with the master key in use") {
        key.client(&server.client()).get("/v2/").await.expect_status(200);
        assert!(begun.elapsed() < DEADLINE, "{}", server.output());
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    drop(server);
    let server = setup.env("ZOT_ADMIN_SECRET_KEY", "another secret of the admin").start().await;
    key.client(&server.client()).get("/v2/").await.expect_status(200);
}
