//! Converts between types of the codec and of the domain: keys, times, entity tags, conditions, attributes.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use axum::http::{HeaderMap, StatusCode, header};
use s3s::dto::{ETag, ETagCondition, Timestamp};
use s3s::{S3Result, s3_error};
use zot_core::object_key::ObjectKey;
use zot_domain::condition::{Tags, WriteCondition};
use zot_domain::ports::objects::{Attributes, NULL_VERSION};

use crate::error::{custom, to_s3};

/// Most bytes of user metadata, names included (S3 user guide, *Working with object metadata*).
const META_MAX: usize = 2048;
/// Most tags of an object (S3 user guide, *Object tagging*).
pub(super) const OBJECT_TAGS_MAX: usize = 10;

pub(super) fn key(text: &str) -> S3Result<ObjectKey> {
    text.parse().map_err(|invalid: zot_core::Invalid| to_s3(invalid))
}

/// Microseconds since 1970 as the codec's time.
pub(super) fn time(micros: i64) -> Timestamp {
    Timestamp::from(SystemTime::UNIX_EPOCH + Duration::from_micros(u64::try_from(micros).unwrap_or(0)))
}

/// Seconds since 1970, rounded down as HTTP dates are.
pub(super) fn seconds(time: Timestamp) -> i64 {
    time::OffsetDateTime::from(time).unix_timestamp()
}

#[expect(clippy::unnecessary_wraps, reason = "every field that takes it is optional")]
pub(super) fn etag(value: &str) -> Option<ETag> {
    Some(ETag::Strong(value.to_owned()))
}

pub(super) fn tags_of(condition: Option<ETagCondition>) -> Option<Tags> {
    condition.map(|condition| match condition {
        ETagCondition::Any => Tags::Any,
        ETagCondition::ETag(etag) => Tags::Of(vec![etag.value().to_owned()]),
    })
}

pub(super) fn write_condition(
    if_match: Option<ETagCondition>,
    if_none_match: Option<ETagCondition>,
) -> S3Result<WriteCondition> {
    WriteCondition::of(tags_of(if_match), tags_of(if_none_match)).map_err(to_s3)
}

/// The condition in the headers, for operations whose input has no field for it.
pub(crate) fn write_condition_of(headers: &HeaderMap) -> zot_domain::Result<WriteCondition> {
    let tags = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(Tags::parse);
    WriteCondition::of(tags(header::IF_MATCH), tags(header::IF_NONE_MATCH))
}

/// A version's id; none for `null`, the id of objects without versions.
pub(super) fn kept_version(version_id: String) -> Option<String> {
    Some(version_id).filter(|version| version != NULL_VERSION)
}

/// A number for an XML field.
pub(super) fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// User metadata: names without the prefix, in lower case.
pub(super) fn meta(metadata: Option<s3s::dto::Metadata>) -> BTreeMap<String, String> {
    metadata.into_iter().flatten().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect()
}

/// Standard headers that are stored with an object. The front removed `aws-chunked`.
pub(super) fn standard_headers<const N: usize>(headers: [(&str, Option<String>); N]) -> BTreeMap<String, String> {
    headers.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.filter(|v| !v.is_empty())?))).collect()
}

/// Attributes as put; no content type means `binary/octet-stream`, as in S3.
pub(super) fn attributes(
    content_type: Option<String>,
    headers: BTreeMap<String, String>,
    metadata: Option<s3s::dto::Metadata>,
    tagging: Option<String>,
) -> S3Result<Attributes> {
    let content_type = content_type.filter(|text| !text.is_empty()).unwrap_or_else(|| "binary/octet-stream".to_owned());
    let meta = meta(metadata);
    if meta.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() > META_MAX {
        return Err(s3_error!(MetadataTooLarge, "user metadata has at most {META_MAX} bytes"));
    }
    Ok(Attributes { content_type, headers, meta, tags: tags_of_header(tagging)? })
}

/// `x-amz-tagging: a=b&c=d`
pub(super) fn tags_of_header(header: Option<String>) -> S3Result<BTreeMap<String, String>> {
    let text = header.unwrap_or_default();
    checked_tags(
        url::form_urlencoded::parse(text.as_bytes()).map(|(name, value)| (name.into_owned(), value.into_owned())),
        OBJECT_TAGS_MAX,
    )
}

/// Tags of a document.
pub(super) fn tags_of_set(set: Vec<s3s::dto::Tag>, most: usize) -> S3Result<BTreeMap<String, String>> {
    checked_tags(set.into_iter().map(|tag| (tag.key.unwrap_or_default(), tag.value.unwrap_or_default())), most)
}

fn checked_tags(tags: impl Iterator<Item = (String, String)>, most: usize) -> S3Result<BTreeMap<String, String>> {
    let mut checked = BTreeMap::new();
    for (name, value) in tags {
        if name.is_empty() || name.chars().count() > 128 || value.chars().count() > 256 {
            return Err(s3_error!(InvalidTag, "a tag's key has 1 to 128 characters, its value at most 256"));
        }
        if checked.insert(name, value).is_some() {
            return Err(s3_error!(InvalidTag, "a tag's key appears twice"));
        }
    }
    if checked.len() > most {
        return Err(custom("BadRequest", StatusCode::BAD_REQUEST, format!("there can be at most {most} tags")));
    }
    Ok(checked)
}
