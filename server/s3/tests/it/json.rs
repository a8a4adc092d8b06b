//! The S3 API in JSON, as the command line and the client libraries use it.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};
use zot_core::policy::Settings;
use zot_testing::app::{ADMIN, Config, READER, STRICT, TestApp};
use zot_testing::client::Call;

/// The entity tag of a part of these four letters.
const MD5_OF_PART: &str = "f4c9385f1902f7334b00b9b4ecd164de";

#[tokio::test]
async fn buckets_and_objects_in_json() {
    let app = TestApp::new().await;
    let send = async |method: Method, path: &str, body: Vec<u8>| answer(ask(&app, method, path).body(body)).await;
    assert_eq!(send(Method::PUT, "/s3/team", Vec::new()).await.0, StatusCode::OK);
    for key in ["a.txt", "dir/b.txt", "dir/c.txt"] {
        assert_eq!(send(Method::PUT, &format!("/s3/team/{key}"), b"text".to_vec()).await.0, StatusCode::OK);
    }
    let (_, buckets) = send(Method::GET, "/s3", Vec::new()).await;
    assert_eq!(
        (&buckets["buckets"][0]["name"], buckets["buckets"][0]["createdAt"].is_string()),
        (&json!("team"), true)
    );
    let (_, list) = send(Method::GET, "/s3/team?delimiter=/&max-keys=1", Vec::new()).await;
    assert_eq!(
        (&list["objects"][0]["key"], &list["isTruncated"], &list["nextMarker"]),
        (&json!("a.txt"), &json!(true), &json!("a.txt"))
    );
    assert_eq!(list["objects"], list["contents"]);
    let (_, rest) = send(Method::GET, "/s3/team?delimiter=/&marker=a.txt", Vec::new()).await;
    assert_eq!((&rest["commonPrefixes"], &rest["isTruncated"]), (&json!(["dir/"]), &json!(false)));

    let (_, begun) = send(Method::POST, "/s3/team/big?uploads", Vec::new()).await;
    let id = begun["uploadId"].as_str().expect("an id").to_owned();
    let part = ask(&app, Method::PUT, &format!("/s3/team/big?uploadId={id}&partNumber=1")).body("part");
    let part = part.send().await;
    let etag = part.header("etag").to_owned();
    let document = json!({"parts": [{"partNumber": 1, "etag": etag}]}).to_string().into_bytes();
    let (status, done) = send(Method::POST, &format!("/s3/team/big?uploadId={id}"), document).await;
    assert_eq!(
        (status, done["etag"].as_str().is_some_and(|etag| etag.ends_with("-1"))),
        (StatusCode::OK, true),
        "{done}"
    );

    for (method, path, status, code) in [
        (Method::GET, "/s3/team/absent", StatusCode::NOT_FOUND, "not_found"),
        (Method::GET, "/s3/nobody", StatusCode::NOT_FOUND, "not_found"),
        (Method::PUT, "/s3/team", StatusCode::CONFLICT, "conflict"),
        (Method::DELETE, "/s3/team", StatusCode::CONFLICT, "conflict"),
        (Method::GET, "/s3/team?max-keys=-1", StatusCode::BAD_REQUEST, "bad_request"),
        (Method::POST, "/s3/team/big?uploadId=none", StatusCode::BAD_REQUEST, "bad_request"),
    ] {
        let (found, body) = send(method, path, Vec::new()).await;
        assert_eq!((found, &body["code"]), (status, &json!(code)), "{path}: {body}");
        assert!(body["message"].as_str().is_some_and(|text| !text.is_empty()) && body["retryable"] == false, "{body}");
    }
    let reader = app.reader().call(Method::PUT, "/s3/team/x");
    let reader = reader.header("accept", "application/json");
    let (status, body) = answer(reader).await;
    assert_eq!((status, &body["code"]), (StatusCode::FORBIDDEN, &json!("forbidden")));
}

#[tokio::test]
async fn uploads_in_json_keep_what_the_client_says() {
    let app = TestApp::new().await;
    let send = async |method: Method, path: &str, headers: &[(&str, &str)], body: Vec<u8>| {
        let request = ask(&app, method, path).body(body);
        answer(headers.iter().fold(request, |request, (name, value)| request.header(name, value))).await
    };
    assert_eq!(send(Method::PUT, "/s3/team", &[], Vec::new()).await.0, StatusCode::OK);
    let said =
        [("content-type", "text/x"), ("cache-control", "no-store"), ("x-amz-meta-who", "me"), ("x-amz-tagging", "a=b")];
    let (_, begun) = send(Method::POST, "/s3/team/big?uploads", &said, Vec::new()).await;
    let (bucket, key) = (&begun["bucket"], &begun["key"]);
    assert_eq!((bucket, key), (&json!("team"), &json!("big")), "{begun}");
    let upload = format!("/s3/team/big?uploadId={}", begun["uploadId"].as_str().expect("an id"));
    let part = ask(&app, Method::PUT, &format!("{upload}&partNumber=1")).body("part").send().await;
    let etag = part.header("etag").to_owned();
    let document = json!({"parts": [{"partNumber": 1, "etag": etag}]}).to_string().into_bytes();

    let (status, refused) = send(Method::POST, &upload, &[("if-match", "\"other\"")], document.clone()).await;
    assert_eq!((status, &refused["code"]), (StatusCode::NOT_FOUND, &json!("not_found")), "{refused}");
    let (status, refused) =
        send(Method::POST, &upload, &[("x-amz-checksum-crc64nvme", "AAAAAAAAAAA=")], document.clone()).await;
    assert_eq!((status, &refused["s3Code"]), (StatusCode::BAD_REQUEST, &json!("BadDigest")), "{refused}");
    assert_eq!(send(Method::POST, &upload, &[("if-none-match", "*")], document.clone()).await.0, StatusCode::OK);
    let object = ask(&app, Method::GET, "/s3/team/big").send().await;
    for (name, value) in [("content-type", "text/x"), ("cache-control", "no-store"), ("x-amz-meta-who", "me")] {
        assert_eq!(object.header(name), value);
    }
    assert_eq!(object.header("x-amz-tagging-count"), "1");

    let (_, again) = send(Method::POST, "/s3/team/big?uploads", &[], Vec::new()).await;
    let upload = format!("/s3/team/big?uploadId={}", again["uploadId"].as_str().expect("an id"));
    ask(&app, Method::PUT, &format!("{upload}&partNumber=1")).body("part").send().await;
    let (status, refused) = send(Method::POST, &upload, &[("if-none-match", "*")], document).await;
    assert_eq!(
        (status, &refused["code"]),
        (StatusCode::PRECONDITION_FAILED, &json!("precondition_failed")),
        "{refused}"
    );

    let locked = [("x-amz-object-lock-mode", "COMPLIANCE")];
    assert_eq!(send(Method::POST, "/s3/team/lock?uploads", &locked, Vec::new()).await.0, StatusCode::NOT_IMPLEMENTED);
    let large = [("x-amz-meta-much", "x".repeat(2049))].map(|(name, value)| (name, value));
    let large: Vec<_> = large.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(send(Method::POST, "/s3/team/much?uploads", &large, Vec::new()).await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_list_alone_does_not_show_what_a_client_said_of_objects() {
    let app = TestApp::new().await;
    ask(&app, Method::PUT, "/s3/team").send().await;
    for key in ["open/a", "shut/a"] {
        let put = ask(&app, Method::PUT, &format!("/s3/team/{key}")).header("x-amz-meta-who", "me");
        put.header("content-type", "text/x").body("text").send().await;
    }
    let deny = json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::team/shut/*",
    }]});
    let put = ask(&app, Method::PUT, "/s3/team?policy").body(deny.to_string()).send().await;
    assert_eq!(put.status, StatusCode::NO_CONTENT);
    for (who, shown) in [(READER, [true, false]), (ADMIN, [true, true])] {
        let list = app.anonymous().with_key(who).call(Method::GET, "/s3/team?prefix=");
        let (_, list) = answer(list.header("accept", "application/json")).await;
        for (number, shown) in shown.into_iter().enumerate() {
            let object = &list["objects"][number];
            assert_eq!(object["size"], 4, "{list}");
            let said = shown.then(|| (json!("text/x"), json!({"who": "me"})));
            let found = object.get("contentType").cloned().zip(object.get("metadata").cloned());
            assert_eq!(found, said, "{}: {list}", who.0);
        }
    }
}

#[tokio::test]
async fn a_bucket_in_the_host_is_the_same_in_both_dialects() {
    let mut config = Config { policy: Settings { access_control: false, ..STRICT }, ..Config::default() };
    config.s3.domain = Some("s3.test".to_owned());
    let app = TestApp::with(config).await;
    for host in ["hid.s3.test", "HID.S3.TEST", "hid.s3.test.", "Hid.s3.test.:9000"] {
        let send = async |method: Method, path: &str, accept: &str, body: String| {
            let call = app.anonymous().call(method, &format!("/s3{path}")).header("host", host);
            let reply = call.header("accept", accept).body(body).send().await;
            (reply.status, reply.text())
        };
        let in_json = async |method: Method, path: &str, body: String| {
            let (status, text) = send(method, path, "application/json", body).await;
            (status, serde_json::from_str(&text).unwrap_or(Value::Null))
        };
        app.anonymous().put("/s3/mine", "").await;
        // its own, or there since the host before
        let (made, _) = send(Method::PUT, "/", "*/*", String::new()).await;
        assert!(made == StatusCode::OK || made == StatusCode::CONFLICT, "{host}: {made}");
        assert_eq!(send(Method::PUT, "/mine", "*/*", "text".to_owned()).await.0, StatusCode::OK, "{host}");

        let (status, list) = in_json(Method::GET, "/?prefix=mine", String::new()).await;
        assert_eq!(
            (status, &list["bucket"], &list["objects"][0]["key"]),
            (StatusCode::OK, &json!("hid"), &json!("mine"))
        );
        // a key that is also a bucket: the host's bucket counts
        let (status, text) = send(Method::GET, "/mine", "application/json", String::new()).await;
        assert_eq!((status, text.as_str()), (StatusCode::OK, "text"), "{host}");
        let (status, list) = in_json(Method::GET, "/", String::new()).await;
        assert_eq!((status, &list["bucket"]), (StatusCode::OK, &json!("hid")), "{host}: no list of buckets");
        let (status, text) = send(Method::GET, "/?list-type=2", "*/*", String::new()).await;
        assert!(status == StatusCode::OK && text.contains("<Name>hid</Name>"), "{host}: {text}");

        let (_, begun) = in_json(Method::POST, "/dir/big?uploads", String::new()).await;
        assert_eq!((&begun["bucket"], &begun["key"]), (&json!("hid"), &json!("dir/big")), "{begun}");
        let upload = format!("/dir/big?uploadId={}", begun["uploadId"].as_str().expect("an id"));
        let part = send(Method::PUT, &format!("{upload}&partNumber=1"), "*/*", "part".to_owned()).await;
        assert_eq!(part.0, StatusCode::OK, "{part:?}");
        let parts = json!({"parts": [{"partNumber": 1, "etag": "e9f2a4b2ed1b5e5ad2c3e0dd0a1f8a5b"}]});
        let (status, refused) = in_json(Method::POST, &upload, parts.to_string()).await;
        assert_eq!((status, &refused["s3Code"]), (StatusCode::BAD_REQUEST, &json!("InvalidPart")), "{refused}");
        let parts = json!({"parts": [{"partNumber": 1, "etag": MD5_OF_PART}]});
        let (status, done) = in_json(Method::POST, &upload, parts.to_string()).await;
        assert_eq!(
            (status, &done["bucket"], &done["key"]),
            (StatusCode::OK, &json!("hid"), &json!("dir/big")),
            "{done}"
        );
        // what is not known is refused in the host's form too
        let (status, _) = send(Method::DELETE, "/mine?renameObject", "*/*", String::new()).await;
        assert_eq!(status, StatusCode::NOT_IMPLEMENTED, "{host}");
        assert_eq!(send(Method::DELETE, "/mine", "*/*", String::new()).await.0, StatusCode::NO_CONTENT);
    }
}

fn ask(app: &TestApp, method: Method, path: &str) -> Call {
    app.admin().call(method, path).header("accept", "application/json")
}

async fn answer(call: Call) -> (StatusCode, Value) {
    let reply = call.send().await;
    let text = reply.text();
    let body = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap_or(Value::String(text)) };
    (reply.status, body)
}
