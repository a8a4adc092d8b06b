//! Copies of objects and parts. Copying an object moves no bytes; copying a part reads and writes it once.

use s3s::dto::{
    CopyObjectInput, CopyObjectOutput, CopyObjectResult, CopyPartResult, CopySource, MetadataDirective,
    TaggingDirective, UploadPartCopyInput, UploadPartCopyOutput,
};
use s3s::{S3Request, S3Response, S3Result, s3_error};
use zot_core::object_key::ObjectKey;
use zot_core::range::ByteRange;
use zot_domain::bucket::copy::{CopySource as Source, CopyTarget};
use zot_domain::condition::ReadCondition;
use zot_domain::ports::objects::Attributes;

use super::checksums::{algorithm_of, kind_of, set_checksums};
use super::object::{reference_header, version};
use super::policy::check_acl;
use super::translate::{
    attributes, etag, kept_version, key, seconds, standard_headers, tags_of, tags_of_header, write_condition_of,
};
use super::{Ops, call};
use crate::error::to_s3;

/// The source. Access points are not supported.
fn source(copy: &CopySource) -> S3Result<(String, ObjectKey, Option<String>)> {
    match copy {
        CopySource::Bucket { bucket, key: object, version_id } => {
            Ok((bucket.to_string(), key(object)?, version_id.as_deref().map(ToOwned::to_owned)))
        }
        _ => Err(s3_error!(NotImplemented, "copying from access points is not implemented")),
    }
}

/// The condition on the source, from four fields of the input.
macro_rules! source_condition {
    ($input:expr) => {
        ReadCondition {
            if_match: tags_of($input.copy_source_if_match.take()),
            if_none_match: tags_of($input.copy_source_if_none_match.take()),
            if_modified_since: $input.copy_source_if_modified_since.take().map(seconds),
            if_unmodified_since: $input.copy_source_if_unmodified_since.take().map(seconds),
        }
    };
}

pub(super) async fn copy(ops: &Ops, mut request: S3Request<CopyObjectInput>) -> S3Result<S3Response<CopyObjectOutput>> {
    let call = call(&request)?;
    let expires = request.headers.get("expires").and_then(|v| v.to_str().ok()).map(ToOwned::to_owned);
    let put = write_condition_of(&request.headers).map_err(to_s3)?;
    let input = &mut request.input;
    let (bucket, from, version_id) = source(&input.copy_source)?;
    let condition = source_condition!(input);
    let replaced = replacing(input, expires)?;
    let tags = match input.tagging_directive.as_ref().map(TaggingDirective::as_str) {
        Some(TaggingDirective::REPLACE) => Some(tags_of_header(input.tagging.take())?),
        None | Some(TaggingDirective::COPY) => None,
        Some(_) => return Err(s3_error!(InvalidArgument, "x-amz-tagging-directive must be COPY or REPLACE")),
    };
    let changes = input.storage_class.is_some()
        || input.server_side_encryption.is_some()
        || input.website_redirect_location.is_some();
    let from = Source { bucket: &bucket, key: &from, version_id: version_id.as_deref(), condition };
    let target = key(&input.key)?;
    check_acl(ops, &call, &request.headers, &input.bucket, &target).await?;
    let to = CopyTarget {
        bucket: &input.bucket,
        key: &target,
        attributes: replaced,
        tags,
        redirect: input.website_redirect_location.take(),
        changes,
        algorithm: algorithm_of(input.checksum_algorithm.as_ref())?,
        condition: put,
    };
    let copied = ops.buckets.copy_object(&call, from, to).await;
    let copied = copied.map_err(to_s3)?;
    let mut result = CopyObjectResult {
        e_tag: etag(&copied.source.etag),
        last_modified: Some(std::time::SystemTime::from(zot_core::ambient::now()).into()),
        checksum_type: kind_of(&copied.checksums),
        ..CopyObjectResult::default()
    };
    set_checksums!(result, &copied.checksums);
    let output = CopyObjectOutput {
        copy_object_result: Some(result),
        copy_source_version_id: kept_version(copied.source.version_id.clone()),
        version_id: version(copied.put.versioning, &copied.put.version_id),
        ..CopyObjectOutput::default()
    };
    Ok(S3Response::with_headers(output, reference_header(&input.bucket, copied.manifest_digest.as_ref())))
}

/// New attributes, if the request says REPLACE.
fn replacing(input: &mut CopyObjectInput, expires: Option<String>) -> S3Result<Option<Attributes>> {
    match input.metadata_directive.as_ref().map(MetadataDirective::as_str) {
        Some(MetadataDirective::REPLACE) => {}
        None | Some(MetadataDirective::COPY) => return Ok(None),
        Some(_) => return Err(s3_error!(InvalidArgument, "x-amz-metadata-directive must be COPY or REPLACE")),
    }
    let headers = standard_headers([
        ("cache-control", input.cache_control.take()),
        ("content-disposition", input.content_disposition.take()),
        ("content-encoding", input.content_encoding.take()),
        ("content-language", input.content_language.take()),
        ("expires", expires),
    ]);
    attributes(input.content_type.take(), headers, input.metadata.take(), None).map(Some)
}

pub(super) async fn part(
    ops: &Ops,
    mut request: S3Request<UploadPartCopyInput>,
) -> S3Result<S3Response<UploadPartCopyOutput>> {
    let call = call(&request)?;
    let input = &mut request.input;
    let (bucket, from, version_id) = source(&input.copy_source)?;
    let condition = source_condition!(input);
    let from = Source { bucket: &bucket, key: &from, version_id: version_id.as_deref(), condition };
    let range = input.copy_source_range.as_deref().map(range_of).transpose()?;
    let target = key(&input.key)?;
    let number = i64::from(input.part_number);
    let part = ops.buckets.copy_part(&call, from, range, (&input.bucket, &target), &input.upload_id, number).await;
    let part = part.map_err(to_s3)?;
    let mut result = CopyPartResult {
        e_tag: etag(&part.etag),
        last_modified: Some(std::time::SystemTime::from(zot_core::ambient::now()).into()),
        ..CopyPartResult::default()
    };
    set_checksums!(result, &part.checksums);
    let output = UploadPartCopyOutput { copy_part_result: Some(result), ..UploadPartCopyOutput::default() };
    Ok(S3Response::new(output))
}

/// Parses `bytes=FIRST-LAST`. A copy needs both numbers.
fn range_of(text: &str) -> S3Result<ByteRange> {
    let invalid = || s3_error!(InvalidArgument, "x-amz-copy-source-range must be bytes=FIRST-LAST");
    let (first, last) = text.strip_prefix("bytes=").and_then(|rest| rest.split_once('-')).ok_or_else(invalid)?;
    let (first, last): (u64, u64) = (first.parse().map_err(|_| invalid())?, last.parse().map_err(|_| invalid())?);
    let end = last.checked_add(1).filter(|end| *end > first).ok_or_else(invalid)?;
    Ok(ByteRange { start: first, end })
}
