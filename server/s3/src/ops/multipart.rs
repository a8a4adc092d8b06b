//! Multipart uploads.

use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, ChecksumAlgorithm, ChecksumType,
    CompleteMultipartUploadInput, CompleteMultipartUploadOutput, CompletedPart, CreateMultipartUploadInput,
    CreateMultipartUploadOutput, Initiator, ListMultipartUploadsInput, ListMultipartUploadsOutput, ListPartsInput,
    ListPartsOutput, MultipartUpload, Part, StorageClass, UploadPartInput, UploadPartOutput,
};
use s3s::{S3Request, S3Response, S3Result, s3_error};
use zot_core::checksum::{Algorithm, Kind};
use zot_domain::bucket::multipart::{Announced, NamedPart};
use zot_domain::ports::objects::MultipartInput;

use super::bucket::owner;
use super::checksums::{algorithm_of, expected, fields_of, kind_of, set_checksums};
use super::object::version;
use super::policy::check_acl;
use super::translate::{attributes, etag, key, number, standard_headers, time, write_condition};
use super::{Ops, call};
use crate::body::incoming;
use crate::error::to_s3;

/// Most entries on a page.
const PAGE_MAX: i32 = 1000;

pub(super) async fn create(
    ops: &Ops,
    request: S3Request<CreateMultipartUploadInput>,
) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
    let call = call(&request)?;
    if !ops.multipart {
        return Err(s3_error!(NotImplemented, "multipart uploads are switched off (extensions.s3api.enableMultipart)"));
    }
    let expires = request.headers.get("expires").and_then(|v| v.to_str().ok()).map(ToOwned::to_owned);
    let input = request.input;
    let headers = standard_headers([
        ("cache-control", input.cache_control),
        ("content-disposition", input.content_disposition),
        ("content-encoding", input.content_encoding),
        ("content-language", input.content_language),
        ("expires", expires),
        ("x-amz-website-redirect-location", input.website_redirect_location),
    ]);
    let algorithm = algorithm_of(input.checksum_algorithm.as_ref())?;
    let kind = kind(input.checksum_type.as_ref(), algorithm);
    let attributes = attributes(input.content_type, headers, input.metadata, input.tagging)?;
    let begun = MultipartInput { attributes, algorithm, kind };
    let object = key(&input.key)?;
    check_acl(ops, &call, &request.headers, &input.bucket, &object).await?;
    let upload = ops.buckets.begin_multipart(&call, &input.bucket, &object, begun).await.map_err(to_s3)?;
    Ok(S3Response::new(CreateMultipartUploadOutput {
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(upload),
        checksum_algorithm: input.checksum_algorithm,
        checksum_type: algorithm.map(|_| type_of(kind)),
        ..CreateMultipartUploadOutput::default()
    }))
}

/// The requested type, or the algorithm's default: CRC64NVME covers the whole object, the others its parts.
fn kind(asked: Option<&ChecksumType>, algorithm: Option<Algorithm>) -> Kind {
    match asked.map(ChecksumType::as_str) {
        Some(ChecksumType::FULL_OBJECT) => Kind::FullObject,
        Some(_) => Kind::Composite,
        None if matches!(algorithm, None | Some(Algorithm::Crc64Nvme)) => Kind::FullObject,
        None => Kind::Composite,
    }
}

fn type_of(kind: Kind) -> ChecksumType {
    ChecksumType::from_static(match kind {
        Kind::FullObject => ChecksumType::FULL_OBJECT,
        Kind::Composite => ChecksumType::COMPOSITE,
    })
}

pub(super) async fn part(ops: &Ops, mut request: S3Request<UploadPartInput>) -> S3Result<S3Response<UploadPartOutput>> {
    let call = call(&request)?;
    let fields = fields_of!(request.input);
    let (md5, algorithm) = (request.input.content_md5.take(), request.input.checksum_algorithm.take());
    let expected = expected(&request, fields, algorithm.as_ref(), md5.as_deref(), request.input.content_length)?;
    let input = request.input;
    let (object, number) = (key(&input.key)?, i64::from(input.part_number));
    let body = incoming(input.body);
    let part = ops.buckets.upload_part(&call, (&input.bucket, &object), &input.upload_id, number, expected, body).await;
    let part = part.map_err(to_s3)?;
    let mut output = UploadPartOutput { e_tag: etag(&part.etag), ..UploadPartOutput::default() };
    set_checksums!(output, &part.checksums);
    Ok(S3Response::new(output))
}

pub(super) async fn complete(
    ops: &Ops,
    mut request: S3Request<CompleteMultipartUploadInput>,
) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
    let call = call(&request)?;
    let checksum = fields_of!(request.input).one()?;
    let input = request.input;
    let size = input.mpu_object_size.map(u64::try_from).transpose();
    let size = size.map_err(|_| s3_error!(InvalidArgument, "x-amz-mp-object-size must not be negative"))?;
    let announced = Announced { checksum, size };
    let named = input.multipart_upload.and_then(|upload| upload.parts).unwrap_or_default();
    let named = named.into_iter().map(named_part).collect::<S3Result<Vec<_>>>()?;
    let condition = write_condition(input.if_match, input.if_none_match)?;
    let object = key(&input.key)?;
    let done = ops
        .buckets
        .complete_multipart(&call, (&input.bucket, &object), &input.upload_id, &named, announced, condition)
        .await;
    let done = done.map_err(to_s3)?;
    let mut output = CompleteMultipartUploadOutput {
        location: Some(format!("/{}/{}", input.bucket, input.key)),
        e_tag: etag(&done.etag),
        checksum_type: kind_of(&done.checksums),
        version_id: done.put.and_then(|put| version(put.versioning, &put.version_id)),
        bucket: Some(input.bucket),
        key: Some(input.key),
        ..CompleteMultipartUploadOutput::default()
    };
    set_checksums!(output, &done.checksums);
    Ok(S3Response::new(output))
}

fn named_part(mut part: CompletedPart) -> S3Result<NamedPart> {
    let malformed = || s3_error!(MalformedXML, "each part needs a PartNumber and an ETag");
    let checksum = fields_of!(part).one()?;
    let etag = part.e_tag.ok_or_else(malformed)?.value().to_owned();
    Ok(NamedPart { number: i64::from(part.part_number.ok_or_else(malformed)?), etag, checksum })
}

pub(super) async fn abort(
    ops: &Ops,
    request: S3Request<AbortMultipartUploadInput>,
) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
    let call = call(&request)?;
    let input = request.input;
    ops.buckets.abort_multipart(&call, &input.bucket, &key(&input.key)?, &input.upload_id).await.map_err(to_s3)?;
    Ok(S3Response::new(AbortMultipartUploadOutput::default()))
}

pub(super) async fn parts(ops: &Ops, request: S3Request<ListPartsInput>) -> S3Result<S3Response<ListPartsOutput>> {
    let call = call(&request)?;
    let input = request.input;
    let size = input.max_parts.unwrap_or(PAGE_MAX).clamp(0, PAGE_MAX);
    let after = input.part_number_marker.unwrap_or(0);
    let limit = u32::try_from(size).unwrap_or(0) + 1;
    let object = key(&input.key)?;
    let (upload, mut found) = ops
        .buckets
        .parts(&call, (&input.bucket, &object), &input.upload_id, i64::from(after), limit)
        .await
        .map_err(to_s3)?;
    let more = found.len() >= limit as usize;
    found.truncate(limit as usize - 1);
    let next = found.last().and_then(|part| i32::try_from(part.number).ok());
    let entries = found.into_iter().map(|part| {
        let mut entry = Part {
            part_number: i32::try_from(part.number).ok(),
            e_tag: etag(&part.etag),
            size: Some(number(part.segment.size)),
            last_modified: Some(time(part.created)),
            ..Part::default()
        };
        set_checksums!(entry, &part.checksums);
        entry
    });
    let initiator = Initiator { display_name: Some(upload.actor.clone()), id: Some(upload.actor) };
    Ok(S3Response::new(ListPartsOutput {
        parts: Some(entries.collect()),
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(input.upload_id),
        part_number_marker: Some(after),
        next_part_number_marker: next.filter(|_| more),
        max_parts: Some(size),
        is_truncated: Some(more),
        initiator: Some(initiator),
        owner: Some(owner()),
        checksum_algorithm: upload.input.algorithm.map(|a| ChecksumAlgorithm::from(a.as_str().to_owned())),
        checksum_type: upload.input.algorithm.map(|_| type_of(upload.input.kind)),
        storage_class: Some(StorageClass::from_static(StorageClass::STANDARD)),
        ..ListPartsOutput::default()
    }))
}

pub(super) async fn uploads(
    ops: &Ops,
    request: S3Request<ListMultipartUploadsInput>,
) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
    let call = call(&request)?;
    let input = request.input;
    let size = input.max_uploads.unwrap_or(PAGE_MAX).clamp(0, PAGE_MAX);
    let limit = u32::try_from(size).unwrap_or(0) + 1;
    let prefix = input.prefix.clone().unwrap_or_default();
    let key_marker = input.key_marker.clone().unwrap_or_default();
    // a key marker without an id skips all uploads of that key: no id sorts after this one
    let id_marker = input.upload_id_marker.clone().unwrap_or_else(|| "~".to_owned());
    let mut found =
        ops.buckets.multiparts(&call, &input.bucket, &prefix, (&key_marker, &id_marker), limit).await.map_err(to_s3)?;
    let more = found.len() >= limit as usize;
    found.truncate(limit as usize - 1);
    let next = found.last().filter(|_| more).map(|upload| (upload.key.clone(), upload.id.clone()));
    let uploads = found.into_iter().map(|upload| MultipartUpload {
        key: Some(upload.key),
        upload_id: Some(upload.id),
        initiated: Some(time(upload.begun)),
        initiator: Some(Initiator { display_name: Some(upload.actor.clone()), id: Some(upload.actor) }),
        owner: Some(owner()),
        storage_class: Some(StorageClass::from_static(StorageClass::STANDARD)),
        ..MultipartUpload::default()
    });
    let uploads: Vec<_> = uploads.collect();
    let (next_key, next_id) = next.unzip();
    Ok(S3Response::new(ListMultipartUploadsOutput {
        bucket: Some(input.bucket),
        prefix: Some(prefix),
        key_marker: Some(key_marker),
        upload_id_marker: input.upload_id_marker,
        next_key_marker: next_key,
        next_upload_id_marker: next_id,
        max_uploads: Some(size),
        is_truncated: Some(more),
        uploads: Some(uploads),
        ..ListMultipartUploadsOutput::default()
    }))
}
