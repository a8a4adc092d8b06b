//! What a request may ask of the codec: hosts, and what would be obeyed wrongly because it is not known.

use axum::body::Body;
use axum::http::{Method, Request};
use s3s::host::{S3Host, VirtualHost};
use s3s::{S3Error, S3Result, s3_error};

/// Virtual-host addresses below one domain. Any other host is addressed by path.
pub(crate) struct Domain(pub String);

impl S3Host for Domain {
    fn parse_host_header<'a>(&'a self, host: &'a str) -> S3Result<VirtualHost<'a>> {
        Ok(match bucket_in_host(&self.0, host) {
            Some(bucket) => VirtualHost::new(self.0.as_str()).with_bucket(bucket),
            None => VirtualHost::new(host),
        })
    }
}

/// The bucket that a host below the domain names.
pub(crate) fn bucket_in_host<'a>(domain: &str, host: &'a str) -> Option<&'a str> {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.parse::<u16>().is_ok() => name,
        _ => host,
    };
    let bucket = name.strip_suffix(domain)?.strip_suffix('.')?;
    Some(bucket).filter(|bucket| !bucket.is_empty())
}

/// Headers that would change what a request means, and that this store does not have.
const UNKNOWN_HEADERS: [&str; 4] = [
    "x-amz-object-lock-",
    "x-amz-server-side-encryption-customer-",
    "x-amz-copy-source-server-side-encryption-customer-",
    "x-amz-write-offset-bytes",
];
/// Parameters of writes that the codec knows. With any other one it would take them for a plain put or delete.
const PUT_PARAMETERS: [&str; 17] = [
    "uploadId",
    "partNumber",
    "x-id",
    "tagging",
    "acl",
    "retention",
    "legal-hold",
    "versionId",
    "versioning",
    "policy",
    "cors",
    "lifecycle",
    "encryption",
    "website",
    "logging",
    "notification",
    "publicAccessBlock",
];

/// Refuses what would be obeyed as something else.
pub(crate) fn check(request: &Request<Body>) -> Result<(), S3Error> {
    for name in request.headers().keys() {
        if UNKNOWN_HEADERS.iter().any(|unknown| name.as_str().starts_with(unknown)) {
            return Err(s3_error!(NotImplemented, "{name} is not implemented; nothing was done"));
        }
    }
    if request.headers().get("x-amz-server-side-encryption").is_some_and(|value| value != "AES256") {
        return Err(s3_error!(NotImplemented, "encryption by a key service is not implemented; nothing was done"));
    }
    let writes = matches!(*request.method(), Method::PUT | Method::DELETE);
    let has_key = request.uri().path().trim_start_matches('/').split_once('/').is_some_and(|(_, key)| !key.is_empty());
    let query = request.uri().query().unwrap_or_default();
    if *request.method() == Method::PUT && query.contains("partNumber=") != query.contains("uploadId=") {
        return Err(s3_error!(InvalidArgument, "a part needs both partNumber and uploadId"));
    }
    for (name, _) in url::form_urlencoded::parse(query.as_bytes()).filter(|_| writes && has_key) {
        if !PUT_PARAMETERS.contains(&name.as_ref()) && !name.to_ascii_lowercase().starts_with("x-amz-") {
            return Err(s3_error!(NotImplemented, "the parameter {name} is not implemented; nothing was done"));
        }
    }
    Ok(())
}

/// Whether the body is a document that the codec holds in memory, and not the bytes of an object or part.
pub(crate) fn is_document(request: &Request<Body>) -> bool {
    let query = request.uri().query().unwrap_or_default();
    let names: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).map(|(name, _)| name.into_owned()).collect();
    let subresource =
        ["tagging", "acl", "retention", "legal-hold", "versioning", "policy", "publicAccessBlock", "cors", "lifecycle"];
    match *request.method() {
        Method::PUT => names.iter().any(|name| subresource.contains(&name.as_str())),
        _ => true,
    }
}
