//! Buckets: create, head, list, delete, location and versioning.

use s3s::dto::{
    Bucket, BucketLocationConstraint, BucketVersioningStatus, CreateBucketInput, CreateBucketOutput, DeleteBucketInput,
    DeleteBucketOutput, GetBucketLocationInput, GetBucketLocationOutput, GetBucketVersioningInput,
    GetBucketVersioningOutput, HeadBucketInput, HeadBucketOutput, ListBucketsInput, ListBucketsOutput, Owner,
    PutBucketVersioningInput, PutBucketVersioningOutput,
};
use s3s::{S3Request, S3Response, S3Result, s3_error};
use zot_core::policy::Operation;
use zot_domain::ports::objects::Versioning;

use super::translate::time;
use super::{Ops, call};
use crate::error::to_s3;

/// Most buckets on a page.
const PAGE_MAX: u32 = 1000;
/// The location of a bucket that was created without one.
const DEFAULT_REGION: &str = "us-east-1";

pub(super) async fn create(
    ops: &Ops,
    request: S3Request<CreateBucketInput>,
) -> S3Result<S3Response<CreateBucketOutput>> {
    let call = call(&request)?;
    if request.input.object_lock_enabled_for_bucket == Some(true) {
        return Err(s3_error!(NotImplemented, "object lock is not implemented"));
    }
    let region = request.input.create_bucket_configuration.and_then(|c| c.location_constraint);
    let region = region.map(|region| region.as_str().to_owned()).filter(|region| !region.is_empty());
    let valid = |region: &String| region.len() <= 64 && region.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if region.as_ref().is_some_and(|region| !valid(region)) {
        return Err(s3_error!(InvalidLocationConstraint, "a location has letters, digits and dashes"));
    }
    let name = request.input.bucket;
    ops.buckets.create_bucket(&call, &name, region).await.map_err(to_s3)?;
    Ok(S3Response::new(CreateBucketOutput { location: Some(format!("/{name}")) }))
}

pub(super) async fn head(ops: &Ops, request: S3Request<HeadBucketInput>) -> S3Result<S3Response<HeadBucketOutput>> {
    let bucket =
        ops.buckets.bucket(&call(&request)?, Operation::ListBucket, &request.input.bucket).await.map_err(to_s3)?;
    let bucket_region = Some(bucket.region.unwrap_or_else(|| DEFAULT_REGION.to_owned()));
    Ok(S3Response::new(HeadBucketOutput { bucket_region, ..HeadBucketOutput::default() }))
}

pub(super) async fn list(ops: &Ops, request: S3Request<ListBucketsInput>) -> S3Result<S3Response<ListBucketsOutput>> {
    let call = call(&request)?;
    let input = request.input;
    let size = input.max_buckets.and_then(|n| u32::try_from(n).ok()).unwrap_or(PAGE_MAX).clamp(1, PAGE_MAX);
    let after = input.continuation_token.unwrap_or_default();
    let mut found = ops.buckets.buckets(&call, &after, size + 1).await.map_err(to_s3)?;
    let more = found.len() > size as usize;
    found.truncate(size as usize);
    let prefix = input.prefix.unwrap_or_default();
    let continuation_token = found.last().filter(|_| more).map(|bucket| bucket.name.clone());
    let shown = found.into_iter().filter(|bucket| bucket.name.starts_with(&prefix));
    let buckets = shown.map(|bucket| Bucket {
        creation_date: Some(time(bucket.created)),
        name: Some(bucket.name),
        ..Bucket::default()
    });
    let owner = Some(owner());
    let output = ListBucketsOutput { buckets: Some(buckets.collect()), continuation_token, owner, prefix: None };
    Ok(S3Response::new(output))
}

/// The owner that S3 clients see: one for all buckets and objects.
pub(super) fn owner() -> Owner {
    Owner { display_name: Some("zot-artifact-store".to_owned()), id: Some("zot-artifact-store".to_owned()) }
}

pub(super) async fn delete(
    ops: &Ops,
    request: S3Request<DeleteBucketInput>,
) -> S3Result<S3Response<DeleteBucketOutput>> {
    ops.buckets.delete_bucket(&call(&request)?, &request.input.bucket).await.map_err(to_s3)?;
    Ok(S3Response::new(DeleteBucketOutput::default()))
}

pub(super) async fn location(
    ops: &Ops,
    request: S3Request<GetBucketLocationInput>,
) -> S3Result<S3Response<GetBucketLocationOutput>> {
    let bucket = ops
        .buckets
        .bucket(&call(&request)?, Operation::GetBucketLocation, &request.input.bucket)
        .await
        .map_err(to_s3)?;
    let region = bucket.region.filter(|region| region != DEFAULT_REGION);
    let location_constraint = region.map(BucketLocationConstraint::from);
    Ok(S3Response::new(GetBucketLocationOutput { location_constraint }))
}

pub(super) async fn versioning(
    ops: &Ops,
    request: S3Request<GetBucketVersioningInput>,
) -> S3Result<S3Response<GetBucketVersioningOutput>> {
    let bucket = ops
        .buckets
        .bucket(&call(&request)?, Operation::GetBucketVersioning, &request.input.bucket)
        .await
        .map_err(to_s3)?;
    let status = match bucket.versioning {
        Versioning::Off => None,
        Versioning::Enabled => Some(BucketVersioningStatus::from_static(BucketVersioningStatus::ENABLED)),
        Versioning::Suspended => Some(BucketVersioningStatus::from_static(BucketVersioningStatus::SUSPENDED)),
    };
    Ok(S3Response::new(GetBucketVersioningOutput { status, ..GetBucketVersioningOutput::default() }))
}

pub(super) async fn set_versioning(
    ops: &Ops,
    request: S3Request<PutBucketVersioningInput>,
) -> S3Result<S3Response<PutBucketVersioningOutput>> {
    let call = call(&request)?;
    let status = request.input.versioning_configuration.status;
    let versioning = match status.as_ref().map(BucketVersioningStatus::as_str) {
        Some(BucketVersioningStatus::ENABLED) => Versioning::Enabled,
        Some(BucketVersioningStatus::SUSPENDED) => Versioning::Suspended,
        _ => return Err(s3_error!(IllegalVersioningConfigurationException, "Status must be Enabled or Suspended")),
    };
    ops.buckets.set_versioning(&call, &request.input.bucket, versioning).await.map_err(to_s3)?;
    Ok(S3Response::new(PutBucketVersioningOutput::default()))
}
