//! The audit trail of a running server: its rows, who may query it, and that losses and changes are noticed.

mod file;
mod requests;
mod tags;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::{Value, json};
use zot_tests::DEADLINE;
use zot_tests::backend::{Backend, Storage};
use zot_tests::client::{Client, Credentials, Reply};
use zot_tests::cluster::{Cluster, REPLICAS};
use zot_tests::server::{ADMIN, READER, Server, Setup};
use zot_tests::tools::Home;

crate::on_both_backends!(
    what_was_done_and_what_was_refused_is_there,
    pages_and_filters,
    auditors_alone_may_ask,
    nothing_is_lost_when_a_server_stops_and_no_write_when_it_is_killed,
    what_is_changed_behind_its_back_is_found,
    old_batches_go_and_the_chain_stays,
    the_file_has_each_row_once,
    reads_are_not_recorded_where_that_is_switched_off,
);

const AUDIT: &str = "/api/v1/rbac/audit";
const AGENT: &str = "audit-test/1.0";
const GUESSED: Credentials = Credentials { id: "test-admin", secret: "guessed-secret-7f3a9b1c" };

/// Sends a request as a client that says what it is.
async fn send(client: &Client, method: Method, path: &str) -> Reply {
    Reply::to(client.request(method, path).header("user-agent", AGENT)).await
}

/// All rows of the trail, the oldest first.
async fn exported(admin: &Client, query: &str) -> Vec<Value> {
    let reply = admin.get(&format!("{AUDIT}/export{query}")).await.expect_status(200);
    assert_eq!(reply.header("content-type"), "application/x-ndjson");
    let text = String::from_utf8(reply.body.to_vec()).expect("text");
    text.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect()
}

async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < DEADLINE, "in vain waited until {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until all rows are in closed batches.
async fn all_closed(storage: &Storage) {
    eventually("all rows are in closed batches", async || {
        storage.number("SELECT COUNT(*) FROM change WHERE sealed_seq IS NULL").await == 0
            && storage.number("SELECT COUNT(*) FROM change").await > 0
    })
    .await;
}

/// A row that must be there: who, what, to what, how it ended, by which method, and why.
type Expected = (&'static str, &'static str, &'static str, &'static str, &'static str, &'static str);

const DONE: [Expected; 12] = [
    ("key:test-admin", "blob.push", "repository:team/app@sha256:", "allowed", "PUT", ""),
    ("key:test-admin", "manifest.push", "repository:team/app:v1", "allowed", "PUT", ""),
    ("key:test-admin", "object.put", "object:team/dir/key", "allowed", "PUT", ""),
    ("key:test-reader", "read", "repository:team/app", "allowed", "GET", "a policy allows it"),
    ("key:test-reader", "read", "object:team/dir/key", "allowed", "GET", "a policy allows it"),
    ("key:test-reader", "create", "repository:team/app", "denied", "POST", "no policy allows it"),
    ("key:test-reader", "delete", "object:team/dir/key", "denied", "DELETE", "no policy allows it"),
    ("key:test-reader", "admin", "system:policies", "denied", "GET", "no policy allows it"),
    ("anonymous", "read", "repository:team/app", "denied", "GET", "no policy allows it"),
    ("anonymous", "create", "system:store", "denied", "PUT", "no policy allows it"),
    ("anonymous", "authenticate", "credentials:access_key", "denied", "GET", "wrong secret"),
    ("anonymous", "authenticate", "credentials:signature", "denied", "GET", "does not exist"),
];

async fn what_was_done_and_what_was_refused_is_there(backend: Backend) {
    let storage = backend.fresh().await;
    let server = Setup::on(&storage).with_access_control().start().await;
    let admin = server.client();
    let (reader, nobody, guesser) = (admin.with(Some(READER)), admin.with(None), admin.with(Some(GUESSED)));
    admin.push_image("team/app", "v1", vec![1; 100]).await;
    let put = admin.request(Method::PUT, "/s3/team/dir/key").header("user-agent", AGENT).body("x");
    Reply::to(put).await.expect_status(200);
    let pulled = send(&reader, Method::GET, "/v2/team/app/manifests/v1").await.expect_status(200);
    send(&reader, Method::GET, "/s3/team/dir/key").await.expect_status(200);
    send(&reader, Method::POST, "/v2/team/app/blobs/uploads/").await.expect_status(403);
    send(&reader, Method::DELETE, "/s3/team/dir/key").await.expect_status(403);
    send(&reader, Method::GET, "/api/v1/rbac/policies").await.expect_status(403);
    send(&nobody, Method::GET, "/v2/team/app/manifests/v1").await.expect_status(401);
    send(&nobody, Method::PUT, "/s3/team/stranger").await.expect_status(403);
    let mistaken = send(&guesser, Method::GET, "/v2/").await.expect_status(401);
    send(&guesser, Method::GET, AUDIT).await.expect_status(401);
    let date = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
    let scope = format!("AKNOBODY/{}/us-east-1/s3/aws4_request", &date[..8]);
    let signature = "0123456789abcdef".repeat(4);
    let signed = nobody.request(Method::GET, "/s3/team/dir/key").header("user-agent", AGENT);
    let signed = signed.header("x-amz-date", &date).header("x-amz-content-sha256", "UNSIGNED-PAYLOAD").header(
        "authorization",
        format!(
            "AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature={signature}"
        ),
    );
    Reply::to(signed).await.expect_status(403);
    let token = "not.a.token-5d8e";
    Reply::to(nobody.request(Method::GET, "/v2/").bearer_auth(token)).await.expect_status(401);

    let mut rows = Vec::new();
    eventually("the token's refusal is there, the last of all", async || {
        rows = exported(&admin, "").await;
        rows.iter().any(|row| row["resource"] == "credentials:bearer_token")
    })
    .await;
    for expected @ (who, action, resource, outcome, method, reason) in DONE {
        let text = |row: &Value, field: &str| row[field].as_str().unwrap_or_default().to_owned();
        let found = rows.iter().find(|row| {
            text(row, "userId") == who
                && text(row, "action") == action
                && text(row, "resource").starts_with(resource)
                && text(row, "outcome") == outcome
                && text(row, "method") == method
                && text(row, "reason").contains(reason)
        });
        assert!(found.is_some(), "no row {expected:?} in {rows:#?}");
        let Some(row) = found else { continue };
        let agent = if action.contains(".push") { "" } else { AGENT };
        assert_eq!((&row["ipAddress"], &row["userAgent"]), (&json!("127.0.0.1"), &json!(agent)), "{row:#}");
        let status = if who == "anonymous" { 401 } else { 403 };
        assert_eq!(row["status"], if outcome == "allowed" { 200 } else { status }, "{row:#}");
        assert_eq!(row["error"].is_string(), outcome == "denied", "{row:#}");
        assert!(row["timestamp"].as_str().is_some_and(|time| time.ends_with('Z')), "{row:#}");
    }
    // the id that the client got finds it
    let of = |reply: &Reply| rows.iter().filter(|row| row["requestId"] == reply.header("x-request-id")).count();
    assert_eq!((of(&pulled), of(&mistaken)), (1, 1));
    let policy = rows.iter().find(|row| row["action"] == "read" && row["userId"] == "key:test-reader");
    assert_eq!(policy.expect("a read")["policyId"], "role-viewer");
    // and nothing in them is secret
    let all = format!("{rows:?}");
    for secret in [ADMIN.secret, READER.secret, GUESSED.secret, token, &signature] {
        assert!(!all.contains(secret) && !all.contains(&STANDARD.encode(secret)), "{secret}");
    }
    for key in [ADMIN, READER, GUESSED] {
        assert!(!all.contains(&STANDARD.encode(format!("{}:{}", key.id, key.secret))));
    }
    let text = String::from_utf8(admin.get("/metrics").await.expect_status(200).body.to_vec()).expect("text");
    for series in [
        "rbac_authorization_checks_total{resource=\"repository\",action=\"create\",result=\"denied\"} 1",
        "rbac_authorization_checks_total{resource=\"system\",action=\"admin\",result=\"denied\"} 1",
        "audit_dropped_total 0",
    ] {
        assert!(text.lines().any(|line| line == series), "{series} in {text}");
    }
    let recorded = text.lines().find_map(|line| line.strip_prefix("audit_recorded_total ")?.parse::<u64>().ok());
    assert!(recorded.is_some_and(|count| count >= 10), "{recorded:?}");
}

async fn pages_and_filters(backend: Backend) {
    let server = Server::guarded(backend).await;
    let admin = server.client();
    let reader = admin.with(Some(READER));
    admin.push_image("team/app", "v1", vec![1; 100]).await;
    for _ in 0..30 {
        reader.get("/v2/team/app/manifests/v1").await.expect_status(200);
    }
    let of_reader = format!("{AUDIT}?userId=key:test-reader&action=read&resource=repository:team/app");
    eventually("all reads are there", async || admin.get(&of_reader).await.expect_status(200).json()["count"] == 30)
        .await;
    let (mut ids, mut times, mut sizes) = (BTreeSet::new(), Vec::new(), Vec::new());
    let mut next = String::new();
    loop {
        let page = admin.get(&format!("{of_reader}&limit=7{next}")).await.expect_status(200).json();
        let logs = page["logs"].as_array().expect("logs");
        assert_eq!(page["count"], logs.len());
        sizes.push(logs.len());
        ids.extend(logs.iter().map(|row| row["id"].to_string()));
        times.extend(
            logs.iter()
                .map(|row| row["timestamp"].as_str().expect("a time").parse::<jiff::Timestamp>().expect("a time")),
        );
        match page["next"].as_str() {
            Some(cursor) => next = format!("&after={cursor}"),
            None => break,
        }
    }
    assert_eq!((ids.len(), sizes), (30, vec![7, 7, 7, 7, 2]));
    assert!(times.is_sorted_by(|a, b| a >= b), "{times:?}");
    let count = async |query: String| {
        admin.get(&format!("{of_reader}{query}")).await.expect_status(200).json()["count"].clone()
    };
    let (newest, oldest) = (times[0], times[29]);
    assert_eq!(count(format!("&startTime={oldest}")).await, 30);
    assert_eq!(count(format!("&endTime={oldest}")).await, 0, "an end is not in it");
    let between = count(format!("&startTime={oldest}&endTime={newest}")).await;
    assert!(between.as_u64().is_some_and(|count| (1..30).contains(&count)), "{between}");
    assert_eq!(count("&outcome=denied".to_owned()).await, 0);
    assert_eq!(count("&outcome=allowed".to_owned()).await, 30);
    assert_eq!(admin.get(&format!("{AUDIT}?action=manifest.push")).await.json()["count"], 1);
    assert_eq!(exported(&admin, "?userId=key:test-reader").await.len(), 30);
    for wrong in [
        "startTime=yesterday",
        "endTime=1700000000",
        "limit=0",
        "limit=1001",
        "limit=many",
        "after=!",
        "after=abc",
        "outcome=maybe",
        "userID=key:test-reader",
    ] {
        let refused = admin.get(&format!("{AUDIT}?{wrong}")).await.expect_status(400).json();
        let name = wrong.split('=').next().expect("a name");
        assert!(refused["message"].as_str().is_some_and(|text| text.contains(name)), "{wrong}: {refused}");
    }
    admin.get(&format!("{AUDIT}/export?limit=5")).await.expect_status(400);
    for path in [AUDIT.to_owned(), format!("{AUDIT}/export")] {
        admin.get(&format!("{path}?resource=a%00b")).await.expect_status(400);
    }
}

async fn auditors_alone_may_ask(backend: Backend) {
    let server = Server::guarded(backend).await;
    let admin = server.client();
    let reader = admin.with(Some(READER));
    for path in [AUDIT.to_owned(), format!("{AUDIT}/export")] {
        admin.with(None).get(&path).await.expect_status(401);
        reader.get(&path).await.expect_status(403);
    }
    let policy =
        json!({"id": "see", "resource": "system:audit", "actions": ["read"], "principals": ["key:test-reader"]});
    let made = Reply::to(admin.request(Method::POST, "/api/v1/rbac/policies").json(&policy)).await;
    made.expect_status(201);
    for path in [AUDIT.to_owned(), format!("{AUDIT}/export")] {
        reader.get(&path).await.expect_status(200);
    }
    // who looked is there too
    eventually("the look is there", async || {
        let looks = admin.get(&format!("{AUDIT}?resource=system:audit&userId=key:test-reader&outcome=allowed")).await;
        looks.expect_status(200).json()["count"] == 2
    })
    .await;
}

async fn nothing_is_lost_when_a_server_stops_and_no_write_when_it_is_killed(backend: Backend) {
    let storage = backend.fresh().await;
    let setup = Setup::on(&storage).with_access_control();
    let mut server = setup.start().await;
    let admin = server.client();
    admin.push_image("team/app", "v1", vec![1; 100]).await;
    for _ in 0..40 {
        admin.get("/v2/team/app/manifests/v1").await.expect_status(200);
    }
    server.terminate();
    assert!(server.ended().await.success());
    let reads = "SELECT COUNT(*) FROM change WHERE action = 'read' AND resource = 'repository:team/app'";
    assert_eq!(storage.number(reads).await, 40);
    let mut server = setup.start().await;
    let admin = server.client();
    for number in 0..20 {
        admin.get("/v2/team/app/manifests/v1").await.expect_status(200);
        admin.push_image("team/app", &format!("k{number}"), vec![2; 100]).await;
    }
    server.kill();
    let pushes = "SELECT COUNT(*) FROM change WHERE action = 'manifest.push'";
    assert_eq!(storage.number(pushes).await, 21);
    let kept = storage.number(reads).await;
    assert!((40..=60).contains(&kept), "{kept}");
}

#[tokio::test]
async fn three_replicas_write_and_one_closes_batches() {
    let storage = Backend::PostgresS3.fresh().await;
    let setup = Setup::on(&storage).with_access_control();
    let mut cluster = Cluster::start(setup.clone()).await;
    cluster.client().push_image("team/app", "v1", vec![1; 100]).await;
    for round in 0..20 {
        for replica in 0..REPLICAS {
            cluster.replica(replica).client().get("/v2/team/app/manifests/v1").await.expect_status(200);
        }
        if round == 10 {
            // whichever replica closes batches: another one continues
            all_closed(&storage).await;
            cluster.kill(0);
            cluster.restart(0).await;
        }
    }
    let reads = "SELECT COUNT(*) FROM change WHERE action = 'read'";
    eventually("all reads are there", async || storage.number(reads).await == 60).await;
    all_closed(&storage).await;
    let (rows, batches) =
        (storage.number("SELECT COUNT(*) FROM change").await, storage.number("SELECT MAX(seq) FROM audit_root").await);
    let verified = setup.run(&["audit", "verify", "--json"]).await;
    assert!(verified.success, "{verified:?}");
    let verified = verified.json();
    assert_eq!((&verified["rows"], &verified["batches"]), (&json!(rows), &json!(batches)), "{verified:#}");
    assert_eq!(verified["signatures"], true);
}

async fn what_is_changed_behind_its_back_is_found(backend: Backend) {
    let storage = backend.fresh().await;
    let setup = Setup::on(&storage).with_access_control();
    let server = setup.start().await;
    server.client().push_image("team/app", "v1", vec![1; 100]).await;
    all_closed(&storage).await;
    server.client().push_image("team/app", "v2", vec![2; 100]).await;
    all_closed(&storage).await;
    drop(server);
    let fsck = async || {
        let ended = setup.run(&["fsck", "--json"]).await;
        let found = ended.json();
        let kinds: BTreeSet<String> = found["findings"]
            .as_array()
            .expect("findings")
            .iter()
            .map(|it| it["kind"].as_str().expect("a kind").to_owned())
            .collect();
        assert_eq!(ended.success, kinds.is_empty(), "{found:#}");
        (kinds.into_iter().collect::<Vec<_>>(), found)
    };
    let (kinds, whole) = fsck().await;
    assert!(kinds.is_empty() && whole["auditSignatures"] == true, "{whole:#}");
    let rows = storage.number("SELECT COUNT(*) FROM change").await;
    assert_eq!(whole["auditRows"], rows);
    for table in ["change", "audit_root"] {
        storage.execute(&format!("CREATE TABLE saved_{table} AS SELECT * FROM {table}")).await;
    }
    for (sql, expected) in [
        ("UPDATE change SET actor = 'key:somebody' WHERE action = 'manifest.push' AND sealed_seq = 1", "audit-changed"),
        ("DELETE FROM change WHERE action = 'manifest.push' AND sealed_seq = 1", "audit-missing"),
        ("DELETE FROM change WHERE sealed_seq = 1; DELETE FROM audit_root WHERE seq = 1", "audit-chain"),
        (
            "INSERT INTO change (request_id, at, actor, action, resource, outcome, sealed_seq)
             VALUES ('0', 1, 'key:x', 'read', 'y', 'allowed', 1)",
            "audit-added",
        ),
        (
            "UPDATE change SET resource = CASE action WHEN 'manifest.push' THEN 'repository:team/app:v9' ELSE resource END",
            "audit-changed",
        ),
        ("UPDATE audit_root SET root = prev WHERE seq = 2", "audit-signature"),
    ] {
        storage.execute(sql).await;
        let (kinds, found) = fsck().await;
        assert!(kinds.iter().any(|kind| kind == expected), "{sql}: {found:#}");
        assert_eq!(setup.run(&["audit", "verify"]).await.code, Some(3), "{sql}");
        for table in ["change", "audit_root"] {
            storage.execute(&format!("DELETE FROM {table}")).await;
            storage.execute(&format!("INSERT INTO {table} SELECT * FROM saved_{table}")).await;
        }
    }
    assert_eq!(fsck().await.0, [""; 0]);
    // with another key it says so
    let home = Home::new();
    let keys = home.write("keys", "another-key-of-more-than-thirty-two-characters");
    let behind = setup.clone().set("auth.keyFile", keys.to_string_lossy().into_owned());
    let right = behind.run(&["audit", "verify"]).await;
    assert!(right.success, "what stood for the key before is behind the file's: {right:?}");
    // the key of an embedded store is a file, that of Postgres comes from the admin's secret
    let _ = std::fs::remove_file(storage.root().join("master-key"));
    let other = behind.env("ZOT_ADMIN_SECRET_KEY", "another secret of the admin");
    let wrong = other.run(&["audit", "verify", "--json"]).await;
    assert!(!wrong.success && wrong.json()["findings"][0]["kind"] == "audit-signature", "{wrong:?}");
    let wrong = other.run(&["audit", "verify"]).await;
    assert!(!wrong.success && wrong.stdout.contains("an earlier master key signed them"), "{wrong:?}");
    assert!(wrong.stdout.contains("or its key is not available here"), "{wrong:?}");
    assert_eq!(setup.run(&["audit", "export"]).await.stdout.lines().count(), usize::try_from(rows).expect("a number"));
}

async fn old_batches_go_and_the_chain_stays(backend: Backend) {
    let storage = backend.fresh().await;
    let setup = Setup::on(&storage).with_access_control().set("extensions.rbac.auditRetention", "1s");
    let server = setup.start().await;
    server.client().push_image("team/app", "v1", vec![1; 100]).await;
    eventually("its row is dropped", async || {
        storage.number("SELECT COUNT(*) FROM audit_root WHERE dropped_at IS NOT NULL").await > 0
            && storage.number("SELECT COUNT(*) FROM change WHERE action = 'manifest.push'").await == 0
    })
    .await;
    drop(server);
    let kept = setup.clone().set("extensions.rbac.auditRetention", "0");
    let server = kept.start().await;
    server.client().push_image("team/app", "v2", vec![1; 100]).await;
    all_closed(&storage).await;
    drop(server);
    let found = kept.run(&["fsck", "--json"]).await;
    assert!(found.success, "{found:?}");
    let found = found.json();
    assert!(found["auditBatchesDropped"].as_u64() > Some(0) && found["auditRows"].as_u64() > Some(0), "{found:#}");
}

/// Lines of the file, each parsed.
fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).expect("the file");
    text.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect()
}

async fn the_file_has_each_row_once(backend: Backend) {
    let (storage, home) = (backend.fresh().await, Home::new());
    let path = home.path().join("audit.log");
    let setup = Setup::on(&storage).with_access_control();
    // what was before it is in it too
    let server = setup.start().await;
    server.client().push_image("team/app", "v0", vec![1; 100]).await;
    drop(server);
    let with_file = setup.clone().set("log.audit", path.to_string_lossy().into_owned());
    let whole = async || {
        all_closed(&storage).await;
        let last = storage.number("SELECT MAX(seq) FROM audit_root").await;
        eventually("the last batch is in the file", async || {
            lines_so_far(&path).iter().any(|line| line["seq"] == last && line["root"].is_string())
        })
        .await;
        let rows = lines(&path).into_iter().filter(|line| line["root"].is_null());
        let ids: Vec<String> = rows.map(|line| line["id"].as_str().expect("an id").to_owned()).collect();
        let expected = storage.column("SELECT request_id FROM change ORDER BY sealed_seq, request_id").await;
        assert_eq!(ids, expected);
    };
    for (round, torn) in ["", "{\"seq\":7,\"posi"].into_iter().enumerate() {
        if round > 0 {
            let mut text = std::fs::read(&path).expect("the file");
            text.extend(torn.as_bytes());
            std::fs::write(&path, text).expect("the file");
        }
        let mut server = with_file.start().await;
        server.client().push_image("team/app", &format!("v{}", round + 1), vec![1; 100]).await;
        whole().await;
        server.kill();
    }
    let verified = setup.run(&["audit", "verify", "--journal", &path.to_string_lossy()]).await;
    assert!(verified.success, "{verified:?}");
    // batches that were signed again after a change verify, but differ from the file
    storage.execute("DELETE FROM audit_root").await;
    storage.execute("UPDATE change SET sealed_seq = NULL, actor = 'key:somebody'").await;
    let server = setup.start().await;
    all_closed(&storage).await;
    drop(server);
    let verified = setup.run(&["audit", "verify"]).await;
    assert!(verified.success, "{verified:?}");
    let verified = setup.run(&["audit", "verify", "--journal", &path.to_string_lossy(), "--json"]).await;
    assert!(!verified.success && verified.json()["findings"][0]["kind"] == "audit-chain", "{verified:?}");
    for (path, why) in [(home.path().join("no/audit.log"), "log.audit"), (home.path().to_owned(), "log.audit")] {
        let said = setup.clone().set("log.audit", path.to_string_lossy().into_owned()).start_refused().await;
        assert!(said.contains(why), "{said}");
    }
}

/// The lines that are whole.
fn lines_so_far(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

async fn reads_are_not_recorded_where_that_is_switched_off(backend: Backend) {
    let storage = backend.fresh().await;
    let setup = Setup::on(&storage).with_access_control().set("extensions.rbac.auditLogging", false);
    let mut server = setup.start().await;
    let admin = server.client();
    admin.push_image("team/app", "v1", vec![1; 100]).await;
    admin.get("/v2/team/app/manifests/v1").await.expect_status(200);
    admin.with(None).get("/v2/team/app/manifests/v1").await.expect_status(401);
    server.terminate();
    assert!(server.ended().await.success());
    assert_eq!(storage.number("SELECT COUNT(*) FROM change WHERE action IN ('read', 'authenticate')").await, 0);
    assert_eq!(storage.number("SELECT COUNT(*) FROM change WHERE action = 'manifest.push'").await, 1);
}
