//! Garbage collection, the database's half: what goes, what stays, and that nothing of it is a moment too early.
//! How it meets writers is in `races`.

use std::sync::Arc;

use zot_domain::lease::Lease;
use zot_domain::ports::metadata::{Content, Metadata as _, MountBlob, NewContent, RemoveTarget};
use zot_domain::ports::objects::{Objects as _, PutObject, Source};
use zot_domain::ports::upkeep::{CandidateKind, Collected, DeadSegment, Upkeep};
use zot_domain::{ArtifactError, Error};

use crate::database::Fresh;
use crate::make::{ALL_RIGHTS, audit, commit, inline, publish, push, remove, repository, segment, sha256};
use crate::objects::{begin, bucket, delete, multipart, object, part, put};
use crate::on_both;

on_both! {
    a_blob_in_no_manifest_goes_after_the_grace_period,
    what_a_manifest_needs_stays_until_the_manifest_goes,
    a_blob_of_another_repository_stays,
    a_touch_makes_it_wait_again,
    a_candidate_that_was_named_again_is_not_forgotten,
    an_objects_blob_goes_after_the_object,
    a_blob_that_was_merged_goes_and_takes_no_copy_along,
    uploads_end_when_they_expire,
    a_claimed_key_refuses_the_commit,
    bytes_wait_for_the_delay_and_are_remembered,
    bytes_that_return_are_claimed_again,
    a_bucket_takes_its_expired_uploads_along,
    a_damaged_blob_is_absent_until_it_is_pushed_again,
    a_merge_heals_a_damaged_winner,
    what_leaked_is_found_and_queued,
    leases_holds_and_places,
    a_process_that_stops_gives_its_lease_back,
    usage_is_folded_once,
    the_next_incarnation_is_entered_once,
    a_copy_has_another_physical_identity,
    a_merged_blob_heals_its_winner_before_it_goes,
}

/// Shortest grace period, in seconds.
const GRACE: i64 = 3600;

/// Lets two hours pass.
pub(crate) async fn pass(store: &Fresh) {
    for sql in [
        "UPDATE blob SET touched_at = touched_at - 7200000000",
        "UPDATE repo_blob SET touched_at = touched_at - 7200000000",
        "UPDATE gc_candidate SET due_at = due_at - 7200000000",
        "UPDATE segment SET dead_at = dead_at - 7200000000",
        "UPDATE segment SET gone_at = gone_at - 7200000000",
        "UPDATE upload SET expires_at = expires_at - 7200000000",
    ] {
        store.execute(sql.to_owned()).await;
    }
}

/// Looks at all candidates that are due; how many were removed, kept, or too fresh.
pub(crate) async fn collect(store: &Fresh) -> (u64, u64, u64) {
    let mut counts = (0, 0, 0);
    for candidate in store.candidates(GRACE, 1000).await.unwrap() {
        match store.collect(&candidate, GRACE).await.unwrap() {
            Collected::Removed(_) => counts.0 += 1,
            Collected::Kept => counts.1 += 1,
            Collected::TooFresh => counts.2 += 1,
        }
    }
    counts
}

/// Lets time pass until nothing is left to collect.
async fn collect_all(store: &Fresh) {
    for _ in 0..5 {
        pass(store).await;
        collect(store).await;
    }
    assert_consistent(store).await;
}

async fn assert_consistent(store: &Fresh) {
    assert_eq!(store.contradictions(10).await.unwrap(), Vec::<String>::new());
    assert_eq!(store.leaked(10).await.unwrap(), Vec::<String>::new());
}

async fn blobs(store: &Fresh) -> i64 {
    store.count("SELECT COUNT(*) FROM blob").await
}

async fn usage(store: &Fresh) -> i64 {
    store.count("SELECT CAST(COALESCE(SUM(bytes), 0) AS BIGINT) FROM usage_delta").await
}

fn large(text: &str) -> NewContent {
    NewContent { content: Content::Segments(vec![segment(0, text.len() as u64)]), ..inline(text) }
}

async fn a_blob_in_no_manifest_goes_after_the_grace_period(store: &Fresh) {
    store.commit_blob(commit("team/a", large("layer"))).await.unwrap();
    assert_eq!(collect(store).await, (0, 0, 0), "nothing is due yet");
    pass(store).await;
    assert_eq!(collect(store).await, (1, 0, 0), "the membership");
    assert!(store.blob(&repository("team/a"), &sha256("layer")).await.unwrap().is_none());
    assert_eq!((blobs(store).await, usage(store).await), (1, 0));
    assert_eq!(collect(store).await, (0, 0, 0), "the blob was touched");
    pass(store).await;
    assert_eq!(collect(store).await, (1, 0, 0), "the blob");
    assert_eq!(blobs(store).await, 0);
    assert_eq!(store.count("SELECT COUNT(*) FROM segment WHERE state = 'dead'").await, 1, "bytes stay");
    assert_eq!(store.count("SELECT COUNT(*) FROM gc_candidate").await, 0);
    push(store, "team/a", "layer").await;
    assert!(store.blob(&repository("team/a"), &sha256("layer")).await.unwrap().is_some(), "it may come again");
    assert_consistent(store).await;
}

async fn what_a_manifest_needs_stays_until_the_manifest_goes(store: &Fresh) {
    push(store, "team/a", "layer").await;
    let digest = publish(store, "team/a", "manifest", &["layer"], &["v1"]).await.unwrap();
    pass(store).await;
    assert_eq!(collect(store).await, (0, 2, 0), "the layer and the manifest's own bytes");
    assert_eq!(store.count("SELECT COUNT(*) FROM gc_candidate").await, 0, "nobody has to look again");
    remove(store, "team/a", RemoveTarget::Tag("v1".parse().unwrap())).await.unwrap();
    collect_all(store).await;
    assert!(
        store.blob(&repository("team/a"), &sha256("layer")).await.unwrap().is_some(),
        "untagged is not unreferenced"
    );
    remove(store, "team/a", RemoveTarget::Manifest(digest)).await.unwrap();
    collect_all(store).await;
    assert_eq!((blobs(store).await, usage(store).await), (0, 0));
}

async fn a_blob_of_another_repository_stays(store: &Fresh) {
    push(store, "team/a", "layer").await;
    let mount = MountBlob {
        digest: sha256("layer"),
        from: Some(repository("team/a")),
        repository: repository("team/b"),
        rights: ALL_RIGHTS,
        audit: audit(),
    };
    assert!(store.mount_blob(mount).await.unwrap());
    publish(store, "team/b", "manifest", &["layer"], &[]).await.unwrap();
    collect_all(store).await;
    assert!(store.blob(&repository("team/a"), &sha256("layer")).await.unwrap().is_none());
    assert!(store.blob(&repository("team/b"), &sha256("layer")).await.unwrap().is_some());
}

async fn a_touch_makes_it_wait_again(store: &Fresh) {
    push(store, "team/a", "layer").await;
    pass(store).await;
    let candidates = store.candidates(GRACE, 10).await.unwrap();
    push(store, "team/a", "layer").await;
    assert_eq!(store.collect(&candidates[0], GRACE).await.unwrap(), Collected::TooFresh);
    assert!(store.blob(&repository("team/a"), &sha256("layer")).await.unwrap().is_some());
    assert_eq!(store.candidates(GRACE, 10).await.unwrap(), [], "it is due when that touch is old");
    collect_all(store).await;
    assert_eq!(blobs(store).await, 0);
}

/// A candidate is dropped only as it was seen: else a reference that goes meanwhile would never be noticed.
async fn a_candidate_that_was_named_again_is_not_forgotten(store: &Fresh) {
    push(store, "team/a", "layer").await;
    publish(store, "team/a", "manifest", &["layer"], &[]).await.unwrap();
    pass(store).await;
    let mut seen = store.candidates(GRACE, 10).await.unwrap();
    assert_eq!(seen[0].kind, CandidateKind::Membership);
    seen[0].due_at -= 1;
    assert_eq!(store.collect(&seen[0], GRACE).await.unwrap(), Collected::Kept);
    assert_eq!(store.count("SELECT COUNT(*) FROM gc_candidate").await, 2);
}

async fn an_objects_blob_goes_after_the_object(store: &Fresh) {
    bucket(store, "team").await;
    put(store, "a", "hello").await;
    put(store, "b", "hello").await;
    delete(store, "a", None).await;
    collect_all(store).await;
    assert_eq!(blobs(store).await, 1, "another object has it");
    put(store, "b", "other").await;
    collect_all(store).await;
    assert_eq!(blobs(store).await, 1, "overwritten is gone");
    delete(store, "b", None).await;
    collect_all(store).await;
    assert_eq!((blobs(store).await, usage(store).await), (0, 0));
}

async fn a_blob_that_was_merged_goes_and_takes_no_copy_along(store: &Fresh) {
    bucket(store, "team").await;
    put(store, "small", "hello").await;
    let loser = multipart(store, "up").await;
    store.set_digest(loser, &sha256("hello")).await.unwrap();
    // a copy whose transaction began before digesting ended points to the loser
    let copy = PutObject { source: Source::Blob { blob: loser, size: 5 }, manifest_digest: None, ..object("copy", "") };
    store.put_object(copy).await.unwrap();
    let point = format!("UPDATE object_version SET blob = {loser}, manifest_digest = NULL WHERE key = 'copy'");
    store.execute(point).await;
    pass(store).await;
    pass(store).await;
    assert_eq!(collect(store).await, (1, 0, 0), "the loser, after its copy moved");
    let copy = store.object("team", "copy", None).await.unwrap().unwrap();
    assert_eq!(copy.digest, Some(sha256("hello")));
    assert!(copy.manifest_digest().is_some());
    delete(store, "small", None).await;
    delete(store, "big", None).await;
    delete(store, "copy", None).await;
    collect_all(store).await;
    assert_eq!(blobs(store).await, 0);
}

async fn uploads_end_when_they_expire(store: &Fresh) {
    bucket(store, "team").await;
    begin(store, "up").await;
    store.add_part("up", part(1, "e", 5)).await.unwrap();
    store.add_part("up", part(1, "again", 5)).await.unwrap();
    assert_eq!(store.expired_uploads(10).await.unwrap(), Vec::<String>::new());
    store.execute("UPDATE upload SET expires_at = 1".to_owned()).await;
    assert_eq!(store.expired_uploads(10).await.unwrap(), ["up"]);
    assert!(store.expire_upload("up").await.unwrap());
    assert!(!store.expire_upload("up").await.unwrap());
    assert_eq!(store.count("SELECT COUNT(*) FROM segment WHERE state = 'dead' AND dead_at > 1").await, 2);
    assert!(!store.add_part("up", part(2, "late", 5)).await.unwrap());
    let finished = multipart(store, "other").await;
    store.execute("UPDATE upload SET expires_at = 1".to_owned()).await;
    assert!(store.expire_upload("other").await.unwrap(), "nobody asks for its result any more");
    assert_eq!(store.object("team", "big", None).await.unwrap().unwrap().blob, Some(finished));
    assert_eq!(store.count("SELECT COUNT(*) FROM upload").await, 0);
}

async fn a_claimed_key_refuses_the_commit(store: &Fresh) {
    let content = large("layer");
    let Content::Segments(segments) = &content.content else { unreachable!() };
    let found = [DeadSegment { key: segments[0].key.clone(), size: 5 }];
    assert_eq!(store.claim_orphans(&found).await.unwrap(), std::slice::from_ref(&segments[0].key));
    assert_eq!(store.claim_orphans(&found).await.unwrap(), [], "once");
    assert!(matches!(store.commit_blob(commit("team/a", content)).await, Err(Error::Conflict)));
    let content = large("other");
    let Content::Segments(segments) = content.content.clone() else { unreachable!() };
    store.commit_blob(commit("team/a", content)).await.unwrap();
    let found = [DeadSegment { key: segments[0].key.clone(), size: 5 }];
    assert_eq!(store.claim_orphans(&found).await.unwrap(), [], "what was committed is no orphan");
    assert_eq!(store.count("SELECT COUNT(*) FROM segment WHERE state = 'live'").await, 1);
}

async fn bytes_wait_for_the_delay_and_are_remembered(store: &Fresh) {
    let orphan = DeadSegment { key: segment(0, 5).key, size: 5 };
    store.claim_orphans(std::slice::from_ref(&orphan)).await.unwrap();
    pass(store).await;
    assert_eq!(store.dead_segments(3 * 3600, 10).await.unwrap(), []);
    assert_eq!(store.dead_segments(3600, 10).await.unwrap(), std::slice::from_ref(&orphan));
    let forecast = store.forecast(GRACE, 3 * 3600).await.unwrap();
    assert_eq!((forecast.segments, forecast.waiting, forecast.waiting_bytes), (0, 1, 5));
    store.note_gone(std::slice::from_ref(&orphan.key)).await.unwrap();
    assert_eq!(store.dead_segments(3600, 10).await.unwrap(), []);
    assert_eq!(store.forget_gone(3600).await.unwrap(), 0, "a late commit has to lose");
    pass(store).await;
    assert_eq!(store.forget_gone(3600).await.unwrap(), 1);
    assert_eq!(store.count("SELECT COUNT(*) FROM segment").await, 0);
}

async fn bytes_that_return_are_claimed_again(store: &Fresh) {
    let orphan = DeadSegment { key: segment(0, 5).key, size: 5 };
    store.claim_orphans(std::slice::from_ref(&orphan)).await.unwrap();
    store.note_gone(std::slice::from_ref(&orphan.key)).await.unwrap();
    let again = store.claim_orphans(std::slice::from_ref(&orphan)).await.unwrap();
    assert_eq!(again, std::slice::from_ref(&orphan.key));
    pass(store).await;
    assert_eq!(store.dead_segments(3600, 10).await.unwrap().len(), 1);
}

async fn a_bucket_takes_its_expired_uploads_along(store: &Fresh) {
    bucket(store, "team").await;
    begin(store, "up").await;
    store.add_part("up", part(1, "e", 5)).await.unwrap();
    store.execute("UPDATE upload SET expires_at = 1".to_owned()).await;
    assert!(store.delete_bucket("team", audit()).await.unwrap());
    assert_eq!(store.count("SELECT COUNT(*) FROM segment WHERE state = 'dead'").await, 1);
    assert_consistent(store).await;
}

async fn a_damaged_blob_is_absent_until_it_is_pushed_again(store: &Fresh) {
    let (a, b) = (repository("team/a"), repository("team/b"));
    for name in ["team/a", "team/b"] {
        store.commit_blob(commit(name, large("layer"))).await.unwrap();
    }
    publish(store, "team/b", "manifest", &["layer"], &["v1"]).await.unwrap();
    let blob = store.blobs_after(0, 10).await.unwrap()[0].id;
    store.quarantine_blob(blob).await.unwrap();
    assert!(store.blob(&a, &sha256("layer")).await.unwrap().is_none());
    let unknown = publish(store, "team/a", "another", &["layer"], &[]).await;
    assert!(matches!(unknown, Err(ArtifactError::ManifestBlobUnknown(_))), "{unknown:?}");
    store.commit_blob(commit("team/a", large("layer"))).await.unwrap();
    assert!(store.blob(&a, &sha256("layer")).await.unwrap().is_some());
    let healed = store.blob(&b, &sha256("layer")).await.unwrap().unwrap();
    assert!(matches!(healed.content, Content::Segments(segments) if segments.len() == 1));
    assert_eq!(store.count("SELECT COUNT(*) FROM segment WHERE state = 'live'").await, 1);
    assert_consistent(store).await;
}

async fn a_merge_heals_a_damaged_winner(store: &Fresh) {
    bucket(store, "team").await;
    put(store, "small", "hello").await;
    let winner = store.blobs_after(0, 10).await.unwrap()[0].id;
    store.quarantine_blob(winner).await.unwrap();
    let loser = multipart(store, "up").await;
    store.set_digest(loser, &sha256("hello")).await.unwrap();
    for key in ["small", "big"] {
        let object = store.object("team", key, None).await.unwrap().unwrap();
        assert!(matches!(object.content, Content::Segments(segments) if segments.len() == 1), "{key}");
    }
}

async fn what_leaked_is_found_and_queued(store: &Fresh) {
    push(store, "team/a", "layer").await;
    store.execute("DELETE FROM gc_candidate".to_owned()).await;
    assert_eq!(store.leaked(10).await.unwrap().len(), 1);
    assert_eq!(store.requeue_leaked().await.unwrap(), 1);
    assert_consistent(store).await;
    collect_all(store).await;
    assert_eq!(blobs(store).await, 0);
}

async fn leases_holds_and_places(store: &Fresh) {
    let lease = async |holder| store.lease("gc", holder, 60).await.unwrap();
    let first = lease("a").await.unwrap();
    let renewed = lease("a").await.unwrap();
    assert!(renewed > first, "a fence rises with each renewal");
    assert_eq!(lease("b").await, None);
    store.release("gc", "b", renewed).await.unwrap();
    assert_eq!(lease("b").await, None, "another holder's lease is not given back");
    store.release("gc", "a", first).await.unwrap();
    assert_eq!(lease("b").await, None, "a lease that was taken again meanwhile is not given back");
    store.release("gc", "a", renewed).await.unwrap();
    store.release("gc", "a", renewed).await.unwrap();
    let taken = lease("b").await.unwrap();
    store.release("gc", "a", renewed).await.unwrap();
    assert_eq!(lease("a").await, None, "giving back twice takes nothing from the next holder");
    assert!(taken > renewed);
    store.execute("UPDATE lease SET until_at = until_at + 31536000000000".to_owned()).await;
    assert!(lease("c").await.is_some(), "a clock that was ahead holds nobody up");
    assert_eq!(store.holds().await.unwrap(), []);
    store.hold("backup", 60).await.unwrap();
    store.hold("longer", 600).await.unwrap();
    let names: Vec<_> = store.holds().await.unwrap().into_iter().map(|hold| hold.id).collect();
    assert_eq!(names, ["longer", "backup"]);
    assert!(store.end_hold("backup").await.unwrap());
    assert!(!store.end_hold("backup").await.unwrap(), "it ended before");
    assert!(store.end_hold("longer").await.unwrap());
    assert_eq!(store.holds().await.unwrap(), []);
    assert_eq!(store.place("sweep").await.unwrap(), 0);
    store.set_place("sweep", 11).await.unwrap();
    store.set_place("sweep", 22).await.unwrap();
    assert_eq!(store.place("sweep").await.unwrap(), 22);
}

async fn a_process_that_stops_gives_its_lease_back(store: &Fresh) {
    let upkeep: Arc<dyn Upkeep> = Arc::new((**store).clone());
    let [stopping, next] = ["stopping", "next"].map(|holder| Lease::new(Arc::clone(&upkeep), "gc", holder, 3600));
    next.release().await.unwrap();
    assert!(stopping.take().await.unwrap());
    stopping.renew().await.unwrap();
    assert!(!next.take().await.unwrap());
    assert!(matches!(next.renew().await, Err(Error::Conflict)));
    next.release().await.unwrap();
    stopping.renew().await.unwrap();
    stopping.release().await.unwrap();
    assert!(next.take().await.unwrap(), "at once, an hour before the lease would have ended");
    stopping.release().await.unwrap();
    next.renew().await.unwrap();
}

async fn usage_is_folded_once(store: &Fresh) {
    bucket(store, "team").await;
    bucket(store, "other").await;
    let total = async |name: &str| {
        let sql = format!(
            "SELECT CAST(COALESCE(SUM(t.bytes), 0) AS BIGINT) FROM usage_total t
            JOIN namespace n ON n.id = t.ns WHERE n.name = '{name}'"
        );
        store.count(Box::leak(sql.into_boxed_str())).await
    };
    assert_eq!(store.fold_usage(100).await.unwrap(), 0);
    put(store, "one", "hello").await;
    put(store, "two", "bytes here").await;
    push(store, "other/app", "layer").await;
    let rows = store.count("SELECT COUNT(*) FROM usage_delta").await;
    assert_eq!(store.fold_usage(1).await.unwrap(), 1, "no more than asked for");
    assert_eq!(total("team").await, 5);
    assert_eq!(store.fold_usage(100).await.unwrap(), u64::try_from(rows - 1).unwrap());
    assert_eq!((total("team").await, total("other").await), (15, 5));
    delete(store, "two", None).await;
    assert_eq!(store.fold_usage(100).await.unwrap(), 1);
    assert_eq!(total("team").await, 5);
    assert_eq!(usage(store).await, 0, "every row was folded");
}

async fn the_next_incarnation_is_entered_once(store: &Fresh) {
    let first = store.info().await.unwrap().incarnation;
    assert_eq!(store.incarnations().await.unwrap(), (first.clone(), None));
    store.begin_incarnation(&first, "second").await.unwrap();
    assert_eq!(store.incarnations().await.unwrap(), (first.clone(), Some("second".to_owned())));
    assert!(matches!(store.begin_incarnation(&first, "third").await, Err(Error::Conflict)), "one at a time");
    store.begin_incarnation(&first, "second").await.unwrap();
    store.enter_incarnation("second").await.unwrap();
    store.enter_incarnation("second").await.unwrap();
    assert_eq!(store.incarnations().await.unwrap(), ("second".to_owned(), None));
    assert!(matches!(store.begin_incarnation(&first, "third").await, Err(Error::Conflict)), "that incarnation is over");
}

/// A dump and a copy hold all rows, also the one with the original's physical identity.
async fn a_copy_has_another_physical_identity(store: &Fresh) {
    store.info().await.unwrap();
    assert!(store.has_recorded_identity().await.unwrap(), "nothing was noted yet");
    store.note_physical_identity().await.unwrap();
    store.note_physical_identity().await.unwrap();
    assert!(store.has_recorded_identity().await.unwrap());
    let copy = store.copied().await;
    assert!(!copy.has_recorded_identity().await.unwrap());
    copy.note_physical_identity().await.unwrap();
    assert!(!copy.has_recorded_identity().await.unwrap(), "only `adopt` records it anew");
    copy.record_identity().await.unwrap();
    assert!(copy.has_recorded_identity().await.unwrap());
}

async fn a_merged_blob_heals_its_winner_before_it_goes(store: &Fresh) {
    bucket(store, "team").await;
    put(store, "small", "hello").await;
    let winner = store.blobs_after(0, 10).await.unwrap()[0].id;
    let loser = multipart(store, "up").await;
    store.set_digest(loser, &sha256("hello")).await.unwrap();
    store.quarantine_blob(winner).await.unwrap();
    for _ in 0..3 {
        pass(store).await;
        collect(store).await;
    }
    assert_eq!(blobs(store).await, 1, "the merged one is gone");
    let healed = store.object("team", "small", None).await.unwrap().unwrap();
    assert!(matches!(healed.content, Content::Segments(segments) if segments.len() == 1));
}
