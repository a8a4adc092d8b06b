//! Uploads in parts.

use axum::http::Method;
use zot_testing::app::{Config, TestApp};

use crate::lists::texts;
use crate::support::Store;

/// Smallest part that is not the last, in bytes.
const PART: usize = 5 * 1024 * 1024;

async fn begin(store: &Store, key: &str) -> String {
    let begun = store.client().post(&format!("/s3/team/{key}?uploads"), "").await.expect_status(200).text();
    format!("/s3/team/{key}?uploadId={}", texts(&begun, "UploadId")[0])
}

async fn part(store: &Store, upload: &str, number: usize, body: Vec<u8>) -> String {
    let put = store.client().put(&format!("{upload}&partNumber={number}"), body).await.expect_status(200);
    put.header("etag").to_owned()
}

fn document(parts: &[(usize, &str)]) -> String {
    let parts =
        parts.iter().map(|(number, etag)| format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>"));
    format!("<CompleteMultipartUpload>{}</CompleteMultipartUpload>", parts.collect::<String>())
}

#[tokio::test]
async fn parts_become_one_object() {
    let store = Store::new().await;
    let client = store.client();
    let upload = begin(&store, "parts").await;
    let tags = [part(&store, &upload, 1, vec![b'a'; PART]).await, part(&store, &upload, 2, b"tail".to_vec()).await];
    let listed = client.get(&upload).await.expect_status(200).text();
    assert_eq!((texts(&listed, "PartNumber"), texts(&listed, "Size")), (vec!["1", "2"], vec!["5242880", "4"]));
    let uploads = client.get("/s3/team?uploads").await.expect_status(200).text();
    assert!(upload.ends_with(texts(&uploads, "UploadId")[0]), "{uploads}");
    let right = document(&[(1, &tags[0]), (2, &tags[1])]);
    for (wrong, code) in [
        (document(&[(2, &tags[1]), (1, &tags[0])]), "InvalidPartOrder"),
        (document(&[(1, "\"x\"")]), "InvalidPart"),
        (document(&[(1, &tags[0]), (3, &tags[1])]), "InvalidPart"),
        ("<CompleteMultipartUpload>".to_owned(), "MalformedXML"),
    ] {
        client.post(&upload, wrong).await.expect_code(400, code);
    }
    client.put("/s3/team/parts", "in the way").await.expect_status(200);
    let guarded = client.call(Method::POST, &upload).header("if-none-match", "*").body(right.clone());
    guarded.send().await.expect_code(412, "PreconditionFailed");
    let done = client.post(&upload, right.clone()).await.expect_status(200).text();
    assert!(texts(&done, "ETag")[0].contains("-2"), "{done}");
    let again = client.post(&upload, right).await.expect_status(200).text();
    assert_eq!(texts(&again, "ETag"), texts(&done, "ETag"), "a repeated request answers as before");
    let whole = client.get("/s3/team/parts").await.expect_status(200);
    assert!(whole.body.len() == PART + 4 && whole.body.ends_with(b"atail"));
    let second = client.get("/s3/team/parts?partNumber=2").await.expect_status(206);
    assert_eq!((second.text().as_str(), second.header("x-amz-mp-parts-count")), ("tail", "2"));
    client.get("/s3/team/parts?partNumber=3").await.expect_code(416, "InvalidPartNumber");
    let across = client.call(Method::GET, "/s3/team/parts").header("range", format!("bytes={}-{}", PART - 1, PART));
    assert_eq!(across.send().await.expect_status(206).text(), "at");
}

/// As at AWS: a client that sends a part twice may complete with the first one's entity tag.
#[tokio::test]
async fn of_a_part_that_was_sent_twice_the_named_one_is_taken() {
    let store = Store::new().await;
    for (first, second) in [("old", "new"), ("same", "same")] {
        let upload = begin(&store, "twice").await;
        let tag = part(&store, &upload, 1, first.into()).await;
        part(&store, &upload, 1, second.into()).await;
        store.client().post(&upload, document(&[(1, &tag)])).await.expect_status(200);
        assert_eq!(store.client().get("/s3/team/twice").await.text(), first);
    }
}

#[tokio::test]
async fn an_announced_size_is_compared() {
    let store = Store::new().await;
    let upload = begin(&store, "sized").await;
    let right = document(&[(1, &part(&store, &upload, 1, b"four".to_vec()).await)]);
    let complete = async |size: &str| {
        let call = store.client().call(Method::POST, &upload).header("x-amz-mp-object-size", size);
        call.body(right.clone()).send().await
    };
    complete("5").await.expect_code(400, "InvalidRequest");
    complete("-1").await.expect_code(400, "InvalidArgument");
    store.client().head("/s3/team/sized").await.expect_status(404);
    complete("4").await.expect_status(200);
}

#[tokio::test]
async fn small_copied_and_aborted_parts() {
    let store = Store::new().await;
    let client = store.client();
    let upload = begin(&store, "small").await;
    let tags = [part(&store, &upload, 1, b"x".to_vec()).await, part(&store, &upload, 2, b"y".to_vec()).await];
    let both = document(&[(1, &tags[0]), (2, &tags[1])]);
    client.post(&upload, both).await.expect_code(400, "EntityTooSmall");
    let copy = client.call(Method::PUT, &format!("{upload}&partNumber=1")).header("x-amz-copy-source", "/team/a");
    let copied = copy.header("x-amz-copy-source-range", "bytes=0-1").send().await.expect_status(200).text();
    let tag = texts(&copied, "ETag")[0].replace("&quot;", "\"");
    client.post(&upload, document(&[(1, &tag)])).await.expect_status(200);
    assert_eq!(client.get("/s3/team/small").await.expect_status(200).text(), "te");
    let upload = begin(&store, "gone").await;
    part(&store, &upload, 1, b"x".to_vec()).await;
    client.delete(&upload).await.expect_status(204);
    for method in [Method::GET, Method::PUT] {
        let call = client.call(method, &format!("{upload}&partNumber=1")).body("x");
        call.send().await.expect_code(404, "NoSuchUpload");
    }
    client.get("/s3/team/gone?uploadId=never-begun").await.expect_code(404, "NoSuchUpload");
}

#[tokio::test]
async fn they_can_be_switched_off() {
    let mut config = Config::default();
    config.s3.multipart = false;
    let store = Store::on(TestApp::with(config).await).await;
    store.client().post("/s3/team/a?uploads", "").await.expect_code(501, "NotImplemented");
}
