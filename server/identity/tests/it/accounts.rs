//! Accounts: created, changed, deleted, and who may do that.

use zot_core::principal::Principal;
use zot_domain::ports::identities::Account;
use zot_identity::NewKey;

use crate::fixture::{Differs, Fixture, admin, call, error_of, person};

fn account(name: &str) -> Account {
    Account { name: name.to_owned(), description: "for builds".to_owned(), ..Account::default() }
}

#[tokio::test]
async fn an_account_lives_from_its_creation_to_its_deletion() {
    let store = Fixture::new().await;
    let accounts = &store.accounts;
    let created = accounts.create_account(&admin(), account("ci")).await.unwrap();
    assert!(created.created > 0 && created.created == created.updated);
    assert_eq!(error_of(accounts.create_account(&admin(), account("ci")).await), "exists");
    assert_eq!(accounts.account(&admin(), "ci").await.unwrap(), created);
    let (key, secret) = accounts
        .create_key(&admin(), NewKey { owner: Some("account:ci".to_owned()), ..NewKey::default() })
        .await
        .unwrap();
    let changed = Account { roles: vec!["viewer".to_owned()], groups: vec!["bots".to_owned()], ..account("ci") };
    accounts.replace_account(&admin(), changed.clone()).await.unwrap();
    let names = ["account:ci", "group:bots", &format!("key:{}", key.id), "role:viewer"].map(str::to_owned);
    assert_eq!(store.basic(&key.id, &secret).await.unwrap().names(), names);
    assert_eq!(store.identity.named(&format!("key:{}", key.id)).unwrap().names(), names);
    assert_eq!(store.identity.named("account:ci").unwrap().subject, "account:ci");
    accounts.replace_account(&admin(), Account { disabled: true, ..changed }).await.unwrap();
    assert_eq!(error_of(store.basic(&key.id, &secret).await), "invalid");
    for nobody in ["account:ci", "account:none", "key:none", "user:alice", "nothing"] {
        assert!(store.identity.named(nobody).is_none(), "{nobody}");
    }
    accounts.delete_account(&admin(), "ci").await.unwrap();
    assert!(accounts.accounts(&admin()).await.unwrap().is_empty());
    assert!(accounts.keys(&admin(), None).await.unwrap().is_empty(), "its keys go with it");
    assert_eq!(error_of(accounts.account(&admin(), "ci").await), "not found");
    assert_eq!(error_of(accounts.delete_account(&admin(), "ci").await), "not found");
    assert_eq!(error_of(accounts.replace_account(&admin(), account("ci")).await), "not found");
}

#[tokio::test]
async fn an_account_is_checked() {
    let store = Fixture::new().await;
    let long = "x".repeat(2000);
    for name in ["", "CI", "a b", "a/b", &long] {
        assert_eq!(error_of(store.accounts.create_account(&admin(), account(name)).await), "parameter", "{name:.10}");
    }
    let many = (0..1001).map(|number| number.to_string()).collect::<Vec<_>>();
    for wrong in [
        Account { description: long.clone(), ..account("ci") },
        Account { description: "a\nb".to_owned(), ..account("ci") },
        Account { roles: many.clone(), ..account("ci") },
        Account { groups: many, ..account("ci") },
        Account { roles: vec![String::new()], ..account("ci") },
        Account { groups: vec![long], ..account("ci") },
    ] {
        assert_eq!(error_of(store.accounts.create_account(&admin(), wrong).await), "parameter");
    }
}

#[tokio::test]
async fn only_administrators_look_after_accounts_and_none_of_a_store_that_is_read_only() {
    let store = Fixture::new().await;
    for (who, expected) in [(person("alice"), "denied"), (call(Principal::anonymous()), "unauthenticated")] {
        assert_eq!(error_of(store.accounts.accounts(&who).await), expected);
        assert_eq!(error_of(store.accounts.create_account(&who, account("ci")).await), expected);
        assert_eq!(error_of(store.accounts.delete_account(&who, "ci").await), expected);
        assert_eq!(error_of(store.accounts.revoke(&who, "user:bob").await), expected);
    }
    let (_, accounts) = store.replica(Differs { read_only: true, ..Differs::default() }).await;
    assert_eq!(error_of(accounts.create_account(&admin(), account("ci")).await), "denied");
    assert_eq!(error_of(accounts.create_key(&person("alice"), NewKey::default()).await), "denied");
    accounts.accounts(&admin()).await.unwrap();
}
