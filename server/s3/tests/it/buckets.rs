//! Buckets, and what infrastructure tools read of each.

use axum::http::Method;

use crate::support::Store;

#[tokio::test]
async fn buckets_are_made_listed_and_deleted() {
    let store = Store::new().await;
    let admin = store.client();
    for (method, path) in
        [(Method::GET, "/s3/none?list-type=2"), (Method::PUT, "/s3/none/a"), (Method::DELETE, "/s3/none")]
    {
        admin.call(method, path).body("").send().await.expect_code(404, "NoSuchBucket");
    }
    admin.put("/s3/team", "").await.expect_code(409, "BucketAlreadyOwnedByYou");
    admin.put("/s3/Not_A_Name", "").await.expect_code(400, "InvalidBucketName");
    admin.head("/s3/team").await.expect_status(200);
    admin.head("/s3/none").await.expect_status(404);
    let elsewhere =
        "<CreateBucketConfiguration><LocationConstraint>eu-west-1</LocationConstraint></CreateBucketConfiguration>";
    admin.put("/s3/other", elsewhere).await.expect_status(200);
    let location = admin.get("/s3/other?location").await.expect_status(200).text();
    assert!(location.contains(">eu-west-1</LocationConstraint>"), "{location}");
    let listed = admin.get("/s3/").await.expect_status(200).text();
    assert!(listed.contains("<Name>team</Name>") && listed.contains("<Name>other</Name>"), "{listed}");
    admin.delete("/s3/team").await.expect_code(409, "BucketNotEmpty");
    admin.delete("/s3/other").await.expect_status(204);
    admin.head("/s3/other").await.expect_status(404);
}

#[tokio::test]
async fn what_a_bucket_does_not_have_is_answered_by_its_code() {
    let store = Store::new().await;
    for (query, code) in [
        ("policy", "NoSuchBucketPolicy"),
        ("lifecycle", "NoSuchLifecycleConfiguration"),
        ("cors", "NoSuchCORSConfiguration"),
        ("encryption", "ServerSideEncryptionConfigurationNotFoundError"),
        ("website", "NoSuchWebsiteConfiguration"),
        ("replication", "ReplicationConfigurationNotFoundError"),
        ("ownershipControls", "OwnershipControlsNotFoundError"),
        ("object-lock", "ObjectLockConfigurationNotFoundError"),
        ("publicAccessBlock", "NoSuchPublicAccessBlockConfiguration"),
        ("tagging", "NoSuchTagSet"),
    ] {
        store.client().get(&format!("/s3/team?{query}")).await.expect_code(404, code);
    }
    for query in ["logging", "accelerate", "notification", "requestPayment", "acl"] {
        store.client().get(&format!("/s3/team?{query}")).await.expect_status(200);
    }
    let website = "<WebsiteConfiguration><IndexDocument><Suffix>i</Suffix></IndexDocument></WebsiteConfiguration>";
    store.client().put("/s3/team?website", website).await.expect_code(501, "NotImplemented");
}

#[tokio::test]
async fn tags_are_set_and_removed() {
    let store = Store::new().await;
    let tags = "<Tagging><TagSet><Tag><Key>a</Key><Value>1</Value></Tag></TagSet></Tagging>";
    for path in ["/s3/team?tagging", "/s3/team/a?tagging"] {
        assert!(store.client().put(path, tags).await.status.is_success(), "{path}");
        let kept = store.client().get(path).await.expect_status(200).text();
        assert!(kept.contains("<Key>a</Key><Value>1</Value>"), "{path}: {kept}");
        store.client().delete(path).await.expect_status(204);
    }
    store.client().get("/s3/team?tagging").await.expect_code(404, "NoSuchTagSet");
    let none = store.client().get("/s3/team/a?tagging").await.expect_status(200).text();
    assert!(!none.contains("<Key>"), "{none}");
    let twice = tags.replace("</TagSet>", "<Tag><Key>a</Key><Value>2</Value></Tag></TagSet>");
    store.client().put("/s3/team/a?tagging", twice).await.expect_code(400, "InvalidTag");
}
