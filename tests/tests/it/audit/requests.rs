//! One request with many denials for one reason makes one row.

use reqwest::Method;
use serde_json::{Value, json};
use zot_tests::backend::Backend;
use zot_tests::client::Reply;
use zot_tests::server::{READER, Server};

use super::{eventually, exported};

crate::on_both_backends!(one_request_is_one_row);

async fn one_request_is_one_row(backend: Backend) {
    let server = Server::guarded(backend).await;
    let admin = server.client();
    for path in ["/s3/team", "/s3/team/dir/0"] {
        Reply::to(admin.request(Method::PUT, path).body("")).await.expect_status(200);
    }
    let keys: Vec<String> = (0..1000).map(|number| format!("<Object><Key>dir/{number}</Key></Object>")).collect();
    let batch = admin.with(Some(READER)).request(Method::POST, "/s3/team?delete");
    let batch = Reply::to(batch.body(format!("<Delete>{}</Delete>", keys.concat()))).await.expect_status(200);
    assert_eq!(String::from_utf8_lossy(&batch.body).matches("<Code>AccessDenied</Code>").count(), 1000);
    let date = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
    let scope = format!("AKNOBODY/{}/us-east-1/sts/aws4_request", &date[..8]);
    let signature = "0123456789abcdef".repeat(4);
    let signed = format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host;x-amz-date, Signature={signature}");
    let form = admin.with(None).request(Method::POST, "/s3/").header("x-amz-date", &date);
    let form = form.header("content-type", "application/x-www-form-urlencoded").header("authorization", signed);
    let asked = Reply::to(form.body("Action=GetCallerIdentity&Version=2011-06-15")).await.expect_status(403);
    let mut rows = Vec::new();
    eventually("the wrong signature is there, the last of all", async || {
        rows = exported(&admin, "").await;
        rows.iter().any(|row| row["requestId"] == asked.header("x-request-id"))
    })
    .await;
    let of = |reply: &Reply| -> Vec<&Value> {
        rows.iter().filter(|row| row["requestId"] == reply.header("x-request-id")).collect()
    };
    let (batch, asked) = (of(&batch), of(&asked));
    assert_eq!((batch.len(), asked.len()), (1, 1), "{batch:#?} {asked:#?}");
    assert_eq!((&batch[0]["resource"], &batch[0]["action"]), (&json!("object:team/dir/0"), &json!("delete")));
    let why = batch[0]["reason"].as_str().expect("a reason");
    assert!(why.contains("999 more of this request: object:team/dir/1, "), "{why}");
    assert_eq!((&asked[0]["resource"], &asked[0]["action"]), (&json!("credentials:signature"), &json!("authenticate")));
}
