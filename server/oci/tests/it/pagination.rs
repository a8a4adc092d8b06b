//! Pages of tags and repositories: bounded, in byte order, and complete when their links are followed.

use axum::http::StatusCode;

use zot_testing::app::TestApp;
use zot_testing::client::Client;

/// All names, and the pages that it took.
async fn walk(client: &Client, first: &str, field: &str) -> (Vec<String>, usize) {
    let (mut names, mut pages, mut next) = (Vec::new(), 0, Some(first.to_owned()));
    while let Some(path) = next {
        let page = client.get(&path).await;
        page.assert_status(StatusCode::OK);
        let page_names = page.json()[field].as_array().unwrap().clone();
        names.extend(page_names.iter().map(|name| name.as_str().unwrap().to_owned()));
        pages += 1;
        assert!(pages < 100, "{first}: the links go in a circle");
        next = page.next_page();
    }
    (names, pages)
}

async fn tagged(app: &TestApp, tags: &[&str]) {
    let digest = app.admin().push_image("team/app", tags[0]).await;
    let document = app.admin().get(&format!("/v2/team/app/manifests/{digest}")).await.body;
    for tag in tags {
        app.admin().put_manifest("team/app", tag, &document).await.assert_status(StatusCode::CREATED);
    }
}

#[tokio::test]
async fn sizes_of_any_kind_are_bounded_or_refused() {
    let app = TestApp::new().await;
    tagged(&app, &["a", "b", "c"]).await;
    for (n, count) in [("0", 0), ("1", 1), ("3", 3), ("1000000000", 3), ("9223372036854775808", 3), ("007", 3)] {
        for (path, field, all) in [("/v2/team/app/tags/list", "tags", count), ("/v2/_catalog", "repositories", count)] {
            let page = app.admin().get(&format!("{path}?n={n}")).await;
            page.assert_status(StatusCode::OK);
            let most = if field == "tags" { 3 } else { 1 };
            assert_eq!(page.json()[field].as_array().unwrap().len(), all.min(most), "{path} n={n}");
        }
    }
    for bad in ["n=-1", "n=ten", "n=", "n=1.5", "n=0x10", "n=%2B1", "n=1&n=2", "last=a&last=b", "last=%00", "n=%FF"] {
        for path in ["/v2/team/app/tags/list", "/v2/_catalog"] {
            let reply = app.admin().get(&format!("{path}?{bad}")).await;
            reply.assert(StatusCode::BAD_REQUEST, "PAGINATION_NUMBER_INVALID");
        }
    }
}

#[tokio::test]
async fn a_page_of_no_entries_has_no_next_one() {
    let app = TestApp::new().await;
    tagged(&app, &["a", "b"]).await;
    assert_eq!(app.admin().get("/v2/team/app/tags/list?n=0").await.next_page(), None);
    assert_eq!(app.admin().get("/v2/team/app/tags/list?n=2").await.next_page(), None);
}

#[tokio::test]
async fn last_need_not_exist() {
    let app = TestApp::new().await;
    tagged(&app, &["a", "c", "e"]).await;
    for (last, left) in [("", 3), ("a", 2), ("b", 2), ("c", 1), ("zzz", 0), ("%C3%A9", 0), ("%27%3B--", 3)] {
        let page = app.admin().get(&format!("/v2/team/app/tags/list?last={last}")).await;
        assert_eq!(page.assert_status(StatusCode::OK).json()["tags"].as_array().unwrap().len(), left, "{last}");
    }
    let far = app.admin().get(&format!("/v2/team/app/tags/list?last={}", "a".repeat(2000))).await;
    far.assert(StatusCode::BAD_REQUEST, "PAGINATION_NUMBER_INVALID");
}

#[tokio::test]
async fn tags_come_in_byte_order_and_all_of_them() {
    let app = TestApp::new().await;
    let tags = ["b", "a", "A", "_", "a.", "a-", "a_", "aa", "B", "1", "10", "2", "a-b", "Z"];
    tagged(&app, &tags).await;
    let mut sorted = tags.to_vec();
    sorted.sort_unstable();
    for n in [1, 2, 3, 5, 100] {
        let (names, pages) = walk(&app.admin(), &format!("/v2/team/app/tags/list?n={n}"), "tags").await;
        assert_eq!(names, sorted, "n={n}");
        assert_eq!(pages, tags.len().div_ceil(n), "n={n}");
    }
}

#[tokio::test]
async fn repositories_that_prefix_each_other_are_all_listed() {
    let app = TestApp::new().await;
    let mut names = ["team/app", "team/app/x", "team/app-x", "team/apps", "team", "team2", "team/a", "te-am/app"];
    for name in names {
        app.admin().push_image(name, "v1").await;
    }
    names.sort_unstable();
    let (all, _) = walk(&app.admin(), "/v2/_catalog?n=3", "repositories").await;
    assert_eq!(all, names);
    for name in names {
        let (tags, _) = walk(&app.admin(), &format!("/v2/{name}/tags/list"), "tags").await;
        assert_eq!(tags, ["v1"], "{name}");
    }
}

#[tokio::test]
async fn an_unknown_repository_has_no_tags_list() {
    let app = TestApp::new().await;
    app.admin().get("/v2/team/none/tags/list").await.assert(StatusCode::NOT_FOUND, "NAME_UNKNOWN");
    let catalog = app.admin().get("/v2/_catalog").await;
    assert_eq!(catalog.json(), serde_json::json!({"repositories": []}));
}
