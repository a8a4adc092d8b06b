//! Ranges and conditions of blob reads (RFC 9110 sections 13 and 14).

use axum::http::{Method, StatusCode};

use zot_testing::app::TestApp;
use zot_testing::content::{bytes, sha256};
use zot_testing::reply::Reply;

/// Blobs of three kinds: inline, of one segment, of several.
async fn pushed(app: &TestApp) -> Vec<(String, Vec<u8>)> {
    let mut blobs = Vec::new();
    for content in [bytes(1000), bytes(300_000)] {
        let digest = app.admin().push_blob("team/app", &content).await;
        blobs.push((format!("/v2/team/app/blobs/{digest}"), content));
    }
    let content = bytes(900_000);
    let session = app.admin().begin("team/app").await;
    for chunk in content.chunks(300_000) {
        app.admin().patch(&session, chunk.to_vec()).await.assert_status(StatusCode::ACCEPTED);
    }
    let put = app.admin().put(&format!("{session}?digest={}", sha256(&content)), "").await;
    blobs.push((put.assert_status(StatusCode::CREATED).header("location").to_owned(), content));
    blobs
}

async fn get(app: &TestApp, path: &str, headers: &[(&str, &str)]) -> Reply {
    let call = app.reader().call(Method::GET, path);
    headers.iter().fold(call, |call, (name, value)| call.header(name, value)).send().await
}

#[tokio::test]
async fn a_single_range_is_exactly_that() {
    let app = TestApp::new().await;
    for (path, content) in pushed(&app).await {
        let last = content.len() - 1;
        let half = last / 2;
        for (range, start, end) in [
            ("bytes=0-0".to_owned(), 0, 0),
            ("BYTES=0-0".to_owned(), 0, 0),
            (format!("bytes={half}-"), half, last),
            ("bytes=-10".to_owned(), last - 9, last),
            ("bytes=-99999999".to_owned(), 0, last),
            (format!("bytes=1-{}", u64::MAX), 1, last),
            (format!("bytes=1-9{}", u64::MAX), 1, last),
            ("bytes=100-700".to_owned(), 100, 700),
            (format!("bytes=0-1,{}-", content.len()), 0, 1),
        ] {
            let part = get(&app, &path, &[("range", &range)]).await;
            part.assert_status(StatusCode::PARTIAL_CONTENT);
            assert_eq!(part.body, content[start..=end], "{range}");
            assert_eq!(part.header("content-range"), format!("bytes {start}-{end}/{}", content.len()), "{range}");
            assert_eq!(part.header("content-length"), (end - start + 1).to_string(), "{range}");
        }
    }
}

#[tokio::test]
async fn a_range_that_holds_nothing_is_not_satisfiable() {
    let app = TestApp::new().await;
    for (path, content) in pushed(&app).await {
        let behind = format!("bytes={}-", content.len());
        for range in ["bytes=500-0", "bytes=-0", "bytes=9999999-", "bytes=9999999-99999999", "bytes=", &behind] {
            let reply = get(&app, &path, &[("range", range)]).await;
            reply.assert(StatusCode::RANGE_NOT_SATISFIABLE, "SIZE_INVALID");
            assert_eq!(reply.header("content-range"), format!("bytes */{}", content.len()), "{range}");
        }
    }
    let empty = app.admin().push_blob("team/app", b"").await;
    let reply = get(&app, &format!("/v2/team/app/blobs/{empty}"), &[("range", "bytes=0-")]).await;
    reply.assert(StatusCode::RANGE_NOT_SATISFIABLE, "SIZE_INVALID");
}

#[tokio::test]
async fn other_units_nonsense_and_too_many_ranges_get_the_whole() {
    let app = TestApp::new().await;
    let many = format!("bytes={}", "0-0,".repeat(1000));
    let overlapping = format!("bytes={}", "0-,".repeat(60));
    for (path, content) in pushed(&app).await {
        for range in ["items=0-5", "bytes 0-5", "bytes=a-b", "bytes=5", "bytes=+1-2", "none", "", &many, &overlapping] {
            let whole = get(&app, &path, &[("range", range)]).await;
            assert_eq!(whole.assert_status(StatusCode::OK).body, content, "{range}");
            assert_eq!(whole.optional("content-range"), None, "{range}");
        }
    }
}

/// The parts of a `multipart/byteranges` body: their `Content-Range` and bytes.
fn parts(reply: &Reply) -> Vec<(String, Vec<u8>)> {
    let boundary = reply.header("content-type").strip_prefix("multipart/byteranges; boundary=").unwrap();
    assert_eq!(reply.header("content-length"), reply.body.len().to_string());
    let mut rest: &[u8] = &reply.body;
    let mut parts = Vec::new();
    loop {
        let line = format!("\r\n--{boundary}");
        rest = rest.strip_prefix(line.as_bytes()).unwrap();
        if rest == b"--\r\n" {
            return parts;
        }
        let end = rest.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
        let head = std::str::from_utf8(&rest[..end]).unwrap();
        let range = head.lines().find_map(|line| line.strip_prefix("Content-Range: ")).unwrap().to_owned();
        let (start, last) = range.strip_prefix("bytes ").unwrap().split('/').next().unwrap().split_once('-').unwrap();
        let length = last.parse::<usize>().unwrap() - start.parse::<usize>().unwrap() + 1;
        parts.push((range, rest[end + 4..end + 4 + length].to_vec()));
        rest = &rest[end + 4 + length..];
    }
}

#[tokio::test]
async fn several_ranges_come_as_parts_byte_for_byte() {
    let app = TestApp::new().await;
    for (path, content) in pushed(&app).await {
        let size = content.len();
        let reply = get(&app, &path, &[("range", "bytes=500-599, 0-0,-7,10-19")]).await;
        reply.assert_status(StatusCode::PARTIAL_CONTENT);
        let expected: Vec<_> = [(500, 599), (0, 0), (size - 7, size - 1), (10, 19)]
            .map(|(start, end)| (format!("bytes {start}-{end}/{size}"), content[start..=end].to_vec()))
            .into();
        assert_eq!(parts(&reply), expected);
    }
    let (path, content) = pushed(&app).await.pop().unwrap();
    let across = get(&app, &path, &[("range", "bytes=299990-300009,599990-600009")]).await;
    let expected = [content[299_990..300_010].to_vec(), content[599_990..600_010].to_vec()];
    assert_eq!(parts(&across).into_iter().map(|(_, bytes)| bytes).collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn a_range_under_another_tag_gets_the_whole() {
    let app = TestApp::new().await;
    for (path, content) in pushed(&app).await {
        let etag = app.reader().head(&path).await.header("etag").to_owned();
        let range = ("range", "bytes=0-4");
        let part = get(&app, &path, &[range, ("if-range", &etag)]).await;
        assert_eq!(part.assert_status(StatusCode::PARTIAL_CONTENT).body, content[..5]);
        let other = format!("\"{}\"", sha256(b"other"));
        let weak = format!("W/{etag}");
        for tag in [other.as_str(), &weak, "Tue, 01 Jul 2025 00:00:00 GMT", "", "\u{e9}"] {
            let whole = get(&app, &path, &[range, ("if-range", tag)]).await;
            assert_eq!(whole.assert_status(StatusCode::OK).body, content, "{tag}");
        }
    }
}

#[tokio::test]
async fn who_has_it_already_gets_no_body() {
    let app = TestApp::new().await;
    app.admin().push_image("team/app", "v1").await;
    let mut paths: Vec<String> = pushed(&app).await.into_iter().map(|(path, _)| path).collect();
    paths.push("/v2/team/app/manifests/v1".to_owned());
    for path in paths {
        let etag = app.reader().head(&path).await.header("etag").to_owned();
        for tag in [etag.clone(), format!("W/{etag}"), format!("\"x\", {etag}"), "*".to_owned()] {
            for method in [Method::GET, Method::HEAD] {
                let reply = app.reader().call(method, &path).header("if-none-match", &tag).send().await;
                assert!(reply.assert_status(StatusCode::NOT_MODIFIED).body.is_empty(), "{tag}");
                assert_eq!(reply.header("etag"), etag, "{tag}");
            }
        }
        get(&app, &path, &[("if-none-match", "\"other\"")]).await.assert_status(StatusCode::OK);
    }
}

#[tokio::test]
async fn head_says_what_get_says() {
    let app = TestApp::new().await;
    let digest = app.admin().push_image("team/app", "v1").await;
    let mut paths: Vec<String> = pushed(&app).await.into_iter().map(|(path, _)| path).collect();
    for path in ["manifests/v1", "tags/list", "manifests/none", "tags/none", &format!("referrers/{digest}")] {
        paths.push(format!("/v2/team/app/{path}"));
    }
    paths.extend(["/v2/", "/v2/_catalog", "/v2/team/none/tags/list", "/v2/Team/x/tags/list"].map(ToOwned::to_owned));
    for path in paths {
        let (get, head) = (app.reader().get(&path).await, app.reader().head(&path).await);
        assert_eq!(head.status, get.status, "{path}");
        assert!(head.body.is_empty(), "{path}");
        let mut expected = get.stable_headers(&["content-length"]);
        expected.push(("content-length".to_owned(), get.body.len().to_string()));
        expected.sort();
        assert_eq!(head.stable_headers(&[]), expected, "{path}");
    }
}
