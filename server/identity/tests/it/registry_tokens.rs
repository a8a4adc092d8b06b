//! Registry tokens: who comes with one, what bounds it, and when it is no longer accepted.

use serde_json::json;
use zot_core::action::Action;
use zot_core::principal::{GrantTarget, Principal};
use zot_identity::{Access, LIFETIME_SECS, actions_of};

use crate::fixture::{Differs, Fixture, SERVICE, admin, authorized, error_of, masters, person};

fn now() -> i64 {
    zot_core::ambient::now().as_second()
}

fn access(kind: &str, name: &str, actions: &[&str]) -> Access {
    Access {
        r#type: kind.to_owned(),
        name: name.to_owned(),
        actions: actions.iter().map(|it| (*it).to_owned()).collect(),
    }
}

#[tokio::test]
async fn a_token_is_an_identity_and_a_bound() {
    let store = Fixture::new().await;
    assert_eq!(store.identity.service(), SERVICE);
    let scopes = || {
        vec![
            access("repository", "a/b", &["pull", "fly"]),
            access("registry", "catalog", &["*"]),
            access("x", "y", &["pull"]),
        ]
    };
    let (key, secret) = store.key_of_account("ci").await;
    let by_key = store.basic(&key.id, &secret).await.unwrap();
    let by_issuer =
        store.bearer(&store.issuer.token("alice", &json!({"roles": ["viewer"], "level": 3}))).await.unwrap();
    for principal in [by_key, by_issuer, Principal::anonymous()] {
        let token = store.identity.registry_token(&principal, scopes(), now()).unwrap();
        // the second time it is remembered
        for _ in 0..2 {
            let found = store.bearer(&token).await.unwrap();
            assert_eq!((&found.subject, found.names()), (&principal.subject, principal.names()));
            let bound = found.bound.unwrap();
            assert_eq!(
                bound.iter().map(|grant| &grant.target).collect::<Vec<_>>(),
                [&GrantTarget::Repository("a/b".to_owned()), &GrantTarget::Catalog]
            );
            assert_eq!(bound[0].actions, [Action::Read, Action::List]);
        }
    }
    assert_eq!(actions_of("push"), [Action::Create, Action::Update]);
    assert_eq!(actions_of("delete"), [Action::Delete]);
}

#[tokio::test]
async fn a_token_ends_with_its_time_its_key_or_its_holder() {
    let store = Fixture::new().await;
    let alice = person("alice").principal;
    let token = |at: i64| store.identity.registry_token(&alice, Vec::new(), at).unwrap();
    assert_eq!(error_of(store.bearer(&token(now() - LIFETIME_SECS - 60)).await), "expired");
    assert_eq!(error_of(store.bearer(&token(now() + 60)).await), "invalid", "not yet");
    let before = token(now());
    store.identity.rotate(&masters(&["two", "one"])).unwrap();
    assert_eq!(store.bearer(&before).await.unwrap().subject, "user:alice", "signed before the rotation");
    assert_ne!(store.identity.signing_secret("nobody", None), Some(String::new()));
    store.identity.rotate(&masters(&["two"])).unwrap();
    assert_eq!(error_of(store.bearer(&before).await), "invalid", "the key is gone");
    assert!(store.identity.rotate(&masters(&[])).is_err());

    let elsewhere = store.replica(Differs { service: "another", masters: &["two"], ..Differs::default() }).await.0;
    let value = format!("Bearer {}", token(now()));
    store.authorized(&value).await.unwrap();
    assert_eq!(error_of(authorized(&elsewhere, &value).await), "invalid", "of another service");

    let (key, secret) = store.key_of_account("ci").await;
    let holder = store.basic(&key.id, &secret).await.unwrap();
    let token = store.identity.registry_token(&holder, Vec::new(), now()).unwrap();
    store.bearer(&token).await.unwrap();
    store.accounts.delete_key(&admin(), &key.id).await.unwrap();
    assert_eq!(error_of(store.bearer(&token).await), "invalid", "its access key is gone");
}

#[tokio::test]
async fn tokens_that_were_issued_before_a_revocation_are_refused() {
    let store = Fixture::new().await;
    let alice = person("alice").principal;
    let (own, trusted) = (
        store.identity.registry_token(&alice, Vec::new(), now()).unwrap(),
        store.issuer.token("alice", &json!({"roles": ["viewer"]})),
    );
    store.bearer(&own).await.unwrap();
    store.bearer(&trusted).await.unwrap();
    store.accounts.revoke(&admin(), "role:viewer").await.unwrap();
    assert_eq!(error_of(store.bearer(&own).await), "invalid");
    assert_eq!(error_of(store.bearer(&trusted).await), "invalid", "although it is remembered");
    store.bearer(&store.issuer.token("alice", &json!({"iat": now() + 5, "roles": ["viewer"]}))).await.unwrap();
    for wrong in ["*", "anonymous", "team:ops", "user:a*", "user:\n"] {
        assert_eq!(error_of(store.accounts.revoke(&admin(), wrong).await), "parameter", "{wrong:?}");
    }
    assert_eq!(error_of(store.accounts.revoke(&person("alice"), "user:bob").await), "denied");
}
