//! `GET /v2/{name}/referrers/{digest}`: manifests that refer to another one.
//!
//! Clients such as cosign read no second page and compare the content type as a whole, so all referrers go into one
//! page of up to 4 MiB. An unknown subject has no referrers, which is not an error.

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::Response;
use serde_json::json;
use serde_json::value::RawValue;
use zot_core::digest::Digest;
use zot_core::manifest::MANIFEST_MAX;
use zot_core::media_type::OCI_INDEX;
use zot_core::name::RepositoryName;
use zot_domain::ports::metadata::{Referrer, ReferrersQuery};
use zot_domain::{ArtifactError, Call, Error, Result};

use super::query::Parameters;
use super::value;
use crate::Registry;

const FILTERS_APPLIED: HeaderName = HeaderName::from_static("oci-filters-applied");
/// Referrers fetched at a time.
const BATCH: u32 = 500;

pub(crate) async fn list(
    registry: &Registry,
    call: &Call,
    repository: &RepositoryName,
    subject: &Digest,
    parts: &Parts,
) -> Result<Response, ArtifactError> {
    let parameters = Parameters::of(parts);
    let artifact_type = parameters.one("artifactType")?.filter(|t| !t.is_empty());
    if artifact_type.is_some_and(|text| text.contains(char::is_control)) {
        return Err(Error::ParameterInvalid("the parameter artifactType is not a media type".to_owned()).into());
    }
    let after = parameters.one("last")?.map(cursor).transpose()?;
    let page = gather(registry, call, repository, subject, artifact_type, after).await?;
    let entries = page.entries.iter().map(descriptor).collect::<Result<Vec<_>, _>>()?;
    let body = format!("{{\"schemaVersion\":2,\"mediaType\":\"{OCI_INDEX}\",\"manifests\":[{}]}}", entries.join(","));
    let mut response = Response::new(Body::from(body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(OCI_INDEX));
    if artifact_type.is_some() {
        headers.insert(FILTERS_APPLIED, HeaderValue::from_static("artifactType"));
    }
    if let (true, Some(last)) = (page.more, page.entries.last()) {
        headers.insert(header::LINK, link(repository, subject, artifact_type, last));
    }
    Ok(response)
}

struct Page {
    entries: Vec<Referrer>,
    more: bool,
}

/// Referrers until the page is full. One that is too large for any page has a page of its own.
async fn gather(
    registry: &Registry,
    call: &Call,
    repository: &RepositoryName,
    subject: &Digest,
    artifact_type: Option<&str>,
    mut after: Option<(i64, String)>,
) -> Result<Page, ArtifactError> {
    let mut entries: Vec<Referrer> = Vec::new();
    let mut bytes = 0;
    loop {
        let query = ReferrersQuery { repository, subject, artifact_type, after: after.clone(), limit: BATCH };
        let batch = registry.artifacts.referrers(call, query).await?;
        let complete = batch.len() < BATCH as usize;
        for referrer in batch {
            bytes += weight(&referrer);
            if bytes > MANIFEST_MAX && !entries.is_empty() {
                return Ok(Page { entries, more: true });
            }
            after = Some((referrer.created, referrer.digest.clone()));
            entries.push(referrer);
        }
        if complete {
            return Ok(Page { entries, more: false });
        }
    }
}

/// The approximate bytes of a referrer in the page.
fn weight(referrer: &Referrer) -> u64 {
    let texts = [
        Some(&referrer.digest),
        Some(&referrer.media_type),
        referrer.artifact_type.as_ref(),
        referrer.annotations.as_ref(),
    ];
    texts.into_iter().flatten().map(String::len).sum::<usize>() as u64 + 120
}

fn descriptor(referrer: &Referrer) -> Result<String, ArtifactError> {
    let mut entry = json!({"mediaType": referrer.media_type, "digest": referrer.digest, "size": referrer.size});
    if let Some(artifact_type) = &referrer.artifact_type {
        entry["artifactType"] = json!(artifact_type);
    }
    let mut text = entry.to_string();
    if let Some(annotations) = &referrer.annotations {
        // the store wrote this JSON, so it is not parsed again
        let raw: &RawValue =
            serde_json::from_str(annotations).map_err(|e| Error::Internal(format!("annotations: {e}")))?;
        text.pop();
        text = format!("{text},\"annotations\":{raw}}}");
    }
    Ok(text)
}

/// The place after a referrer: its time and digest.
fn cursor(text: &str) -> Result<(i64, String), ArtifactError> {
    let refuse =
        || Error::ParameterInvalid("the parameter last must come from the Link header of the previous page".to_owned());
    let (created, digest) = text.split_once('-').ok_or_else(refuse)?;
    let digest: Digest = digest.parse().map_err(|_| refuse())?;
    Ok((created.parse().map_err(|_| refuse())?, digest.to_string()))
}

fn link(repository: &RepositoryName, subject: &Digest, artifact_type: Option<&str>, last: &Referrer) -> HeaderValue {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("last", &format!("{}-{}", last.created, last.digest));
    if let Some(artifact_type) = artifact_type {
        query.append_pair("artifactType", artifact_type);
    }
    value(&format!("</v2/{repository}/referrers/{subject}?{}>; rel=\"next\"", query.finish()))
}
