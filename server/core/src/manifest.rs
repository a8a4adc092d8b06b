//! Manifests and indexes: the fields that the store reads, and the rules for refusing them.
//!
//! The bytes themselves are stored unchanged, and unknown fields are ignored.
//! Sources: OCI image-spec 1.1 `manifest.md`, `image-index.md`, `descriptor.md`.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use crate::digest::Digest;
use crate::invalid::{Invalid, Result};
use crate::media_type::{self, Shape};

/// The empty JSON object `{}`. Every repository has it without a row.
pub const EMPTY_JSON: &[u8] = b"{}";
pub const EMPTY_JSON_DIGEST: &str = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

/// Largest manifest, in bytes; the spec asks for at least 4 MiB.
pub const MANIFEST_MAX: u64 = 4 * 1024 * 1024;

/// The fields of a manifest that the store reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The media type of responses.
    pub media_type: String,
    /// `artifactType`, or for an image the config's media type (distribution-spec, *Listing Referrers*).
    pub artifact_type: Option<String>,
    /// Config and layers, which must be in the repository.
    pub blobs: Vec<Descriptor>,
    /// Manifests of an index; they may be absent.
    pub children: Vec<Digest>,
    /// The subject. It may be absent from the repository.
    pub subject: Option<Digest>,
    /// Its annotations, for the referrers list.
    pub annotations: BTreeMap<String, String>,
}

/// A reference to content (image-spec `descriptor.md`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// Digest of the content.
    pub digest: Digest,
    /// Its length in bytes.
    pub size: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    schema_version: u64,
    media_type: Option<String>,
    artifact_type: Option<String>,
    config: Option<WireDescriptor>,
    layers: Option<Vec<WireDescriptor>>,
    manifests: Option<Vec<WireDescriptor>>,
    subject: Option<WireDescriptor>,
    annotations: Option<BTreeMap<String, String>>,
    #[serde(rename = "fsLayers")]
    fs_layers: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireDescriptor {
    media_type: Option<String>,
    digest: String,
    size: u64,
    urls: Option<Vec<String>>,
    data: Option<String>,
}

impl Manifest {
    /// Parses a manifest with this `Content-Type`. Without one, the field `mediaType` counts.
    ///
    /// # Errors
    /// [`Invalid::Manifest`] with the reason, [`Invalid::Digest`] for a malformed digest inside.
    pub fn parse(bytes: &[u8], content_type: Option<&str>) -> Result<Self> {
        // serde_json validates only the fields that it reads
        let text = str::from_utf8(bytes).map_err(|e| invalid(e.to_string()))?;
        let document: Document = serde_json::from_str(text).map_err(|e| invalid(e.to_string()))?;
        let media_type = document.media_type(content_type)?;
        let shape = media_type::shape(&media_type).ok_or_else(|| {
            invalid(format!(
                "unsupported media type {media_type:?}; push an OCI 1.1 or Docker schema 2 manifest or index"
            ))
        })?;
        document.check_shape(shape)?;
        let mut blobs = Vec::new();
        for wire in document.config.iter().chain(document.layers.iter().flatten()) {
            if let Some(descriptor) = wire.required()? {
                blobs.push(descriptor);
            }
        }
        let children = document.manifests.iter().flatten().map(WireDescriptor::checked).collect::<Result<Vec<_>>>()?;
        let artifact_type = document.artifact_type(shape);
        if artifact_type.as_ref().is_some_and(|text| text.contains(char::is_control)) {
            return Err(invalid("the artifact type is no media type".to_owned()));
        }
        Ok(Self {
            artifact_type,
            blobs,
            children: children.into_iter().map(|d| d.digest).collect(),
            subject: document.subject.as_ref().map(WireDescriptor::checked).transpose()?.map(|d| d.digest),
            annotations: document.annotations.unwrap_or_default(),
            media_type,
        })
    }
}

impl Document {
    fn media_type(&self, content_type: Option<&str>) -> Result<String> {
        let header = content_type.map(media_type::essence).filter(|t| !t.is_empty());
        match (header, &self.media_type) {
            (Some(header), Some(field)) if header != *field => {
                Err(invalid(format!("Content-Type is {header:?} but the field mediaType says {field:?}")))
            }
            (Some(header), _) => Ok(header),
            (None, Some(field)) => Ok(field.clone()),
            (None, None) => Err(invalid("neither Content-Type nor the field mediaType says what it is".to_owned())),
        }
    }

    /// Refuses a document that two parsers could read differently (image-spec, *mediaType* verification).
    fn check_shape(&self, shape: Shape) -> Result<()> {
        if self.schema_version != 2 {
            return Err(invalid(format!("schemaVersion must be 2, not {}", self.schema_version)));
        }
        if self.fs_layers.is_some() {
            return Err(invalid("fsLayers belongs to Docker schema 1, which is not supported".to_owned()));
        }
        match shape {
            Shape::Image if self.manifests.is_some() => {
                Err(invalid("an image manifest has no field manifests".to_owned()))
            }
            Shape::Image if self.config.is_none() => Err(invalid("an image manifest needs a config".to_owned())),
            Shape::Image if self.layers.is_none() => {
                Err(invalid("an image manifest needs layers, even if empty".to_owned()))
            }
            Shape::Index if self.layers.is_some() || self.config.is_some() => {
                Err(invalid("an index has neither config nor layers".to_owned()))
            }
            Shape::Index if self.manifests.is_none() => {
                Err(invalid("an index needs manifests, even if empty".to_owned()))
            }
            Shape::Image | Shape::Index => Ok(()),
        }
    }

    fn artifact_type(&self, shape: Shape) -> Option<String> {
        let own = self.artifact_type.clone().filter(|t| !t.is_empty());
        match shape {
            Shape::Index => own,
            Shape::Image => own.or_else(|| self.config.as_ref()?.media_type.clone()),
        }
    }
}

impl WireDescriptor {
    fn checked(&self) -> Result<Descriptor> {
        let digest: Digest = self.digest.parse()?;
        if let Some(data) = &self.data {
            let bytes = STANDARD.decode(data).map_err(|_| invalid(format!("field data of {digest} is not base64")))?;
            if bytes.len() as u64 != self.size || Digest::of(digest.algorithm(), &bytes) != digest {
                return Err(invalid(format!("field data of {digest} does not match its digest and size")));
            }
        }
        if i64::try_from(self.size).is_err() {
            return Err(invalid(format!("size of {digest} is out of range")));
        }
        Ok(Descriptor { digest, size: self.size })
    }

    /// The descriptor if its content must be in the repository. Layers with URLs elsewhere need not be, and are never fetched.
    fn required(&self) -> Result<Option<Descriptor>> {
        let descriptor = self.checked()?;
        let elsewhere = self.urls.as_ref().is_some_and(|urls| !urls.is_empty())
            || self.media_type.as_deref().is_some_and(media_type::is_foreign_layer);
        Ok((!elsewhere).then_some(descriptor))
    }
}

fn invalid(why: String) -> Invalid {
    Invalid::Manifest(why)
}

#[cfg(test)]
#[path = "manifest/tests.rs"]
mod tests;
