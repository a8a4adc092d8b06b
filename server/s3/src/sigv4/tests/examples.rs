//! The published examples: "Signature Calculations for the Authorization Header: Transferring Payload in a Single
//! Chunk", "... in Multiple Chunks (Chunked Upload)", "... Including Trailing Headers" and "Authenticating Requests:
//! Using Query Parameters".

use super::{ACCESS_KEY, Access, EMPTY, PayloadHash, access, front, front_at, payload, read, request};
use crate::sigv4::Config;

const HOST: (&str, &str) = ("host", "examplebucket.s3.amazonaws.com");
const DATE: (&str, &str) = ("x-amz-date", "20130524T000000Z");
const CREDENTIAL: &str = "AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request";
const LENGTH: (&str, &str) = ("x-amz-decoded-content-length", "66560");
const CLASS: (&str, &str) = ("x-amz-storage-class", "REDUCED_REDUNDANCY");

fn authorization(names: &str, signature: &str) -> String {
    format!("AWS4-HMAC-SHA256 Credential={CREDENTIAL},SignedHeaders={names},Signature={signature}")
}

fn signed() -> Access {
    Access::Signed { access_key: ACCESS_KEY.to_owned(), session_token: None, presigned: false }
}

#[test]
fn get_object() {
    let names = "host;range;x-amz-content-sha256;x-amz-date";
    let authorization = authorization(names, "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
    let headers =
        [HOST, ("authorization", &authorization), ("range", "bytes=0-9"), ("x-amz-content-sha256", EMPTY), DATE];
    let passed = front().authenticate(request("GET", "/test.txt", &headers, "")).unwrap();
    assert_eq!(*access(&passed), signed());
    assert!(!passed.headers().contains_key("authorization"));
    assert_eq!(passed.headers()["range"], "bytes=0-9");
}

/// The key is sent as it is and signed encoded.
#[tokio::test]
async fn put_object() {
    let names = "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class";
    let authorization = authorization(names, "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
    let headers = [
        HOST,
        ("date", "Fri, 24 May 2013 00:00:00 GMT"),
        ("authorization", &authorization),
        ("x-amz-content-sha256", "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"),
        DATE,
        CLASS,
    ];
    for path in ["/test$file.text", "/test%24file.text"] {
        let passed = front().authenticate(request("PUT", path, &headers, "Welcome to Amazon S3.")).unwrap();
        assert_eq!(payload(&passed), PayloadHash::Streaming);
        assert_eq!(passed.uri().path(), path);
        assert_eq!(read(passed).await.unwrap().0, b"Welcome to Amazon S3.");
    }
}

#[test]
fn get_bucket_lifecycle_and_list_objects() {
    for (uri, signature) in [
        ("/?lifecycle", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
        ("/?max-keys=2&prefix=J", "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
    ] {
        let authorization = authorization("host;x-amz-content-sha256;x-amz-date", signature);
        let headers = [HOST, ("authorization", &*authorization), ("x-amz-content-sha256", EMPTY), DATE];
        let passed = front().authenticate(request("GET", uri, &headers, "")).unwrap();
        assert_eq!(*access(&passed), signed());
        assert_eq!(passed.uri(), uri);
    }
}

/// HTTP/2 has no `host` but an authority.
#[test]
fn get_object_over_http2() {
    let names = "host;range;x-amz-content-sha256;x-amz-date";
    let authorization = authorization(names, "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
    let headers = [("authorization", &*authorization), ("range", "bytes=0-9"), ("x-amz-content-sha256", EMPTY), DATE];
    let uri = "https://examplebucket.s3.amazonaws.com/test.txt";
    assert!(front().authenticate(request("GET", uri, &headers, "")).is_ok());
}

#[test]
fn presigned_url() {
    let uri = "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2F\
               us-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host\
               &X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";
    let at = |now| front_at(now, Config::default()).authenticate(request("GET", uri, &[HOST], ""));
    let passed = at("2013-05-25T00:00:00Z").unwrap();
    assert_eq!(passed.uri(), "/test.txt");
    assert_eq!(payload(&passed), PayloadHash::Unsigned);
    assert!(matches!(access(&passed), Access::Signed { presigned: true, .. }));
    assert_eq!(at("2013-05-25T00:00:01Z").unwrap_err().message(), "Request has expired");
    assert!(at("2013-05-23T23:45:00Z").is_ok());
    assert_eq!(at("2013-05-23T23:44:59Z").unwrap_err().message(), "Request is not yet valid");
}

fn chunks(signatures: [&str; 3], end: &str) -> Vec<u8> {
    let [first, second, last] = signatures;
    let mut body = format!("10000;chunk-signature={first}\r\n").into_bytes();
    body.extend(vec![b'a'; 65536]);
    body.extend(format!("\r\n400;chunk-signature={second}\r\n").into_bytes());
    body.extend([b'a'; 1024]);
    body.extend(format!("\r\n0;chunk-signature={last}\r\n{end}\r\n").into_bytes());
    body
}

#[tokio::test]
async fn chunked_upload() {
    let names = "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;\
                 x-amz-storage-class";
    let authorization = authorization(names, "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9");
    let body = chunks(
        [
            "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
            "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
            "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
        ],
        "",
    );
    assert_eq!(body.len(), 66824);
    let headers = [
        ("host", "s3.amazonaws.com"),
        DATE,
        CLASS,
        ("authorization", &authorization),
        ("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"),
        ("content-encoding", "aws-chunked"),
        LENGTH,
        ("content-length", "66824"),
    ];
    let passed = front().authenticate(request("PUT", "/examplebucket/chunkObject.txt", &headers, body)).unwrap();
    assert_eq!(payload(&passed), PayloadHash::Streaming);
    assert_eq!(passed.headers()["content-length"], "66560");
    for gone in ["content-encoding", "x-amz-decoded-content-length", "x-amz-content-sha256", "authorization"] {
        assert!(!passed.headers().contains_key(gone), "{gone}");
    }
    assert_eq!(read(passed).await.unwrap(), (vec![b'a'; 66560], vec![]));
}

#[tokio::test]
async fn chunked_upload_with_trailer() {
    let names = "content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;\
                 x-amz-storage-class;x-amz-trailer";
    let authorization = authorization(names, "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e");
    let end = "x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:\
               d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n";
    let body = chunks(
        [
            "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
            "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
            "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
        ],
        end,
    );
    let headers = [
        ("host", "s3.amazonaws.com"),
        DATE,
        CLASS,
        ("authorization", &authorization),
        ("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"),
        ("content-encoding", "aws-chunked"),
        LENGTH,
        ("x-amz-trailer", "x-amz-checksum-crc32c"),
    ];
    let passed = front().authenticate(request("PUT", "/examplebucket/chunkObject.txt", &headers, body)).unwrap();
    let trailer = ("x-amz-checksum-crc32c".to_owned(), "sOO8/Q==".to_owned());
    assert_eq!(read(passed).await.unwrap(), (vec![b'a'; 66560], vec![trailer]));
}
