//! Tags in the audit trail: who set, moved and deleted them, and their previous digests.

use reqwest::Method;
use serde_json::json;
use zot_tests::backend::Backend;
use zot_tests::client::Reply;
use zot_tests::server::Server;

use super::{exported, send};

crate::on_both_backends!(who_moved_a_tag_and_from_where_is_there);

async fn who_moved_a_tag_and_from_where_is_there(backend: Backend) {
    let server = Server::guarded(backend).await;
    let admin = server.client();
    let one = admin.push_image("team/app", "v1", vec![1; 100]).await;
    let two = admin.push_image("team/app", "v1", vec![2; 100]).await;
    // pushed again: it moves nothing
    admin.push_image("team/app", "v1", vec![2; 100]).await;
    let manifest = admin.get(&format!("/v2/team/app/manifests/{one}")).await.expect_status(200).body;
    let put = |query: &str| {
        let path = format!("/v2/team/app/manifests/{one}{query}");
        let kind = "application/vnd.oci.image.manifest.v1+json";
        admin.request(Method::PUT, &path).header("content-type", kind).body(manifest.clone())
    };
    Reply::to(put("?tag=v1&tag=v2")).await.expect_status(201);
    Reply::to(put("")).await.expect_status(201);
    send(&admin, Method::DELETE, "/v2/team/app/manifests/v1").await.expect_status(202);
    // there anew: nothing was before
    admin.push_image("team/app", "v1", vec![2; 100]).await;
    let rows = exported(&admin, "").await;
    let of_tag: Vec<_> = rows
        .iter()
        .filter(|row| row["action"] == "manifest.push" || row["action"] == "tag.delete")
        .map(|row| (row["resource"].as_str().expect("a resource"), row["details"].clone()))
        .collect();
    let (by_tag, by_digest) = ("repository:team/app:v1", format!("repository:team/app@{one}"));
    let expected = [
        (by_tag, json!({"digest": one})),
        (by_tag, json!({"digest": two, "previousDigest": one})),
        (by_tag, json!({"digest": two})),
        (by_digest.as_str(), json!({"digest": one, "tags": {"v1": two, "v2": null}})),
        (by_digest.as_str(), json!({"digest": one})),
        (by_tag, json!({"previousDigest": one})),
        (by_tag, json!({"digest": two})),
    ];
    assert_eq!(of_tag, expected);
}
