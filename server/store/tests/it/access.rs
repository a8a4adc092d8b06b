//! What buckets say of who may do what: bound to the bucket, told by the epoch, recorded.

use zot_domain::ports::access::{Access as _, BucketAccess, PolicyChange, PublicAccessBlock, PutBucketPolicy};
use zot_domain::ports::identities::{Identities as _, StoredKey};
use zot_domain::ports::objects::Objects as _;
use zot_domain::{AdministrationError, Error};

use crate::database::Fresh;
use crate::make::audit;
use crate::objects::bucket;
use crate::on_both;

on_both! {
    a_bucket_policy_is_stored_listed_and_recorded,
    a_bucket_policy_is_deleted_with_the_bucket,
    a_public_policy_is_refused_where_it_is_blocked,
    a_policy_and_the_end_of_its_bucket_exclude_each_other,
    no_change_of_a_policy_loses_another_one,
    nobody_gets_more_keys_than_they_may_have,
}

/// As two replicas do it: each reads nothing before.
async fn no_change_of_a_policy_loses_another_one(store: &Fresh) {
    let id = "role-viewer";
    store.all().await.unwrap();
    let add = |name: String| PolicyChange { principal: Some(name), ..PolicyChange::default() };
    let names: Vec<String> = (0..20).map(|number| format!("user:u{number}")).collect();
    let before = store.epoch().await.unwrap();
    let all = names.iter().map(|name| store.change_policy(id, add(name.clone()), audit()));
    let (added, resource) = tokio::join!(
        futures_util::future::join_all(all),
        store.change_policy(id, PolicyChange { resource: Some("team/*".into()), ..PolicyChange::default() }, audit())
    );
    resource.unwrap().unwrap();
    for one in added {
        one.unwrap().unwrap();
    }
    let mut kept = store.policy(id).await.unwrap().unwrap().policy;
    kept.principals.sort();
    let mut expected = [names, vec!["role:viewer".to_owned()]].concat();
    expected.sort();
    assert_eq!((kept.principals, kept.resource.as_str()), (expected, "team/*"));
    assert_eq!(store.epoch().await.unwrap(), before + 21);
    // one that is there already changes nothing and tells nobody
    let again = store.change_policy(id, add("user:u7".to_owned()), audit()).await.unwrap().unwrap();
    assert_eq!((again.policy.principals.len(), store.epoch().await.unwrap()), (21, before + 21));
    let refused = store.change_policy(id, add("user:*".to_owned()), audit()).await;
    assert!(matches!(refused, Err(Error::ParameterInvalid(_))), "{refused:?}");
    assert!(store.change_policy("absent", add("user:x".to_owned()), audit()).await.unwrap().is_none());
    assert_eq!(store.epoch().await.unwrap(), before + 21);
}

async fn nobody_gets_more_keys_than_they_may_have(store: &Fresh) {
    let key = |number: usize, owner: &str| StoredKey {
        id: format!("ZAK{owner}{number}"),
        owner: owner.to_owned(),
        all_names: vec!["group:a".to_owned(), "user:\u{fc}".to_owned()],
        description: String::new(),
        encrypted: vec![1],
        disabled: false,
        expires: Some(7),
        created: 1,
    };
    let add = |number| store.add_key(key(number, "user:alice"), Some(5), None, audit());
    let added = futures_util::future::join_all((0..10).map(add)).await;
    let (good, bad): (Vec<_>, Vec<_>) = added.into_iter().partition(Result::is_ok);
    assert!(
        bad.iter().all(|it| matches!(it, Err(AdministrationError::StateConflict(why)) if why.contains("delete one"))),
        "{bad:?}"
    );
    assert_eq!((good.len(), store.identities().await.unwrap().keys.len()), (5, 5));
    store.add_key(key(0, "user:bob"), Some(5), None, audit()).await.unwrap();
    store.add_key(key(11, "user:alice"), None, None, audit()).await.unwrap();
    let kept = store.identities().await.unwrap().keys;
    assert!(kept.contains(&key(11, "user:alice")), "{kept:?}");
}

fn put(text: &str, is_public: bool) -> PutBucketPolicy {
    PutBucketPolicy { bucket: "team".to_owned(), policy: text.to_owned(), is_public, audit: audit() }
}

async fn recorded(store: &Fresh) -> i64 {
    sqlx::query_scalar("SELECT COUNT(*) FROM change").fetch_one(store.raw_pool()).await.unwrap()
}

const BLOCK: PublicAccessBlock = PublicAccessBlock {
    block_public_acls: true,
    ignore_public_acls: false,
    block_public_policy: true,
    restrict_public_buckets: false,
};

async fn a_bucket_policy_is_stored_listed_and_recorded(store: &Fresh) {
    assert!(!store.put_bucket_policy(put("{}", false)).await.unwrap(), "there is no such bucket");
    assert!(!store.delete_bucket_policy("team", audit()).await.unwrap());
    assert!(!store.set_public_access("team", Some(BLOCK), audit()).await.unwrap());
    assert_eq!(store.bucket_access("team").await.unwrap(), None);
    bucket(store, "team").await;
    bucket(store, "silent").await;
    let before = (store.all().await.unwrap().epoch, recorded(store).await);
    // nothing to remove: nobody is told
    assert!(store.delete_bucket_policy("team", audit()).await.unwrap());
    assert!(store.set_public_access("team", None, audit()).await.unwrap());
    assert_eq!((store.epoch().await.unwrap(), recorded(store).await), before);

    let text = "{ \"Statement\" :\t[\u{fc}] }\r\n";
    assert!(store.put_bucket_policy(put("{}", false)).await.unwrap());
    assert!(store.put_bucket_policy(put(text, false)).await.unwrap());
    assert!(store.set_public_access("team", Some(BLOCK), audit()).await.unwrap());
    let all = store.all().await.unwrap();
    assert_eq!((all.epoch, recorded(store).await), (before.0 + 3, before.1 + 3));
    let said = BucketAccess { bucket: "team".to_owned(), policy: Some(text.to_owned()), public_access: Some(BLOCK) };
    assert_eq!((&all.buckets[..], store.bucket_access("team").await.unwrap()), (&[said.clone()][..], Some(said)));
    assert!(all.policies.iter().all(|it| it.policy.id.starts_with("role-")), "they are no policies of the REST API");
    assert_eq!(store.policy(&format!("bucket:{}", 1)).await.unwrap(), None);

    assert!(store.delete_bucket_policy("team", audit()).await.unwrap());
    let left = store.bucket_access("team").await.unwrap().unwrap();
    assert_eq!((left.policy, left.public_access), (None, Some(BLOCK)));
    assert!(store.set_public_access("team", None, audit()).await.unwrap());
    assert!(store.all().await.unwrap().buckets.is_empty());
    assert_eq!(store.epoch().await.unwrap(), before.0 + 5);
}

async fn a_bucket_policy_is_deleted_with_the_bucket(store: &Fresh) {
    bucket(store, "team").await;
    store.put_bucket_policy(put("{}", false)).await.unwrap();
    store.set_public_access("team", Some(BLOCK), audit()).await.unwrap();
    let before = store.epoch().await.unwrap();
    assert!(store.delete_bucket("team", audit()).await.unwrap());
    assert!(store.epoch().await.unwrap() > before, "replicas are told");
    assert!(store.all().await.unwrap().buckets.is_empty());
    bucket(store, "team").await;
    let anew = BucketAccess { bucket: "team".to_owned(), ..BucketAccess::default() };
    assert_eq!(store.bucket_access("team").await.unwrap(), Some(anew));
    let before = store.epoch().await.unwrap();
    assert!(store.delete_bucket("team", audit()).await.unwrap());
    assert_eq!(store.epoch().await.unwrap(), before, "it said nothing");
}

async fn a_public_policy_is_refused_where_it_is_blocked(store: &Fresh) {
    bucket(store, "team").await;
    store.put_bucket_policy(put("old", true)).await.unwrap();
    store.set_public_access("team", Some(BLOCK), audit()).await.unwrap();
    let before = (store.epoch().await.unwrap(), recorded(store).await);
    let refused = store.put_bucket_policy(put("new", true)).await;
    assert!(matches!(refused, Err(Error::Denied(_))), "{refused:?}");
    let kept = store.bucket_access("team").await.unwrap().unwrap();
    assert_eq!(kept.policy.as_deref(), Some("old"), "what was there stays");
    assert_eq!((store.epoch().await.unwrap(), recorded(store).await), before);
    assert!(store.put_bucket_policy(put("private", false)).await.unwrap());
}

/// Many at once: at the end either all is there or nothing, and no row is left over.
async fn a_policy_and_the_end_of_its_bucket_exclude_each_other(store: &Fresh) {
    for _ in 0..10 {
        bucket(store, "team").await;
        let (first, second, blocked, deleted) = tokio::join!(
            store.put_bucket_policy(put("1", false)),
            store.put_bucket_policy(put("2", true)),
            store.set_public_access("team", Some(BLOCK), audit()),
            store.delete_bucket("team", audit()),
        );
        assert!(deleted.unwrap());
        for done in [first, second, blocked] {
            assert!(matches!(done, Ok(_) | Err(Error::Denied(_))), "{done:?}");
        }
        for table in ["policy", "public_access_block"] {
            let rows = format!("SELECT COUNT(*) FROM {table} WHERE ns IS NOT NULL");
            let rows: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(rows)).fetch_one(store.raw_pool()).await.unwrap();
            assert_eq!(rows, 0, "{table}");
        }
    }
}
