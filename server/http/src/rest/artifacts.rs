//! `GET /api/v1/artifacts/{bucket}/{key}`: an object as an artifact, sealed first if it was uploaded in parts.

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use percent_encoding::percent_decode_str;
use serde::Serialize;
use utoipa::ToSchema;
use zot_core::media_type::OCI_MANIFEST;
use zot_core::render::OBJECT_TYPE;
use zot_domain::call::RequestId;
use zot_domain::ports::objects::ObjectVersion;
use zot_domain::{Buckets, Error, Result};

use super::error::respond;
use super::time;
use crate::App;
use crate::auth::Caller;

/// Where the route begins.
pub(crate) const PREFIX: &str = "/api/v1/artifacts/";

/// An object as an artifact that registries and their clients understand.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Artifact)]
pub(crate) struct Described {
    bucket: String,
    key: String,
    version_id: String,
    /// In bytes.
    size: u64,
    content_type: String,
    /// Without quotation marks.
    etag: String,
    /// Of the object's bytes.
    #[schema(example = "sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae")]
    digest: String,
    /// What a registry client pulls it by, behind the store's host.
    #[schema(example = "data@sha256:fcde2b2edba56bf408601fb721fe9b5c338d10ee429ea04fae5511b68fbf8fb9")]
    reference: String,
    /// Of the manifest that `reference` names.
    media_type: &'static str,
    artifact_type: &'static str,
    #[schema(format = DateTime)]
    created_at: String,
    /// When an object that was uploaded in parts became one blob.
    #[schema(required, format = DateTime)]
    sealed_at: Option<String>,
}

/// Gets an object as an artifact.
///
/// It is sealed first if it was uploaded in parts: it gets its digest, and the reference by which registry clients
/// pull it. Slashes are part of a key.
#[utoipa::path(
    get, path = "/api/v1/artifacts/{bucket}/{*key}", operation_id = "getArtifact", tag = "artifacts",
    params(
        ("bucket" = String, Path), ("key" = String, Path, description = "The key, slashes as they are."),
        ("versionId" = Option<String>, Query, description = "That version; else the latest."),
    ),
    responses(
        (status = 200, description = "The artifact.", body = Described),
        (status = 400, description = "The key or the version cannot be."),
        (status = 403, description = "Needs `read` on the object."),
        (status = 404, description = "It is not there."),
        (status = 409, description = "It is being sealed: ask again."),
        (status = 501, description = "The S3 door is switched off."),
    ),
)]
// bucket and key are taken from the path as it was sent, so that keys stay byte-exact
pub(crate) async fn get(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Extension(request_id): Extension<RequestId>,
    request: Request,
) -> Response {
    let Some(buckets) = &app.buckets else {
        return respond(&Error::NotImplemented("the S3 door is switched off".to_owned()), request_id);
    };
    let (path, query) = (request.uri().path().to_owned(), request.uri().query().unwrap_or_default().to_owned());
    match describe(buckets, &caller, request_id, &path, &query).await {
        Ok(artifact) => Json(artifact).into_response(),
        Err(error) => respond(&error, request_id),
    }
}

async fn describe(
    buckets: &Buckets,
    caller: &Caller,
    request_id: RequestId,
    path: &str,
    query: &str,
) -> Result<Described> {
    let call = caller.call(request_id)?;
    let decoded = percent_decode_str(path.strip_prefix(PREFIX).unwrap_or_default()).decode_utf8();
    let decoded = decoded.map_err(|_| Error::KeyInvalid("the key is not UTF-8".to_owned()))?;
    let (bucket, key) = decoded.split_once('/').ok_or(Error::KeyTooLong)?;
    let version = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "versionId");
    let version = version.as_ref().map(|(_, value)| value.as_ref());
    let object = buckets.digested_object(&call, bucket, &key.parse()?, version).await?;
    artifact(bucket, object.into_inner())
}

fn artifact(bucket: &str, object: ObjectVersion) -> Result<Described> {
    // sealing goes on elsewhere, or the blob was just merged: the client asks again
    let (digest, manifest) = object.digest.as_ref().zip(object.manifest_digest()).ok_or(Error::Conflict)?;
    Ok(Described {
        bucket: bucket.to_owned(),
        reference: format!("{bucket}@{manifest}"),
        digest: digest.to_string(),
        version_id: object.version_id,
        size: object.size,
        content_type: object.attributes.content_type,
        etag: object.etag,
        media_type: OCI_MANIFEST,
        artifact_type: OBJECT_TYPE,
        created_at: time(object.created),
        sealed_at: object.digested.map(time),
        key: object.key,
    })
}
