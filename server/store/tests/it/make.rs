//! Makers of what the port takes.

use bytes::Bytes;
use zot_core::digest::{Algorithm, Digest};
use zot_core::hash::{Digests, Hasher};
use zot_core::manifest::{Descriptor, Manifest};
use zot_core::media_type::OCI_MANIFEST;
use zot_core::name::RepositoryName;
use zot_domain::call::{Agent, Origin, RequestId};
use zot_domain::ports::blobs::SegmentKey;
use zot_domain::ports::metadata::{
    Audit, CommitBlob, Content, Metadata as _, NewContent, PublishManifest, PushRights, Remove, RemoveTarget, Segment,
};
use zot_domain::{ArtifactError, Result};
use zot_store::Store;

pub(crate) const ALL_RIGHTS: PushRights = PushRights { create_namespace: true, create: true, update: true };

pub(crate) fn repository(name: &str) -> RepositoryName {
    name.parse().unwrap()
}

pub(crate) fn sha256(text: &str) -> Digest {
    Digest::of(Algorithm::Sha256, text.as_bytes())
}

pub(crate) fn audit() -> Audit {
    let request_id = RequestId::new();
    Audit {
        request_id,
        actor: "tester".to_owned(),
        action: zot_core::AuditAction::ManifestPush,
        resource: "test".to_owned(),
        request: request_id,
        origin: Origin::default(),
        agent: Agent::default(),
    }
}

pub(crate) fn segment(start: u64, size: u64) -> Segment {
    Segment { key: SegmentKey::new(), start, size, sha256: None }
}

pub(crate) fn inline(text: &str) -> NewContent {
    let digests = Digests { sha256: sha256(text), sha512: None, object: None };
    NewContent { digests, size: text.len() as u64, content: Content::Inline(Bytes::from(text.to_owned())) }
}

pub(crate) fn commit(name: &str, content: NewContent) -> CommitBlob {
    CommitBlob { repository: repository(name), content, upload: None, rights: ALL_RIGHTS, audit: audit() }
}

pub(crate) async fn push(store: &Store, name: &str, text: &str) -> Digest {
    assert!(store.commit_blob(commit(name, inline(text))).await.unwrap());
    sha256(text)
}

/// A manifest over blobs that are there, with some bytes of its own.
pub(crate) fn manifest(name: &str, own: &str, blobs: &[&str], tags: &[&str]) -> PublishManifest {
    let content = inline(own);
    PublishManifest {
        repository: repository(name),
        digest: content.digests.sha256.clone(),
        manifest: Manifest {
            media_type: OCI_MANIFEST.to_owned(),
            artifact_type: None,
            blobs: blobs.iter().map(|text| Descriptor { digest: sha256(text), size: text.len() as u64 }).collect(),
            children: Vec::new(),
            subject: None,
            annotations: std::collections::BTreeMap::new(),
        },
        content,
        tags: tags.iter().map(|tag| tag.parse().unwrap()).collect(),
        by_tag: tags.len() == 1,
        rights: ALL_RIGHTS,
        audit: audit(),
    }
}

pub(crate) async fn publish(
    store: &Store,
    name: &str,
    own: &str,
    blobs: &[&str],
    tags: &[&str],
) -> Result<Digest, ArtifactError> {
    store.publish_manifest(manifest(name, own, blobs, tags)).await.map(|()| sha256(own))
}

pub(crate) async fn remove(store: &Store, name: &str, target: RemoveTarget) -> Result<bool, ArtifactError> {
    store.remove(Remove { repository: repository(name), target, audit: audit() }).await
}

pub(crate) fn empty_hash() -> Vec<u8> {
    Hasher::new(Algorithm::Sha256).save()
}
