//! Lists of objects: version 1, version 2 and versions, with delimiters and pages.

use axum::http::Method;

use crate::support::Store;

/// All texts of these elements.
pub(crate) fn texts<'a>(xml: &'a str, element: &str) -> Vec<&'a str> {
    let (open, close) = (format!("<{element}>"), format!("</{element}>"));
    xml.split(&open).skip(1).map(|rest| rest.split_once(&close).unwrap().0).collect()
}

async fn filled() -> Store {
    let store = Store::new().await;
    for key in ["list/a", "list/b/1", "list/b/2", "list/c", "list/d/x"] {
        store.client().put(&format!("/s3/team/{key}"), "1").await.expect_status(200);
    }
    store
}

async fn list(store: &Store, query: &str) -> String {
    store.client().get(&format!("/s3/team?{query}")).await.expect_status(200).text()
}

#[tokio::test]
async fn version_2_groups_and_continues() {
    let store = filled().await;
    let page = list(&store, "list-type=2&prefix=list/&delimiter=/").await;
    assert_eq!(texts(&page, "Key"), ["list/a", "list/c"]);
    assert_eq!(texts(&page, "CommonPrefixes"), ["<Prefix>list/b/</Prefix>", "<Prefix>list/d/</Prefix>"]);
    let (mut walked, mut token) = (Vec::new(), String::new());
    loop {
        let page = list(&store, &format!("list-type=2&prefix=list/&delimiter=/&max-keys=1{token}")).await;
        assert_eq!(texts(&page, "KeyCount"), ["1"]);
        walked.extend(texts(&page, "Key").iter().map(|key| (*key).to_owned()));
        let groups = texts(&page, "CommonPrefixes");
        walked.extend(groups.iter().map(|group| texts(group, "Prefix")[0].to_owned()));
        if texts(&page, "IsTruncated") == ["false"] {
            break;
        }
        let next: String =
            url::form_urlencoded::byte_serialize(texts(&page, "NextContinuationToken")[0].as_bytes()).collect();
        token = format!("&continuation-token={next}");
    }
    assert_eq!(walked, ["list/a", "list/b/", "list/c", "list/d/"]);
    let after = list(&store, "list-type=2&prefix=list/&start-after=list/b/2").await;
    assert_eq!(texts(&after, "Key"), ["list/c", "list/d/x"]);
    assert_eq!(texts(&list(&store, "list-type=2&max-keys=0").await, "Key"), [""; 0]);
    let encoded = list(&store, "list-type=2&prefix=list/b&encoding-type=url").await;
    assert_eq!(texts(&encoded, "Key"), ["list/b/1", "list/b/2"]);
    for wrong in ["continuation-token=%C2%A7", "max-keys=-1", "encoding-type=x"] {
        let refused = store.client().get(&format!("/s3/team?list-type=2&{wrong}")).await;
        refused.expect_code(400, "InvalidArgument");
    }
}

#[tokio::test]
async fn version_1_continues_after_a_marker() {
    let store = filled().await;
    // without a delimiter the next marker is the last key, and need not be said
    let first = list(&store, "prefix=list/&max-keys=2").await;
    assert_eq!((texts(&first, "Key"), texts(&first, "IsTruncated")), (vec!["list/a", "list/b/1"], vec!["true"]));
    let rest = list(&store, "prefix=list/&marker=list/b/1").await;
    assert_eq!(texts(&rest, "Key"), ["list/b/2", "list/c", "list/d/x"]);
    let group = list(&store, "prefix=list/&delimiter=/&max-keys=2").await;
    assert_eq!((texts(&group, "NextMarker"), texts(&group, "Key")), (vec!["list/b/"], vec!["list/a"]));
    let rest = list(&store, "prefix=list/&delimiter=/&marker=list/b/").await;
    assert_eq!(texts(&rest, "Key"), ["list/c"]);
}

#[tokio::test]
async fn versions_are_kept_listed_and_deleted() {
    let store = Store::new().await;
    let client = store.client();
    let status = |status: &str| format!("<VersioningConfiguration><Status>{status}</Status></VersioningConfiguration>");
    assert!(!list(&store, "versioning").await.contains("Status"));
    client.put("/s3/team?versioning", status("Enabled")).await.expect_status(200);
    assert_eq!(texts(&list(&store, "versioning").await, "Status"), ["Enabled"]);
    let mut made = Vec::new();
    for body in ["1", "2"] {
        let put = client.put("/s3/team/versioned", body).await.expect_status(200);
        made.push(put.header("x-amz-version-id").to_owned());
    }
    let marker = client.delete("/s3/team/versioned").await.expect_status(204);
    assert_eq!(marker.header("x-amz-delete-marker"), "true");
    let marker = marker.header("x-amz-version-id").to_owned();
    let gone = client.get("/s3/team/versioned").await.expect_code(404, "NoSuchKey");
    assert_eq!((gone.header("x-amz-delete-marker"), gone.header("content-type")), ("true", "application/xml"));
    let json = client.call(Method::GET, "/s3/team/versioned").header("accept", "application/json").send().await;
    assert_eq!(json.header("x-amz-delete-marker"), "true");
    assert_eq!(json.expect_status(404).json()["code"], "not_found");
    let at = |version: &str| format!("/s3/team/versioned?versionId={version}");
    client.get(&at(&marker)).await.expect_code(405, "MethodNotAllowed");
    assert_eq!(client.get(&at(&made[0])).await.expect_status(200).text(), "1");
    let page = list(&store, "versions&prefix=versioned").await;
    assert_eq!(texts(&page, "VersionId"), [&marker, &made[1], &made[0]]);
    assert_eq!(texts(&page, "IsLatest"), ["true", "false", "false"]);
    let page = list(&store, "versions&prefix=versioned&max-keys=1").await;
    let (key, version) = (texts(&page, "NextKeyMarker")[0], texts(&page, "NextVersionIdMarker")[0]);
    let rest = list(&store, &format!("versions&prefix=versioned&key-marker={key}&version-id-marker={version}")).await;
    assert_eq!(texts(&rest, "VersionId"), [&made[1], &made[0]]);
    client.delete(&at(&marker)).await.expect_status(204);
    assert_eq!(client.get("/s3/team/versioned").await.expect_status(200).text(), "2");
    client.get(&at("none")).await.expect_status(404);
    client.put("/s3/team?versioning", status("Suspended")).await.expect_status(200);
    let put = client.put("/s3/team/versioned", "3").await.expect_status(200);
    assert_eq!(put.optional("x-amz-version-id").unwrap_or("null"), "null");
    let old = store.admin.request(Method::GET, "/team/versioned", &format!("versionId={}", made[1])).send().await;
    assert_eq!(old.expect_status(200).text(), "2");
}
