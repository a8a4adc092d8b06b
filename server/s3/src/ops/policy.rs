//! Access to a bucket: its policy, its public access block, and ACLs in requests.

use axum::http::{HeaderMap, HeaderValue, header};
use s3s::dto::{
    DeleteBucketPolicyInput, DeleteBucketPolicyOutput, DeletePublicAccessBlockInput, DeletePublicAccessBlockOutput,
    GetBucketPolicyInput, GetBucketPolicyOutput, GetBucketPolicyStatusInput, GetBucketPolicyStatusOutput,
    GetPublicAccessBlockInput, GetPublicAccessBlockOutput, ObjectCannedACL, PolicyStatus,
    PublicAccessBlockConfiguration, PutBucketPolicyInput, PutBucketPolicyOutput, PutPublicAccessBlockInput,
    PutPublicAccessBlockOutput,
};
use s3s::{S3Request, S3Response, S3Result};
use zot_core::object_key::ObjectKey;
use zot_domain::Call;
use zot_domain::ports::access::PublicAccessBlock;

use super::unconfigured::missing;
use super::{Ops, call};
use crate::error::to_s3;
use crate::unsupported;

/// The prefix of AWS's group names.
const EVERYBODY: &str = "http://acs.amazonaws.com/groups/global/";
/// Canned ACLs that grant access to everybody, or to everybody who has an account.
const PUBLIC: [&str; 3] =
    [ObjectCannedACL::PUBLIC_READ, ObjectCannedACL::PUBLIC_READ_WRITE, ObjectCannedACL::AUTHENTICATED_READ];

pub(super) async fn get(
    ops: &Ops,
    request: S3Request<GetBucketPolicyInput>,
) -> S3Result<S3Response<GetBucketPolicyOutput>> {
    let policy = ops.buckets.bucket_policy(&call(&request)?, &request.input.bucket).await.map_err(to_s3)?;
    let headers = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    Ok(S3Response::with_headers(GetBucketPolicyOutput { policy: Some(policy) }, headers.into_iter().collect()))
}

pub(super) async fn put(
    ops: &Ops,
    request: S3Request<PutBucketPolicyInput>,
) -> S3Result<S3Response<PutBucketPolicyOutput>> {
    let call = call(&request)?;
    let PutBucketPolicyInput { bucket, policy, .. } = request.input;
    ops.buckets.put_bucket_policy(&call, &bucket, policy).await.map_err(to_s3)?;
    Ok(S3Response::new(PutBucketPolicyOutput::default()))
}

pub(super) async fn delete(
    ops: &Ops,
    request: S3Request<DeleteBucketPolicyInput>,
) -> S3Result<S3Response<DeleteBucketPolicyOutput>> {
    ops.buckets.delete_bucket_policy(&call(&request)?, &request.input.bucket).await.map_err(to_s3)?;
    Ok(S3Response::new(DeleteBucketPolicyOutput::default()))
}

pub(super) async fn status(
    ops: &Ops,
    request: S3Request<GetBucketPolicyStatusInput>,
) -> S3Result<S3Response<GetBucketPolicyStatusOutput>> {
    let is_public = ops.buckets.bucket_is_public(&call(&request)?, &request.input.bucket).await.map_err(to_s3)?;
    let policy_status = Some(PolicyStatus { is_public: Some(is_public) });
    Ok(S3Response::new(GetBucketPolicyStatusOutput { policy_status }))
}

pub(super) async fn public_access(
    ops: &Ops,
    request: S3Request<GetPublicAccessBlockInput>,
) -> S3Result<S3Response<GetPublicAccessBlockOutput>> {
    let block = ops.buckets.public_access(&call(&request)?, &request.input.bucket).await.map_err(to_s3)?;
    let Some(block) = block else {
        return missing("NoSuchPublicAccessBlockConfiguration", "The public access block configuration was not found");
    };
    let configuration = PublicAccessBlockConfiguration {
        block_public_acls: Some(block.block_public_acls),
        ignore_public_acls: Some(block.ignore_public_acls),
        block_public_policy: Some(block.block_public_policy),
        restrict_public_buckets: Some(block.restrict_public_buckets),
    };
    let public_access_block_configuration = Some(configuration);
    Ok(S3Response::new(GetPublicAccessBlockOutput { public_access_block_configuration }))
}

pub(super) async fn set_public_access(
    ops: &Ops,
    request: S3Request<PutPublicAccessBlockInput>,
) -> S3Result<S3Response<PutPublicAccessBlockOutput>> {
    let call = call(&request)?;
    let asked = request.input.public_access_block_configuration;
    let block = PublicAccessBlock {
        block_public_acls: asked.block_public_acls.unwrap_or_default(),
        ignore_public_acls: asked.ignore_public_acls.unwrap_or_default(),
        block_public_policy: asked.block_public_policy.unwrap_or_default(),
        restrict_public_buckets: asked.restrict_public_buckets.unwrap_or_default(),
    };
    ops.buckets.set_public_access(&call, &request.input.bucket, Some(block)).await.map_err(to_s3)?;
    Ok(S3Response::new(PutPublicAccessBlockOutput::default()))
}

pub(super) async fn delete_public_access(
    ops: &Ops,
    request: S3Request<DeletePublicAccessBlockInput>,
) -> S3Result<S3Response<DeletePublicAccessBlockOutput>> {
    ops.buckets.set_public_access(&call(&request)?, &request.input.bucket, None).await.map_err(to_s3)?;
    Ok(S3Response::new(DeletePublicAccessBlockOutput::default()))
}

/// Refuses ACLs that grant something. If the bucket blocks public ones, they are denied.
pub(super) async fn check_acl(
    ops: &Ops,
    call: &Call,
    headers: &HeaderMap,
    bucket: &str,
    key: &ObjectKey,
) -> S3Result<()> {
    let is_public = headers.iter().any(|(name, value)| {
        let value = value.to_str().unwrap_or_default();
        match name.as_str() {
            "x-amz-acl" => PUBLIC.contains(&value),
            name => name.starts_with("x-amz-grant-") && value.contains(EVERYBODY),
        }
    });
    if is_public {
        ops.buckets.require_public_acl(call, bucket, key).await.map_err(to_s3)?;
    }
    unsupported::check_acl(headers)
}
