//! Lists: byte order, pages, and referrers.

use zot_domain::ports::metadata::{Metadata as _, Referrer, ReferrersQuery, Totals};

use crate::database::Fresh;
use crate::make::{manifest, publish, push, repository, sha256};
use crate::on_both;

on_both! {
    tags_come_in_byte_order,
    an_absent_repository_differs_from_an_empty_one,
    repositories_come_in_byte_order,
    referrers_come_oldest_first,
    a_tag_alone_makes_no_referrer,
    totals_count_blobs_once,
}

async fn tags_come_in_byte_order(store: &Fresh) {
    let mut tags = ["a", "B", "_", "a-b", "a.b", "a_b", "ab", "Z", "10", "9", "latest"];
    publish(store, "team/a", "manifest", &[], &tags).await.unwrap();
    tags.sort_unstable();
    let a = repository("team/a");
    assert_eq!(store.tags(&a, "", 100).await.unwrap().unwrap(), tags);
    let mut walked = Vec::new();
    while let Some(page) = store.tags(&a, walked.last().map_or("", String::as_str), 3).await.unwrap() {
        if page.is_empty() {
            break;
        }
        walked.extend(page);
    }
    assert_eq!(walked, tags);
    assert_eq!(store.tags(&a, "a0 never existed", 2).await.unwrap().unwrap(), ["a_b", "ab"]);
}

async fn an_absent_repository_differs_from_an_empty_one(store: &Fresh) {
    assert_eq!(store.tags(&repository("team/a"), "", 10).await.unwrap(), None);
    push(store, "team/a", "blob").await;
    assert_eq!(store.tags(&repository("team/a"), "", 10).await.unwrap(), Some(Vec::new()));
}

async fn repositories_come_in_byte_order(store: &Fresh) {
    let mut names = ["team/a", "team/a-b", "team/a/b", "team/a.b", "team/a_b", "zeta", "alpha/x", "team2/a", "team"];
    for name in names {
        push(store, name, "blob").await;
    }
    names.sort_unstable();
    assert_eq!(store.repositories("", 100).await.unwrap(), names);
    assert_eq!(store.repositories("team/a", 2).await.unwrap(), names[3..5]);
}

async fn referrers(
    store: &Fresh,
    artifact_type: Option<&str>,
    after: Option<(i64, String)>,
    limit: u32,
) -> Vec<Referrer> {
    let (a, subject) = (repository("team/a"), sha256("subject"));
    let query = ReferrersQuery { repository: &a, subject: &subject, artifact_type, after, limit };
    store.referrers(query).await.unwrap()
}

async fn referrers_come_oldest_first(store: &Fresh) {
    assert!(referrers(store, None, None, 10).await.is_empty());
    for index in 0..5 {
        let mut write = manifest("team/a", &format!("referrer {index}"), &[], &[]);
        write.manifest.subject = Some(sha256("subject"));
        write.manifest.artifact_type = Some(format!("application/{}", if index % 2 == 0 { "even" } else { "odd" }));
        write.manifest.annotations.insert("index".to_owned(), index.to_string());
        store.publish_manifest(write).await.unwrap();
        // SQLite's clock has milliseconds, and within one the digest decides
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    publish(store, "team/b", "referrer 0", &[], &[]).await.unwrap();
    let all = referrers(store, None, None, 10).await;
    let expected: Vec<String> = (0..5).map(|index| sha256(&format!("referrer {index}")).to_string()).collect();
    assert_eq!(all.iter().map(|r| r.digest.clone()).collect::<Vec<_>>(), expected);
    assert_eq!(all[3].annotations.as_deref(), Some("{\"index\":\"3\"}"));
    assert_eq!(referrers(store, Some("application/odd"), None, 10).await.len(), 2);
    let behind = (all[1].created, all[1].digest.clone());
    let page = referrers(store, None, Some(behind), 2).await;
    assert_eq!(page.iter().map(|r| r.digest.clone()).collect::<Vec<_>>(), expected[2..4]);
}

async fn a_tag_alone_makes_no_referrer(store: &Fresh) {
    publish(store, "team/a", "without subject", &[], &[]).await.unwrap();
    let fallback = sha256("subject").to_string().replace(':', "-");
    let mut write = manifest("team/a", "with subject", &[], &[]);
    write.manifest.subject = Some(sha256("subject"));
    store.publish_manifest(write).await.unwrap();
    let mut index = manifest("team/a", "index", &[], &[&fallback]);
    index.manifest.children = vec![sha256("without subject"), sha256("with subject")];
    store.publish_manifest(index).await.unwrap();
    let found: Vec<String> = referrers(store, None, None, 10).await.into_iter().map(|r| r.digest).collect();
    assert_eq!(found, [sha256("with subject").to_string()]);
}

async fn totals_count_blobs_once(store: &Fresh) {
    push(store, "team/a", "12345").await;
    push(store, "team/b", "12345").await;
    publish(store, "team/b", "manifest", &["12345"], &[]).await.unwrap();
    let expected = Totals { repositories: 2, manifests: 1, blobs: 2, bytes: 13 };
    assert_eq!(store.totals().await.unwrap(), expected);
}
