//! The description of the REST API: what it describes is served, and nothing else.

use std::collections::HashSet;

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};
use zot_gateway::{HealthPaths, Options};

use zot_testing::app::{STRICT, TestApp, options};
use zot_testing::client::Client;

const PATH: &str = "/api/v1/openapi.json";
const METHODS: [&str; 5] = ["get", "put", "post", "delete", "patch"];

async fn document(client: &Client) -> Value {
    let reply = client.get(PATH).await;
    reply.assert_status(StatusCode::OK);
    assert_eq!(reply.header("content-type"), "application/json");
    reply.json()
}

fn operations(document: &Value) -> Vec<(&str, &str, &Value)> {
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        let item = item.as_object().unwrap();
        found.extend(item.iter().map(|(method, operation)| (path.as_str(), method.as_str(), operation)));
    }
    found
}

/// Where the description is kept for readers; `make openapi` writes it anew.
const SNAPSHOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/openapi.json");

#[tokio::test]
async fn the_snapshot_is_what_the_server_serves() {
    let app = TestApp::new().await;
    let served = format!("{:#}\n", document(&app.anonymous()).await);
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        std::fs::write(SNAPSHOT, &served).unwrap();
    }
    let kept = std::fs::read_to_string(SNAPSHOT).unwrap_or_default();
    assert!(kept == served, "docs/reference/openapi.json is not what the server serves: run `make openapi`");
}

#[tokio::test]
async fn what_is_described_is_served_under_both_prefixes_and_nothing_else() {
    let app = TestApp::new().await;
    let document: Value = serde_json::from_str(&std::fs::read_to_string(SNAPSHOT).unwrap()).unwrap();
    for (path, item) in document["paths"].as_object().unwrap() {
        let at = path.replace(['{', '}'], "");
        let alias = at.starts_with("/rbac/").then(|| format!("/api/v1{at}"));
        for (at, method) in alias.iter().chain([&at]).flat_map(|at| METHODS.map(|method| (at, method))) {
            let named = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let reply = app.anonymous().call(named, at).send().await;
            let described = item.get(method).is_some();
            assert_eq!(reply.status != StatusCode::METHOD_NOT_ALLOWED, described, "{method} {at}: {}", reply.text());
            assert!(!reply.text().contains("there is nothing at"), "{method} {at}");
        }
    }
    for absent in [
        "/api",
        "/api/",
        "/api/v1",
        "/api/v1/",
        "/api/v1/none",
        "/api/v1/rbac",
        "/api/v1/rbac/policies/a/b",
        "/rbac",
        "/rbac/",
        "/rbac/policies/a/b",
        "/supplychain",
        "/supplychain/",
    ] {
        let reply = app.admin().get(absent).await;
        assert!(reply.assert_status(StatusCode::NOT_FOUND).text().contains("there is nothing at"), "{absent}");
    }
    // a route of its own would not be described
    assert!(!include_str!("../../src/lib.rs").contains(".route(\"/api/"), "REST routes belong into a table of lib.rs");
}

#[tokio::test]
async fn the_supply_chain_comes_later() {
    let app = TestApp::new().await;
    for path in ["/supplychain/sign/team/app", "/api/v1/supplychain/sign/team/app"] {
        for method in [Method::GET, Method::POST] {
            let reply = app.admin().call(method.clone(), path).send().await;
            assert_eq!(reply.assert_status(StatusCode::NOT_IMPLEMENTED).json()["code"], "not_implemented", "{path}");
            let anonymous = app.anonymous().call(method, path).send().await;
            assert_eq!(anonymous.assert_status(StatusCode::UNAUTHORIZED).json()["code"], "unauthorized", "{path}");
        }
    }
}

#[tokio::test]
async fn a_made_policy_is_at_a_path_below_the_prefix_that_was_asked() {
    let app = TestApp::new().await;
    for (prefix, id) in [("", "first"), ("/api/v1", "second")] {
        let policy = json!({"id": id, "resource": "team/*", "actions": ["read"], "principals": ["user:alice"]});
        let call = app.admin().call(Method::POST, &format!("{prefix}/rbac/policies"));
        let made = call.header("content-type", "application/json").body(policy.to_string()).send().await;
        made.assert_status(StatusCode::CREATED);
        assert_eq!(made.header("location"), format!("{prefix}/rbac/policies/{id}"));
        app.admin().get(made.header("location")).await.assert_status(StatusCode::OK);
    }
}

#[tokio::test]
async fn operations_are_described_at_the_paths_of_the_configuration() {
    let app = TestApp::new().await;
    let moved = HealthPaths { health: "/how".to_owned(), live: "/how/live".to_owned(), ready: "/ready".to_owned() };
    let elsewhere = Options { health: Some(moved), metrics_path: Some("/numbers".to_owned()), ..options() };
    let described = document(&app.client(STRICT, elsewhere)).await;
    for (path, id) in
        [("/how", "getHealth"), ("/how/live", "getLiveness"), ("/ready", "getReadiness"), ("/numbers", "getMetrics")]
    {
        assert_eq!(described["paths"][path]["get"]["operationId"], id, "{path}");
    }
    assert!(described["paths"].get("/health").is_none());
    let without = document(&app.client(STRICT, Options { health: None, metrics_path: None, ..options() })).await;
    assert!(operations(&without).iter().all(|(path, ..)| {
        ["/api/", "/rbac/", "/.well-known/"].iter().any(|begin| path.starts_with(begin)) || *path == "/auth/token"
    }));
}

/// Every `$ref`, wherever it stands.
fn references<'a>(value: &'a Value, found: &mut HashSet<&'a str>) {
    match value {
        Value::Object(object) => {
            if let Some(Value::String(reference)) = object.get("$ref") {
                found.insert(reference);
            }
            object.values().for_each(|value| references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

#[tokio::test]
async fn the_document_is_whole() {
    let app = TestApp::new().await;
    let document = document(&app.anonymous()).await;
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    let mut named = HashSet::new();
    references(&document, &mut named);
    for reference in &named {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference} is not there");
    }
    for schema in document["components"]["schemas"].as_object().unwrap().keys() {
        assert!(named.contains(format!("#/components/schemas/{schema}").as_str()), "nobody uses {schema}");
    }
    let tags: HashSet<_> = document["tags"].as_array().unwrap().iter().map(|tag| &tag["name"]).collect();
    let mut ids = HashSet::new();
    for (path, method, operation) in operations(&document) {
        assert!(ids.insert(&operation["operationId"]), "{method} {path}: its operationId is another's too");
        assert!(
            operation["summary"].as_str().is_some_and(|text| text.ends_with('.')),
            "{method} {path}: {operation:#}"
        );
        assert!(operation["tags"].as_array().unwrap().iter().all(|tag| tags.contains(tag)), "{method} {path}");
        assert_parameters(path, operation);
        assert_responses(path, method, operation);
    }
}

/// Those in the path are the path's.
fn assert_parameters(path: &str, operation: &Value) {
    let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
    let declared: HashSet<_> = parameters
        .iter()
        .filter(|it| it["in"] == "path")
        .inspect(|it| assert_eq!(it["required"], true, "{path}: {it}"))
        .map(|it| it["name"].as_str().unwrap())
        .collect();
    let templated: HashSet<_> = path.split('{').skip(1).map(|part| part.split_once('}').unwrap().0).collect();
    assert_eq!(declared, templated, "{path}");
}

/// Errors have their schema, every answer its request's id.
fn assert_responses(path: &str, method: &str, operation: &Value) {
    let responses = operation["responses"].as_object().unwrap();
    for (status, response) in responses {
        let what = format!("{method} {path} {status}: {response:#}");
        assert!(response["description"].as_str().is_some_and(|text| !text.is_empty()), "{what}");
        assert!(response["headers"]["X-Request-Id"].is_object(), "{what}");
        assert_eq!(response.get("content").is_none(), status == "204", "{what}");
        if (path.starts_with("/api/") || path.starts_with("/rbac/")) && !status.starts_with('2') {
            let schema = &response["content"]["application/json"]["schema"]["$ref"];
            assert_eq!(schema, "#/components/schemas/Error", "{what}");
        }
    }
    assert!(responses.keys().any(|status| status.starts_with('2')), "{method} {path} never succeeds");
    let public =
        operation.get("security").is_some_and(|alternatives| alternatives.as_array().unwrap().contains(&json!({})));
    assert!(public || responses.contains_key("401"), "{method} {path}: what needs credentials answers 401");
}
