//! Deleting one object or many.

use s3s::dto::{
    DeleteObjectInput, DeleteObjectOutput, DeleteObjectsInput, DeleteObjectsOutput, DeletedObject, ETagCondition,
    Error, ObjectIdentifier, Timestamp,
};
use s3s::{S3ErrorCode, S3Request, S3Response, S3Result, s3_error};
use zot_domain::bucket::delete::Deletion;
use zot_domain::condition::WriteCondition;
use zot_domain::ports::objects::Deleted;

use super::translate::{key, write_condition};
use super::{Ops, call};
use crate::error::to_s3;

/// Most objects in one request.
const OBJECTS_MAX: usize = 1000;

pub(super) async fn one(ops: &Ops, request: S3Request<DeleteObjectInput>) -> S3Result<S3Response<DeleteObjectOutput>> {
    let call = call(&request)?;
    let input = request.input;
    let condition = condition(input.if_match, input.if_match_size, input.if_match_last_modified_time.as_ref())?;
    let object = key(&input.key)?;
    let version_id = input.version_id.as_deref();
    let deleted =
        ops.buckets.delete_object(&call, &input.bucket, &object, version_id, condition).await.map_err(to_s3)?;
    Ok(S3Response::new(DeleteObjectOutput {
        delete_marker: deleted.delete_marker.then_some(true),
        version_id: deleted.version_id,
        ..DeleteObjectOutput::default()
    }))
}

/// The condition of a deletion. An unknown condition is refused, never ignored.
fn condition(etag: Option<ETagCondition>, size: Option<i64>, modified: Option<&Timestamp>) -> S3Result<WriteCondition> {
    if size.is_some() || modified.is_some() {
        return Err(s3_error!(NotImplemented, "deletes support only If-Match with an ETag; nothing was deleted"));
    }
    write_condition(etag, None)
}

pub(super) async fn many(
    ops: &Ops,
    request: S3Request<DeleteObjectsInput>,
) -> S3Result<S3Response<DeleteObjectsOutput>> {
    let call = call(&request)?;
    let input = request.input;
    if input.delete.objects.is_empty() || input.delete.objects.len() > OBJECTS_MAX {
        return Err(s3_error!(MalformedXML, "the request names 1 to {OBJECTS_MAX} objects"));
    }
    let quiet = input.delete.quiet.unwrap_or(false);
    let (mut gone, mut failed) = (Vec::new(), Vec::new());
    let read: Vec<_> = input.delete.objects.iter().map(deletion).collect();
    let whole = read.iter().filter_map(|it| it.as_ref().ok().cloned()).collect();
    let mut outcomes = ops.buckets.delete_objects(&call, &input.bucket, whole).await.into_iter();
    for (read, object) in read.into_iter().zip(input.delete.objects) {
        let outcome = match read {
            Ok(_) => outcomes.next().unwrap_or(Err(zot_domain::Error::Conflict.into())).map_err(to_s3),
            Err(error) => Err(error),
        };
        match outcome {
            Ok(_) if quiet => {}
            Ok(deleted) => gone.push(answer(object, deleted)),
            Err(error) if *error.code() == S3ErrorCode::NoSuchBucket => return Err(error),
            Err(error) => failed.push(Error {
                code: Some(error.code().as_str().to_owned()),
                key: Some(object.key),
                message: error.message().map(ToOwned::to_owned),
                version_id: object.version_id,
            }),
        }
    }
    let output = DeleteObjectsOutput {
        deleted: (!gone.is_empty()).then_some(gone),
        errors: (!failed.is_empty()).then_some(failed),
        ..DeleteObjectsOutput::default()
    };
    Ok(S3Response::new(output))
}

fn deletion(object: &ObjectIdentifier) -> S3Result<Deletion> {
    let etag = object.e_tag.clone().map(ETagCondition::ETag);
    let condition = condition(etag, object.size, object.last_modified_time.as_ref())?;
    if object.version_id.as_deref() == Some("") {
        // as AWS: it is not "no version", which would delete the newest
        return Err(s3_error!(NoSuchVersion, "The specified version does not exist."));
    }
    Ok(Deletion { key: key(&object.key)?, version_id: object.version_id.clone(), condition })
}

fn answer(object: ObjectIdentifier, deleted: Deleted) -> DeletedObject {
    let marker = deleted.delete_marker;
    DeletedObject {
        key: Some(object.key),
        delete_marker: marker.then_some(true),
        delete_marker_version_id: deleted.version_id.filter(|_| marker),
        version_id: object.version_id,
    }
}
