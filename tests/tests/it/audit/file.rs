//! The file `log.audit`, and changes that somebody makes to it.

use std::collections::BTreeSet;

use reqwest::Method;
use zot_tests::backend::Backend;
use zot_tests::server::Setup;
use zot_tests::tools::Home;

use super::{AGENT, all_closed, eventually, lines_so_far, send};

crate::on_both_backends!(what_is_changed_in_the_file_is_found);

async fn what_is_changed_in_the_file_is_found(backend: Backend) {
    let (storage, home) = (backend.fresh().await, Home::new());
    let path = home.path().join("audit.log");
    let setup = Setup::on(&storage).with_access_control().set("log.audit", path.to_string_lossy().into_owned());
    let server = setup.start().await;
    for tag in ["v1", "v2"] {
        server.client().push_image("team/app", tag, vec![1; 100]).await;
        send(&server.client(), Method::GET, &format!("/v2/team/app/manifests/{tag}")).await.expect_status(200);
    }
    let reads = "SELECT COUNT(*) FROM change WHERE action = 'read'";
    eventually("the reads are there", async || storage.number(reads).await >= 2).await;
    all_closed(&storage).await;
    let last = storage.number("SELECT MAX(seq) FROM audit_root").await;
    eventually("the last batch is in the file", async || {
        lines_so_far(&path).iter().any(|line| line["seq"] == last && line["root"].is_string())
    })
    .await;
    drop(server);
    let verify = async |text: &str| {
        std::fs::write(&path, text).expect("the file");
        let verified = setup.run(&["audit", "verify", "--journal", &path.to_string_lossy(), "--json"]).await;
        let found: BTreeSet<String> = verified.json()["findings"]
            .as_array()
            .expect("findings")
            .iter()
            .map(|it| it["kind"].as_str().expect("a kind").to_owned())
            .collect();
        assert_eq!(verified.success, found.is_empty(), "{verified:?}");
        found.into_iter().collect::<Vec<_>>()
    };
    let whole = std::fs::read_to_string(&path).expect("the file");
    assert_eq!(verify(&whole).await, [""; 0]);
    assert!(whole.contains(AGENT));
    assert_eq!(verify(&whole.replace(AGENT, "AUDIT-test/1.0")).await, ["audit-changed"]);
    assert_eq!(
        verify(&whole.replacen("\"username\":\"test-admin\"", "\"username\":\"me\"", 1)).await,
        ["audit-changed"]
    );
    let lines: Vec<&str> = whole.lines().collect();
    let without = |number: usize| {
        let kept = lines.iter().enumerate().filter(|(other, _)| *other != number).map(|(_, line)| *line);
        kept.chain([""]).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(verify(&without(1)).await, ["audit-missing"]);
    assert_eq!(verify(&without(lines.len() - 1)).await, ["audit-missing"], "its last root");
    let signature = whole.rfind("\"signature\":\"").expect("a signature") + "\"signature\":\"".len();
    let mut forged = whole.clone();
    forged.replace_range(signature..signature + 4, "0000");
    assert_eq!(verify(&forged).await, ["audit-chain"]);
    assert_eq!(verify(&whole).await, [""; 0]);
}
