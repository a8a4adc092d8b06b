//! Tags of objects and buckets.

use std::collections::BTreeMap;

use s3s::dto::{
    DeleteBucketTaggingInput, DeleteBucketTaggingOutput, DeleteObjectTaggingInput, DeleteObjectTaggingOutput,
    GetBucketTaggingInput, GetBucketTaggingOutput, GetObjectTaggingInput, GetObjectTaggingOutput,
    PutBucketTaggingInput, PutBucketTaggingOutput, PutObjectTaggingInput, PutObjectTaggingOutput, Tag,
};
use s3s::{S3Request, S3Response, S3Result, s3_error};
use zot_core::policy::Operation;

use super::translate::{OBJECT_TAGS_MAX, kept_version, key, tags_of_set};
use super::{Ops, call};
use crate::error::to_s3;

/// Most tags of a bucket (S3 user guide, *Cost allocation tags*).
const BUCKET_TAGS_MAX: usize = 50;

fn set(tags: BTreeMap<String, String>) -> Vec<Tag> {
    tags.into_iter().map(|(key, value)| Tag { key: Some(key), value: Some(value) }).collect()
}

pub(super) async fn get(
    ops: &Ops,
    request: S3Request<GetObjectTaggingInput>,
) -> S3Result<S3Response<GetObjectTaggingOutput>> {
    let call = call(&request)?;
    let input = request.input;
    let (operation, version) = (Operation::GetObjectTagging, input.version_id.as_deref());
    let object = ops.buckets.object(&call, operation, &input.bucket, &key(&input.key)?, version).await;
    let object = object.map_err(to_s3)?.into_inner();
    let version_id = kept_version(object.version_id);
    Ok(S3Response::new(GetObjectTaggingOutput { tag_set: set(object.attributes.tags), version_id }))
}

pub(super) async fn put(
    ops: &Ops,
    request: S3Request<PutObjectTaggingInput>,
) -> S3Result<S3Response<PutObjectTaggingOutput>> {
    let call = call(&request)?;
    let input = request.input;
    let tags = tags_of_set(input.tagging.tag_set, OBJECT_TAGS_MAX)?;
    let version = input.version_id.as_deref();
    let tagged = ops.buckets.tag_object(&call, &input.bucket, &key(&input.key)?, version, &tags).await;
    Ok(S3Response::new(PutObjectTaggingOutput { version_id: kept_version(tagged.map_err(to_s3)?) }))
}

pub(super) async fn delete(
    ops: &Ops,
    request: S3Request<DeleteObjectTaggingInput>,
) -> S3Result<S3Response<DeleteObjectTaggingOutput>> {
    let call = call(&request)?;
    let input = request.input;
    let version = input.version_id.as_deref();
    let tagged = ops.buckets.tag_object(&call, &input.bucket, &key(&input.key)?, version, &BTreeMap::new()).await;
    Ok(S3Response::new(DeleteObjectTaggingOutput { version_id: kept_version(tagged.map_err(to_s3)?) }))
}

pub(super) async fn get_bucket(
    ops: &Ops,
    request: S3Request<GetBucketTaggingInput>,
) -> S3Result<S3Response<GetBucketTaggingOutput>> {
    let bucket = ops
        .buckets
        .bucket(&call(&request)?, Operation::GetBucketTagging, &request.input.bucket)
        .await
        .map_err(to_s3)?;
    if bucket.tags.is_empty() {
        return Err(s3_error!(NoSuchTagSet, "The TagSet does not exist"));
    }
    Ok(S3Response::new(GetBucketTaggingOutput { tag_set: set(bucket.tags) }))
}

pub(super) async fn put_bucket(
    ops: &Ops,
    request: S3Request<PutBucketTaggingInput>,
) -> S3Result<S3Response<PutBucketTaggingOutput>> {
    let call = call(&request)?;
    let tags = tags_of_set(request.input.tagging.tag_set, BUCKET_TAGS_MAX)?;
    ops.buckets.set_bucket_tags(&call, &request.input.bucket, tags).await.map_err(to_s3)?;
    Ok(S3Response::new(PutBucketTaggingOutput::default()))
}

pub(super) async fn delete_bucket(
    ops: &Ops,
    request: S3Request<DeleteBucketTaggingInput>,
) -> S3Result<S3Response<DeleteBucketTaggingOutput>> {
    let call = call(&request)?;
    ops.buckets.set_bucket_tags(&call, &request.input.bucket, BTreeMap::new()).await.map_err(to_s3)?;
    Ok(S3Response::new(DeleteBucketTaggingOutput::default()))
}
