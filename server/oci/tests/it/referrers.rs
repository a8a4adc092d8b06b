//! Referrers, as cosign, oras and notation read them.

use axum::http::StatusCode;
use serde_json::{Value, json};
use zot_core::media_type::OCI_INDEX;

use zot_testing::app::TestApp;
use zot_testing::client::Client;
use zot_testing::content::{descriptor, image, referrer, sha256, sha512};

const SIGNATURE: &str = "application/vnd.example.signature";
const SBOM: &str = "application/vnd.example.sbom";

/// Pushes a referrer by digest and gives that.
async fn refer(client: &Client, subject: &str, artifact_type: &str, annotations: Value) -> String {
    let document = referrer(subject, artifact_type, &annotations).to_string();
    let digest = sha256(document.as_bytes());
    client.put_manifest("team/app", &digest, document).await.assert_status(StatusCode::CREATED);
    digest
}

fn digests(page: &Value) -> Vec<String> {
    let entries = page["manifests"].as_array().unwrap();
    entries.iter().map(|entry| entry["digest"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn they_come_oldest_first_in_an_index() {
    let app = TestApp::new().await;
    let subject = app.admin().push_image("team/app", "v1").await;
    let mut pushed = Vec::new();
    for n in 0..5 {
        pushed.push(refer(&app.admin(), &subject, SIGNATURE, json!({"n": n.to_string()})).await);
        tokio::time::sleep(std::time::Duration::from_millis(3)).await;
    }
    let reply = app.reader().get(&format!("/v2/team/app/referrers/{subject}")).await;
    reply.assert_status(StatusCode::OK);
    assert_eq!(reply.header("content-type"), "application/vnd.oci.image.index.v1+json");
    assert_eq!((reply.optional("link"), reply.optional("oci-filters-applied")), (None, None));
    let page = reply.json();
    assert_eq!((&page["schemaVersion"], &page["mediaType"]), (&json!(2), &json!(OCI_INDEX)));
    assert_eq!(digests(&page), pushed);
    let document = referrer(&subject, SIGNATURE, &json!({"n": "0"})).to_string();
    let entry = json!({
        "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": pushed[0], "size": document.len(),
        "artifactType": SIGNATURE, "annotations": {"n": "0"},
    });
    assert_eq!(page["manifests"][0], entry);
}

#[tokio::test]
async fn an_unknown_subject_has_none() {
    let app = TestApp::new().await;
    app.admin().push_image("team/app", "v1").await;
    for path in [
        format!("/v2/team/app/referrers/{}", sha256(b"unknown")),
        format!("/v2/team/app/referrers/{}", sha512(b"unknown")),
        format!("/v2/team/none/referrers/{}", sha256(b"unknown")),
    ] {
        let reply = app.reader().get(&path).await;
        assert_eq!(reply.assert_status(StatusCode::OK).header("content-type"), OCI_INDEX);
        assert_eq!(reply.json()["manifests"], json!([]), "{path}");
    }
}

#[tokio::test]
async fn a_filter_is_applied_and_said_to_be() {
    let app = TestApp::new().await;
    let subject = app.admin().push_image("team/app", "v1").await;
    let signature = refer(&app.admin(), &subject, SIGNATURE, json!({})).await;
    let sbom = refer(&app.admin(), &subject, SBOM, json!({})).await;
    let mut plain = image(b"config", b"layer");
    plain["subject"] = descriptor(b"");
    plain["subject"]["digest"] = json!(subject);
    let by_config = app.admin().push_manifest("team/app", "plain", &plain).await;
    for (filter, expected) in [
        (SIGNATURE, vec![&signature]),
        ("application%2Fvnd.example.sbom", vec![&sbom]),
        ("application/octet-stream", vec![&by_config]),
        ("application/vnd.none", vec![]),
        ("%27%20OR%201=1", vec![]),
    ] {
        let reply = app.reader().get(&format!("/v2/team/app/referrers/{subject}?artifactType={filter}")).await;
        assert_eq!(reply.assert_status(StatusCode::OK).header("oci-filters-applied"), "artifactType");
        assert_eq!(digests(&reply.json()).iter().collect::<Vec<_>>(), expected, "{filter}");
    }
}

#[tokio::test]
async fn parameters_that_cannot_be_are_refused() {
    let app = TestApp::new().await;
    let subject = sha256(b"x");
    let twice = "artifactType=a&artifactType=b";
    for query in ["last=x", "last=1-sha256:x", "last=-1", "artifactType=%00", twice, "last=%00"] {
        let reply = app.reader().get(&format!("/v2/team/app/referrers/{subject}?{query}")).await;
        reply.assert(StatusCode::BAD_REQUEST, "UNSUPPORTED");
    }
}

#[tokio::test]
async fn many_fill_pages_up_to_4_mib_whose_links_lead_to_the_end() {
    let app = TestApp::new().await;
    let subject = app.admin().push_image("team/app", "v1").await;
    let mut pushed = Vec::new();
    for n in 0..12 {
        let note = json!({"n": n.to_string(), "note": "\u{e9}\"".repeat(150_000)});
        pushed.push(refer(&app.admin(), &subject, SIGNATURE, note).await);
    }
    let huge = json!({"note": "x".repeat(4_100_000)});
    pushed.push(refer(&app.admin(), &subject, SIGNATURE, huge).await);
    pushed.push(refer(&app.admin(), &subject, SIGNATURE, json!({})).await);
    let mut next = Some(format!("/v2/team/app/referrers/{subject}?artifactType={SIGNATURE}"));
    let (mut seen, mut pages) = (Vec::new(), 0);
    while let Some(path) = next {
        let page = app.reader().get(&path).await;
        assert_eq!(page.assert_status(StatusCode::OK).header("oci-filters-applied"), "artifactType");
        assert!(page.body.len() <= 4 * 1024 * 1024, "page {pages} has {} bytes", page.body.len());
        seen.extend(digests(&page.json()));
        pages += 1;
        next = page.next_page();
    }
    let mut expected = pushed.clone();
    seen.sort();
    expected.sort();
    assert_eq!(seen, expected);
    assert!((3..=8).contains(&pages), "{pages} pages");
}

#[tokio::test]
async fn more_than_a_batch_fit_on_one_page() {
    let app = TestApp::new().await;
    let subject = app.admin().push_image("team/app", "v1").await;
    let digest = refer(&app.admin(), &subject, SIGNATURE, json!({})).await;
    let copies = "INSERT INTO manifest SELECT repo, printf('sha256:%064d', n), blob, media_type, artifact_type,
            subject_digest, annotations, created_at, touched_at
        FROM manifest, (WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 1200)
            SELECT n FROM number) WHERE digest = $1";
    sqlx::query(copies).bind(digest).execute(app.store.raw_pool()).await.unwrap();
    let page = app.reader().get(&format!("/v2/team/app/referrers/{subject}")).await;
    assert_eq!(page.assert_status(StatusCode::OK).json()["manifests"].as_array().unwrap().len(), 1201);
    assert_eq!(page.next_page(), None);
}

/// Clients of the fallback tag push manifests with a `subject`, which is what counts. An index that somebody merely
/// tagged `sha256-…` shows none of its platforms as attachments.
#[tokio::test]
async fn a_fallback_tag_lists_only_what_names_the_subject_itself() {
    let app = TestApp::new().await;
    let subject = app.admin().push_image("team/app", "v1").await;
    let platform = app.admin().push_manifest("team/app", "platform", &image(b"config", b"config")).await;
    let index = json!({
        "schemaVersion": 2, "mediaType": OCI_INDEX,
        "manifests": [{"digest": platform, "size": 1}, {"digest": subject, "size": 1}],
    });
    let fallback = subject.replace(':', "-");
    app.admin().push_manifest("team/app", &fallback, &index).await;
    let listed = app.reader().get(&format!("/v2/team/app/referrers/{subject}")).await.json();
    assert_eq!(listed["manifests"], json!([]));
    let referrer = refer(&app.admin(), &subject, SIGNATURE, json!({})).await;
    let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [{"digest": referrer, "size": 1}]});
    app.admin().push_manifest("team/app", &fallback, &index).await;
    let listed = app.reader().get(&format!("/v2/team/app/referrers/{subject}")).await.json();
    assert_eq!(digests(&listed), [referrer]);
}

#[tokio::test]
async fn a_deleted_referrer_is_gone_and_a_deleted_subject_keeps_its_own() {
    let app = TestApp::new().await;
    let subject = app.admin().push_image("team/app", "v1").await;
    let kept = refer(&app.admin(), &subject, SIGNATURE, json!({})).await;
    let gone = refer(&app.admin(), &subject, SBOM, json!({})).await;
    for digest in [&gone, &subject] {
        let deleted = app.admin().delete(&format!("/v2/team/app/manifests/{digest}")).await;
        deleted.assert_status(StatusCode::ACCEPTED);
    }
    let listed = app.reader().get(&format!("/v2/team/app/referrers/{subject}")).await;
    assert_eq!(digests(&listed.json()), [kept]);
}

#[tokio::test]
async fn a_subject_elsewhere_tells_nothing() {
    let app = TestApp::new().await;
    let there = app.admin().push_image("team/other", "v1").await;
    for (tag, subject) in [("there", there.as_str()), ("nowhere", &sha256(b"nowhere"))] {
        let document = referrer(subject, "application/vnd.example", &json!({})).to_string();
        let put = app.admin().put_manifest("team/app", tag, document).await;
        put.assert_status(StatusCode::CREATED);
        assert_eq!(put.header("oci-subject"), subject, "{tag}");
        let listed = app.admin().get(&format!("/v2/team/other/referrers/{subject}")).await;
        assert_eq!(listed.json()["manifests"], json!([]), "{tag}");
    }
}
