//! The same door in JSON, as the command line and the client libraries speak to it.

use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use zot_tests::backend::Backend;
use zot_tests::server::{ADMIN, READER, Server, Setup};

crate::on_both_backends!(buckets_and_objects_in_json, uploads_in_json_keep_what_the_client_says);

async fn buckets_and_objects_in_json(backend: Backend) {
    let server = Setup::on(&backend.fresh().await).with_access_control().start().await;
    let send = async |method: Method, path: &str, body: Vec<u8>| answer(ask(&server, method, path).body(body)).await;
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
    let part = ask(&server, Method::PUT, &format!("/s3/team/big?uploadId={id}&partNumber=1")).body("part");
    let part = part.send().await.expect("a response");
    let etag = part.headers()["etag"].to_str().expect("an entity tag").to_owned();
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
    let reader = Client::new().put(format!("http://{}/s3/team/x", server.address()));
    let reader = reader.header("accept", "application/json").basic_auth(READER.id, Some(READER.secret));
    let (status, body) = answer(reader).await;
    assert_eq!((status, &body["code"]), (StatusCode::FORBIDDEN, &json!("forbidden")));
}

async fn uploads_in_json_keep_what_the_client_says(backend: Backend) {
    let server = Setup::on(&backend.fresh().await).with_access_control().start().await;
    let send = async |method: Method, path: &str, headers: &[(&str, &str)], body: Vec<u8>| {
        let request = ask(&server, method, path).body(body);
        answer(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))).await
    };
    assert_eq!(send(Method::PUT, "/s3/team", &[], Vec::new()).await.0, StatusCode::OK);
    let said =
        [("content-type", "text/x"), ("cache-control", "no-store"), ("x-amz-meta-who", "me"), ("x-amz-tagging", "a=b")];
    let (_, begun) = send(Method::POST, "/s3/team/big?uploads", &said, Vec::new()).await;
    let (bucket, key) = (&begun["bucket"], &begun["key"]);
    assert_eq!((bucket, key), (&json!("team"), &json!("big")), "{begun}");
    let upload = format!("/s3/team/big?uploadId={}", begun["uploadId"].as_str().expect("an id"));
    let part = ask(&server, Method::PUT, &format!("{upload}&partNumber=1")).body("part").send().await;
    let etag = part.expect("a response").headers()["etag"].to_str().expect("an entity tag").to_owned();
    let document = json!({"parts": [{"partNumber": 1, "etag": etag}]}).to_string().into_bytes();

    let (status, refused) = send(Method::POST, &upload, &[("if-match", "\"other\"")], document.clone()).await;
    assert_eq!((status, &refused["code"]), (StatusCode::NOT_FOUND, &json!("not_found")), "{refused}");
    let (status, refused) =
        send(Method::POST, &upload, &[("x-amz-checksum-crc64nvme", "AAAAAAAAAAA=")], document.clone()).await;
    assert_eq!((status, &refused["s3Code"]), (StatusCode::BAD_REQUEST, &json!("BadDigest")), "{refused}");
    assert_eq!(send(Method::POST, &upload, &[("if-none-match", "*")], document.clone()).await.0, StatusCode::OK);
    let object = ask(&server, Method::GET, "/s3/team/big").send().await.expect("a response");
    for (name, value) in [("content-type", "text/x"), ("cache-control", "no-store"), ("x-amz-meta-who", "me")] {
        assert_eq!(object.headers()[name], value);
    }
    assert_eq!(object.headers()["x-amz-tagging-count"], "1");

    let (_, again) = send(Method::POST, "/s3/team/big?uploads", &[], Vec::new()).await;
    let upload = format!("/s3/team/big?uploadId={}", again["uploadId"].as_str().expect("an id"));
    ask(&server, Method::PUT, &format!("{upload}&partNumber=1")).body("part").send().await.expect("a response");
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

fn ask(server: &Server, method: Method, path: &str) -> RequestBuilder {
    let request = Client::new().request(method, format!("http://{}{path}", server.address()));
    request.header("accept", "application/json").basic_auth(ADMIN.id, Some(ADMIN.secret))
}

async fn answer(request: RequestBuilder) -> (StatusCode, Value) {
    let response = request.send().await.expect("a response");
    let status = response.status();
    let text = response.text().await.expect("a body");
    (status, if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap_or(Value::String(text)) })
}
