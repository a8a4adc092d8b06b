//! `/api/v1/artifacts`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An object as an artifact that registries and their clients understand.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Artifact {
    /// The bucket.
    pub bucket: String,
    /// The object's key.
    pub key: String,
    /// Which version of the object.
    pub version_id: String,
    /// In bytes.
    pub size: u64,
    /// The object's media type.
    pub content_type: String,
    /// Without quotation marks.
    pub etag: String,
    /// Of the object's bytes.
    #[schema(example = "sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae")]
    pub digest: String,
    /// What a registry client pulls it by, behind the store's host.
    #[schema(example = "data@sha256:fcde2b2edba56bf408601fb721fe9b5c338d10ee429ea04fae5511b68fbf8fb9")]
    pub reference: String,
    /// Of the manifest that `reference` names.
    pub media_type: String,
    /// Of the manifest that `reference` names.
    pub artifact_type: String,
    /// When the object was put.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// When an object that was uploaded in parts became one blob.
    #[schema(required, format = DateTime)]
    pub sealed_at: Option<String>,
}
