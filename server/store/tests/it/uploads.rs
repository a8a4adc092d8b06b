//! Upload sessions between replicas: one of two wins, and what the other one wrote belongs to nobody (rule A5).

use bytes::Bytes;
use zot_domain::Error;
use zot_domain::call::RequestId;
use zot_domain::ports::metadata::{AppendUpload, BeginUpload, CommitBlob, Content, Metadata as _, NewContent, Upload};

use crate::database::Fresh;
use crate::make::{audit, commit, empty_hash, inline, repository, segment, sha256};
use crate::on_both;

on_both! {
    of_two_appends_one_wins,
    a_session_belongs_to_its_repository_and_actor,
    a_finished_session_is_gone_and_its_segments_live,
    a_session_that_went_on_cannot_be_finished,
    a_cancelled_session_leaves_dead_segments,
    open_sessions_are_limited,
    an_expired_session_is_unknown,
    a_segment_that_the_sweep_took_refuses_the_commit,
}

async fn begin(store: &Fresh, id: &str, open_max: i64, lifetime_secs: i64) -> Result<(), Error> {
    let upload = BeginUpload {
        id: id.to_owned(),
        repository: repository("team/a"),
        actor: "tester".to_owned(),
        hash_state: empty_hash(),
        lifetime_secs,
        open_max,
    };
    store.begin_upload(upload).await
}

async fn read(store: &Fresh, id: &str) -> Option<Upload> {
    store.upload(id, &repository("team/a"), "tester").await.unwrap()
}

fn append(from: &Upload, size: u64) -> AppendUpload {
    AppendUpload {
        from: from.clone(),
        offset: from.offset + size,
        hash_state: vec![1, 2, 3],
        tail: Bytes::new(),
        segment: Some(segment(from.offset, size)),
        request_id: RequestId::new(),
        lifetime_secs: 60,
    }
}

fn finish(upload: &Upload, text: &str) -> CommitBlob {
    let content = NewContent { content: Content::Segments(Vec::new()), ..inline(text) };
    CommitBlob { upload: Some(upload.clone()), audit: audit(), ..commit("team/a", content) }
}

async fn of_two_appends_one_wins(store: &Fresh) {
    begin(store, "one", 10, 60).await.unwrap();
    let start = read(store, "one").await.unwrap();
    let writers = (0..8).map(|_| {
        let (store, append) = ((**store).clone(), append(&start, 5));
        tokio::spawn(async move { store.append_upload(append).await.unwrap() })
    });
    let mut won = 0;
    for writer in writers.collect::<Vec<_>>() {
        won += usize::from(writer.await.unwrap());
    }
    assert_eq!(won, 1);
    let now = read(store, "one").await.unwrap();
    assert_eq!((now.offset, now.epoch, now.hash_state), (5, 1, vec![1, 2, 3]));
    assert_eq!(store.upload_segments("one").await.unwrap().len(), 1);
    assert_eq!(store.count("SELECT COUNT(*) FROM segment WHERE state = 'dead'").await, 7);
}

async fn a_session_belongs_to_its_repository_and_actor(store: &Fresh) {
    begin(store, "one", 10, 60).await.unwrap();
    assert!(store.upload("one", &repository("team/b"), "tester").await.unwrap().is_none());
    assert!(store.upload("one", &repository("team/a"), "stranger").await.unwrap().is_none());
    assert!(!store.cancel_upload("one", &repository("team/a"), "stranger").await.unwrap());
    assert!(read(store, "one").await.is_some());
}

async fn a_finished_session_is_gone_and_its_segments_live(store: &Fresh) {
    begin(store, "one", 10, 60).await.unwrap();
    let start = read(store, "one").await.unwrap();
    assert!(store.append_upload(append(&start, 5)).await.unwrap());
    let held = read(store, "one").await.unwrap();
    assert!(store.commit_blob(finish(&held, "hello")).await.unwrap());
    assert!(read(store, "one").await.is_none());
    let blob = store.blob(&repository("team/a"), &sha256("hello")).await.unwrap().unwrap();
    assert!(matches!(blob.content, Content::Segments(segments) if segments.len() == 1 && segments[0].size == 5));
    assert_eq!(store.count("SELECT COUNT(*) FROM segment WHERE owner_upload IS NOT NULL").await, 0);
}

async fn a_session_that_went_on_cannot_be_finished(store: &Fresh) {
    begin(store, "one", 10, 60).await.unwrap();
    let start = read(store, "one").await.unwrap();
    assert!(store.append_upload(append(&start, 5)).await.unwrap());
    assert!(!store.commit_blob(finish(&start, "")).await.unwrap());
    assert!(store.blob(&repository("team/a"), &sha256("")).await.unwrap().is_none());
    assert!(read(store, "one").await.is_some(), "the session is as the other request left it");
}

async fn a_cancelled_session_leaves_dead_segments(store: &Fresh) {
    begin(store, "one", 10, 60).await.unwrap();
    let start = read(store, "one").await.unwrap();
    assert!(store.append_upload(append(&start, 5)).await.unwrap());
    assert!(store.cancel_upload("one", &repository("team/a"), "tester").await.unwrap());
    assert!(!store.cancel_upload("one", &repository("team/a"), "tester").await.unwrap());
    assert_eq!(store.count("SELECT COUNT(*) FROM segment WHERE state = 'dead'").await, 1);
}

async fn open_sessions_are_limited(store: &Fresh) {
    for id in ["one", "two", "three"] {
        begin(store, id, 3, 60).await.unwrap();
    }
    assert!(matches!(begin(store, "four", 3, 60).await, Err(Error::TooManyRequests(_))));
    assert!(store.cancel_upload("two", &repository("team/a"), "tester").await.unwrap());
    begin(store, "four", 3, 60).await.unwrap();
}

async fn an_expired_session_is_unknown(store: &Fresh) {
    begin(store, "one", 1, -1).await.unwrap();
    assert!(read(store, "one").await.is_none());
    begin(store, "two", 1, 60).await.unwrap();
}

async fn a_segment_that_the_sweep_took_refuses_the_commit(store: &Fresh) {
    let swept = segment(0, 5);
    let key = &swept.key;
    store.execute(format!("INSERT INTO segment (key, state, start, size) VALUES ('{key}', 'dead', 0, 5)")).await;
    let content = NewContent { content: Content::Segments(vec![swept]), ..inline("hello") };
    assert!(matches!(store.commit_blob(commit("team/a", content)).await, Err(Error::Conflict)));
    assert!(store.blob(&repository("team/a"), &sha256("hello")).await.unwrap().is_none());
}
