//! Features that this store does not have but infrastructure tools read: AWS's answers for a bucket without any
//! configuration. Setting one is answered 501.

use axum::http::StatusCode;
use s3s::dto::{
    GetBucketAccelerateConfigurationInput, GetBucketAccelerateConfigurationOutput, GetBucketAclInput,
    GetBucketAclOutput, GetBucketCorsInput, GetBucketCorsOutput, GetBucketEncryptionInput, GetBucketEncryptionOutput,
    GetBucketLifecycleConfigurationInput, GetBucketLifecycleConfigurationOutput, GetBucketLoggingInput,
    GetBucketLoggingOutput, GetBucketNotificationConfigurationInput, GetBucketNotificationConfigurationOutput,
    GetBucketOwnershipControlsInput, GetBucketOwnershipControlsOutput, GetBucketReplicationInput,
    GetBucketReplicationOutput, GetBucketRequestPaymentInput, GetBucketRequestPaymentOutput, GetBucketWebsiteInput,
    GetBucketWebsiteOutput, GetObjectAclInput, GetObjectAclOutput, GetObjectLockConfigurationInput,
    GetObjectLockConfigurationOutput, Grant, Grantee, Payer, Permission, Type,
};
use s3s::{S3Request, S3Response, S3Result};
use zot_core::policy::Operation;

use super::bucket::owner;
use super::translate::key;
use super::{Ops, call};
use crate::error::{custom, to_s3};

/// S3's error for a configuration that is not set.
pub(super) fn missing<T>(code: &str, message: &'static str) -> S3Result<T> {
    Err(custom(code, StatusCode::NOT_FOUND, message))
}

/// Defines operations that give a fixed answer for a bucket that exists.
macro_rules! answers {
    ($($name:ident($input:ty) -> $output:ty = $answer:expr;)*) => {
        $(pub(super) async fn $name(ops: &Ops, request: S3Request<$input>) -> S3Result<S3Response<$output>> {
            ops.buckets.bucket(&call(&request)?, Operation::ListBucket, &request.input.bucket).await.map_err(to_s3)?;
            $answer.map(S3Response::new)
        })*
    };
}

answers! {
    bucket_acl(GetBucketAclInput) -> GetBucketAclOutput =
        Ok(GetBucketAclOutput { grants: Some(vec![full_control()]), owner: Some(owner()) });
    lifecycle(GetBucketLifecycleConfigurationInput) -> GetBucketLifecycleConfigurationOutput =
        missing("NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist");
    cors(GetBucketCorsInput) -> GetBucketCorsOutput =
        missing("NoSuchCORSConfiguration", "The CORS configuration does not exist");
    encryption(GetBucketEncryptionInput) -> GetBucketEncryptionOutput =
        missing("ServerSideEncryptionConfigurationNotFoundError", "The server side encryption configuration was not found");
    website(GetBucketWebsiteInput) -> GetBucketWebsiteOutput =
        missing("NoSuchWebsiteConfiguration", "The specified bucket does not have a website configuration");
    logging(GetBucketLoggingInput) -> GetBucketLoggingOutput = Ok(GetBucketLoggingOutput::default());
    request_payment(GetBucketRequestPaymentInput) -> GetBucketRequestPaymentOutput =
        Ok(GetBucketRequestPaymentOutput { payer: Some(Payer::from_static(Payer::BUCKET_OWNER)) });
    accelerate(GetBucketAccelerateConfigurationInput) -> GetBucketAccelerateConfigurationOutput =
        Ok(GetBucketAccelerateConfigurationOutput::default());
    replication(GetBucketReplicationInput) -> GetBucketReplicationOutput =
        missing("ReplicationConfigurationNotFoundError", "The replication configuration was not found");
    notification(GetBucketNotificationConfigurationInput) -> GetBucketNotificationConfigurationOutput =
        Ok(GetBucketNotificationConfigurationOutput::default());
    ownership(GetBucketOwnershipControlsInput) -> GetBucketOwnershipControlsOutput =
        missing("OwnershipControlsNotFoundError", "The bucket ownership controls were not found");
    object_lock(GetObjectLockConfigurationInput) -> GetObjectLockConfigurationOutput =
        missing("ObjectLockConfigurationNotFoundError", "Object Lock configuration does not exist for this bucket");
}

fn full_control() -> Grant {
    let grantee = Grantee {
        display_name: owner().display_name,
        id: owner().id,
        type_: Type::from_static(Type::CANONICAL_USER),
        email_address: None,
        uri: None,
    };
    Grant { grantee: Some(grantee), permission: Some(Permission::from_static(Permission::FULL_CONTROL)) }
}

pub(super) async fn object_acl(
    ops: &Ops,
    request: S3Request<GetObjectAclInput>,
) -> S3Result<S3Response<GetObjectAclOutput>> {
    let call = call(&request)?;
    let input = request.input;
    let version = input.version_id.as_deref();
    let object = ops.buckets.object(&call, Operation::GetObjectAcl, &input.bucket, &key(&input.key)?, version).await;
    object.map_err(to_s3)?;
    let output = GetObjectAclOutput {
        grants: Some(vec![full_control()]),
        owner: Some(owner()),
        ..GetObjectAclOutput::default()
    };
    Ok(S3Response::new(output))
}
