//! Objects: keys, headers, ranges, conditions, checksums, copies.

use axum::http::Method;
use zot_testing::reply::Reply;

use crate::support::Store;

/// The MD5 of `0123456789`.
const ETAG: &str = "\"781e5e245d69b566979b86e28d23f2c7\"";

/// A bucket in which `/team/described` has ten digits and all that a client may say of an object.
async fn described() -> Store {
    let store = Store::new().await;
    let said = [
        ("content-type", "text/plain"),
        ("cache-control", "no-cache"),
        ("content-disposition", "attachment"),
        ("content-language", "en"),
        ("x-amz-meta-colour", "blue"),
        ("x-amz-tagging", "team=a&stage=b"),
    ];
    let put = with(&store, Method::PUT, "described", &said, "0123456789").await.expect_status(200);
    assert_eq!(put.header("etag"), ETAG);
    store
}

/// Sends a request of the admin.
async fn with(store: &Store, method: Method, key: &str, headers: &[(&str, &str)], body: &'static str) -> Reply {
    let call = store.client().call(method, &format!("/s3/team/{key}")).body(body);
    headers.iter().fold(call, |call, (name, value)| call.header(name, value)).send().await
}

#[tokio::test]
async fn keys_are_kept_byte_for_byte() {
    let store = Store::new().await;
    let long = "k".repeat(1024);
    for key in
        ["plain", "a%20b/%C3%BC%2B%26%3Dx~(1).txt", "dir//double", "trailing/", "../up", "./here", &long, "q%3Fx%3D1"]
    {
        let path = format!("/s3/team/{key}");
        store.client().put(&path, key.to_owned()).await.expect_status(200);
        assert_eq!(store.client().get(&path).await.expect_status(200).text(), key);
        store.client().delete(&path).await.expect_status(204);
        store.client().get(&path).await.expect_code(404, "NoSuchKey");
        store.client().head(&path).await.expect_status(404);
    }
    store.client().put(&format!("/s3/team/{long}k"), "").await.expect_code(400, "KeyTooLongError");
    store.client().put("/s3/team/nul%00", "").await.expect_code(400, "InvalidArgument");
    store.client().put("/s3/team/empty", "").await.expect_status(200);
    assert_eq!(store.client().get("/s3/team/empty").await.expect_status(200).body.len(), 0);
}

#[tokio::test]
async fn what_was_said_of_an_object_comes_back_with_it() {
    let store = described().await;
    for method in [Method::GET, Method::HEAD] {
        let found = with(&store, method.clone(), "described", &[], "").await.expect_status(200);
        for (name, value) in [
            ("content-type", "text/plain"),
            ("cache-control", "no-cache"),
            ("content-disposition", "attachment"),
            ("content-language", "en"),
            ("x-amz-meta-colour", "blue"),
            ("content-length", "10"),
            ("etag", ETAG),
            ("accept-ranges", "bytes"),
        ] {
            assert_eq!(found.header(name), value, "{method} {name}");
        }
        assert!(found.optional("last-modified").is_some() && found.optional("x-amz-request-id").is_some());
    }
    assert_eq!(with(&store, Method::GET, "described", &[], "").await.header("x-amz-tagging-count"), "2");
    let other = with(&store, Method::GET, "described?response-content-type=text/x", &[], "").await;
    assert_eq!(other.expect_status(200).header("content-type"), "text/x");
    let attributes = [("x-amz-object-attributes", "ETag,ObjectSize")];
    let found = with(&store, Method::GET, "described?attributes", &attributes, "").await.expect_status(200).text();
    assert!(found.contains("<ObjectSize>10</ObjectSize>"), "{found}");
    for unknown in ["x-amz-object-lock-mode", "x-amz-server-side-encryption-customer-algorithm"] {
        let value = if unknown.ends_with("mode") { "COMPLIANCE" } else { "AES256" };
        with(&store, Method::PUT, "described", &[(unknown, value)], "x").await.expect_code(501, "NotImplemented");
    }
    assert_eq!(with(&store, Method::GET, "described", &[], "").await.text(), "0123456789");
}

#[tokio::test]
async fn ranges_are_cut_and_impossible_ones_refused() {
    let store = described().await;
    for (range, text, said) in [
        ("bytes=2-4", "234", "bytes 2-4/10"),
        ("bytes=7-", "789", "bytes 7-9/10"),
        ("bytes=-3", "789", "bytes 7-9/10"),
        ("bytes=5-500", "56789", "bytes 5-9/10"),
    ] {
        let found = with(&store, Method::GET, "described", &[("range", range)], "").await.expect_status(206);
        assert_eq!((found.text().as_str(), found.header("content-range")), (text, said));
    }
    with(&store, Method::GET, "described", &[("range", "bytes=10-")], "").await.expect_code(416, "InvalidRange");
}

#[tokio::test]
async fn conditions_are_kept() {
    let store = described().await;
    let of = async |method: Method, key: &str, name: &str, value: &str| {
        with(&store, method, key, &[(name, value)], "").await
    };
    of(Method::GET, "described", "if-match", ETAG).await.expect_status(200);
    of(Method::GET, "described", "if-match", "\"x\"").await.expect_code(412, "PreconditionFailed");
    of(Method::HEAD, "described", "if-none-match", ETAG).await.expect_status(304);
    of(Method::PUT, "described", "if-none-match", "*").await.expect_code(412, "PreconditionFailed");
    of(Method::PUT, "described", "if-match", "\"x\"").await.expect_code(412, "PreconditionFailed");
    of(Method::PUT, "absent", "if-match", ETAG).await.expect_code(404, "NoSuchKey");
    of(Method::DELETE, "described", "if-match", "\"x\"").await.expect_code(412, "PreconditionFailed");
    of(Method::PUT, "fresh", "if-none-match", "*").await.expect_status(200);
    with(&store, Method::PUT, "described", &[("if-match", ETAG)], "new").await.expect_status(200);
    assert_eq!(of(Method::DELETE, "described", "if-match", ETAG).await.status, 412);
}

#[tokio::test]
async fn checksums_are_kept_and_wrong_ones_refused() {
    let store = Store::new().await;
    let crc = [("x-amz-checksum-crc32", "5gEPwA==")];
    with(&store, Method::PUT, "sum", &crc, "other").await.expect_code(400, "BadDigest");
    with(&store, Method::PUT, "sum", &[("x-amz-checksum-crc32", "??")], "x").await.expect_code(400, "InvalidRequest");
    with(&store, Method::PUT, "sum", &[("content-md5", "nd1G6JNGvGoZF5JyPGrA0g==")], "x").await.expect_status(400);
    store.client().head("/s3/team/sum").await.expect_status(404);
    // the CRC-32 of `123456789` is the check value of its definition: CBF43926
    with(&store, Method::PUT, "sum", &[("x-amz-checksum-crc32", "y/Q5Jg==")], "123456789").await.expect_status(200);
    let asked = [("x-amz-checksum-mode", "ENABLED")];
    let head = with(&store, Method::HEAD, "sum", &asked, "").await.expect_status(200);
    assert_eq!((head.header("x-amz-checksum-crc32"), head.header("x-amz-checksum-type")), ("y/Q5Jg==", "FULL_OBJECT"));
}

#[tokio::test]
async fn copies_take_or_replace_what_was_said() {
    let store = described().await;
    let copy = async |key: &str, headers: &[(&str, &str)]| {
        let all = [&[("x-amz-copy-source", "/team/described")], headers].concat();
        with(&store, Method::PUT, key, &all, "").await
    };
    copy("copy", &[]).await.expect_status(200);
    let copied = with(&store, Method::GET, "copy", &[], "").await.expect_status(200);
    assert_eq!((copied.text().as_str(), copied.header("x-amz-meta-colour")), ("0123456789", "blue"));
    let new = [("x-amz-metadata-directive", "REPLACE"), ("x-amz-meta-new", "1"), ("content-type", "text/y")];
    copy("copy", &new).await.expect_status(200);
    let head = with(&store, Method::HEAD, "copy", &[], "").await.expect_status(200);
    assert_eq!((head.header("x-amz-meta-new"), head.header("content-type")), ("1", "text/y"));
    assert_eq!(head.optional("x-amz-meta-colour"), None);
    copy("described", &[]).await.expect_code(400, "InvalidRequest");
    copy("described", &[("x-amz-storage-class", "STANDARD")]).await.expect_status(200);
    copy("described", &[("x-amz-server-side-encryption", "AES256")]).await.expect_status(200);
    copy("described", &[("x-amz-website-redirect-location", "/else")]).await.expect_status(200);
    let head = with(&store, Method::HEAD, "described", &[], "").await.expect_status(200);
    assert_eq!((head.header("x-amz-website-redirect-location"), head.header("x-amz-meta-colour")), ("/else", "blue"));
    copy("copy", &[("x-amz-tagging-directive", "KEEP")]).await.expect_code(400, "InvalidArgument");
    copy("copy", &[("x-amz-metadata-directive", "KEEP")]).await.expect_code(400, "InvalidArgument");
    let summed = copy("copy", &[("x-amz-checksum-algorithm", "SHA1")]).await.expect_status(200).text();
    assert!(summed.contains("<ChecksumSHA1>h6zsF82dzSCnFsws9nQXtxyKcBY=</ChecksumSHA1>"), "{summed}");
    let head = with(&store, Method::HEAD, "copy", &[("x-amz-checksum-mode", "ENABLED")], "").await.expect_status(200);
    assert_eq!(head.header("x-amz-checksum-sha1"), "h6zsF82dzSCnFsws9nQXtxyKcBY=");
    assert_eq!(head.optional("x-amz-website-redirect-location"), None, "it belongs to the source alone");
    copy("copy", &[("x-amz-copy-source-if-match", "\"x\"")]).await.expect_code(412, "PreconditionFailed");
    with(&store, Method::PUT, "copy", &[("x-amz-copy-source", "/team/none")], "").await.expect_code(404, "NoSuchKey");
    with(&store, Method::PUT, "copy", &[("x-amz-copy-source", "/none/a")], "").await.expect_code(404, "NoSuchBucket");
}

#[tokio::test]
async fn many_are_deleted_at_once_and_each_is_answered() {
    let store = described().await;
    let body = "<Delete><Object><Key>a</Key></Object><Object><Key>none</Key></Object>\
                <Object><Key>described</Key><ETag>\"x\"</ETag></Object></Delete>";
    let answer = store.client().post("/s3/team?delete", body).await.expect_status(200).text();
    assert_eq!(answer.matches("<Deleted>").count(), 2, "{answer}");
    assert!(answer.contains("<Code>PreconditionFailed</Code>"), "{answer}");
    store.client().head("/s3/team/a").await.expect_status(404);
    store.client().head("/s3/team/described").await.expect_status(200);
    let reader = store.app.reader().post("/s3/team?delete", body).await.expect_status(200).text();
    assert_eq!(reader.matches("<Code>AccessDenied</Code>").count(), 3, "{reader}");
    store.client().post("/s3/team?delete", "<Delete>").await.expect_code(400, "MalformedXML");
}

#[tokio::test]
async fn what_cannot_be_honoured_is_refused() {
    let store = Store::new().await;
    for (name, value, status, code) in [
        ("x-amz-expected-bucket-owner", "111122223333", 403, "AccessDenied"),
        ("x-amz-acl", "public-read", 400, "AccessControlListNotSupported"),
        ("x-amz-grant-read", "id=1", 400, "AccessControlListNotSupported"),
        ("x-amz-storage-class", "DEEP_ARCHIVE", 400, "InvalidStorageClass"),
        ("x-amz-server-side-encryption-aws-kms-key-id", "key", 501, "NotImplemented"),
        ("x-amz-checksum-md4", "AAAA", 400, "InvalidRequest"),
    ] {
        with(&store, Method::PUT, "fresh", &[(name, value)], "x").await.expect_code(status, code);
        store.client().head("/s3/team/fresh").await.expect_status(404);
    }
    for (name, value) in [
        ("x-amz-expected-bucket-owner", "000000000000"),
        ("x-amz-acl", "private"),
        ("x-amz-storage-class", "STANDARD_IA"),
    ] {
        with(&store, Method::PUT, "fresh", &[(name, value)], "x").await.expect_status(200);
    }
    // the codec would take these for a plain PUT or DELETE of the bucket
    for (method, query) in [(Method::DELETE, "notification"), (Method::PUT, "unheardof"), (Method::DELETE, "unheardof")]
    {
        store.client().call(method, &format!("/s3/team?{query}")).send().await.expect_code(501, "NotImplemented");
    }
    store.client().head("/s3/team").await.expect_status(200);
}

#[tokio::test]
async fn errors_say_what_they_are_about() {
    let store = Store::new().await;
    let client = store.client();
    for (path, code, elements) in [
        ("/s3/team/a%26b", "NoSuchKey", vec!["<Key>a&amp;b</Key>", "<Resource>/team/a&amp;b</Resource>"]),
        ("/s3/none?list-type=2", "NoSuchBucket", vec!["<BucketName>none</BucketName>", "<Resource>/none</Resource>"]),
        ("/s3/team/a?uploadId=x", "NoSuchUpload", vec!["<UploadId>x</UploadId>"]),
    ] {
        let reply = client.get(path).await.expect_code(404, code);
        let id = reply.header("x-amz-request-id").to_owned();
        for element in [elements, vec![&format!("<RequestId>{id}</RequestId>"), "<HostId>"]].concat() {
            assert!(reply.text().contains(element), "{element}: {}", reply.text());
        }
        assert_eq!(reply.optional("x-zot-error-elements"), None);
    }
    let put = client.call(Method::PUT, "/s3/team/a?partNumber=0&uploadId=x").body("x").send().await;
    let text = put.expect_code(400, "InvalidArgument").text();
    assert!(text.contains("<ArgumentName>partNumber</ArgumentName><ArgumentValue>0</ArgumentValue>"), "{text}");
}

#[tokio::test]
async fn a_copy_takes_tags_only_from_those_who_may_read_them() {
    let store = described().await;
    let write = crate::support::statement("Allow", "*", &["s3:PutObject"], "team/*");
    let deny = crate::support::statement("Deny", "*", &["s3:GetObjectTagging"], "team/*");
    store.put(&serde_json::json!({"Version": "2012-10-17", "Statement": [write, deny]})).await.expect_status(204);
    let copy = async |directive: &str| {
        let call = store.app.reader().call(Method::PUT, "/s3/team/copy");
        let call = call.header("x-amz-copy-source", "/team/described").header("x-amz-tagging-directive", directive);
        call.body("").send().await
    };
    copy("COPY").await.expect_code(403, "AccessDenied");
    copy("REPLACE").await.expect_status(200);
}
