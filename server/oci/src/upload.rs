//! `/v2/{name}/blobs/uploads/`: pushing blobs, in one request, in a session of chunks, or by mounting.

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use zot_core::Invalid;
use zot_core::digest::{Algorithm, Digest};
use zot_core::name::RepositoryName;
use zot_domain::artifact::upload::TAIL_MAX;
use zot_domain::observed::Direction;
use zot_domain::ports::blobs::ByteStream;
use zot_domain::{ArtifactError, Call, Result};

use super::CONTENT_DIGEST;
use super::body::{announced, exactly, incoming};
use super::error::range_of;
use super::query::Parameters;
use super::{transferred, value};
use crate::Registry;

const UPLOAD_UUID: HeaderName = HeaderName::from_static("docker-upload-uuid");
const CHUNK_MIN_LENGTH: HeaderName = HeaderName::from_static("oci-chunk-min-length");

/// `POST`: a whole blob (`digest`), a mount (`mount`, `from`), or a new session.
pub(crate) async fn begin(
    registry: &Registry,
    call: &Call,
    repository: &RepositoryName,
    parts: &Parts,
    body: Body,
) -> Result<Response, ArtifactError> {
    let parameters = Parameters::of(parts);
    if let Some(digest) = parameters.one("mount")? {
        let from = parameters.one("from")?.filter(|name| !name.is_empty()).map(str::parse::<RepositoryName>);
        let digest: Digest = digest.parse()?;
        let mounted = match from.transpose() {
            Ok(from) => registry.artifacts.mount_blob(call, repository, &digest, from.as_ref()).await?,
            // no repository has an invalid name, so this is as an absent one
            Err(_) => false,
        };
        if mounted {
            return Ok(created(repository, &digest));
        }
    } else if let Some(digest) = parameters.one("digest")? {
        let digest: Digest = digest.parse()?;
        let body = incoming(parts, body, registry.max_body)?;
        let size = registry.artifacts.push_blob(call, repository, &digest, body).await?;
        return Ok(transferred(created(repository, &digest), Direction::Upload, "blob", repository, size));
    }
    let algorithm = parameters.one("digest-algorithm")?.map_or(Ok(Algorithm::Sha256), str::parse)?;
    let id = registry.artifacts.begin_upload(call, repository, algorithm).await?;
    let mut headers = session_headers(repository, &id, 0);
    headers.insert(CHUNK_MIN_LENGTH, TAIL_MAX.into());
    Ok((StatusCode::ACCEPTED, headers).into_response())
}

/// `GET`: the progress of a session.
pub(crate) async fn status(
    registry: &Registry,
    call: &Call,
    repository: &RepositoryName,
    id: &str,
) -> Result<Response, ArtifactError> {
    let upload = registry.artifacts.upload(call, repository, id).await?;
    Ok((StatusCode::NO_CONTENT, session_headers(repository, id, upload.offset)).into_response())
}

/// `PATCH`: a chunk.
pub(crate) async fn append(
    registry: &Registry,
    call: &Call,
    repository: &RepositoryName,
    id: &str,
    parts: &Parts,
    body: Body,
) -> Result<Response, ArtifactError> {
    let (start, body) = chunk(registry, parts, body)?;
    let offset = registry.artifacts.append_upload(call, repository, id, start, body).await?;
    Ok((StatusCode::ACCEPTED, session_headers(repository, id, offset)).into_response())
}

/// `PUT`: the last chunk, which may be empty, and the digest of the whole.
pub(crate) async fn finish(
    registry: &Registry,
    call: &Call,
    repository: &RepositoryName,
    id: &str,
    parts: &Parts,
    body: Body,
) -> Result<Response, ArtifactError> {
    let parameters = Parameters::of(parts);
    let digest = parameters.one("digest")?.ok_or_else(|| {
        Invalid::Digest("the parameter digest is missing; it must be the digest of the whole blob".to_owned())
    })?;
    let digest: Digest = digest.parse()?;
    let (start, body) = chunk(registry, parts, body)?;
    let size = registry.artifacts.finish_upload(call, repository, id, start, &digest, body).await?;
    Ok(transferred(created(repository, &digest), Direction::Upload, "blob", repository, size))
}

/// `DELETE`: cancels the session.
pub(crate) async fn cancel(
    registry: &Registry,
    call: &Call,
    repository: &RepositoryName,
    id: &str,
) -> Result<Response, ArtifactError> {
    registry.artifacts.cancel_upload(call, repository, id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn session_headers(repository: &RepositoryName, id: &str, offset: u64) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::LOCATION, value(&format!("/v2/{repository}/blobs/uploads/{id}")));
    headers.insert(header::RANGE, value(&range_of(offset)));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
    headers.insert(UPLOAD_UUID, value(id));
    headers
}

fn created(repository: &RepositoryName, digest: &Digest) -> Response {
    let mut headers = HeaderMap::new();
    headers.insert(header::LOCATION, value(&format!("/v2/{repository}/blobs/{digest}")));
    headers.insert(CONTENT_DIGEST, value(digest.as_str()));
    (StatusCode::CREATED, headers).into_response()
}

/// The start of a chunk, if the request has it, and the chunk's bytes, whose number is checked.
fn chunk(registry: &Registry, parts: &Parts, body: Body) -> Result<(Option<u64>, ByteStream), ArtifactError> {
    let range = content_range(parts)?;
    let body = incoming(parts, body, registry.max_body)?;
    Ok(match range {
        Some((start, length)) => (Some(start), exactly(body, length)),
        None => (None, body),
    })
}

/// The start and length of a chunk, if the request has them: `Content-Range: 0-1023` as in the spec, or with unit and
/// total as in RFC 9110. It must agree with the announced length.
fn content_range(parts: &Parts) -> Result<Option<(u64, u64)>, ArtifactError> {
    let Some(header) = parts.headers.get(header::CONTENT_RANGE) else { return Ok(None) };
    let refuse =
        || ArtifactError::UploadInvalid("malformed Content-Range; it must be START-END, both included".to_owned());
    let text = header.to_str().map_err(|_| refuse())?.trim();
    let text = text.strip_prefix("bytes").unwrap_or(text).trim_start_matches([' ', '=']);
    let text = text.split('/').next().unwrap_or_default();
    let (start, end) = text.split_once('-').ok_or_else(refuse)?;
    let (start, end): (u64, u64) = (start.parse().map_err(|_| refuse())?, end.parse().map_err(|_| refuse())?);
    let length = end.checked_sub(start).and_then(|length| length.checked_add(1));
    match (length, announced(parts)) {
        (None, _) => Err(ArtifactError::UploadInvalid("Content-Range ends before it starts".to_owned())),
        (Some(length), Some(announced)) if length != announced => Err(ArtifactError::UploadInvalid(format!(
            "Content-Range spans {length} bytes but Content-Length is {announced}"
        ))),
        (Some(length), _) => Ok(Some((start, length))),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn parsed(range: &str, length: Option<&str>) -> Result<Option<(u64, u64)>, ArtifactError> {
        let mut request = Request::builder().header(header::CONTENT_RANGE, range);
        if let Some(length) = length {
            request = request.header(header::CONTENT_LENGTH, length);
        }
        content_range(&request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn chunks_say_where_they_begin() {
        assert_eq!(parsed("0-1023", Some("1024")).unwrap(), Some((0, 1024)));
        assert_eq!(parsed("5-9", None).unwrap(), Some((5, 5)));
        assert_eq!(parsed("bytes 5-9/*", Some("5")).unwrap(), Some((5, 5)));
    }

    #[test]
    fn lies_and_nonsense_are_refused() {
        for (range, length) in [
            ("9-5", None),
            ("0-9", Some("9")),
            ("a-b", None),
            ("", None),
            ("5", None),
            ("-5", None),
            ("5-", None),
            ("0-18446744073709551615", None),
            ("0-99999999999999999999999", None),
            ("-1-5", None),
        ] {
            assert!(matches!(parsed(range, length), Err(ArtifactError::UploadInvalid(_))), "{range}");
        }
    }
}
