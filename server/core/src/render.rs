//! The OCI manifest of an object: a pure function of digest, size, content type and key.
//!
//! Clients store its digest, so a renderer never changes. A new form gets a new [`RENDER_VERSION`], and existing versions of
//! objects keep their renderer. User metadata and tags are not part of it.

use serde_json::json;

use crate::digest::{Algorithm, Digest};
use crate::manifest::{EMPTY_JSON, EMPTY_JSON_DIGEST};
use crate::media_type::{OCI_EMPTY, OCI_MANIFEST};

/// The renderer that new objects get.
pub const RENDER_VERSION: i64 = 1;
/// The artifact type of an object's manifest.
pub const OBJECT_TYPE: &str = "application/vnd.zot-artifact-store.object.v1";
const TITLE: &str = "org.opencontainers.image.title";

/// The input of a manifest.
#[derive(Clone, Debug)]
pub struct Rendering<'a> {
    /// The digest of the object's bytes.
    pub digest: &'a str,
    pub size: u64,
    /// The content type from the client.
    pub content_type: &'a str,
    pub key: &'a str,
    pub version: i64,
}

impl Rendering<'_> {
    /// The manifest's bytes.
    pub fn bytes(&self) -> String {
        // there is one renderer so far; `version` picks it once there are more
        let layer = json!({
            "mediaType": media_type(self.content_type),
            "digest": self.digest,
            "size": self.size,
            "annotations": {TITLE: self.key},
        });
        let config = json!({"mediaType": OCI_EMPTY, "digest": EMPTY_JSON_DIGEST, "size": EMPTY_JSON.len()});
        format!(
            "{{\"schemaVersion\":2,\"mediaType\":\"{OCI_MANIFEST}\",\"artifactType\":\"{OBJECT_TYPE}\",\"config\":{config},\"layers\":[{layer}]}}"
        )
    }

    pub fn manifest_digest(&self) -> Digest {
        Digest::of(Algorithm::Sha256, self.bytes().as_bytes())
    }
}

/// The layer's media type for a content type: without parameters, if RFC 6838 allows it.
fn media_type(content_type: &str) -> String {
    let essence = crate::media_type::essence(content_type);
    let token = |text: &str| {
        !text.is_empty()
            && text.len() <= 127
            && text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b))
    };
    match essence.split_once('/') {
        Some((kind, sub)) if token(kind) && token(sub) => essence,
        _ => "application/octet-stream".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Manifest;

    fn rendering<'a>(key: &'a str, content_type: &'a str) -> Rendering<'a> {
        let digest = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        Rendering { digest, size: 3, content_type, key, version: RENDER_VERSION }
    }

    /// Golden bytes: if this test fails, references that clients keep have changed.
    #[test]
    fn the_bytes_of_version_1_never_change() {
        assert_eq!(
            rendering("dir/a \"b\".txt", "text/plain; charset=utf-8").bytes(),
            "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\
             \"artifactType\":\"application/vnd.zot-artifact-store.object.v1\",\
             \"config\":{\"digest\":\"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a\",\
             \"mediaType\":\"application/vnd.oci.empty.v1+json\",\"size\":2},\
             \"layers\":[{\"annotations\":{\"org.opencontainers.image.title\":\"dir/a \\\"b\\\".txt\"},\
             \"digest\":\"sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\",\
             \"mediaType\":\"text/plain\",\"size\":3}]}"
        );
    }

    #[test]
    fn every_rendering_is_a_manifest() {
        for content_type in ["", "text/plain", "x", "a/b/c", "text/ü", "IMAGE/PNG", "application/x-tar", ";", "a/ b"] {
            for key in ["a", "../x", "a\tb", "ü", "\"", "a/"] {
                let bytes = rendering(key, content_type).bytes();
                Manifest::parse(bytes.as_bytes(), Some(OCI_MANIFEST)).unwrap();
            }
        }
    }
}
