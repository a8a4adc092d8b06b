//! XML of clients: how its text may be written, and the digests that are announced of it.

use axum::http::Method;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zot_testing::reply::Reply;

use crate::lists::texts;
use crate::support::Store;

/// The empty document's MD5.
const OTHER_MD5: &str = "1B2M2Y8AsgTpgAmY7PhCfg==";

async fn filled(keys: &[&str]) -> Store {
    let store = Store::new().await;
    for key in keys {
        store.client().put(&format!("/s3/team/{key}"), "x").await.expect_status(200);
    }
    store
}

async fn delete(store: &Store, objects: &str) -> String {
    let body = format!("<Delete>{objects}</Delete>");
    store.client().post("/s3/team?delete", body).await.expect_status(200).text()
}

async fn keys(store: &Store) -> Vec<String> {
    let listed = store.client().get("/s3/team?list-type=2").await.expect_status(200).text();
    texts(&listed, "Key").iter().map(|key| (*key).to_owned()).collect()
}

#[tokio::test]
async fn the_key_that_was_written_is_the_key_that_is_deleted() {
    let store = filled(&["ab", "a%26b", "%F0%9F%98%80", "c"]).await;
    for (written, deleted) in [
        ("a<![CDATA[b]]>", "ab"),
        ("<![CDATA[a&b]]>", "a&amp;b"),
        ("&#x1F600;", "\u{1F600}"),
        ("c<!-- not the rest -->", "c"),
    ] {
        assert!(keys(&store).await.contains(&deleted.to_owned()));
        let answer = delete(&store, &format!("<Object><Key>{written}</Key></Object>")).await;
        assert_eq!(texts(&answer, "Key"), [deleted], "{answer}");
        assert!(!keys(&store).await.contains(&deleted.to_owned()), "{written}");
    }
    assert_eq!(keys(&store).await, ["a", "dir/b"]);
    let prefixed = "<s:Delete xmlns:s=\"http://s3.amazonaws.com/doc/2006-03-01/\"><s:Object><s:Key>a</s:Key></s:Object></s:Delete>";
    let answer = store.client().post("/s3/team?delete", prefixed).await.expect_status(200).text();
    assert_eq!(texts(&answer, "Key"), ["a"]);
    assert_eq!(keys(&store).await, ["dir/b"]);
}

#[tokio::test]
async fn text_is_read_alike_in_every_document() {
    let store = Store::new().await;
    let client = store.client();
    let tags =
        "<Tagging><TagSet><Tag><Key>a<![CDATA[<b>]]></Key><Value>&#49;<!-- no -->2</Value></Tag></TagSet></Tagging>";
    for path in ["/s3/team?tagging", "/s3/team/a?tagging"] {
        assert!(client.put(path, tags).await.status.is_success());
        let kept = client.get(path).await.expect_status(200).text();
        assert_eq!((texts(&kept, "Key"), texts(&kept, "Value")), (vec!["a&lt;b&gt;"], vec!["12"]), "{kept}");
    }
    let versioning = "<VersioningConfiguration><Status>En<![CDATA[abled]]></Status></VersioningConfiguration>";
    client.put("/s3/team?versioning", versioning).await.expect_status(200);
    let location = "<CreateBucketConfiguration><LocationConstraint>eu-<![CDATA[west]]>-1</LocationConstraint></CreateBucketConfiguration>";
    client.put("/s3/else", location).await.expect_status(200);
    assert!(client.get("/s3/else?location").await.text().contains(">eu-west-1<"));
    for malformed in ["<Delete><x:Object/></Delete>", "<!DOCTYPE Delete><Delete/>", "<Delete>&unknown;</Delete>"] {
        client.post("/s3/team?delete", malformed).await.expect_code(400, "MalformedXML");
    }
}

/// Sends a document with one more header.
async fn sent(store: &Store, (method, path, body): (Method, &str, &str), header: (&str, &str)) -> Reply {
    let call = store.client().call(method, path).body(body.to_owned());
    call.header(header.0, header.1).send().await
}

#[tokio::test]
async fn a_document_with_another_digest_does_nothing() {
    let store = Store::new().await;
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::team/*"}]}"#;
    let documents = [
        (Method::POST, "/s3/team?delete", "<Delete><Object><Key>a</Key></Object></Delete>"),
        (
            Method::PUT,
            "/s3/team?tagging",
            "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>",
        ),
        (
            Method::PUT,
            "/s3/team/a?tagging",
            "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>",
        ),
        (Method::PUT, "/s3/team?policy", policy),
        (
            Method::PUT,
            "/s3/team?versioning",
            "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>",
        ),
        (
            Method::PUT,
            "/s3/team?publicAccessBlock",
            "<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls></PublicAccessBlockConfiguration>",
        ),
        (Method::PUT, "/s3/fresh", "<CreateBucketConfiguration/>"),
    ];
    for (method, path, body) in documents {
        let wrong = |header, value| sent(&store, (method.clone(), path, body), (header, value));
        wrong("content-md5", OTHER_MD5).await.expect_code(400, "BadDigest");
        wrong("content-md5", "x").await.expect_code(400, "InvalidDigest");
        wrong("x-amz-checksum-crc32", "AAAAAA==").await.expect_code(400, "BadDigest");
        wrong("x-amz-checksum-sha256", "AAAA").await.expect_code(400, "InvalidRequest");
        wrong("x-amz-checksum-other", "AAAA").await.expect_code(400, "InvalidRequest");
    }
    store.client().head("/s3/team/a").await.expect_status(200);
    store.client().head("/s3/fresh").await.expect_status(404);
    store.client().get("/s3/team?tagging").await.expect_code(404, "NoSuchTagSet");
    store.client().get("/s3/team?policy").await.expect_code(404, "NoSuchBucketPolicy");
    let right = "<Delete><Object><Key>a</Key></Object></Delete>";
    let md5 = STANDARD.encode(<md5::Md5 as md5::Digest>::digest(right));
    sent(&store, (Method::POST, "/s3/team?delete", right), ("content-md5", &md5)).await.expect_status(200);
    let right = "<Delete><Object><Key>dir/b</Key></Object></Delete>";
    let sha256 = STANDARD.encode(<sha2::Sha256 as sha2::Digest>::digest(right));
    sent(&store, (Method::POST, "/s3/team?delete", right), ("x-amz-checksum-sha256", &sha256)).await.expect_status(200);
    assert_eq!(keys(&store).await, [""; 0]);
}

#[tokio::test]
async fn an_empty_version_is_no_version() {
    let store = Store::new().await;
    let client = store.client();
    let answer = delete(&store, "<Object><Key>a</Key><VersionId></VersionId></Object>").await;
    assert_eq!((texts(&answer, "Code"), texts(&answer, "Deleted").len()), (vec!["NoSuchVersion"], 0), "{answer}");
    for (method, query) in [
        (Method::DELETE, "versionId="),
        (Method::GET, "versionId="),
        (Method::GET, "tagging&versionId="),
        (Method::DELETE, "tagging&versionId="),
        (Method::GET, "acl&versionId="),
    ] {
        client.call(method, &format!("/s3/team/a?{query}")).send().await.expect_code(400, "InvalidArgument");
    }
    client.head("/s3/team/a?versionId=").await.expect_status(400);
    let copy = client.call(Method::PUT, "/s3/team/copy").header("x-amz-copy-source", "/team/a?versionId=");
    copy.send().await.expect_code(400, "InvalidArgument");
    client.head("/s3/team/a").await.expect_status(200);
}
