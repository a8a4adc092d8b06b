//! Connections that are lost during COMMIT: rule B9. Each kind of write is reported as done once, and is done once:
//! the rows are as after the same write without any loss.

use std::ops::Deref;
use std::time::Duration;

use bytes::Bytes;
use zot_domain::ArtifactError;
use zot_domain::call::RequestId;
use zot_domain::condition::WriteCondition;
use zot_domain::ports::metadata::{AppendUpload, BeginUpload, Metadata as _, RemoveTarget};
use zot_domain::ports::objects::{
    BeginMultipart, ConfigureBucket, CreateBucket, MultipartInput, Objects as _, Versioning,
};
use zot_domain::ports::upkeep::Upkeep as _;
use zot_store::{Options, Store};

use super::acts::{
    SESSION, UPLOAD, abort, add_part, begin_parts, begin_session, cancel, close, complete, complete_if, copy, delete,
    delete_if, digest, mount, part, patch, publish, push, push_512, put, put_if, put_segment, remove, run,
};
use super::explore::{Act, Refused, Track};
use super::gate::Gate;
use super::invariants;
use super::proxy::{Loss, Proxy};
use crate::database::Fresh;
use crate::make::{self, audit, empty_hash, repository, sha256};
use crate::objects::{bucket, object, versioning};

/// What there is in how many rows: nothing of it depends on ids, keys or times.
const COUNTS: &[&str] = &[
    "SELECT COUNT(*) FROM namespace",
    "SELECT COUNT(*) FROM repository",
    "SELECT COUNT(*) FROM blob",
    "SELECT COUNT(*) FROM blob WHERE state = 'open'",
    "SELECT COUNT(*) FROM blob WHERE merged_into IS NOT NULL",
    "SELECT COUNT(*) FROM blob_name",
    "SELECT COUNT(*) FROM blob_inline",
    "SELECT COUNT(*) FROM segment WHERE state = 'live'",
    "SELECT COUNT(*) FROM segment WHERE state = 'staged'",
    "SELECT COUNT(*) FROM segment WHERE state = 'dead'",
    "SELECT COUNT(*) FROM repo_blob",
    "SELECT COUNT(*) FROM manifest",
    "SELECT COUNT(*) FROM manifest_blob",
    "SELECT COALESCE(SUM(seq), 0) FROM tag",
    "SELECT COUNT(*) FROM tag_history",
    "SELECT COALESCE(SUM(epoch), 0) FROM upload",
    "SELECT COALESCE(SUM(length), 0) FROM upload",
    "SELECT COUNT(*) FROM upload",
    "SELECT COUNT(*) FROM part",
    "SELECT COUNT(*) FROM change",
    "SELECT COALESCE(SUM(seq), 0) FROM object_head",
    "SELECT COUNT(*) FROM object_version",
    "SELECT COUNT(*) FROM object_version WHERE manifest_digest IS NULL",
    "SELECT COUNT(*) FROM bucket_config WHERE versioning = 'enabled'",
    "SELECT COALESCE(SUM(bytes), 0)::bigint FROM usage_delta",
    "SELECT COUNT(*) FROM gc_candidate",
];

/// A database, and the store that reaches it through the proxy.
struct Line {
    track: Track,
    proxy: Proxy,
    store: Store,
}

impl Deref for Line {
    type Target = Fresh;

    fn deref(&self) -> &Fresh {
        self.track.store()
    }
}

impl Line {
    async fn new() -> Self {
        let track = Track::new().await;
        let proxy = Proxy::before(&track.store().url).await;
        let options = Options { url: proxy.url().to_owned(), max_connections: 4, create: false };
        let store = Store::open(&options).await.unwrap();
        Self { track, proxy, store }
    }

    async fn rows(&self) -> String {
        let mut rows = Vec::new();
        for count in COUNTS {
            let select = sqlx::AssertSqlSafe(format!("SELECT CAST(({count}) AS BIGINT)"));
            let number: i64 = sqlx::query_scalar(select).fetch_one(self.raw_pool()).await.unwrap();
            rows.push(format!("{number} {count}"));
        }
        rows.join("\n")
    }

    /// Does a write without a loss and with each one, and compares.
    async fn loses(&self, what: &str, setup: impl AsyncFn(&Fresh), act: Act) {
        let fresh = async || {
            self.track.reset().await;
            setup(self).await;
        };
        fresh().await;
        assert!(matches!(act.alone(&self.store).await, Ok(true)), "{what}");
        let expected = self.rows().await;
        for losses in [&[Loss::Before][..], &[Loss::After], &[Loss::Late], &[Loss::Before, Loss::After]] {
            fresh().await;
            self.proxy.lose(losses);
            let late = async {
                if losses.contains(&Loss::Late) {
                    self.track.blocked().await;
                    self.proxy.deliver();
                }
            };
            let done = async { tokio::join!(act.alone(&self.store), late).0 };
            let outcome = tokio::time::timeout(Duration::from_mins(1), done).await;
            let outcome = outcome.unwrap_or_else(|_| panic!("{what} hangs after {losses:?}"));
            assert!(matches!(outcome, Ok(true)), "{what} after {losses:?}: {outcome:?}");
            assert_eq!(self.proxy.waiting(), 0, "{what}: a COMMIT was not lost");
            assert_eq!(self.rows().await, expected, "{what} after {losses:?}");
            invariants::hold(self).await;
        }
    }
}

async fn nothing(_: &Fresh) {}

async fn artifacts(store: &Fresh) {
    for layer in ["layer 1", "layer 2"] {
        make::push(store, "team/a", layer).await;
    }
    make::publish(store, "team/a", "one", &["layer 1"], &["v1"]).await.unwrap();
}

async fn empty(store: &Fresh) {
    bucket(store, "team").await;
}

async fn one(store: &Fresh) {
    empty(store).await;
    store.put_object(object("a", "one")).await.unwrap();
}

async fn versioned(store: &Fresh) {
    empty(store).await;
    versioning(store, Versioning::Enabled).await;
    store.put_object(object("a", "one")).await.unwrap();
    store
        .execute("UPDATE object_version SET version_id = 'v1'; UPDATE object_head SET version_id = 'v1'".to_owned())
        .await;
}

async fn parts(store: &Fresh) {
    empty(store).await;
    begin_parts(store).await;
    add_part(store, 1, "e", "hello").await;
}

async fn undigested(store: &Fresh) {
    parts(store).await;
    run(store, complete()).await;
}

async fn undigested_twin(store: &Fresh) {
    undigested(store).await;
    store.put_object(object("small", "hello")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b9_artifacts() {
    let line = Line::new().await;
    line.loses("push", nothing, push("team/a", "hello")).await;
    line.loses("push of a known blob", artifacts, push_512("team/b", "layer 1")).await;
    line.loses("mount", artifacts, mount("team/a", "team/b", "layer 1")).await;
    line.loses("manifest", artifacts, publish("team/a", "two", &["layer 1", "layer 2"], &["v1", "v2"])).await;
    line.loses("the same manifest", artifacts, publish("team/a", "one", &["layer 1"], &["v1"])).await;
    line.loses("delete of a tag", artifacts, remove("team/a", RemoveTarget::Tag("v1".parse().unwrap()))).await;
    line.loses("delete of a manifest", artifacts, remove("team/a", RemoveTarget::Manifest(sha256("one")))).await;
    line.loses("delete of a blob", artifacts, remove("team/a", RemoveTarget::Blob(sha256("layer 2")))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b9_sessions() {
    let line = Line::new().await;
    let begin = Act::new(|side| async move {
        let upload = BeginUpload {
            id: SESSION.to_owned(),
            repository: repository("team/a"),
            actor: "tester".to_owned(),
            hash_state: empty_hash(),
            lifetime_secs: 60,
            open_max: 10,
        };
        side.begin_upload(upload).await.map(|()| true)
    });
    let small = Act::new(|side| async move {
        let from = side.upload(SESSION, &repository("team/a"), "tester").await?.ok_or(ArtifactError::UploadUnknown)?;
        let append = AppendUpload {
            offset: 3,
            hash_state: from.hash_state.clone(),
            tail: Bytes::from_static(b"abc"),
            segment: None,
            request_id: RequestId::new(),
            lifetime_secs: 60,
            from,
        };
        Ok::<_, Refused>(side.append_upload(append).await?)
    });
    line.loses("begin", nothing, begin).await;
    line.loses("chunk", begin_session, patch(5)).await;
    line.loses("chunk in the row", begin_session, small).await;
    line.loses("close", begin_session, close(5)).await;
    line.loses("cancel", begin_session, cancel()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b9_objects() {
    let line = Line::new().await;
    let absent = WriteCondition::Absent;
    let over = WriteCondition::Match("etag of one".to_owned());
    line.loses("put", empty, put_segment("a", "x")).await;
    line.loses("put over", one, put("a", "x")).await;
    line.loses("put if absent", empty, put_if("a", "x", absent)).await;
    line.loses("put over one version", one, put_if("a", "x", over.clone())).await;
    line.loses("put of a version", versioned, put("a", "x")).await;
    line.loses("copy", one, copy("a", "b")).await;
    line.loses("copy of undigested bytes", undigested, copy("big", "b")).await;
    line.loses("delete", one, delete("a")).await;
    line.loses("delete on a condition", one, delete_if("a", None, over)).await;
    line.loses("delete with a marker", versioned, delete("a")).await;
    line.loses("delete of a version", versioned, delete_if("a", Some("v1"), WriteCondition::Always)).await;
    line.loses("digest", undigested, digest("big", "hello")).await;
    line.loses("digest of known bytes", undigested_twin, digest("big", "hello")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b9_buckets_and_uploads_in_parts() {
    let line = Line::new().await;
    let create = Act::new(|side| async move {
        side.create_bucket(CreateBucket { name: "team".to_owned(), region: Some("r".to_owned()), audit: audit() }).await
    });
    let configure = Act::new(|side| async move {
        let versioning = Some(Versioning::Enabled);
        side.configure_bucket(ConfigureBucket { name: "team".to_owned(), versioning, tags: None, audit: audit() }).await
    });
    let tag = Act::new(|side| async move {
        side.tag_object("team", "a", None, &[("k".to_owned(), "v".to_owned())].into(), audit()).await
    });
    let begin = Act::new(|side| async move {
        let begin = BeginMultipart {
            id: UPLOAD.to_owned(),
            bucket: "team".to_owned(),
            key: "big".to_owned(),
            input: MultipartInput::default(),
            lifetime_secs: 60,
            audit: audit(),
        };
        side.begin_multipart(begin).await
    });
    line.loses("create", nothing, create).await;
    line.loses("configure", empty, configure).await;
    line.loses("delete", empty, Act::new(|side| async move { side.delete_bucket("team", audit()).await })).await;
    line.loses("tag", one, tag).await;
    line.loses("begin", empty, begin).await;
    line.loses("part", parts, part(2, "f", "world")).await;
    line.loses("complete", parts, complete()).await;
    line.loses("complete if absent", parts, complete_if(WriteCondition::Absent)).await;
    line.loses("abort", parts, abort()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b9_garbage_collection() {
    let line = Line::new().await;
    let unused = async |store: &Fresh| {
        make::push(store, "team/a", "layer").await;
        store.execute("UPDATE repo_blob SET touched_at = 1; UPDATE blob SET touched_at = 1; UPDATE gc_candidate SET due_at = 1".to_owned()).await;
    };
    let collect = |grace_secs| {
        Act::new(move |side| async move {
            for candidate in side.candidates(grace_secs, 10).await? {
                side.collect(&candidate, grace_secs).await?;
            }
            Ok::<_, Refused>(true)
        })
    };
    line.loses("membership", unused, collect(3600)).await;
    let removed = async |store: &Fresh| {
        unused(store).await;
        run(store, remove("team/a", RemoveTarget::Blob(sha256("layer")))).await;
        store.execute("UPDATE blob SET touched_at = 1; UPDATE gc_candidate SET due_at = 1; DELETE FROM gc_candidate WHERE kind = 'repo_blob'".to_owned()).await;
    };
    line.loses("blob", removed, collect(3600)).await;
    let expired = async |store: &Fresh| {
        parts(store).await;
        store.execute("UPDATE upload SET expires_at = 1".to_owned()).await;
    };
    line.loses("upload", expired, Act::new(|side| async move { side.expire_upload(UPLOAD).await.map(|_| true) })).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b9_a_chunk_is_done_though_another_request_went_on_before_the_look() {
    let line = Line::new().await;
    for next in [patch(7), close(7)] {
        line.track.reset().await;
        begin_session(&line).await;
        // SELECT_UPLOAD APPEND_UPLOAD INSERT_STAGED_SEGMENT COMMIT, and then the look
        let gate = std::sync::Arc::new(Gate::before(Some(4)));
        let watched = line.store.with_steps(std::sync::Arc::clone(&gate) as _);
        line.proxy.lose(&[Loss::After]);
        let goes_on = async {
            gate.reached().await;
            run(&line, next).await;
            gate.open();
        };
        let chunk = patch(5);
        let (outcome, ()) = tokio::join!(chunk.through(watched), goes_on);
        assert!(gate.way().contains("<4>LOOK"), "{}", gate.way());
        assert!(matches!(outcome, Ok(true)), "{outcome:?}");
        invariants::hold(&line).await;
    }
}
