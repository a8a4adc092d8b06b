//! Objects: put, get, head and attributes.

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use s3s::dto::{
    Checksum, GetObjectAttributesInput, GetObjectAttributesOutput, GetObjectAttributesParts, GetObjectInput,
    GetObjectOutput, HeadObjectInput, HeadObjectOutput, PutObjectInput, PutObjectOutput, Range, StorageClass,
};
use s3s::{S3Request, S3Response, S3Result, s3_error};
use zot_core::digest::Digest;
use zot_core::policy::Operation;
use zot_core::range::ByteRange;
use zot_domain::condition::ReadCondition;
use zot_domain::ports::blobs::begun;
use zot_domain::ports::objects::{NULL_VERSION, ObjectVersion, Versioning};
use zot_domain::read::Readable;

use super::checksums::{expected, fields_of, kind_of, set_checksums};
use super::policy::check_acl;
use super::translate::{
    attributes as attributes_of, etag, kept_version, key, number, seconds, standard_headers, tags_of, time,
    write_condition,
};
use super::{Ops, call};
use crate::body::{incoming, outgoing};
use crate::error::{custom, to_s3};

/// The OCI reference of an object, `bucket@digest`; `oras pull` takes it after the registry's host.
const OCI_REFERENCE: HeaderName = HeaderName::from_static("x-zot-oci-reference");

pub(super) async fn put(ops: &Ops, mut request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
    let call = call(&request)?;
    let fields = fields_of!(request.input);
    let md5 = request.input.content_md5.take();
    let algorithm = request.input.checksum_algorithm.take();
    let expected = expected(&request, fields, algorithm.as_ref(), md5.as_deref(), request.input.content_length)?;
    let input = request.input;
    let object = key(&input.key)?;
    let attributes = attributes_of(
        input.content_type,
        standard_headers([
            ("cache-control", input.cache_control),
            ("content-disposition", input.content_disposition),
            ("content-encoding", input.content_encoding),
            ("content-language", input.content_language),
            ("expires", request.headers.get("expires").and_then(|v| v.to_str().ok()).map(ToOwned::to_owned)),
            ("x-amz-website-redirect-location", input.website_redirect_location),
        ]),
        input.metadata,
        input.tagging,
    )?;
    let condition = write_condition(input.if_match, input.if_none_match)?;
    check_acl(ops, &call, &request.headers, &input.bucket, &object).await?;
    let body = incoming(input.body);
    let done = ops.buckets.put_object(&call, (&input.bucket, &object), attributes, condition, expected, body).await;
    let done = done.map_err(to_s3)?;
    let mut output = PutObjectOutput {
        e_tag: etag(&done.etag),
        checksum_type: kind_of(&done.checksums),
        version_id: version(done.put.versioning, &done.put.version_id),
        ..PutObjectOutput::default()
    };
    set_checksums!(output, &done.checksums);
    Ok(S3Response::with_headers(output, reference_header(&input.bucket, done.manifest_digest.as_ref())))
}

/// A version's id, if the bucket keeps versions.
pub(super) fn version(versioning: Versioning, id: &str) -> Option<String> {
    (versioning != Versioning::Off).then(|| id.to_owned())
}

/// The reference of an object whose digest is known.
pub(super) fn reference_header(bucket: &str, manifest: Option<&Digest>) -> HeaderMap {
    let value = manifest.and_then(|digest| HeaderValue::from_str(&format!("{bucket}@{digest}")).ok());
    value.map(|value| (OCI_REFERENCE, value)).into_iter().collect()
}

/// An object that the caller may read, and the range to serve.
struct Found {
    object: Readable<ObjectVersion>,
    versioned: bool,
    range: ByteRange,
    partial: bool,
    parts_count: Option<i32>,
}

/// The fields that the inputs of GET and HEAD share.
macro_rules! find {
    ($ops:expr, $call:expr, $input:expr) => {
        find(
            $ops,
            $call,
            (&$input.bucket, &$input.key, $input.version_id.as_deref()),
            ReadCondition {
                if_match: tags_of($input.if_match.take()),
                if_none_match: tags_of($input.if_none_match.take()),
                if_modified_since: $input.if_modified_since.take().map(seconds),
                if_unmodified_since: $input.if_unmodified_since.take().map(seconds),
            },
            $input.range.take(),
            $input.part_number,
        )
        .await?
    };
}

async fn find(
    ops: &Ops,
    call: &zot_domain::Call,
    (bucket, object_key, version_id): (&str, &str, Option<&str>),
    condition: ReadCondition,
    range: Option<Range>,
    part: Option<i32>,
) -> S3Result<Found> {
    let object = ops.buckets.object(call, Operation::GetObject, bucket, &key(object_key)?, version_id).await;
    let object = object.map_err(to_s3)?;
    if let Err(error) = condition.check(&object.etag, object.created / 1_000_000) {
        let mut answer = to_s3(error);
        // a 304 says which entity the client has (RFC 9110 section 15.4.5)
        answer.set_headers(
            HeaderValue::from_str(&format!("\"{}\"", object.etag)).map(|v| (header::ETAG, v)).into_iter().collect(),
        );
        return Err(answer);
    }
    let asked = match (range, part) {
        (Some(_), Some(_)) => {
            return Err(s3_error!(InvalidRequest, "Cannot specify both Range header and partNumber query parameter"));
        }
        (Some(range), None) => Some(resolve(range, object.size)?),
        (None, Some(number)) => Some(part_of(&object, number)?),
        (None, None) => None,
    };
    let parts_count = part.and(object.part_sizes.as_ref()).and_then(|sizes| i32::try_from(sizes.len()).ok());
    let versioned = object.version_id != NULL_VERSION || version_id.is_some();
    Ok(Found {
        range: asked.unwrap_or(ByteRange { start: 0, end: object.size }),
        partial: asked.is_some(),
        object,
        versioned,
        parts_count,
    })
}

fn resolve(range: Range, size: u64) -> S3Result<ByteRange> {
    let checked = range.check(size).map_err(|_| s3_error!(InvalidRange, "The requested range is not satisfiable"))?;
    Ok(ByteRange { start: checked.start, end: checked.end })
}

/// The bytes of one part, as uploaded. An object that was not uploaded in parts has one.
fn part_of(object: &ObjectVersion, number: i32) -> S3Result<ByteRange> {
    let invalid = || {
        let message = "The requested partnumber is not satisfiable";
        custom("InvalidPartNumber", StatusCode::RANGE_NOT_SATISFIABLE, message)
    };
    let whole = [object.size];
    let sizes = object.part_sizes.as_deref().unwrap_or(&whole);
    let index = usize::try_from(number).ok().and_then(|number| number.checked_sub(1)).ok_or_else(invalid)?;
    let size = sizes.get(index).ok_or_else(invalid)?;
    let start = sizes[..index].iter().sum();
    Ok(ByteRange { start, end: start + size })
}

/// Builds an output of GET or HEAD. Overrides in the query replace the object's own headers.
macro_rules! describe {
    ($output:ident, $found:expr, $input:expr) => {{
        let (object, range) = (&$found.object, $found.range);
        let stored = |name: &str| object.attributes.headers.get(name).cloned();
        let mut output = $output {
            accept_ranges: Some("bytes".to_owned()),
            content_length: Some(number(range.length())),
            content_range: $found.partial.then(|| range.content_range(object.size)),
            content_type: Some(
                $input.response_content_type.take().unwrap_or_else(|| object.attributes.content_type.clone()),
            ),
            cache_control: $input.response_cache_control.take().or_else(|| stored("cache-control")),
            content_disposition: $input.response_content_disposition.take().or_else(|| stored("content-disposition")),
            content_encoding: $input.response_content_encoding.take().or_else(|| stored("content-encoding")),
            content_language: $input.response_content_language.take().or_else(|| stored("content-language")),
            website_redirect_location: stored("x-amz-website-redirect-location"),
            e_tag: etag(&object.etag),
            last_modified: Some(time(object.created)),
            metadata: Some(object.attributes.meta.clone().into_iter().collect()),
            version_id: $found.versioned.then(|| object.version_id.clone()),
            parts_count: $found.parts_count,
            ..$output::default()
        };
        if $input.checksum_mode.is_some() && !$found.partial {
            set_checksums!(output, &object.checksums);
            output.checksum_type = kind_of(&object.checksums);
        }
        output
    }};
}

pub(super) async fn get(ops: &Ops, mut request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
    let call = call(&request)?;
    let input = &mut request.input;
    let found = find!(ops, &call, input);
    let mut output = describe!(GetObjectOutput, found, input);
    let tags = found.object.attributes.tags.len();
    output.tag_count = (tags > 0).then(|| i32::try_from(tags).unwrap_or(i32::MAX));
    if found.range.length() > 0 {
        let bytes = begun(ops.buckets.open(&found.object, found.range)).await;
        output.body = Some(outgoing(bytes.map_err(to_s3)?));
    }
    Ok(S3Response::with_headers(output, own_headers(&input.bucket, &found.object)))
}

pub(super) async fn head(ops: &Ops, mut request: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
    let call = call(&request)?;
    let input = &mut request.input;
    let found = find!(ops, &call, input);
    let output = describe!(HeadObjectOutput, found, input);
    Ok(S3Response::with_headers(output, own_headers(&input.bucket, &found.object)))
}

/// Headers for which the codec has no field.
fn own_headers(bucket: &str, object: &ObjectVersion) -> HeaderMap {
    let mut headers = reference_header(bucket, object.manifest_digest().as_ref());
    if let Some(expires) = object.attributes.headers.get("expires").and_then(|text| HeaderValue::from_str(text).ok()) {
        headers.insert(header::EXPIRES, expires);
    }
    headers
}

pub(super) async fn attributes(
    ops: &Ops,
    request: S3Request<GetObjectAttributesInput>,
) -> S3Result<S3Response<GetObjectAttributesOutput>> {
    let call = call(&request)?;
    let input = request.input;
    let (operation, version) = (Operation::GetObjectAttributes, input.version_id.as_deref());
    let object = ops.buckets.object(&call, operation, &input.bucket, &key(&input.key)?, version).await;
    let object = object.map_err(to_s3)?;
    let wanted = |name: &str| {
        input
            .object_attributes
            .iter()
            .flat_map(|attribute| attribute.as_str().split(','))
            .any(|attribute| attribute.trim() == name)
    };
    let parts = object.part_sizes.as_ref().map(|sizes| GetObjectAttributesParts {
        total_parts_count: i32::try_from(sizes.len()).ok(),
        ..GetObjectAttributesParts::default()
    });
    let mut checksum = Checksum { checksum_type: kind_of(&object.checksums), ..Checksum::default() };
    set_checksums!(checksum, &object.checksums);
    let output = GetObjectAttributesOutput {
        e_tag: wanted("ETag").then(|| etag(&object.etag)).flatten(),
        checksum: wanted("Checksum").then_some(checksum),
        object_parts: wanted("ObjectParts").then_some(parts).flatten(),
        object_size: wanted("ObjectSize").then(|| number(object.size)),
        storage_class: wanted("StorageClass").then(|| StorageClass::from_static(StorageClass::STANDARD)),
        last_modified: Some(time(object.created)),
        version_id: kept_version(object.version_id.clone()),
        ..GetObjectAttributesOutput::default()
    };
    Ok(S3Response::new(output))
}
