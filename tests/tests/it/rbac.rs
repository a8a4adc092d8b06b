//! Policies of a running server: who may manage them, and that each change takes effect on every API and replica.

use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use zot_tests::DEADLINE;
use zot_tests::backend::Backend;
use zot_tests::client::{Client, Reply};
use zot_tests::server::{READER, Server, Setup};

crate::on_both_backends!(
    policies_are_kept_and_strangers_kept_out,
    a_change_is_in_force_on_every_api_and_replica,
    what_is_public_needs_no_login,
    names_that_one_may_not_list_are_not_there,
    decisions_are_explained,
    wrong_policies_are_refused,
);

const POLICIES: &str = "/api/v1/rbac/policies";

async fn send(client: &Client, method: Method, path: &str, body: &Value) -> Reply {
    Reply::to(client.request(method, path).json(body)).await
}

fn deny(id: &str, who: &str, resource: &str) -> Value {
    json!({"id": id, "name": id, "resource": resource, "actions": ["*"], "effect": "deny", "principals": [who]})
}

/// A store with `team/app`, and its admin, reader and nobody in particular.
async fn store(backend: Backend) -> (Server, [Client; 3]) {
    let server = Server::guarded(backend).await;
    let admin = server.client();
    admin.push_image("team/app", "v1", vec![1; 100]).await;
    let clients = [admin.clone(), admin.with(Some(READER)), admin.with(None)];
    (server, clients)
}

async fn policies_are_kept_and_strangers_kept_out(backend: Backend) {
    let (_server, [admin, reader, nobody]) = store(backend).await;
    let listed = admin.get(POLICIES).await.expect_status(200).json();
    let ids: Vec<_> = listed["policies"].as_array().expect("policies").iter().map(|it| it["id"].clone()).collect();
    assert_eq!(ids, ["role-admin", "role-auditor", "role-developer", "role-viewer"], "{listed:#}");
    assert_eq!(listed["count"], 4);
    let policy = deny("no-secrets", "*", "secret/*");
    let one = format!("{POLICIES}/no-secrets");
    for (method, path) in [
        (Method::GET, POLICIES),
        (Method::POST, POLICIES),
        (Method::GET, "/api/v1/rbac/policies/role-admin"),
        (Method::PUT, "/api/v1/rbac/policies/role-admin"),
        (Method::DELETE, "/api/v1/rbac/policies/role-admin"),
    ] {
        send(&nobody, method.clone(), path, &policy).await.expect_status(401);
        send(&reader, method, path, &policy).await.expect_status(403);
    }
    let made = send(&admin, Method::POST, POLICIES, &policy).await.expect_status(201);
    assert_eq!(made.header("location"), one);
    assert!(made.json()["createdAt"].is_string());
    send(&admin, Method::POST, POLICIES, &policy).await.expect_status(409);
    let mut kept = admin.get(&one).await.expect_status(200).json();
    assert_eq!((&kept["effect"], &kept["resource"]), (&json!("deny"), &json!("secret/*")), "{kept:#}");
    // what was read may be changed and sent back
    kept["description"] = json!("kept from everybody");
    let changed = send(&admin, Method::PUT, &one, &kept).await.expect_status(200).json();
    assert_eq!(changed["createdAt"], kept["createdAt"], "{changed:#}");
    assert_eq!(admin.get(&one).await.json()["description"], "kept from everybody");
    admin.delete(&one).await.expect_status(204);
    admin.delete(&one).await.expect_status(404);
    admin.get(&one).await.expect_status(404);
    send(&admin, Method::PUT, &one, &policy).await.expect_status(404);
    let unnamed = json!({"resource": "unnamed/*", "actions": ["read"]});
    let made = send(&admin, Method::POST, POLICIES, &unnamed).await.expect_status(201).json();
    assert!(made["id"].as_str().is_some_and(|id| id.len() == 36), "{made:#}");
}

/// Asks until the status is that one.
async fn wait_for(client: &Client, path: &str, status: StatusCode) {
    let begun = Instant::now();
    loop {
        let reply = client.get(path).await;
        if reply.status == status {
            return;
        }
        assert!(begun.elapsed() < DEADLINE, "{path}: {reply}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn a_change_is_in_force_on_every_api_and_replica(backend: Backend) {
    let storage = backend.fresh().await;
    let setup = Setup::on(&storage).with_access_control();
    let first = setup.start().await;
    let second = if backend == Backend::PostgresS3 { Some(setup.start().await) } else { None };
    let admin = first.client();
    admin.push_image("team/app", "v1", vec![1; 100]).await;
    assert_eq!(admin.request(Method::PUT, "/s3/team/key").body("x").send().await.expect("a response").status(), 200);
    let readers: Vec<_> =
        [Some(&first), second.as_ref()].into_iter().flatten().map(|it| it.client().with(Some(READER))).collect();
    for reader in &readers {
        reader.get("/v2/team/app/manifests/v1").await.expect_status(200);
        reader.get("/s3/team/key").await.expect_status(200);
    }
    send(&admin, Method::POST, POLICIES, &deny("closed", "role:viewer", "team/*")).await.expect_status(201);
    // at once where it was made
    readers[0].get("/v2/team/app/manifests/v1").await.expect_error(403, "DENIED");
    for reader in &readers {
        wait_for(reader, "/v2/team/app/manifests/v1", StatusCode::FORBIDDEN).await;
        wait_for(reader, "/s3/team/key", StatusCode::FORBIDDEN).await;
    }
    // the admin's key is not held up by it, nor by one that says everything
    send(&admin, Method::POST, POLICIES, &deny("all", "*", "*")).await.expect_status(201);
    admin.get("/v2/team/app/manifests/v1").await.expect_status(200);
    for id in ["closed", "all"] {
        admin.delete(&format!("{POLICIES}/{id}")).await.expect_status(204);
    }
    for reader in &readers {
        wait_for(reader, "/v2/team/app/manifests/v1", StatusCode::OK).await;
    }
    // shipped roles are ordinary policies, and stay away once they were deleted
    admin.delete(&format!("{POLICIES}/role-viewer")).await.expect_status(204);
    readers[0].get("/v2/team/app/manifests/v1").await.expect_error(403, "DENIED");
    drop(second);
    drop(first);
    let again = setup.clone().set("http.readOnly", true).start().await;
    again.client().get(POLICIES).await.expect_status(200);
    send(&again.client(), Method::POST, POLICIES, &deny("late", "*", "*")).await.expect_status(403);
    again.client().with(Some(READER)).get("/v2/team/app/manifests/v1").await.expect_error(403, "DENIED");
}

async fn what_is_public_needs_no_login(backend: Backend) {
    let (_server, [admin, _, nobody]) = store(backend).await;
    admin.push_image("open/app", "v1", vec![2; 100]).await;
    nobody.get("/v2/open/app/manifests/v1").await.expect_error(401, "UNAUTHORIZED");
    let public = json!({"id": "open", "resource": "open/*", "actions": ["read", "list"], "principals": ["anonymous"]});
    send(&admin, Method::POST, POLICIES, &public).await.expect_status(201);
    nobody.get("/v2/open/app/manifests/v1").await.expect_status(200);
    nobody.get("/v2/team/app/manifests/v1").await.expect_error(401, "UNAUTHORIZED");
    let listed = nobody.get("/v2/_catalog").await.expect_status(200).json();
    assert_eq!(listed["repositories"], json!(["open/app"]));
}

async fn names_that_one_may_not_list_are_not_there(backend: Backend) {
    let (_server, [admin, reader, _]) = store(backend).await;
    for number in 0..5 {
        admin.push_image(&format!("secret/a{number}"), "v1", vec![2; 100]).await;
        admin.push_image(&format!("team/z{number}"), "v1", vec![2; 100]).await;
    }
    send(&admin, Method::POST, POLICIES, &deny("no-secrets", "role:viewer", "secret/*")).await.expect_status(201);
    let mut found: Vec<String> = Vec::new();
    let mut path = "/v2/_catalog?n=2".to_owned();
    loop {
        let page = reader.get(&path).await.expect_status(200);
        let names = page.json()["repositories"].as_array().expect("names").clone();
        assert!(names.len() <= 2, "{names:?}");
        found.extend(names.iter().map(|name| name.as_str().expect("a name").to_owned()));
        match page.headers.get("link").and_then(|link| link.to_str().ok()?.split(['<', '>']).nth(1).map(str::to_owned))
        {
            Some(next) => path = next,
            None => break,
        }
    }
    assert_eq!(found, ["team/app", "team/z0", "team/z1", "team/z2", "team/z3", "team/z4"]);
    let buckets = Reply::to(reader.request(Method::GET, "/s3/").header("accept", "application/json")).await;
    let text = buckets.expect_status(200).json().to_string();
    assert!(text.contains("team") && !text.contains("secret"), "{text}");
}

async fn decisions_are_explained(backend: Backend) {
    let (_server, [admin, reader, nobody]) = store(backend).await;
    let rule = deny("no-prod", "bob", "team/prod");
    send(&admin, Method::POST, POLICIES, &rule).await.expect_status(201);
    let ask = async |client: &Client, body: Value| send(client, Method::POST, "/api/v1/rbac/authorize", &body).await;
    for (question, allowed, policy) in [
        (
            json!({"userId": "bob", "roles": ["developer"], "resource": "team/test", "action": "create"}),
            true,
            json!("role-developer"),
        ),
        (
            json!({"userId": "bob", "roles": ["developer"], "resource": "team/prod", "action": "read"}),
            false,
            json!("no-prod"),
        ),
        (json!({"userId": "eve", "resource": "team/prod", "action": "read"}), false, Value::Null),
        (
            json!({"userId": "x", "roles": ["auditor"], "resource": "system:audit", "action": "read"}),
            true,
            json!("role-auditor"),
        ),
        (json!({"userId": "anonymous", "resource": "team/app", "action": "read"}), false, Value::Null),
    ] {
        let decision = ask(&admin, question.clone()).await.expect_status(200).json();
        assert_eq!((&decision["allowed"], &decision["policyId"]), (&json!(allowed), &policy), "{question}: {decision}");
        assert!(decision["reason"].is_string(), "{decision}");
        ask(&reader, question).await.expect_status(403);
    }
    let dressed_up =
        json!({"userId": "key:test-reader", "roles": ["admin"], "resource": "team/app", "action": "delete"});
    ask(&reader, dressed_up).await.expect_status(403);
    let own = ask(&reader, json!({"resource": "team/app", "action": "read"})).await.expect_status(200).json();
    assert_eq!(own["allowed"], true);
    ask(&admin, json!({"resource": "team/app", "action": "fly"})).await.expect_status(400);
    let permissions = reader.get("/api/v1/rbac/permissions").await.expect_status(200).json();
    assert_eq!(permissions["roles"], json!(["viewer"]));
    let expected = json!([{"resource": "*", "actions": ["read", "list"], "effect": "allow", "conditional": false}]);
    assert_eq!(permissions["permissions"], expected, "{permissions:#}");
    nobody.get("/api/v1/rbac/permissions").await.expect_status(401);
}

async fn wrong_policies_are_refused(backend: Backend) {
    let (_server, [admin, ..]) = store(backend).await;
    for (policy, named) in [
        (json!({"actions": ["read"]}), "resource"),
        (json!({"resource": "team/*"}), "actions"),
        (json!({"resource": "team/*", "actions": []}), "actions"),
        (json!({"resource": "team/*", "actions": ["fly"]}), "fly"),
        (json!({"resource": "", "actions": ["read"]}), "resource"),
        (json!({"resource": "team/*", "actions": ["read"], "effect": "maybe"}), "effect"),
        (json!({"resource": "team/*", "actions": ["read"], "princpals": ["bob"]}), "princpals"),
        (json!({"resource": "team/*", "actions": ["read"], "principals": ["team:x"]}), "team:x"),
        (json!({"resource": "team/*", "actions": ["read"], "conditions": {"sourceIP": "10.0.0.0/8"}}), "sourceIP"),
        (json!({"resource": "team/*", "actions": ["read"], "conditions": {"tls": true}}), "conditions.tls"),
        (json!({"id": "a\nb", "resource": "team/*", "actions": ["read"]}), "id"),
        (json!([1]), ""),
    ] {
        let refused = send(&admin, Method::POST, POLICIES, &policy).await;
        let body = refused.expect_status(400).json();
        assert_eq!(body["code"], "bad_request", "{body}");
        assert!(body["message"].as_str().is_some_and(|text| text.contains(named)), "{policy}: {body}");
    }
    let raw = admin.request(Method::POST, POLICIES).header("content-type", "application/json").body("{");
    Reply::to(raw).await.expect_status(400);
    assert_eq!(admin.get(POLICIES).await.json()["count"], 4, "nothing of it was kept");
}
