//! `GET /api/v1/artifacts/{bucket}/{key}`: an object as an artifact, sealed first if it was uploaded in parts.

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use zot_domain::artifact::media_type::OCI_MANIFEST;
use zot_domain::bucket::render::OBJECT_TYPE;
use zot_domain::identity::RequestId;
use zot_domain::ports::objects::ObjectVersion;
use zot_domain::{Buckets, Error, Result};

use super::error::respond;
use crate::App;
use crate::auth::Caller;

/// Where the route begins.
pub(crate) const PREFIX: &str = "/api/v1/artifacts/";

/// Bucket and key are taken from the path as it was sent, so that keys stay byte-exact.
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

async fn describe(buckets: &Buckets, caller: &Caller, request_id: RequestId, path: &str, query: &str) -> Result<Value> {
    let call = caller.call(request_id)?;
    let decoded = percent_decode_str(path.strip_prefix(PREFIX).unwrap_or_default()).decode_utf8();
    let decoded = decoded.map_err(|_| Error::KeyInvalid("the key is not UTF-8".to_owned()))?;
    let (bucket, key) = decoded.split_once('/').ok_or(Error::KeyTooLong)?;
    let version = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "versionId");
    let version = version.as_ref().map(|(_, value)| value.as_ref());
    let object = buckets.sealed_object(&call, bucket, &key.parse()?, version).await?;
    artifact(bucket, &object)
}

fn artifact(bucket: &str, object: &ObjectVersion) -> Result<Value> {
    // sealing goes on elsewhere, or the blob was just merged: the client asks again
    let (digest, manifest) = object.digest.as_ref().zip(object.manifest_digest()).ok_or(Error::Conflict)?;
    let time = |micros| jiff::Timestamp::from_microsecond(micros).ok().map(|time| time.to_string());
    Ok(json!({
        "bucket": bucket,
        "key": object.key,
        "versionId": object.version_id,
        "size": object.size,
        "contentType": object.attributes.content_type,
        "etag": object.etag,
        "digest": digest.as_str(),
        "reference": format!("{bucket}@{manifest}"),
        "mediaType": OCI_MANIFEST,
        "artifactType": OBJECT_TYPE,
        "createdAt": time(object.created),
        "sealedAt": object.sealed.and_then(time),
    }))
}
