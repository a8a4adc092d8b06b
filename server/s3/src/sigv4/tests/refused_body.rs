//! Bodies that end in an error.

use axum::body::Body;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use sha2::{Digest as _, Sha256};

use super::signer::Signer;
use super::{AuthError, EMPTY, PayloadHash, front, payload, read, request, stream_error};

const SIGNED: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
const SIGNED_TRAILER: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER";
const UNSIGNED_TRAILER: &str = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";
const CRC: [(&str, &str); 1] = [("x-amz-checksum-crc32", "wjHtrg==")];

fn put(kind: &str, length: &str) -> Signer {
    Signer::new("PUT", "/bucket/key")
        .header("x-amz-content-sha256", kind)
        .header("x-amz-decoded-content-length", length)
        .header("x-amz-trailer", CRC[0].0)
        .with(|it| kind.clone_into(&mut it.sha256))
}

/// The code in which a body of this kind and length ends.
async fn end(kind: &str, length: &str, body: impl Into<Body>) -> &'static str {
    match front().authenticate(put(kind, length).sign(body.into())) {
        Ok(passed) => read(passed).await.map_or_else(|error| error.code(), |_| "passed"),
        Err(error) => error.code(),
    }
}

fn good(kind: &str) -> Vec<u8> {
    let signer = put(kind, "8");
    let (_, seed) = signer.clone().sign_with_seed("");
    let seed = (kind != UNSIGNED_TRAILER).then_some(&*seed);
    signer.chunks(seed, b"datadata", 4, if kind == SIGNED { &[] } else { &CRC })
}

fn changed(body: &[u8], from: &str, to: &str) -> Vec<u8> {
    let text = String::from_utf8(body.to_vec()).unwrap();
    assert!(text.contains(from), "{from:?} is not in {text:?}");
    text.replacen(from, to, 1).into_bytes()
}

#[tokio::test]
async fn every_truncation() {
    for kind in [SIGNED, SIGNED_TRAILER, UNSIGNED_TRAILER] {
        let whole = good(kind);
        assert_eq!(end(kind, "8", whole.clone()).await, "passed", "{kind}");
        for length in 0..whole.len() {
            assert_eq!(end(kind, "8", whole[..length].to_vec()).await, "IncompleteBody", "{kind} {length}");
        }
    }
}

#[tokio::test]
async fn what_follows_the_end() {
    for kind in [SIGNED, SIGNED_TRAILER, UNSIGNED_TRAILER] {
        for more in ["x", "\n", "\r\n\r\n", "0\r\n\r\n"] {
            let body = [good(kind), more.as_bytes().to_vec()].concat();
            assert_eq!(end(kind, "8", body).await, "InvalidRequest", "{kind} {more:?}");
        }
    }
}

#[tokio::test]
async fn declared_lengths() {
    for kind in [SIGNED, UNSIGNED_TRAILER] {
        for (length, code) in
            [("7", "IncompleteBody"), ("9", "IncompleteBody"), ("-8", "InvalidArgument"), ("", "InvalidArgument")]
        {
            // the length is signed, so the chunks are signed anew for it
            let signer = put(kind, length);
            let (_, seed) = signer.clone().sign_with_seed("");
            let seed = (kind == SIGNED).then_some(&*seed);
            let body = signer.chunks(seed, b"datadata", 4, if kind == SIGNED { &[] } else { &CRC });
            assert_eq!(end(kind, length, body).await, code, "{kind} {length}");
        }
        let bare = put(kind, "8").with(|it| it.headers.retain(|name, _| name != "x-amz-decoded-content-length"));
        assert_eq!(front().authenticate(bare.sign("")).unwrap_err(), AuthError::MissingContentLength);
    }
}

#[tokio::test]
async fn signatures_of_chunks() {
    for kind in [SIGNED, SIGNED_TRAILER] {
        let body = good(kind);
        assert_eq!(end(kind, "8", changed(&body, "data", "dat4")).await, "SignatureDoesNotMatch");
        assert_eq!(end(kind, "8", changed(&body, ";chunk-signature=", ";chunk-signatur=")).await, "InvalidRequest");
        let text = String::from_utf8(body.clone()).unwrap();
        let line = text.lines().next().unwrap();
        assert_eq!(end(kind, "8", changed(&body, line, "4")).await, "InvalidRequest");
        let zeros = format!("4;chunk-signature={}", "0".repeat(64));
        assert_eq!(end(kind, "8", changed(&body, line, &zeros)).await, "SignatureDoesNotMatch");
        // the second chunk before the first
        let chunks: Vec<_> = text.split_inclusive("data\r\n").collect();
        let swapped = [&[chunks[1], chunks[0]], &chunks[2..]].concat().concat();
        assert_eq!(end(kind, "8", swapped).await, "SignatureDoesNotMatch");
    }
    assert_eq!(end(UNSIGNED_TRAILER, "8", good(SIGNED_TRAILER)).await, "InvalidRequest");
}

#[tokio::test]
async fn trailers() {
    let signed = good(SIGNED_TRAILER);
    assert_eq!(end(SIGNED_TRAILER, "8", changed(&signed, "wjHtrg", "wjHtrh")).await, "SignatureDoesNotMatch");
    let text = String::from_utf8(signed.clone()).unwrap();
    let line = text.lines().find(|line| line.starts_with("x-amz-trailer-signature")).unwrap();
    let unsigned = changed(&signed, &format!("{line}\r\n"), "");
    assert_eq!(end(SIGNED_TRAILER, "8", unsigned).await, "IncompleteBody");
    let unsigned = changed(&signed, &format!("{line}\r\n"), "\r\n");
    assert_eq!(end(SIGNED_TRAILER, "8", unsigned).await, "MalformedTrailerError");
    let stripped = changed(&signed, "x-amz-checksum-crc32:wjHtrg==\r\n", "");
    assert_eq!(end(SIGNED_TRAILER, "8", stripped).await, "SignatureDoesNotMatch");
    let after = changed(&signed, line, &format!("{line}\r\nx-amz-checksum-crc32:wjHtrg=="));
    assert_eq!(end(SIGNED_TRAILER, "8", after).await, "MalformedTrailerError");

    let body = good(UNSIGNED_TRAILER);
    for wrong in [
        "",
        "x-amz-checksum-sha1:wjHtrg==\r\n",
        "x-amz-checksum-crc32:a\r\nx-amz-checksum-crc32:b\r\n",
        "x-amz-checksum-crc32\r\n",
        "x amz:wjHtrg==\r\n",
        "x-amz-checksum-crc32:a\x01b\r\n",
        "x-amz-checksum-crc32:a\r\nx-amz-trailer-signature:b\r\n",
        "x-amz-checksum-crc32:a\r\nx-amz-copy-source:b\r\n",
    ] {
        let body = changed(&body, "x-amz-checksum-crc32:wjHtrg==\r\n", wrong);
        assert_eq!(end(UNSIGNED_TRAILER, "8", body).await, "MalformedTrailerError", "{wrong:?}");
    }
    let none = changed(&good(SIGNED), "\r\n\r\n", "\r\nx-amz-checksum-crc32:wjHtrg==\r\n\r\n");
    assert_eq!(end(SIGNED, "8", none).await, "MalformedTrailerError");
}

#[tokio::test]
async fn framing() {
    let long = "0".repeat(300);
    for wrong in ["x", "", "+4", "-4", "0x4", "4 ", " 4", "4;", "4;a=b", "11111111111111111", &long] {
        let body = format!("{wrong}\r\ndata\r\n0\r\n\r\n");
        assert_eq!(end(UNSIGNED_TRAILER, "4", body).await, "InvalidRequest", "{wrong:?}");
    }
    assert_eq!(end(UNSIGNED_TRAILER, "4", "4\ndata\r\n0\r\n\r\n").await, "InvalidRequest");
    assert_eq!(end(UNSIGNED_TRAILER, "4", "4\r\ndataXX0\r\n\r\n").await, "InvalidRequest");
    assert_eq!(end(UNSIGNED_TRAILER, "4", "ffffffffffffffff\r\ndata").await, "IncompleteBody");
    let huge = format!("4\r\ndata\r\n0\r\nx-amz-checksum-crc32:{}\r\n\r\n", "a".repeat(20_000));
    assert_eq!(end(UNSIGNED_TRAILER, "4", huge).await, "InvalidRequest");
}

#[tokio::test]
async fn digests() {
    let digest = hex::encode(Sha256::digest(b"data"));
    let put = |query: &str| {
        let signer = Signer::new("PUT", "/bucket/key").with(|it| digest.clone_into(&mut it.sha256));
        if query.is_empty() { signer } else { signer.query(query, "") }
    };
    let passed = front().authenticate(put("policy").sign("data")).unwrap();
    assert_eq!(payload(&passed), PayloadHash::Streaming);
    assert_eq!(read(passed).await.unwrap().0, b"data");
    for body in ["date", "dat", "data2"] {
        let passed = front().authenticate(put("policy").sign(body)).unwrap();
        assert_eq!(read(passed).await.unwrap_err(), AuthError::ContentSha256Mismatch);
    }
    assert_eq!(front().authenticate(put("").sign("")).unwrap_err(), AuthError::ContentSha256Mismatch);
    // a large object is hashed where it is stored, a large document here
    let large = |query| put(query).header("content-length", "65537").sign("data");
    let expected = PayloadHash::Sha256(Sha256::digest(b"data").into());
    assert_eq!(payload(&front().authenticate(large("")).unwrap()), expected);
    assert_eq!(payload(&front().authenticate(large("partNumber")).unwrap()), expected);
    assert_eq!(payload(&front().authenticate(large("tagging")).unwrap()), PayloadHash::Streaming);
}

#[test]
fn kinds() {
    for (kind, code) in [
        ("STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", "NotImplemented"),
        ("STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER", "NotImplemented"),
        ("STREAMING-AWS4-HMAC-SHA256-EVENTS", "InvalidArgument"),
        ("unsigned-payload", "InvalidArgument"),
        ("abc", "InvalidArgument"),
        ("", "InvalidArgument"),
    ] {
        assert_eq!(front().authenticate(put(kind, "0").sign("")).unwrap_err().code(), code, "{kind}");
    }
    let bare = Signer::new("GET", "/b/k").with(|it| it.bare = true).sign("");
    let refused = front().authenticate(bare).unwrap_err();
    assert_eq!(refused.message(), "Missing required header for this request: x-amz-content-sha256");
    let anonymous = request("PUT", "/b/k", &[("x-amz-content-sha256", SIGNED)], "");
    assert_eq!(front().authenticate(anonymous).unwrap_err().code(), "InvalidRequest");
}

/// The JS SDK says it in the query.
#[test]
fn digests_of_presigned_urls() {
    let code = |header: &str, query: &str, line: &str| {
        let signer = Signer::new("PUT", "/b/k").query("X-Amz-Content-Sha256", query);
        let signer = if header.is_empty() { signer } else { signer.header("x-amz-content-sha256", header) };
        let request = signer.with(|it| line.clone_into(&mut it.sha256)).presign("");
        front().authenticate(request).map_or_else(|error| error.code(), |_| "passed")
    };
    assert_eq!(code("", EMPTY, EMPTY), "passed");
    assert_eq!(code(EMPTY, EMPTY, EMPTY), "passed");
    assert_eq!(code("", EMPTY, "UNSIGNED-PAYLOAD"), "SignatureDoesNotMatch");
    assert_eq!(code(EMPTY, "UNSIGNED-PAYLOAD", "UNSIGNED-PAYLOAD"), "InvalidArgument");
    assert_eq!(code("UNSIGNED-PAYLOAD", EMPTY, EMPTY), "InvalidArgument");
}

/// Of a body that is wrong the last piece never comes out, even if all pieces are there.
#[tokio::test]
async fn the_last_piece_is_held_back() {
    let pieces = ["4\r\nda", "ta\r\n", "0\r\n", "x-amz-other:1\r\n\r\n"]
        .map(|piece| Ok::<_, std::io::Error>(Bytes::from(piece)));
    let body = Body::from_stream(futures_util::stream::iter(pieces));
    let mut passed = front().authenticate(put(UNSIGNED_TRAILER, "4").sign(body)).unwrap().into_body();
    assert_eq!(passed.frame().await.unwrap().unwrap().into_data().unwrap(), "da");
    let error = passed.frame().await.unwrap().unwrap_err();
    assert_eq!(stream_error(&error).unwrap().code(), "MalformedTrailerError");
    assert!(passed.frame().await.is_none());
}

/// A broken connection is not an error of ours.
#[tokio::test]
async fn broken_connections() {
    let pieces = [Ok(Bytes::from("4\r\nda")), Err(std::io::Error::other("gone"))];
    let body = Body::from_stream(futures_util::stream::iter(pieces));
    let passed = front().authenticate(put(UNSIGNED_TRAILER, "4").sign(body)).unwrap();
    let error = passed.into_body().collect().await.unwrap_err();
    assert!(stream_error(&error).is_none());
}
