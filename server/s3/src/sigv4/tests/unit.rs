//! Small parts on their own.

use http::StatusCode;

use super::{ACCESS_KEY, AuthError, SECRET};
use crate::sigv4::Secret;
use crate::sigv4::keys::{Cache, SigningKey};
use crate::sigv4::query::{Query, without_signing};
use crate::sigv4::scope::{Scope, Stamp};

fn scope(text: &str) -> Scope {
    Scope::parse(text).unwrap().1
}

#[test]
fn canonical_queries() {
    for (raw, canonical) in [
        ("", ""),
        ("lifecycle", "lifecycle="),
        ("b=2&a=1&a=0&a", "a=&a=0&a=1&b=2"),
        ("a=b+c&a=b%20c", "a=b%20c&a=b%20c"),
        ("a=b%2bc", "a=b%2Bc"),
        ("prefix=a/b&delimiter=/", "delimiter=%2F&prefix=a%2Fb"),
        ("&&a=1&", "a=1"),
        ("a=b=c", "a=b%3Dc"),
        ("a=~*'()", "a=~%2A%27%28%29"),
        ("a-b=1&a=2&aB=3", "a=2&a-b=1&aB=3"),
        ("x=1&X-Amz-Signature=abc", "x=1"),
    ] {
        assert_eq!(Query::parse(raw).unwrap().canonical(), canonical, "{raw}");
    }
}

#[test]
fn queries_without_their_signature() {
    let raw = "a=%20b&X-Amz-Date=1&x-amz-SIGNATURE=2&uploads&X-Amz-Meta-A=b&X%2DAmz-Expires=3&a=+";
    assert_eq!(without_signing(raw), "a=%20b&uploads&X-Amz-Meta-A=b&a=+");
}

#[test]
fn scopes() {
    let (key, scope) = Scope::parse("with/slash/20130524/us-east-1/s3/aws4_request").unwrap();
    assert_eq!((&*key, &*scope.text()), ("with/slash", "20130524/us-east-1/s3/aws4_request"));
    let long = format!("a/20130524/{}/s3/aws4_request", "r".repeat(65));
    for bad in [
        "",
        "a",
        "/20130524/r/s3/aws4_request",
        "a/2013052x/r/s3/aws4_request",
        "a/20130524/r\n/s3/aws4_request",
        &long,
    ] {
        assert_eq!(Scope::parse(bad), None, "{bad}");
    }
}

#[test]
fn stamps() {
    let stamp = Stamp::parse_date("Fri, 24 May 2013 00:00:00 GMT").unwrap();
    assert_eq!(stamp, Stamp::parse("20130524T000000Z").unwrap());
    for bad in ["20130230T000000Z", "20130524T240000Z", "20130524T006000Z", "20130524t000000Z", "２0130524T000Z"] {
        assert_eq!(Stamp::parse(bad), None, "{bad}");
    }
}

/// A changed secret is noticed, and no key is used for another access key or scope.
#[test]
fn cached_keys() {
    let cache = Cache::default();
    let first = scope("a/20130524/us-east-1/s3/aws4_request");
    let other = scope("a/20130525/us-east-1/s3/aws4_request");
    let (secret, changed) = (Secret::new(SECRET), Secret::new("changed"));
    for _ in 0..2 {
        for secret in [&secret, &changed] {
            for scope in [&first, &other] {
                let expected = SigningKey::derive(secret, scope).sign(&[b"x"]);
                assert_eq!(cache.get(ACCESS_KEY, secret, scope).sign(&[b"x"]), expected);
            }
        }
    }
    for day in 0..3000 {
        let scope = scope(&format!("a/2013{day:04}/us-east-1/s3/aws4_request"));
        cache.get(ACCESS_KEY, &secret, &scope);
        assert!(cache.len() <= 1024);
    }
}

/// A key longer than the block of the hash is hashed first.
#[test]
fn long_secrets() {
    use hmac::{Hmac, KeyInit as _, Mac as _};
    for length in [0, 60, 64, 65, 200] {
        let key = vec![b'k'; length];
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(&key).unwrap();
        mac.update(b"text");
        let expected: [u8; 32] = mac.finalize().into_bytes().into();
        assert_eq!(crate::sigv4::keys::hmac(&key, &[b"te", b"xt"]), expected);
    }
}

#[test]
fn statuses() {
    for (error, status) in [
        (AuthError::SignatureDoesNotMatch, StatusCode::FORBIDDEN),
        (AuthError::InvalidAccessKeyId, StatusCode::FORBIDDEN),
        (AuthError::RequestTimeTooSkewed, StatusCode::FORBIDDEN),
        (AuthError::AccessDenied("".into()), StatusCode::FORBIDDEN),
        (AuthError::MissingContentLength, StatusCode::LENGTH_REQUIRED),
        (AuthError::NotImplemented("".into()), StatusCode::NOT_IMPLEMENTED),
        (AuthError::IncompleteBody("".into()), StatusCode::BAD_REQUEST),
    ] {
        assert_eq!(error.status(), status, "{}", error.code());
    }
}
