//! Checks before the codec: moves buckets from hosts to paths, and refuses features that the codec would ignore.

use axum::body::Body;
use axum::http::uri::Authority;
use axum::http::{Method, Request, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::host::{S3Host, VirtualHost};
use s3s::{S3Error, S3Result, s3_error};

/// Characters of bucket names, which a path does not encode.
const NAME: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_');

/// The bucket is always in the path: [`by_path`] moves it there.
pub(crate) struct InPath;

impl S3Host for InPath {
    fn parse_host_header<'a>(&'a self, host: &'a str) -> S3Result<VirtualHost<'a>> {
        Ok(VirtualHost::new(host))
    }
}

/// The bucket in a host name below the domain. Host names ignore case, and may end with a dot.
pub(crate) fn bucket_in_host(domain: &str, host: &str) -> Option<String> {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.is_empty() || port.parse::<u16>().is_ok() => name,
        _ => host,
    };
    let plain = |name: &str| name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    let name = plain(name);
    let bucket = name.strip_suffix(&plain(domain))?.strip_suffix('.')?;
    (!bucket.is_empty()).then(|| bucket.to_owned())
}

/// The request's host. HTTP/2 has it only in the URI.
pub(crate) fn host_of(request: &Request<Body>) -> Option<&str> {
    let header = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    header.or_else(|| request.uri().authority().map(Authority::as_str))
}

/// The path, with the host's bucket in front, so that later code finds the bucket in one place.
pub(crate) fn by_path(domain: Option<&str>, host: Option<&str>, path: &str) -> String {
    match domain.zip(host).and_then(|(domain, host)| bucket_in_host(domain, host)) {
        Some(bucket) => format!("/{}{path}", utf8_percent_encode(&bucket, NAME)),
        None => path.to_owned(),
    }
}

/// Unsupported headers that change the meaning of a request.
const UNKNOWN_HEADERS: [&str; 4] = [
    "x-amz-object-lock-",
    "x-amz-server-side-encryption-customer-",
    "x-amz-copy-source-server-side-encryption-customer-",
    "x-amz-write-offset-bytes",
];
/// Query parameters of writes that the codec knows. It takes a write with any other for a plain put or delete.
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

/// Refuses requests that the codec would misinterpret.
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

/// Whether the body is a document that the codec reads into memory, not an object or part.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_below_the_domain_names_a_bucket() {
        for (host, bucket) in [
            ("hid.s3.test", Some("hid")),
            ("HID.S3.Test", Some("hid")),
            ("hid.s3.test.", Some("hid")),
            ("hid.s3.test:9000", Some("hid")),
            ("HID.s3.test.:9000", Some("hid")),
            ("hid.s3.test:", Some("hid")),
            ("a.b.s3.test", Some("a.b")),
            ("s3.test", None),
            (".s3.test", None),
            ("hids3.test", None),
            ("hid.s3.test..", None),
            ("hid.s3.test.example", None),
            ("[::1]:9000", None),
        ] {
            for domain in ["s3.test", "S3.TEST", "s3.test."] {
                assert_eq!(bucket_in_host(domain, host).as_deref(), bucket, "{host} below {domain}");
            }
        }
    }

    #[test]
    fn what_a_host_says_is_one_segment_of_the_path() {
        let by = |host| by_path(Some("s3.test"), Some(host), "//k%2F");
        assert_eq!(by("a-b.c_d.s3.test"), "/a-b.c_d//k%2F");
        assert_eq!(by("a/b%2f.s3.test"), "/a%2Fb%252f//k%2F");
        assert_eq!(by("s3.test"), "//k%2F");
        assert_eq!(by_path(None, Some("hid.s3.test"), "/k"), "/k");
    }
}
