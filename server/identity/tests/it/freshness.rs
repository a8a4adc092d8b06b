//! What is known of the database is at most a second old.

use std::time::Duration;

use zot_domain::ports::identities::KeyChange;

use crate::fixture::{ADMIN, Differs, Fixture, HOME, admin, authorized, basic, error_of};

const SECOND: Duration = Duration::from_millis(1100);

#[tokio::test]
async fn what_another_replica_changes_is_seen_within_a_second() {
    let store = Fixture::new().await;
    let (identity, accounts) = store.replica(Differs::default()).await;
    let (key, secret) = store.key_of_account("ci").await;
    let value = basic(&key.id, &secret);
    tokio::time::sleep(SECOND).await;
    assert_eq!(authorized(&identity, &value).await.unwrap().subject, "account:ci");
    accounts.change_key(&admin(), &key.id, KeyChange { disabled: Some(true), ..KeyChange::default() }).await.unwrap();
    assert_eq!(error_of(authorized(&identity, &value).await), "invalid", "at once where it was changed");
    tokio::time::sleep(SECOND).await;
    assert_eq!(error_of(store.authorized(&value).await), "invalid");
}

#[tokio::test]
async fn nobody_is_authenticated_while_the_database_does_not_answer() {
    let store = Fixture::new().await;
    store.basic(ADMIN.0, ADMIN.1).await.unwrap();
    store.database.close().await;
    tokio::time::sleep(SECOND).await;
    assert_eq!(error_of(store.basic(ADMIN.0, ADMIN.1).await), "unavailable", "the admin's key may be revoked");
    assert_eq!(error_of(store.bearer("a.b.c").await), "unavailable");
    assert_eq!(error_of(store.identity.principal(&http::HeaderMap::new(), HOME).await.principal), "unavailable");
    assert_eq!(error_of(store.identity.signer(ADMIN.0, None).await), "unavailable");
    assert_eq!(error_of(store.identity.follow().await), "unavailable");
}
