//! Parts of requests that this store cannot honour: they are refused here, since the codec would ignore them.

use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use s3s::dto::{ObjectCannedACL, StorageClass};
use s3s::{S3Error, S3Result, s3_error};
use url::form_urlencoded;
use zot_core::checksum::Algorithm;

use crate::error::{custom, invalid_argument};

/// The account of all buckets: what STS answers, and what lists name as the owner.
const OWNERS: [&str; 2] = ["000000000000", "zot-artifact-store"];
/// Storage classes whose objects can be read at once, as all objects of this store can: they are stored alike.
const CLASSES: [&str; 6] = [
    StorageClass::STANDARD,
    StorageClass::REDUCED_REDUNDANCY,
    StorageClass::STANDARD_IA,
    StorageClass::ONEZONE_IA,
    StorageClass::INTELLIGENT_TIERING,
    StorageClass::GLACIER_IR,
];
/// ACLs that say what is so anyway: the owner of the bucket has all rights.
const PRIVATE: [&str; 3] =
    [ObjectCannedACL::PRIVATE, ObjectCannedACL::BUCKET_OWNER_FULL_CONTROL, ObjectCannedACL::BUCKET_OWNER_READ];
/// Headers that ask for keys of a key service.
const KMS: [&str; 3] = [
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-server-side-encryption-context",
    "x-amz-server-side-encryption-bucket-key-enabled",
];
/// Subresources of buckets that the codec knows in a PUT or DELETE. It takes any other for a plain one.
const SUBRESOURCES: [&str; 22] = [
    "accelerate",
    "acl",
    "analytics",
    "cors",
    "encryption",
    "id",
    "intelligent-tiering",
    "inventory",
    "lifecycle",
    "logging",
    "metadataTable",
    "metrics",
    "notification",
    "object-lock",
    "ownershipControls",
    "policy",
    "publicAccessBlock",
    "replication",
    "requestPayment",
    "tagging",
    "versioning",
    "website",
];
/// Those of them that a DELETE does not have.
const NOT_DELETED: [&str; 7] =
    ["accelerate", "acl", "logging", "notification", "object-lock", "requestPayment", "versioning"];

/// Refuses what cannot be honoured. The path has no prefix.
pub(crate) fn check(request: &Request<Body>) -> S3Result<()> {
    let headers = request.headers();
    check_owners(headers)?;
    check_versions(request)?;
    check_subresources(request)?;
    if let Some(name) = KMS.into_iter().find(|name| text(headers, name).is_some_and(|value| value != "false")) {
        return Err(s3_error!(NotImplemented, "{name} is not implemented; nothing was done"));
    }
    if let Some(class) = text(headers, "x-amz-storage-class").filter(|class| !CLASSES.contains(class)) {
        return Err(s3_error!(InvalidStorageClass, "the storage class {class:?} is not supported; use STANDARD"));
    }
    for name in headers.keys().filter_map(|name| name.as_str().strip_prefix("x-amz-checksum-")) {
        if !["algorithm", "mode", "type"].contains(&name) && Algorithm::parse(name).is_none() {
            return Err(s3_error!(InvalidRequest, "x-amz-checksum-{name} is not supported; nothing was done"));
        }
    }
    Ok(())
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap_or_default())
}

/// A client that names another owner is not talking to the store that it means.
fn check_owners(headers: &HeaderMap) -> S3Result<()> {
    for name in ["x-amz-expected-bucket-owner", "x-amz-source-expected-bucket-owner"] {
        if text(headers, name).is_some_and(|owner| !OWNERS.contains(&owner)) {
            return Err(s3_error!(AccessDenied, "{name} is not the owner of this store's buckets, {}", OWNERS[0]));
        }
    }
    Ok(())
}

/// An empty version is not "no version": it could delete, or copy, what was not meant.
fn check_versions(request: &Request<Body>) -> S3Result<()> {
    let query = request.uri().query().unwrap_or_default();
    let is_empty = form_urlencoded::parse(query.as_bytes()).any(|(name, id)| name == "versionId" && id.is_empty());
    let of_source = text(request.headers(), "x-amz-copy-source").is_some_and(|source| source.ends_with("?versionId="));
    if is_empty || of_source {
        return Err(invalid_argument("versionId", "", "Version id cannot be the empty string"));
    }
    Ok(())
}

fn check_subresources(request: &Request<Body>) -> S3Result<()> {
    let of_bucket = request.uri().path().trim_start_matches('/').split_once('/').is_none_or(|(_, key)| key.is_empty());
    let deletes = *request.method() == Method::DELETE;
    if !of_bucket || !(deletes || *request.method() == Method::PUT) {
        return Ok(());
    }
    let query = request.uri().query().unwrap_or_default();
    for (name, _) in form_urlencoded::parse(query.as_bytes()) {
        let known = SUBRESOURCES.contains(&name.as_ref()) && !(deletes && NOT_DELETED.contains(&name.as_ref()));
        if !known && name != "x-id" && !name.to_ascii_lowercase().starts_with("x-amz-") {
            return Err(s3_error!(NotImplemented, "the parameter {name} is not implemented; nothing was done"));
        }
    }
    Ok(())
}

/// Refuses ACLs that grant something: bucket policies do that here, and at AWS where ACLs are disabled.
pub(crate) fn check_acl(headers: &HeaderMap) -> S3Result<()> {
    let refused = || -> S3Error {
        custom(
            "AccessControlListNotSupported",
            StatusCode::BAD_REQUEST,
            "The bucket does not allow ACLs. Use a bucket policy instead (PutBucketPolicy)",
        )
    };
    match text(headers, "x-amz-acl") {
        Some(acl) if !PRIVATE.contains(&acl) => return Err(refused()),
        _ => {}
    }
    if headers.keys().any(|name| name.as_str().starts_with("x-amz-grant-")) { Err(refused()) } else { Ok(()) }
}
