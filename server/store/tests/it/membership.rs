//! What a repository may serve: membership is rows, never the store having the bytes.

use zot_domain::ports::metadata::{Content, Metadata as _, MountBlob, NewContent, PushRights, RemoveTarget};
use zot_domain::{ArtifactError, Error};

use crate::database::Fresh;
use crate::make::{ALL_RIGHTS, audit, commit, inline, publish, push, remove, repository, segment, sha256};
use crate::on_both;

on_both! {
    a_digest_is_readable_only_where_it_was_pushed,
    many_pushes_of_the_same_bytes_make_one_blob,
    a_dedupe_hit_kills_the_new_segment,
    a_mount_needs_membership_of_the_source,
    a_removed_membership_hides_the_blob_there_alone,
    a_namespace_needs_the_right_to_create_it,
    each_write_leaves_one_audit_row,
    usage_counts_each_membership_once,
    a_manifest_is_no_blob_unless_it_was_pushed_as_one,
}

async fn a_digest_is_readable_only_where_it_was_pushed(store: &Fresh) {
    let digest = push(store, "team/a", "hello").await;
    assert!(store.blob(&repository("team/a"), &digest).await.unwrap().is_some());
    assert!(store.blob(&repository("team/b"), &digest).await.unwrap().is_none());
    push(store, "team/b", "other").await;
    assert!(store.blob(&repository("team/b"), &digest).await.unwrap().is_none());
}

async fn many_pushes_of_the_same_bytes_make_one_blob(store: &Fresh) {
    let pushes = (0..32).map(|index| {
        let store = (**store).clone();
        tokio::spawn(async move { store.commit_blob(commit(&format!("team/r{}", index % 8), inline("same"))).await })
    });
    for push in pushes.collect::<Vec<_>>() {
        assert!(push.await.unwrap().unwrap());
    }
    assert_eq!(store.count("SELECT COUNT(*) FROM blob").await, 1);
    assert_eq!(store.count("SELECT COUNT(*) FROM repo_blob").await, 8);
    assert_eq!(store.count("SELECT COUNT(*) FROM namespace").await, 1);
}

async fn a_dedupe_hit_kills_the_new_segment(store: &Fresh) {
    let content = |segments| NewContent { content: Content::Segments(segments), ..inline("large") };
    store.commit_blob(commit("team/a", content(vec![segment(0, 5)]))).await.unwrap();
    store.commit_blob(commit("team/b", content(vec![segment(0, 5)]))).await.unwrap();
    assert_eq!(store.count("SELECT COUNT(*) FROM segment WHERE state = 'live'").await, 1);
    assert_eq!(store.count("SELECT COUNT(*) FROM segment WHERE state = 'dead' AND dead_at IS NOT NULL").await, 1);
}

async fn a_mount_needs_membership_of_the_source(store: &Fresh) {
    let digest = push(store, "team/a", "hello").await;
    let mount = |from: Option<&str>, digest| MountBlob {
        digest,
        from: from.map(repository),
        repository: repository("team/b"),
        rights: ALL_RIGHTS,
        audit: audit(),
    };
    assert!(!store.mount_blob(mount(Some("team/other"), digest.clone())).await.unwrap());
    assert!(!store.mount_blob(mount(Some("team/a"), sha256("absent"))).await.unwrap());
    assert!(store.blob(&repository("team/b"), &digest).await.unwrap().is_none());
    assert!(store.mount_blob(mount(Some("team/a"), digest.clone())).await.unwrap());
    assert!(store.blob(&repository("team/b"), &digest).await.unwrap().is_some());
    assert!(store.mount_blob(mount(None, digest)).await.unwrap());
}

async fn a_removed_membership_hides_the_blob_there_alone(store: &Fresh) {
    let digest = push(store, "team/a", "hello").await;
    push(store, "team/b", "hello").await;
    assert!(remove(store, "team/a", RemoveTarget::Blob(digest.clone())).await.unwrap());
    assert!(!remove(store, "team/a", RemoveTarget::Blob(digest.clone())).await.unwrap());
    assert!(store.blob(&repository("team/a"), &digest).await.unwrap().is_none());
    assert!(store.blob(&repository("team/b"), &digest).await.unwrap().is_some());
    assert_eq!(store.count("SELECT COUNT(*) FROM gc_candidate WHERE kind = 'blob'").await, 1);
}

async fn a_namespace_needs_the_right_to_create_it(store: &Fresh) {
    let poor = PushRights { create_namespace: false, ..ALL_RIGHTS };
    let mut write = commit("team/a", inline("x"));
    write.rights = poor;
    assert!(matches!(store.commit_blob(write).await, Err(Error::Denied(_))));
    assert_eq!(store.count("SELECT COUNT(*) FROM blob").await, 0);
    push(store, "team/a", "x").await;
    let mut write = commit("team/b", inline("x"));
    write.rights = poor;
    assert!(store.commit_blob(write).await.unwrap(), "the namespace is there now");
}

async fn each_write_leaves_one_audit_row(store: &Fresh) {
    let digest = push(store, "team/a", "x").await;
    remove(store, "team/a", RemoveTarget::Blob(digest.clone())).await.unwrap();
    remove(store, "team/a", RemoveTarget::Blob(digest)).await.unwrap();
    assert_eq!(store.count("SELECT COUNT(*) FROM change").await, 2, "what changed nothing is not recorded");
    assert_eq!(store.count("SELECT COUNT(*) FROM change WHERE at > 1700000000000000").await, 2);
}

async fn usage_counts_each_membership_once(store: &Fresh) {
    let digest = push(store, "team/a", "12345").await;
    push(store, "team/a", "12345").await;
    push(store, "team/b", "12345").await;
    let usage = "SELECT CAST(SUM(bytes) AS BIGINT) FROM usage_delta";
    assert_eq!(store.count(usage).await, 10);
    remove(store, "team/a", RemoveTarget::Blob(digest)).await.unwrap();
    assert_eq!(store.count(usage).await, 5);
}

async fn a_manifest_is_no_blob_unless_it_was_pushed_as_one(store: &Fresh) {
    let (team, digest) = (repository("team/a"), publish(store, "team/a", "manifest", &[], &["v1"]).await.unwrap());
    let mount = |from: Option<&str>| MountBlob {
        digest: digest.clone(),
        from: from.map(repository),
        repository: repository("team/b"),
        rights: ALL_RIGHTS,
        audit: audit(),
    };
    assert!(store.blob(&team, &digest).await.unwrap().is_none());
    assert!(!store.mount_blob(mount(Some("team/a"))).await.unwrap() && !store.mount_blob(mount(None)).await.unwrap());
    assert!(!remove(store, "team/a", RemoveTarget::Blob(digest.clone())).await.unwrap());
    let layered = publish(store, "team/a", "other", &["manifest"], &[]).await;
    assert!(matches!(layered, Err(ArtifactError::ManifestBlobUnknown(_))));
    let usage = "SELECT CAST(SUM(bytes) AS BIGINT) FROM usage_delta";
    assert_eq!(store.count(usage).await, 8);
    push(store, "team/a", "manifest").await;
    assert_eq!(store.count(usage).await, 8, "its bytes are counted once");
    assert!(store.blob(&team, &digest).await.unwrap().is_some());
    publish(store, "team/a", "manifest", &[], &["v2"]).await.unwrap();
    assert!(store.blob(&team, &digest).await.unwrap().is_some(), "a second push of the manifest takes nothing away");
    assert!(store.mount_blob(mount(Some("team/a"))).await.unwrap());
}
