//! Listing objects (v1 and v2) and versions.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::dto::{
    ChecksumAlgorithm, CommonPrefix, DeleteMarkerEntry, EncodingType, ListObjectVersionsInput,
    ListObjectVersionsOutput, ListObjectsInput, ListObjectsOutput, ListObjectsV2Input, ListObjectsV2Output, Object,
    ObjectStorageClass, ObjectVersion, ObjectVersionStorageClass,
};
use s3s::{S3Request, S3Response, S3Result, s3_error};
use zot_domain::bucket::list::{Listing, PAGE_MAX};
use zot_domain::ports::objects::{Entry, ListQuery};

use super::bucket::owner;
use super::translate::{etag, number, time};
use super::{Ops, call};
use crate::error::to_s3;

/// Characters that `encoding-type=url` does not encode.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'*').remove(b'/');

/// Encodes texts of a list if the client asks for it.
struct Encoding(bool);

impl Encoding {
    fn of(encoding: Option<&EncodingType>) -> S3Result<Self> {
        match encoding.map(EncodingType::as_str) {
            None => Ok(Self(false)),
            Some(EncodingType::URL) => Ok(Self(true)),
            Some(_) => Err(s3_error!(InvalidArgument, "Invalid Encoding Method specified in Request")),
        }
    }

    fn text(&self, text: &str) -> String {
        if self.0 { utf8_percent_encode(text, PLAIN).to_string() } else { text.to_owned() }
    }
}

fn size(max_keys: Option<i32>) -> S3Result<u32> {
    let size = u32::try_from(max_keys.unwrap_or(1000))
        .map_err(|_| s3_error!(InvalidArgument, "max-keys must not be negative"))?;
    Ok(size.min(PAGE_MAX))
}

/// Objects and common prefixes of a page.
fn contents(listing: Listing, encoding: &Encoding, with_owner: bool) -> (Vec<Object>, Vec<CommonPrefix>) {
    let (mut objects, mut prefixes) = (Vec::new(), Vec::new());
    for entry in listing.entries {
        match entry {
            Entry::Prefix(prefix) => prefixes.push(CommonPrefix { prefix: Some(encoding.text(&prefix)) }),
            Entry::Object(object) => objects.push(Object {
                key: Some(encoding.text(&object.key)),
                e_tag: etag(&object.etag),
                size: Some(number(object.size)),
                last_modified: Some(time(object.created)),
                storage_class: Some(ObjectStorageClass::from_static(ObjectStorageClass::STANDARD)),
                owner: with_owner.then(owner),
                checksum_algorithm: Some(
                    object.checksums.values.keys().map(|a| ChecksumAlgorithm::from(a.as_str().to_owned())).collect(),
                ),
                checksum_type: super::checksums::kind_of(&object.checksums),
                ..Object::default()
            }),
        }
    }
    (objects, prefixes)
}

pub(super) async fn v1(ops: &Ops, request: S3Request<ListObjectsInput>) -> S3Result<S3Response<ListObjectsOutput>> {
    let call = call(&request)?;
    let input = request.input;
    let encoding = Encoding::of(input.encoding_type.as_ref())?;
    let limit = size(input.max_keys)?;
    let prefix = input.prefix.clone().unwrap_or_default();
    let marker = input.marker.clone().unwrap_or_default();
    let delimiter = input.delimiter.as_deref();
    let query = ListQuery { bucket: &input.bucket, prefix: &prefix, delimiter, after: &marker, limit };
    let page = ops.buckets.list(&call, query).await.map_err(to_s3)?;
    let more = page.more;
    let next_marker = page.last().filter(|_| more).map(|last| encoding.text(last));
    let (objects, prefixes) = contents(page, &encoding, true);
    Ok(S3Response::new(ListObjectsOutput {
        name: Some(input.bucket),
        prefix: Some(encoding.text(&prefix)),
        marker: Some(encoding.text(&marker)),
        max_keys: i32::try_from(limit).ok(),
        is_truncated: Some(more),
        contents: Some(objects),
        common_prefixes: (!prefixes.is_empty()).then_some(prefixes),
        delimiter: input.delimiter.map(|delimiter| encoding.text(&delimiter)),
        next_marker,
        encoding_type: input.encoding_type,
        ..ListObjectsOutput::default()
    }))
}

pub(super) async fn v2(ops: &Ops, request: S3Request<ListObjectsV2Input>) -> S3Result<S3Response<ListObjectsV2Output>> {
    let call = call(&request)?;
    let input = request.input;
    let encoding = Encoding::of(input.encoding_type.as_ref())?;
    let limit = size(input.max_keys)?;
    let prefix = input.prefix.clone().unwrap_or_default();
    let after = match &input.continuation_token {
        Some(token) => token_text(token)?,
        None => input.start_after.clone().unwrap_or_default(),
    };
    let delimiter = input.delimiter.as_deref();
    let query = ListQuery { bucket: &input.bucket, prefix: &prefix, delimiter, after: &after, limit };
    let page = ops.buckets.list(&call, query).await.map_err(to_s3)?;
    let more = page.more;
    let next = page.last().filter(|_| more).map(|last| URL_SAFE_NO_PAD.encode(last));
    let key_count = i32::try_from(page.entries.len()).ok();
    let (objects, prefixes) = contents(page, &encoding, input.fetch_owner.unwrap_or(false));
    Ok(S3Response::new(ListObjectsV2Output {
        name: Some(input.bucket),
        prefix: Some(encoding.text(&prefix)),
        max_keys: i32::try_from(limit).ok(),
        key_count,
        continuation_token: input.continuation_token,
        is_truncated: Some(more),
        next_continuation_token: next,
        contents: Some(objects),
        common_prefixes: (!prefixes.is_empty()).then_some(prefixes),
        delimiter: input.delimiter.map(|delimiter| encoding.text(&delimiter)),
        encoding_type: input.encoding_type,
        start_after: input.start_after.map(|text| encoding.text(&text)),
        ..ListObjectsV2Output::default()
    }))
}

/// A continuation token: the last entry of the page before, opaque to clients.
fn token_text(token: &str) -> S3Result<String> {
    let decoded = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    decoded.ok_or_else(|| s3_error!(InvalidArgument, "The continuation token provided is incorrect"))
}

pub(super) async fn versions(
    ops: &Ops,
    request: S3Request<ListObjectVersionsInput>,
) -> S3Result<S3Response<ListObjectVersionsOutput>> {
    let call = call(&request)?;
    let input = request.input;
    let encoding = Encoding::of(input.encoding_type.as_ref())?;
    let limit = size(input.max_keys)?;
    let prefix = input.prefix.clone().unwrap_or_default();
    let marker = input.key_marker.clone().unwrap_or_default();
    let delimiter = input.delimiter.as_deref();
    let query = ListQuery { bucket: &input.bucket, prefix: &prefix, delimiter, after: &marker, limit };
    let version_marker = input.version_id_marker.as_deref().filter(|version| !version.is_empty());
    let page = ops.buckets.list_versions(&call, query, version_marker).await.map_err(to_s3)?;
    let (mut versions, mut markers) = (Vec::new(), Vec::new());
    for version in page.versions {
        let (key, version_id) = (Some(encoding.text(&version.key)), Some(version.version_id));
        let (is_latest, last_modified) = (Some(version.latest), Some(time(version.created)));
        if version.delete_marker {
            markers.push(DeleteMarkerEntry { is_latest, key, last_modified, version_id, owner: Some(owner()) });
        } else {
            versions.push(ObjectVersion {
                is_latest,
                key,
                last_modified,
                version_id,
                e_tag: etag(&version.etag),
                size: Some(number(version.size)),
                storage_class: Some(ObjectVersionStorageClass::from_static(ObjectVersionStorageClass::STANDARD)),
                owner: Some(owner()),
                ..ObjectVersion::default()
            });
        }
    }
    let prefixes: Vec<_> = page.prefixes.iter().map(|p| CommonPrefix { prefix: Some(encoding.text(p)) }).collect();
    let (next_key, next_version) = page.next.clone().map_or((None, None), |(key, version)| (Some(key), version));
    Ok(S3Response::new(ListObjectVersionsOutput {
        name: Some(input.bucket),
        prefix: Some(encoding.text(&prefix)),
        key_marker: Some(encoding.text(&marker)),
        version_id_marker: input.version_id_marker,
        max_keys: i32::try_from(limit).ok(),
        is_truncated: Some(page.next.is_some()),
        next_key_marker: next_key.map(|key| encoding.text(&key)),
        next_version_id_marker: next_version,
        versions: (!versions.is_empty()).then_some(versions),
        delete_markers: (!markers.is_empty()).then_some(markers),
        common_prefixes: (!prefixes.is_empty()).then_some(prefixes),
        delimiter: input.delimiter.map(|delimiter| encoding.text(&delimiter)),
        encoding_type: input.encoding_type,
        ..ListObjectVersionsOutput::default()
    }))
}
