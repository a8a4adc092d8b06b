//! Wrong credentials are limited by address and access key.

use serde_json::json;

use crate::fixture::{ADMIN, Differs, Fixture, HOME, error_of};

#[tokio::test]
async fn wrong_secrets_close_one_key_to_one_address() {
    let store = Fixture::with(Differs { failures_per_minute: Some(3), ..Differs::default() }).await;
    let (key, secret) = store.key_of_account("ci").await;
    for _ in 0..3 {
        assert_eq!(error_of(store.basic(&key.id, "wrong").await), "invalid");
    }
    assert_eq!(error_of(store.basic(&key.id, &secret).await), "too many");
    store.basic(ADMIN.0, ADMIN.1).await.unwrap();
    let elsewhere = "192.0.2.1".parse().ok();
    store.identity.password(&key.id, &secret, elsewhere).await.principal.unwrap();
    // a signature is limited like a secret
    assert_eq!(error_of(store.identity.admit(HOME, Some(&key.id))), "too many");
    store.identity.failed(elsewhere, Some("other"));
    store.identity.admit(elsewhere, Some("other")).unwrap();
}

#[tokio::test]
async fn wrong_tokens_and_malformed_credentials_close_an_address() {
    let store = Fixture::with(Differs { failures_per_minute: Some(1), ..Differs::default() }).await;
    let good = store.issuer.token("alice", &json!({}));
    let expired = store.issuer.token("alice", &json!({"exp": 1}));
    for _ in 0..30 {
        assert_eq!(error_of(store.identity.examined("a.b.c").await), "invalid", "a question counts against nobody");
        assert_eq!(error_of(store.bearer(&expired).await), "expired", "a client that was right before");
    }
    for _ in 0..5 {
        assert_eq!(error_of(store.bearer("a.b.c").await), "invalid");
        assert_eq!(error_of(store.authorized("Digest x").await), "invalid");
    }
    for value in ["Digest x", "Basic %%%", &format!("Bearer {good}")] {
        assert_eq!(error_of(store.authorized(value).await), "too many", "{value:.10}");
    }
}
