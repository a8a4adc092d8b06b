//! `GET /api/v1/artifacts/{bucket}/{key}`: an object as an artifact. The digest of an object that was uploaded in parts is
//! computed first.

use axum::Json;
use axum::extract::{Request, State};
use percent_encoding::percent_decode_str;
use zot_api::Artifact;
use zot_core::Invalid;
use zot_core::media_type::OCI_MANIFEST;
use zot_core::render::OBJECT_TYPE;
use zot_domain::Error;
use zot_domain::ports::objects::ObjectVersion;

use crate::error::Result;
use crate::extract::Caller;
use crate::{Rest, time};

/// The route's prefix.
const PREFIX: &str = "/api/v1/artifacts/";

/// Gets an object as an artifact.
///
/// The digest of an object that was uploaded in parts is computed first, and with it the reference by which registry
/// clients pull it. Slashes are part of a key.
#[utoipa::path(
    get, path = "/api/v1/artifacts/{bucket}/{*key}", operation_id = "getArtifact", tag = "artifacts",
    params(
        ("bucket" = String, Path), ("key" = String, Path, description = "The key, with unencoded slashes."),
        ("versionId" = Option<String>, Query, description = "A version; by default the latest."),
    ),
    responses(
        (status = 200, description = "The artifact.", body = Artifact),
        (status = 400, description = "The key or the version is invalid."),
        (status = 403, description = "Needs `read` on the object."),
        (status = 404, description = "The object does not exist."),
        (status = 409, description = "The digest is being computed; try again."),
        (status = 501, description = "The S3 API is switched off."),
    ),
)]
// bucket and key come from the path as the client sent it, so that keys stay byte-exact
pub(crate) async fn get(State(rest): State<Rest>, Caller(call): Caller, request: Request) -> Result<Json<Artifact>> {
    if rest.sts_endpoint.is_none() {
        return Err(Error::NotImplemented("the S3 API is switched off (extensions.s3api.enabled)".to_owned()).into());
    }
    let (path, query) = (request.uri().path(), request.uri().query().unwrap_or_default());
    let decoded = percent_decode_str(path.strip_prefix(PREFIX).unwrap_or_default()).decode_utf8();
    let decoded = decoded.map_err(|_| Error::from(Invalid::Key("the key is not UTF-8".to_owned())))?;
    let (bucket, key) = decoded.split_once('/').ok_or(Error::Invalid(Invalid::KeyTooLong))?;
    let version = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "versionId");
    let version = version.as_ref().map(|(_, value)| value.as_ref());
    let object = rest.buckets.digested_object(&call, bucket, &key.parse().map_err(Error::from)?, version).await?;
    Ok(Json(artifact(bucket, object.into_inner())?))
}

fn artifact(bucket: &str, object: ObjectVersion) -> Result<Artifact> {
    // another request computes the digest, or the blob was just merged: the client must try again
    let (digest, manifest) = object.digest.as_ref().zip(object.manifest_digest()).ok_or(Error::Conflict)?;
    Ok(Artifact {
        bucket: bucket.to_owned(),
        reference: format!("{bucket}@{manifest}"),
        digest: digest.to_string(),
        version_id: object.version_id,
        size: object.size,
        content_type: object.attributes.content_type,
        etag: object.etag,
        media_type: OCI_MANIFEST.to_owned(),
        artifact_type: OBJECT_TYPE.to_owned(),
        created_at: time(object.created),
        sealed_at: object.digested.map(time),
        key: object.key,
    })
}
