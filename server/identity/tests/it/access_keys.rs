//! Access keys of the database: created, changed, rotated, deleted, encrypted again after a rotation of master keys.

use zot_core::principal::Principal;
use zot_domain::ports::identities::KeyChange;
use zot_identity::NewKey;

use crate::fixture::{ADMIN, Differs, Fixture, admin, authorized, basic, call, error_of, person};

const DAY_MICROS: i64 = 24 * 3600 * 1_000_000;

fn now() -> i64 {
    zot_core::ambient::now().as_microsecond()
}

fn of(owner: &str) -> NewKey {
    NewKey { owner: Some(owner.to_owned()), ..NewKey::default() }
}

#[tokio::test]
async fn a_key_is_accepted_with_its_secret_while_it_is_enabled_and_not_expired() {
    let store = Fixture::new().await;
    let (key, secret) = store.key_of_account("ci").await;
    let change = async |change| store.accounts.change_key(&admin(), &key.id, change).await.unwrap();
    assert_eq!(store.basic(&key.id, &secret).await.unwrap().subject, "account:ci");
    assert_eq!(store.identity.signing_secret(&key.id, None).as_deref(), Some(secret.as_str()));
    assert_eq!(store.identity.signer(&key.id, None).await.unwrap().subject, "account:ci");
    for (id, wrong) in
        [(key.id.as_str(), "wrong"), (key.id.as_str(), ""), ("nobody", "no such key"), (ADMIN.0, "wrong")]
    {
        assert_eq!(error_of(store.basic(id, wrong).await), "invalid", "{id}");
    }
    change(KeyChange { disabled: Some(true), ..KeyChange::default() }).await;
    assert_eq!(error_of(store.basic(&key.id, &secret).await), "invalid");
    assert_eq!(store.identity.signing_secret(&key.id, None), None);
    change(KeyChange { disabled: Some(false), expires: Some(Some(now() - 1)), ..KeyChange::default() }).await;
    assert_eq!(error_of(store.basic(&key.id, &secret).await), "expired");
    assert_eq!(error_of(store.basic(&key.id, "wrong").await), "invalid", "only who has the secret learns why");
    change(KeyChange { expires: Some(None), description: Some("new".to_owned()), ..KeyChange::default() }).await;
    store.basic(&key.id, &secret).await.unwrap();
    let shown = store.accounts.key(&admin(), &key.id).await.unwrap();
    assert_eq!((shown.description.as_str(), shown.disabled, shown.expires), ("new", false, None));
    store.accounts.delete_key(&admin(), &key.id).await.unwrap();
    assert_eq!(error_of(store.basic(&key.id, &secret).await), "invalid");
    assert_eq!(error_of(store.accounts.delete_key(&admin(), &key.id).await), "not found");
}

#[tokio::test]
async fn a_rotated_key_lives_on_for_its_grace() {
    let store = Fixture::new().await;
    let (old, old_secret) = store.key_of_account("ci").await;
    for grace in [-1, 31 * 24 * 3600] {
        assert_eq!(error_of(store.accounts.rotate_key(&admin(), &old.id, grace).await), "parameter", "{grace}");
    }
    let (new, secret) = store.accounts.rotate_key(&admin(), &old.id, 60).await.unwrap();
    store.basic(&old.id, &old_secret).await.unwrap();
    store.basic(&new.id, &secret).await.unwrap();
    let (newest, _) = store.accounts.rotate_key(&admin(), &new.id, 0).await.unwrap();
    assert_eq!(error_of(store.basic(&new.id, &secret).await), "expired", "no grace");
    let disabled = KeyChange { disabled: Some(true), ..KeyChange::default() };
    store.accounts.change_key(&admin(), &newest.id, disabled).await.unwrap();
    assert_eq!(error_of(store.accounts.rotate_key(&admin(), &newest.id, 0).await), "conflict");
    assert_eq!(error_of(store.accounts.rotate_key(&admin(), "nobody", 0).await), "not found");
    assert_eq!(store.accounts.keys(&admin(), Some("account:ci")).await.unwrap().len(), 3);
}

#[tokio::test]
async fn people_look_after_keys_of_their_own() {
    let store = Fixture::new().await;
    let (alice, bob) = (|| person("alice"), person("bob"));
    let (key, secret) = store.accounts.create_key(&alice(), NewKey::default()).await.unwrap();
    assert_eq!(key.owner, "user:alice");
    let left = key.expires.unwrap() - now();
    assert!((89 * DAY_MICROS..=90 * DAY_MICROS).contains(&left), "a person's key expires");
    let principal = store.basic(&key.id, &secret).await.unwrap();
    assert_eq!(principal.names(), [format!("key:{}", key.id), "user:alice".to_owned()], "without roles");
    assert!(
        principal.all_names().contains(&"role:viewer".to_owned()),
        "what is denied to the role is denied to the key"
    );

    assert_eq!(store.accounts.keys(&alice(), None).await.unwrap(), std::slice::from_ref(&key));
    assert_eq!(store.accounts.keys(&alice(), Some("user:alice")).await.unwrap(), std::slice::from_ref(&key));
    assert!(store.accounts.keys(&bob, None).await.unwrap().is_empty());
    assert_eq!(error_of(store.accounts.keys(&bob, Some("user:alice")).await), "denied");
    assert_eq!(error_of(store.accounts.key(&bob, &key.id).await), "denied");
    assert_eq!(error_of(store.accounts.create_key(&bob, of("user:alice")).await), "denied");
    let with_the_key = call(principal);
    assert_eq!(error_of(store.accounts.key(&with_the_key, &key.id).await), "denied", "a key makes no keys");
    for expires in [None, Some(now() + 91 * DAY_MICROS)] {
        let change = KeyChange { expires: Some(expires), ..KeyChange::default() };
        assert_eq!(error_of(store.accounts.change_key(&alice(), &key.id, change).await), "parameter");
    }
    let (rotated, _) = store.accounts.rotate_key(&alice(), &key.id, 0).await.unwrap();
    assert_eq!(rotated.expires, key.expires);
    for _ in 2..20 {
        store.accounts.create_key(&alice(), NewKey::default()).await.unwrap();
    }
    assert_eq!(error_of(store.accounts.create_key(&alice(), NewKey::default()).await), "conflict", "at most 20");
    store.accounts.delete_key(&alice(), &rotated.id).await.unwrap();
}

#[tokio::test]
async fn a_new_key_is_checked() {
    let store = Fixture::new().await;
    let long = format!("user:{}", "n".repeat(256));
    for (new, expected) in [
        (NewKey::default(), "parameter"), // the admin is no person
        (of("account:none"), "not found"),
        (of("user:"), "parameter"),
        (of("group:ops"), "parameter"),
        (of("user:a\nb"), "parameter"),
        (of(&long), "parameter"),
        (NewKey { expires: Some(now() + 91 * DAY_MICROS), ..of("user:alice") }, "parameter"),
        (NewKey { expires: Some(now() - 1), ..of("user:alice") }, "parameter"),
        (NewKey { description: "x".repeat(2000), ..of("user:alice") }, "parameter"),
        (of("userid:auth0|17"), ""),
    ] {
        assert_eq!(error_of(store.accounts.create_key(&admin(), new.clone()).await), expected, "{new:.60?}");
    }
    let anonymous = call(Principal::anonymous());
    assert_eq!(error_of(store.accounts.create_key(&anonymous, NewKey::default()).await), "unauthenticated");
    assert_eq!(error_of(store.accounts.key(&anonymous, "any").await), "unauthenticated");
    assert_eq!(error_of(store.accounts.keys(&anonymous, None).await), "unauthenticated");
}

#[tokio::test]
async fn secrets_are_encrypted_again_after_a_rotation_of_master_keys() {
    let store = Fixture::new().await;
    let (key, secret) = store.key_of_account("ci").await;
    let value = basic(&key.id, &secret);
    assert_eq!((store.identity.unopened(), store.accounts.reencrypt().await.unwrap()), (0, (0, 0)));
    let of = |masters| Differs { masters, ..Differs::default() };
    let (lost, accounts) = store.replica(of(&["two"])).await;
    assert_eq!((lost.unopened(), accounts.reencrypt().await.unwrap()), (1, (0, 1)), "the master key is not there");
    assert_eq!(error_of(authorized(&lost, &value).await), "invalid");
    let (_, accounts) = store.replica(of(&["two", "one"])).await;
    assert_eq!(accounts.reencrypt().await.unwrap(), (1, 0));
    let (identity, accounts) = store.replica(of(&["two"])).await;
    assert_eq!((identity.unopened(), accounts.reencrypt().await.unwrap()), (0, (0, 0)));
    assert_eq!(authorized(&identity, &value).await.unwrap().subject, "account:ci");
}
