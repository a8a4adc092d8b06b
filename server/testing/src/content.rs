//! Content to push.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};
use zot_core::digest::{Algorithm, Digest};
use zot_core::media_type::OCI_MANIFEST;

use crate::client::Client;
use crate::reply::Reply;

pub fn sha256(bytes: &[u8]) -> String {
    Digest::of(Algorithm::Sha256, bytes).to_string()
}

pub fn sha512(bytes: &[u8]) -> String {
    Digest::of(Algorithm::Sha512, bytes).to_string()
}

/// Bytes without a short period.
pub fn bytes(length: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64 ^ length as u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    std::iter::repeat_with(&mut next).flatten().take(length).collect()
}

pub fn descriptor(bytes: &[u8]) -> Value {
    json!({"mediaType": "application/octet-stream", "digest": sha256(bytes), "size": bytes.len()})
}

/// An image with a config and a layer.
pub fn image(config: &[u8], layer: &[u8]) -> Value {
    json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": descriptor(config), "layers": [descriptor(layer)],
    })
}

/// An artifact without bytes of its own, which refers to a subject.
pub fn referrer(subject: &str, artifact_type: &str, annotations: &Value) -> Value {
    let empty = json!({"mediaType": "application/vnd.oci.empty.v1+json", "digest": sha256(b"{}"), "size": 2});
    json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": artifact_type, "config": empty, "layers": [empty],
        "subject": {"mediaType": OCI_MANIFEST, "digest": subject, "size": 1}, "annotations": annotations,
    })
}

impl Client {
    /// Pushes a blob in one request and returns its digest.
    pub async fn push_blob(&self, repository: &str, bytes: &[u8]) -> String {
        let digest = sha256(bytes);
        let path = format!("/v2/{repository}/blobs/uploads/?digest={digest}");
        self.post(&path, bytes.to_vec()).await.assert_status(StatusCode::CREATED);
        digest
    }

    pub async fn put_manifest(&self, repository: &str, reference: &str, document: impl AsRef<[u8]>) -> Reply {
        let call = self.call(Method::PUT, &format!("/v2/{repository}/manifests/{reference}"));
        call.body(document.as_ref().to_vec()).send().await
    }

    /// Pushes a document by tag and returns its digest.
    pub async fn push_manifest(&self, repository: &str, tag: &str, document: &Value) -> String {
        let put = self.put_manifest(repository, tag, document.to_string()).await;
        put.assert_status(StatusCode::CREATED).header("docker-content-digest").to_owned()
    }

    /// Pushes an image with two blobs and returns its manifest's digest.
    pub async fn push_image(&self, repository: &str, tag: &str) -> String {
        self.push_blob(repository, b"config").await;
        self.push_blob(repository, b"layer").await;
        self.push_manifest(repository, tag, &image(b"config", b"layer")).await
    }
}
