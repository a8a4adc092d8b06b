//! The issuers that other tests use: a realm of Keycloak, and service accounts of Kubernetes.

use serde_json::{Value, json};
use zot_tests::client::Reply;
use zot_tests::jwt::{claims, header};
use zot_tests::keycloak::{Client, ClientKind, Keycloak, Realm};
use zot_tests::kube::Kube;

const PASSWORD: &str = "password of alice";

/// A realm where alice develops, with a client whose tokens are for `zot`.
async fn realm(kind: ClientKind) -> (Realm, Client) {
    let realm = Keycloak::shared().await.realm().await;
    let client = realm.client("zot-cli", kind).await;
    realm.map_audience(&client, "zot").await;
    realm.map_groups(&client).await;
    realm.user("alice", PASSWORD, &["developer", "viewer"], &["team-a", "team-b"]).await;
    (realm, client)
}

/// A claim that is one text or a list of them, as a sorted list without what Keycloak gives to everybody.
fn list(claim: &Value) -> Vec<&str> {
    let items = claim.as_array().map_or_else(|| std::slice::from_ref(claim), Vec::as_slice);
    let given = |item: &&str| !["account", "offline_access", "uma_authorization"].contains(item);
    let mut items: Vec<&str> = items.iter().filter_map(Value::as_str).filter(given).collect();
    items.retain(|item| !item.starts_with("default-roles-"));
    items.sort_unstable();
    items
}

#[track_caller]
fn assert_is_alices(token: &str, realm: &Realm) {
    let claims = claims(token);
    assert_eq!(claims["iss"], realm.issuer_url());
    assert_eq!(claims["azp"], "zot-cli");
    assert_eq!(claims["preferred_username"], "alice");
    assert_eq!(list(&claims["aud"]), ["zot"]);
    assert_eq!(list(&claims["realm_access"]["roles"]), ["developer", "viewer"]);
    assert_eq!(list(&claims["groups"]), ["team-a", "team-b"]);
}

/// Keycloak answers 401 or 400 by why it refuses.
#[track_caller]
fn refused(reply: &Reply) {
    assert!(reply.status.is_client_error(), "{reply}");
    assert_eq!(reply.json()["error"], "invalid_grant", "{reply}");
}

async fn published_and_signing(realm: &Realm, client: &Client) -> (Vec<String>, String) {
    let token = realm.token_by_password(client, "alice", PASSWORD).await.access;
    (realm.published_keys().await, header(&token)["kid"].as_str().expect("a key's id").to_owned())
}

#[tokio::test]
async fn keycloak_gives_a_token_for_a_password() {
    for kind in [ClientKind::Public, ClientKind::Confidential] {
        let (realm, client) = realm(kind).await;
        let tokens = realm.token_by_password(&client, "alice", PASSWORD).await;
        assert_is_alices(&tokens.access, &realm);
        let claims = claims(&tokens.id.expect("an ID token"));
        assert_eq!(claims["aud"], "zot-cli", "an ID token is for the client");
        refused(&realm.try_password(&client, "alice", "a wrong one").await);
    }
}

#[tokio::test]
async fn keycloak_gives_a_token_to_a_client_for_itself() {
    let (realm, client) = realm(ClientKind::Confidential).await;
    realm.give_client_roles(&client, &["admin"]).await;
    let tokens = realm.token_by_client_credentials(&client).await;
    let claims = claims(&tokens.access);
    assert_eq!(claims["iss"], realm.issuer_url());
    assert_eq!(claims["azp"], "zot-cli");
    assert_eq!(claims["preferred_username"], "service-account-zot-cli");
    assert_eq!(list(&claims["aud"]), ["zot"]);
    assert_eq!(list(&claims["realm_access"]["roles"]), ["admin"]);
}

#[tokio::test]
async fn keycloak_gives_a_token_to_a_device_once_somebody_approves() {
    let (realm, client) = realm(ClientKind::Public).await;
    let device = realm.start_device(&client).await;
    assert_eq!(realm.try_device(&client, &device).await.expect_status(400).json()["error"], "authorization_pending");
    realm.approve_device(&device.verification_uri_complete, "alice", PASSWORD).await;
    assert_is_alices(&realm.token_by_device(&client, &device).await.access, &realm);
}

#[tokio::test]
async fn keycloak_lets_access_tokens_live_as_long_as_it_was_told() {
    let (realm, client) = realm(ClientKind::Public).await;
    realm.access_tokens_live(7).await;
    let claims = claims(&realm.token_by_password(&client, "alice", PASSWORD).await.access);
    assert_eq!(claims["exp"].as_u64(), claims["iat"].as_u64().map(|issued| issued + 7));
}

#[tokio::test]
async fn keycloak_signs_with_a_new_key_after_a_rotation() {
    let (realm, client) = realm(ClientKind::Public).await;
    let (published, first) = published_and_signing(&realm, &client).await;
    assert_eq!(published, std::slice::from_ref(&first));
    realm.add_key().await;
    let (published, second) = published_and_signing(&realm, &client).await;
    assert_ne!(first, second);
    assert!(published.len() == 2 && published.contains(&first) && published.contains(&second), "{published:?}");
    realm.rotate_keys().await;
    let (published, third) = published_and_signing(&realm, &client).await;
    assert!(third != first && third != second);
    assert_eq!(published, [third]);
}

#[tokio::test]
async fn keycloak_names_the_groups_that_somebody_is_in_now() {
    let (realm, client) = realm(ClientKind::Public).await;
    let first = realm.token_by_password(&client, "alice", PASSWORD).await;
    realm.remove_from_group("alice", "team-a").await;
    let refreshed = realm.token_by_refresh(&client, &first.refresh.expect("a refresh token")).await;
    assert_eq!(list(&claims(&refreshed.access)["groups"]), ["team-b"]);
    realm.add_to_group("alice", "team-c").await;
    let anew = realm.token_by_password(&client, "alice", PASSWORD).await;
    assert_eq!(list(&claims(&anew.access)["groups"]), ["team-b", "team-c"]);
}

#[tokio::test]
async fn keycloak_refuses_who_is_disabled_or_gone() {
    let (realm, client) = realm(ClientKind::Public).await;
    let id = realm.user("bob", "password of bob", &[], &[]).await;
    let token = realm.token_by_password(&client, "bob", "password of bob").await.access;
    assert_eq!(claims(&token)["sub"], id);
    realm.disable_user("bob").await;
    refused(&realm.try_password(&client, "bob", "password of bob").await);
    realm.delete_user("alice").await;
    refused(&realm.try_password(&client, "alice", PASSWORD).await);
    let discovery = format!("{}/.well-known/openid-configuration", realm.issuer_url());
    Reply::to(reqwest::Client::new().get(&discovery)).await.expect_status(200);
    realm.delete().await;
    Reply::to(reqwest::Client::new().get(discovery)).await.expect_status(404);
}

#[tokio::test]
async fn kubernetes_gives_a_token_to_a_service_account() {
    let kube = Kube::shared().await;
    let namespace = kube.namespace().await;
    kube.service_account(&namespace, "builder").await;
    let token = kube.token(&namespace, "builder", &["zot", "other"], 900).await;
    let claims = claims(&token);
    assert_eq!(claims["iss"], kube.issuer());
    assert_eq!(claims["sub"], format!("system:serviceaccount:{namespace}:builder"));
    assert_eq!(list(&claims["aud"]), ["other", "zot"]);
    assert_eq!(claims["exp"].as_u64(), claims["iat"].as_u64().map(|issued| issued + 900));
    assert_eq!(claims["kubernetes.io"]["namespace"], namespace);
    assert_eq!(claims["kubernetes.io"]["serviceaccount"]["name"], "builder");
}

/// As a party that relies on the tokens: with the CA, without credentials.
#[tokio::test]
async fn kubernetes_tells_everybody_which_keys_sign() {
    let kube = Kube::shared().await;
    let root = std::fs::read(kube.ca_file()).expect("the CA file");
    let root = reqwest::Certificate::from_pem_bundle(&root).expect("certificates");
    let anybody = reqwest::Client::builder().tls_certs_only(root).no_proxy().build().expect("a client");
    let discovery = anybody.get(format!("{}/.well-known/openid-configuration", kube.issuer()));
    let discovery = Reply::to(discovery).await.expect_status(200).json();
    assert_eq!(discovery["issuer"], kube.issuer());
    let keys = Reply::to(anybody.get(discovery["jwks_uri"].as_str().expect("a URL"))).await.expect_status(200).json();
    kube.service_account("default", "reader").await;
    let token = kube.token("default", "reader", &["zot"], 600).await;
    let published = keys["keys"].as_array().expect("keys").iter().map(|key| &key["kid"]);
    assert_eq!(published.collect::<Vec<_>>(), [&json!(header(&token)["kid"])]);
    Reply::to(anybody.get(format!("{}/api/v1/namespaces", kube.server()))).await.expect_status(403);
}
