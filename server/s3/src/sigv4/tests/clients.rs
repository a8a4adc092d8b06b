//! Requests of real clients, recorded on the wire from a server that only answered 200.
//!
//! Each line of `fixtures/<client>.jsonl` is a request with the bytes of its target and body as they were sent, without
//! headers that were not signed and have no meaning to S3. Keys are odd on purpose: spaces, reserved letters, empty
//! and dot segments, Unicode, 1024 bytes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::{Access, Front, access, front_at, read, request};
use crate::sigv4::{AuthError, Config};

#[derive(Deserialize)]
struct Recorded {
    label: String,
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl Recorded {
    fn request(&self) -> http::Request<axum::body::Body> {
        let headers: Vec<_> = self.headers.iter().map(|(name, value)| (&**name, &**value)).collect();
        request(&self.method, &self.target, &headers, self.body())
    }

    fn body(&self) -> Vec<u8> {
        STANDARD.decode(&self.body).unwrap()
    }

    /// fetch and urllib3 remove dot segments from a URL, so they asked for another object than the one that was signed.
    fn was_rewritten(&self) -> bool {
        ["boto3/http/presign-get/2", "aws-sdk-js-v3/http/presign/2"].contains(&&*self.label)
    }

    fn is_chunked(&self) -> bool {
        self.headers.iter().any(|(name, value)| name == "x-amz-content-sha256" && value.starts_with("STREAMING"))
    }
}

fn recorded(lines: &str) -> Vec<Recorded> {
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// All were recorded within the minute.
fn front() -> Front {
    front_at("2026-11-24T09:36:00Z", Config::default())
}

/// Every request passes, and what was framed comes out whole.
async fn all_pass(lines: &str) -> usize {
    let front = front();
    let all = recorded(lines);
    for one in &all {
        let passed = front.authenticate(one.request());
        if one.was_rewritten() {
            assert_eq!(passed.unwrap_err(), AuthError::SignatureDoesNotMatch, "{}", one.label);
            continue;
        }
        let passed = passed.unwrap_or_else(|error| panic!("{}: {error:?}", one.label));
        let anonymous = one.label.contains("anonymous");
        assert_eq!(*access(&passed) == Access::Anonymous, anonymous, "{}", one.label);
        assert!(!passed.uri().query().unwrap_or_default().contains("X-Amz-Sig"), "{}", one.label);
        let (body, trailers) = read(passed).await.unwrap_or_else(|error| panic!("{}: {error:?}", one.label));
        if one.is_chunked() {
            let sent = String::from_utf8(one.body()).unwrap();
            assert_eq!(trailers.len(), sent.matches("x-amz-checksum-").count(), "{}", one.label);
            assert!(!String::from_utf8(body).unwrap().contains('\r'), "{}", one.label);
        } else {
            assert_eq!(body, one.body(), "{}", one.label);
        }
    }
    all.len()
}

#[tokio::test]
async fn boto3() {
    assert!(all_pass(include_str!("fixtures/boto3.jsonl")).await > 30);
}

#[tokio::test]
async fn minio_go() {
    assert!(all_pass(include_str!("fixtures/minio-go.jsonl")).await > 20);
}

#[tokio::test]
async fn minio_py() {
    assert_eq!(all_pass(include_str!("fixtures/minio-py.jsonl")).await, 10);
}

#[tokio::test]
async fn aws_sdk_go_v2() {
    assert!(all_pass(include_str!("fixtures/aws-sdk-go-v2.jsonl")).await > 20);
}

#[tokio::test]
async fn aws_sdk_js_v3() {
    assert!(all_pass(include_str!("fixtures/aws-sdk-js-v3.jsonl")).await > 15);
}

#[tokio::test]
async fn s3cmd() {
    assert_eq!(all_pass(include_str!("fixtures/s3cmd.jsonl")).await, 3);
}

/// curl before 8.3 leaves the digest out; S3 itself refuses that too.
#[test]
fn curl_without_digest() {
    for one in recorded(include_str!("fixtures/curl.jsonl")) {
        let refused = front().authenticate(one.request()).unwrap_err();
        assert!(matches!(refused, AuthError::InvalidRequest(_)), "{refused:?}");
    }
}

/// What comes out of chunks is what the program gave its SDK.
#[tokio::test]
async fn chunks_hold_the_object() {
    for (lines, label, object) in [
        (include_str!("fixtures/boto3.jsonl"), "boto3/https/stream", "stream me"),
        (include_str!("fixtures/boto3.jsonl"), "boto3/https/anonymous-put", "anonymous"),
        (include_str!("fixtures/minio-go.jsonl"), "minio-go/http/trailing-true/sha256", "hello"),
        (include_str!("fixtures/minio-go.jsonl"), "minio-go/https/trailing-true/sha256", "hello"),
        (include_str!("fixtures/minio-go.jsonl"), "minio-go/http/trailing-false/put/0", "hello0"),
        (include_str!("fixtures/aws-sdk-go-v2.jsonl"), "aws-sdk-go-v2/https/crc64", "hello"),
        (include_str!("fixtures/aws-sdk-js-v3.jsonl"), "aws-sdk-js-v3/http/stream", "stream me"),
    ] {
        let all = recorded(lines);
        let one = all.iter().find(|one| one.label == label).unwrap();
        let passed = front().authenticate(one.request()).unwrap();
        let gzip = passed.headers().get("content-encoding").is_some_and(|coding| coding == "gzip");
        assert_eq!(gzip, label == "boto3/https/stream");
        assert_eq!(read(passed).await.unwrap().0, object.as_bytes(), "{label}");
    }
}
