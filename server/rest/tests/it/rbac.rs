//! Decisions that are explained.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};
use zot_testing::app::TestApp;
use zot_testing::reply::Reply;

async fn post(app: &TestApp, path: &str, document: &Value) -> Reply {
    let call = app.admin().call(Method::POST, path).header("content-type", "application/json");
    call.body(document.to_string()).send().await
}

/// `write` is two actions. It is allowed only if both are, and a refusal names what refused.
#[tokio::test]
async fn to_write_needs_create_and_update() {
    let app = TestApp::new().await;
    for (id, actions, allowed) in [
        ("creates", json!(["create"]), false),
        ("updates", json!(["update"]), false),
        ("writes", json!(["write"]), true),
    ] {
        let principal = format!("user:{id}");
        let policy = json!({"id": id, "resource": "team/*", "actions": actions, "principals": [principal]});
        post(&app, "/rbac/policies", &policy).await.assert_status(StatusCode::CREATED);
        for path in ["/rbac/authorize", "/api/v1/rbac/authorize"] {
            let question = json!({"userId": principal, "resource": "team/app", "action": "write"});
            let decision = post(&app, path, &question).await.assert_status(StatusCode::OK).json();
            assert_eq!(decision["allowed"], allowed, "{id}: {decision}");
        }
    }
    let denied = json!({"id": "no-update", "resource": "team/closed", "actions": ["update"], "effect": "deny", "principals": ["user:writes"]});
    post(&app, "/rbac/policies", &denied).await.assert_status(StatusCode::CREATED);
    let question = json!({"userId": "user:writes", "resource": "team/closed", "action": "write"});
    let decision = post(&app, "/rbac/authorize", &question).await.assert_status(StatusCode::OK).json();
    assert_eq!((&decision["allowed"], &decision["policyId"]), (&json!(false), &json!("no-update")));
    let unknown = json!({"resource": "team/app", "action": "fly"});
    let refused = post(&app, "/rbac/authorize", &unknown).await;
    assert!(refused.assert_status(StatusCode::BAD_REQUEST).text().contains("write"), "{}", refused.text());
}

#[tokio::test]
async fn only_administrators_learn_what_a_body_lacks() {
    let app = TestApp::new().await;
    for (client, status) in [(app.anonymous(), 401), (app.reader(), 403)] {
        let reply = client.post("/rbac/validate", "no JSON").await.expect_status(status);
        assert_eq!(reply.optional("www-authenticate").is_some(), status == 401);
    }
    app.admin().post("/rbac/validate", "no JSON").await.expect_status(400);
}
