//! Bodies in chunks that come out whole.

use super::signer::Signer;
use super::{PayloadHash, front, payload, read, request};

const TRAILER: [(&str, &str); 2] =
    [("x-amz-checksum-crc32", "wjHtrg=="), ("x-amz-checksum-sha256", "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=")];

fn put(kind: &str, length: usize) -> Signer {
    Signer::new("PUT", "/bucket/key")
        .header("x-amz-content-sha256", kind)
        .header("x-amz-decoded-content-length", &length.to_string())
        .with(|it| kind.clone_into(&mut it.sha256))
}

fn trailer() -> Vec<(String, String)> {
    TRAILER.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[tokio::test]
async fn signed_with_and_without_trailer() {
    for size in [1, 3, 1000, 5000] {
        let data = vec![b'x'; 1000];
        let signer = put("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", 1000);
        let (_, seed) = signer.clone().sign_with_seed("");
        let body = signer.chunks(Some(&seed), &data, size, &[]);
        let passed = front().authenticate(signer.sign(body)).unwrap();
        assert_eq!(read(passed).await.unwrap(), (data.clone(), vec![]));

        let names = "X-Amz-Checksum-Crc32 ,x-amz-checksum-sha256";
        let signer = put("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", 1000).header("x-amz-trailer", names);
        let (_, seed) = signer.clone().sign_with_seed("");
        let body = signer.chunks(Some(&seed), &data, size, &TRAILER);
        let passed = front().authenticate(signer.sign(body)).unwrap();
        assert_eq!(payload(&passed), PayloadHash::Streaming);
        assert_eq!(read(passed).await.unwrap(), (data, trailer()));
    }
}

#[tokio::test]
async fn unsigned_with_trailer() {
    let names = "x-amz-checksum-crc32,x-amz-checksum-sha256";
    let signer = put("STREAMING-UNSIGNED-PAYLOAD-TRAILER", 1000)
        .header("x-amz-trailer", names)
        .header("content-encoding", "aws-chunked, gzip");
    let body = signer.chunks(None, &[b'x'; 1000], 300, &TRAILER);
    let passed = front().authenticate(signer.sign(body)).unwrap();
    assert_eq!(payload(&passed), PayloadHash::Unsigned);
    assert_eq!(passed.headers()["content-encoding"], "gzip");
    assert_eq!(read(passed).await.unwrap(), (vec![b'x'; 1000], trailer()));
}

/// Chunks under a presigned URL that signs all about them.
#[tokio::test]
async fn presigned() {
    let signer = put("STREAMING-UNSIGNED-PAYLOAD-TRAILER", 4).header("x-amz-trailer", "x-amz-checksum-crc32");
    let body = signer.chunks(None, b"data", 4, &TRAILER[..1]);
    let passed = front().authenticate(signer.presign(body)).unwrap();
    assert_eq!(read(passed).await.unwrap(), (b"data".to_vec(), trailer()[..1].to_vec()));
}

#[tokio::test]
async fn empty_objects() {
    let signer = put("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", 0);
    let (_, seed) = signer.clone().sign_with_seed("");
    let body = signer.chunks(Some(&seed), b"", 1, &[]);
    let passed = front().authenticate(signer.clone().sign(body)).unwrap();
    assert_eq!(read(passed).await.unwrap(), (vec![], vec![]));
    // as minio-go sends it
    let passed = front().authenticate(signer.sign("")).unwrap();
    assert_eq!(read(passed).await.unwrap(), (vec![], vec![]));
}

/// Nobody has signed, but the body is framed all the same.
#[tokio::test]
async fn anonymous() {
    for headers in [
        [("content-encoding", "aws-chunked"), ("x-amz-decoded-content-length", "4")],
        [("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"), ("x-amz-decoded-content-length", "4")],
    ] {
        let passed = front().authenticate(request("PUT", "/b/k", &headers, "4\r\ndata\r\n0\r\n\r\n")).unwrap();
        assert_eq!(read(passed).await.unwrap(), (b"data".to_vec(), vec![]));
    }
}

/// A body of chunks is much longer than what its reader gets told.
#[tokio::test]
async fn lengths() {
    use http_body::Body as _;
    let signer = put("STREAMING-UNSIGNED-PAYLOAD-TRAILER", 4).header("transfer-encoding", "chunked");
    let passed = front().authenticate(signer.sign("4\r\ndata\r\n0\r\n\r\n")).unwrap();
    assert_eq!(passed.headers()["content-length"], "4");
    assert!(!passed.headers().contains_key("transfer-encoding"));
    assert_eq!(passed.body().size_hint().exact(), Some(4));
}
