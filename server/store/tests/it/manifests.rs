//! Manifests, tags and their rights.

use zot_core::Invalid;
use zot_core::name::Reference;
use zot_domain::ports::metadata::{Content, Metadata as _, PushRights, RemoveTarget};
use zot_domain::{ArtifactError, Error};

use crate::database::Fresh;
use crate::make::{ALL_RIGHTS, manifest, publish, push, remove, repository, sha256};
use crate::on_both;

on_both! {
    a_manifest_is_read_by_tag_and_by_digest,
    blobs_of_other_repositories_are_unknown,
    a_wrong_size_is_refused,
    create_is_not_update,
    of_many_creators_one_wins,
    tags_have_a_history,
    a_deleted_manifest_takes_its_tags,
    a_referenced_blob_stays,
    a_stale_membership_is_touched,
    a_manifest_of_many_layers_is_one_write,
}

async fn a_manifest_is_read_by_tag_and_by_digest(store: &Fresh) {
    push(store, "team/a", "layer").await;
    let digest = publish(store, "team/a", "manifest", &["layer"], &["v1", "v2"]).await.unwrap();
    for reference in ["v1", "v2", digest.as_str()] {
        let found = store.manifest(&repository("team/a"), &reference.parse().unwrap()).await.unwrap().unwrap();
        assert_eq!(found.digest, digest);
        assert!(matches!(found.blob.content, Content::Inline(bytes) if &bytes[..] == b"manifest"));
    }
    assert!(store.manifest(&repository("team/b"), &Reference::Digest(digest)).await.unwrap().is_none());
    assert!(store.manifest(&repository("team/a"), &"v3".parse().unwrap()).await.unwrap().is_none());
}

async fn blobs_of_other_repositories_are_unknown(store: &Fresh) {
    push(store, "team/a", "layer").await;
    match publish(store, "team/b", "manifest", &["layer", "absent"], &["v1"]).await {
        Err(ArtifactError::ManifestBlobUnknown(mut unknown)) => {
            unknown.sort();
            let mut expected = [sha256("absent"), sha256("layer")];
            expected.sort();
            assert_eq!(unknown, expected);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(store.count("SELECT COUNT(*) FROM manifest").await, 0);
    assert_eq!(
        store.count("SELECT COUNT(*) FROM change WHERE action = 'manifest.push'").await,
        1,
        "only the push of the layer"
    );
}

async fn a_wrong_size_is_refused(store: &Fresh) {
    push(store, "team/a", "layer").await;
    let mut write = manifest("team/a", "manifest", &["layer"], &[]);
    write.manifest.blobs[0].size = 6;
    assert!(matches!(
        store.publish_manifest(write).await,
        Err(ArtifactError::Common(Error::Invalid(Invalid::Manifest(_))))
    ));
}

async fn create_is_not_update(store: &Fresh) {
    let put = |own: &str, rights| {
        let mut write = manifest("team/a", own, &[], &["latest"]);
        write.rights = rights;
        store.publish_manifest(write)
    };
    let creator = PushRights { update: false, ..ALL_RIGHTS };
    let updater = PushRights { create: false, ..ALL_RIGHTS };
    assert!(
        matches!(put("one", updater).await, Err(ArtifactError::Common(Error::Denied(_)))),
        "there is nothing to update"
    );
    put("one", creator).await.unwrap();
    put("one", creator).await.unwrap();
    assert!(matches!(put("two", creator).await, Err(ArtifactError::Common(Error::Denied(_)))), "the tag is there");
    assert!(store.manifest(&repository("team/a"), &Reference::Digest(sha256("two"))).await.unwrap().is_none());
    put("two", updater).await.unwrap();
    let latest = store.manifest(&repository("team/a"), &"latest".parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(latest.digest, sha256("two"));
}

async fn of_many_creators_one_wins(store: &Fresh) {
    let creators = (0..16).map(|index| {
        let store = (**store).clone();
        let mut write = manifest("team/a", &format!("manifest {index}"), &[], &["release"]);
        write.rights = PushRights { update: false, ..ALL_RIGHTS };
        tokio::spawn(async move { store.publish_manifest(write).await.is_ok() })
    });
    let mut won = 0;
    for creator in creators.collect::<Vec<_>>() {
        won += usize::from(creator.await.unwrap());
    }
    assert_eq!(won, 1);
    assert_eq!(store.count("SELECT COUNT(*) FROM manifest").await, 1, "who was denied left nothing");
}

async fn tags_have_a_history(store: &Fresh) {
    publish(store, "team/a", "one", &[], &["v1"]).await.unwrap();
    publish(store, "team/a", "two", &[], &["v1"]).await.unwrap();
    assert!(remove(store, "team/a", RemoveTarget::Tag("v1".parse().unwrap())).await.unwrap());
    publish(store, "team/a", "one", &[], &["v1"]).await.unwrap();
    assert_eq!(store.count("SELECT COUNT(*) FROM tag_history").await, 4);
    assert_eq!(store.count("SELECT MAX(seq) FROM tag_history").await, 4);
    assert_eq!(store.count("SELECT seq FROM tag_history WHERE digest IS NULL").await, 3);
    assert_eq!(store.count("SELECT seq FROM tag").await, 4);
}

async fn a_deleted_manifest_takes_its_tags(store: &Fresh) {
    push(store, "team/a", "layer").await;
    let digest = publish(store, "team/a", "manifest", &["layer"], &["v1", "v2"]).await.unwrap();
    publish(store, "team/a", "other", &["layer"], &["v3"]).await.unwrap();
    assert!(remove(store, "team/a", RemoveTarget::Manifest(digest.clone())).await.unwrap());
    assert!(!remove(store, "team/a", RemoveTarget::Manifest(digest.clone())).await.unwrap());
    assert!(store.manifest(&repository("team/a"), &Reference::Digest(digest)).await.unwrap().is_none());
    assert_eq!(store.tags(&repository("team/a"), "", 10).await.unwrap().unwrap(), ["v3"]);
    assert_eq!(store.count("SELECT COUNT(*) FROM manifest_blob").await, 1);
}

async fn a_referenced_blob_stays(store: &Fresh) {
    push(store, "team/a", "layer").await;
    let digest = publish(store, "team/a", "manifest", &["layer"], &[]).await.unwrap();
    let refused = remove(store, "team/a", RemoveTarget::Blob(sha256("layer"))).await;
    assert!(matches!(refused, Err(ArtifactError::Common(Error::Unsupported(_)))));
    let manifest = RemoveTarget::Blob(digest.clone());
    assert!(!remove(store, "team/a", manifest).await.unwrap(), "a manifest is no blob");
    remove(store, "team/a", RemoveTarget::Manifest(digest)).await.unwrap();
    assert!(remove(store, "team/a", RemoveTarget::Blob(sha256("layer"))).await.unwrap());
}

async fn a_stale_membership_is_touched(store: &Fresh) {
    push(store, "team/a", "layer").await;
    store.execute("UPDATE repo_blob SET touched_at = 1; UPDATE blob SET touched_at = 1".to_owned()).await;
    publish(store, "team/a", "manifest", &["layer"], &[]).await.unwrap();
    assert_eq!(store.count("SELECT COUNT(*) FROM repo_blob WHERE touched_at = 1").await, 0);
    store.execute("UPDATE blob SET touched_at = 1".to_owned()).await;
    push(store, "team/b", "layer").await;
    assert_eq!(store.count("SELECT COUNT(*) FROM blob WHERE touched_at = 1").await, 1, "the manifest's own alone");
}

async fn a_manifest_of_many_layers_is_one_write(store: &Fresh) {
    let layers: Vec<String> = (0..2000).map(|index| format!("layer {index}")).collect();
    let names: Vec<&str> = layers.iter().map(String::as_str).collect();
    assert!(
        matches!(publish(store, "team/a", "m", &names, &[]).await, Err(ArtifactError::ManifestBlobUnknown(u)) if u.len() == 2000)
    );
    for chunk in names.chunks(100) {
        for layer in chunk {
            push(store, "team/a", layer).await;
        }
    }
    publish(store, "team/a", "m", &names, &["v1"]).await.unwrap();
    assert_eq!(store.count("SELECT COUNT(*) FROM manifest_blob").await, 2000);
}
