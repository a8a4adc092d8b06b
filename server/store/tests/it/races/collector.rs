//! Garbage collection against everything that adds a reference: rules A2, A3 and B2. Whatever the order, nothing that
//! was answered for is lost, and no reference comes where the rules say that none can.

use sqlx::Row as _;
use zot_core::name::Reference;
use zot_domain::ports::metadata::{Content, Metadata as _, RemoveTarget};
use zot_domain::ports::objects::{Objects as _, PutObject, Source};
use zot_domain::ports::upkeep::{DeadSegment, Upkeep as _};
use zot_domain::{ArtifactError, Error, ObjectError};

use super::acts::{
    self, SESSION, UPLOAD, add_part, begin_parts, begin_session, close, collect, complete, copy, delete, digest,
    expire, forget, mount, part, patch, publish, push, push_512, put, put_segment, remove, run,
};
use super::buckets::{empty, one, rendered, undigested, undigested_twin};
use super::explore::{Act, Ends, Refused, Track};
use crate::database::Fresh;
use crate::make::{self, audit, repository, sha256};
use crate::objects::{object, text};

/// The bytes `layer` are known and belong to nobody, and have for long.
async fn forgotten(store: &Fresh) {
    empty(store).await;
    make::push(store, "team/a", "other").await;
    run(store, push("team/a", "layer")).await;
    run(store, remove("team/a", RemoveTarget::Blob(sha256("layer")))).await;
    forget(store).await;
}

/// A repository holds `layer`, which no manifest has needed for long.
async fn unused(store: &Fresh) {
    empty(store).await;
    run(store, push("team/a", "layer")).await;
    make::push(store, "team/a", "base").await;
    forget(store).await;
}

async fn readable(store: &Fresh, name: &str) -> bool {
    store.blob(&repository(name), &sha256("layer")).await.unwrap().is_some()
}

async fn there(store: &Fresh, name: &str, own: &str) -> bool {
    store.manifest(&repository(name), &Reference::Digest(sha256(own))).await.unwrap().is_some()
}

/// What is done against the collector is done, and the collector found no reference that it did not expect.
fn wins(ends: &Ends) {
    assert!(ends.done_a() && ends.b.is_ok(), "{:?}, {:?}", ends.a, ends.b);
}

#[tokio::test]
async fn a2_a_push_of_what_is_being_collected() {
    let track = Track::new().await;
    let check = async |store: &Fresh, ends: &Ends| {
        wins(ends);
        assert!(readable(store, "team/b").await);
    };
    track.explore_deeply(forgotten, (push("team/b", "layer"), collect()), &check).await;
    track.explore(forgotten, (push_512("team/b", "layer"), collect()), &check).await;
    let check = async |store: &Fresh, ends: &Ends| {
        wins(ends);
        assert!(readable(store, "team/a").await);
    };
    track.explore(unused, (push("team/a", "layer"), collect()), check).await;
}

#[tokio::test]
async fn a2_a_mount_of_what_is_being_collected() {
    let check = async |store: &Fresh, ends: &Ends| {
        assert!(ends.a.is_ok() && ends.b.is_ok(), "{:?}, {:?}", ends.a, ends.b);
        assert_eq!(readable(store, "team/b").await, ends.done_a());
    };
    Track::new().await.explore(unused, (mount("team/a", "team/b", "layer"), collect()), check).await;
}

#[tokio::test]
async fn a2_a_manifest_whose_members_are_being_collected() {
    let track = Track::new().await;
    let check = async |store: &Fresh, ends: &Ends| {
        assert!(
            matches!(ends.a, Ok(true) | Err(Refused::Artifact(ArtifactError::ManifestBlobUnknown(_)))),
            "{:?}",
            ends.a
        );
        assert!(ends.b.is_ok(), "{:?}", ends.b);
        assert_eq!(there(store, "team/a", "one").await, ends.done_a());
        assert_eq!(readable(store, "team/a").await, ends.done_a());
    };
    let publish = publish("team/a", "one", &["layer", "base"], &["v1"]);
    track.explore_deeply(unused, (publish, collect()), check).await;
}

#[tokio::test]
async fn a2_a_manifest_whose_own_bytes_are_being_collected() {
    let setup = async |store: &Fresh| {
        make::publish(store, "team/a", "one", &[], &["v1"]).await.unwrap();
        run(store, remove("team/a", RemoveTarget::Manifest(sha256("one")))).await;
        forget(store).await;
    };
    let check = async |store: &Fresh, ends: &Ends| {
        wins(ends);
        assert!(there(store, "team/a", "one").await);
    };
    Track::new().await.explore(setup, (publish("team/a", "one", &[], &["v2"]), collect()), check).await;
}

#[tokio::test]
async fn a2_an_object_of_the_bytes_that_are_being_collected() {
    let track = Track::new().await;
    let check = async |store: &Fresh, ends: &Ends| {
        wins(ends);
        assert!(text(store, "a", None).await.is_some() && rendered(store, "a", "layer").await);
    };
    track.explore(forgotten, (put_segment("a", "layer"), collect()), &check).await;
    track.explore(forgotten, (put("a", "layer"), collect()), &check).await;
}

#[tokio::test]
async fn a2_a_copy_or_a_delete_beside_the_collector() {
    let track = Track::new().await;
    // the blob is a candidate, as it was referenced more than once
    let setup = async |store: &Fresh| {
        one(store).await;
        run(store, put("b", "one")).await;
        run(store, delete("b")).await;
        forget(store).await;
    };
    let check = async |store: &Fresh, ends: &Ends| {
        wins(ends);
        assert!(rendered(store, "copy", "one").await && text(store, "copy", None).await.is_some());
    };
    track.explore(setup, (copy("a", "copy"), collect()), check).await;
    let check = async |store: &Fresh, ends: &Ends| {
        wins(ends);
        assert!(!rendered(store, "a", "one").await);
    };
    track.explore(setup, (delete("a"), collect()), check).await;
    track.explore(setup, (put("a", "two"), collect()), async |_: &Fresh, ends: &Ends| wins(ends)).await;
}

/// Copies the blob that was merged, as one does who read the source before.
fn copy_of_merged() -> Act {
    Act::new(|side| async move {
        let select = sqlx::query("SELECT id FROM blob ORDER BY id LIMIT 1").fetch_one(side.raw_pool()).await;
        let blob = select.map_err(|error| Error::Internal(error.to_string()))?.get(0);
        side.step("COPY").await;
        let source = Source::Blob { blob, size: 5 };
        side.put_object(PutObject { source, manifest_digest: None, ..object("copy", "") }).await.map(|_| true)
    })
}

#[tokio::test]
async fn a9_a_copy_of_a_merged_blob_that_is_being_collected() {
    let setup = async |store: &Fresh| {
        undigested_twin(store).await;
        run(store, digest("big", "hello")).await;
        forget(store).await;
    };
    let check = async |store: &Fresh, ends: &Ends| {
        assert!(matches!(ends.a, Ok(true) | Err(Refused::Object(ObjectError::NoSuchKey(_)))), "{:?}", ends.a);
        assert!(ends.b.is_ok(), "{:?}", ends.b);
        assert_eq!(rendered(store, "copy", "hello").await, ends.done_a());
        assert!(rendered(store, "big", "hello").await && rendered(store, "small", "hello").await);
    };
    // who finds the merged blob gone says that there is no source; only a copy slower than the grace period can
    let track = Track::new().await;
    let copied = async |store: &Fresh| {
        setup(store).await;
        store.execute("UPDATE object_version SET blob = blob".to_owned()).await;
    };
    track.explore(copied, (copy_of_merged(), collect()), check).await;
}

#[tokio::test]
async fn a9_digesting_onto_what_is_being_collected() {
    let setup = async |store: &Fresh| {
        undigested(store).await;
        run(store, push("other/app", "hello")).await;
        run(store, remove("other/app", RemoveTarget::Blob(sha256("hello")))).await;
        forget(store).await;
    };
    let check = async |store: &Fresh, ends: &Ends| {
        wins(ends);
        assert!(rendered(store, "big", "hello").await && text(store, "big", None).await.is_some());
        assert!(store.blob(&repository("team"), &sha256("hello")).await.unwrap().is_some());
    };
    Track::new().await.explore_deeply(setup, (digest("big", "hello"), collect()), check).await;
}

#[tokio::test]
async fn a9_digesting_what_is_being_collected() {
    let digest_any = || {
        Act::new(|side| async move {
            let select = sqlx::query("SELECT id FROM blob WHERE state = 'open'").fetch_optional(side.raw_pool()).await;
            let Some(row) = select.map_err(|error| Error::Internal(error.to_string()))? else { return Ok(false) };
            side.step("DIGEST").await;
            side.set_digest(row.get(0), &sha256("hello")).await.map(|()| true)
        })
    };
    let track = Track::new().await;
    for twin in [false, true] {
        let setup = async |store: &Fresh| {
            if twin {
                undigested_twin(store).await;
            } else {
                undigested(store).await;
            }
            run(store, delete("big")).await;
            forget(store).await;
        };
        let check = async |store: &Fresh, ends: &Ends| {
            assert!(ends.a.is_ok() && ends.b.is_ok(), "{:?}, {:?}", ends.a, ends.b);
            assert_eq!(rendered(store, "small", "hello").await, twin);
        };
        track.explore(setup, (digest_any(), collect()), check).await;
    }
}

#[tokio::test]
async fn a2_two_collect_at_once() {
    let track = Track::new().await;
    let check = async |store: &Fresh, ends: &Ends| {
        assert!(ends.done() >= 1 && ends.a.is_ok() && ends.b.is_ok(), "{:?}, {:?}", ends.a, ends.b);
        assert!(!readable(store, "team/a").await);
    };
    track.explore(unused, (collect(), collect()), &check).await;
    track.explore(forgotten, (collect(), collect()), &check).await;
}

#[tokio::test]
async fn b2_removals_beside_the_collector() {
    let track = Track::new().await;
    let check = async |store: &Fresh, ends: &Ends| {
        assert!(ends.a.is_ok() && ends.b.is_ok() && ends.done() >= 1, "{:?}, {:?}", ends.a, ends.b);
        assert!(!readable(store, "team/a").await);
    };
    track.explore(unused, (remove("team/a", RemoveTarget::Blob(sha256("layer"))), collect()), check).await;
    let published = async |store: &Fresh| {
        unused(store).await;
        make::publish(store, "team/a", "one", &["layer"], &["v1"]).await.unwrap();
        forget(store).await;
    };
    let check = async |store: &Fresh, ends: &Ends| {
        wins(ends);
        assert!(readable(store, "team/a").await && !there(store, "team/a", "one").await);
    };
    track.explore(published, (remove("team/a", RemoveTarget::Manifest(sha256("one"))), collect()), check).await;
}

#[tokio::test]
async fn b2_a_bucket_goes_while_its_repositories_are_collected() {
    let gone = Act::new(|side| async move { side.delete_bucket("team", audit()).await });
    let setup = async |store: &Fresh| {
        run(store, push("team/a", "layer")).await;
        forget(store).await;
    };
    let check = async |_: &Fresh, ends: &Ends| {
        assert!(matches!(ends.a, Ok(true) | Err(Refused::Object(ObjectError::BucketNotEmpty(_)))), "{:?}", ends.a);
        assert!(ends.b.is_ok(), "{:?}", ends.b);
    };
    Track::new().await.explore(setup, (gone, collect()), check).await;
}

#[tokio::test]
async fn a2_a_manifest_over_an_object_whose_membership_is_being_collected() {
    let setup = async |store: &Fresh| {
        one(store).await;
        // a second object of the same bytes: the membership is made once all the same
        run(store, copy("a", "b")).await;
        make::publish(store, "team", "over", &["one"], &[]).await.unwrap();
        run(store, remove("team", RemoveTarget::Manifest(sha256("over")))).await;
        forget(store).await;
    };
    let check = async |store: &Fresh, ends: &Ends| {
        wins(ends);
        assert!(there(store, "team", "again").await && rendered(store, "a", "one").await);
    };
    Track::new().await.explore(setup, (publish("team", "again", &["one"], &[]), collect()), check).await;
}

#[tokio::test]
async fn a5_a_session_expires_while_it_goes_on() {
    let track = Track::new().await;
    let check = async |store: &Fresh, ends: &Ends| {
        assert!(
            matches!(ends.a, Ok(_) | Err(Refused::Artifact(ArtifactError::UploadUnknown))) && ends.b.is_ok(),
            "{:?}, {:?}",
            ends.a,
            ends.b
        );
        ends.at_once();
        let open = store.count("SELECT COUNT(*) FROM upload").await == 1;
        assert_eq!(open, !ends.done_b(), "{:?}, {:?}", ends.a, ends.b);
        assert!(ends.done() >= 1);
    };
    track.explore(begin_session, (patch(5), expire(SESSION)), check).await;
    let check = async |store: &Fresh, ends: &Ends| {
        assert!(
            matches!(ends.a, Ok(_) | Err(Refused::Artifact(ArtifactError::UploadUnknown))) && ends.b.is_ok(),
            "{:?}, {:?}",
            ends.a,
            ends.b
        );
        ends.at_once();
        assert_eq!(ends.done(), 1);
        let text = acts::session_text(5);
        assert_eq!(store.blob(&repository("team/a"), &sha256(&text)).await.unwrap().is_some(), ends.done_a());
    };
    track.explore(begin_session, (close(5), expire(SESSION)), check).await;
}

#[tokio::test]
async fn a6_an_upload_in_parts_expires_while_it_goes_on() {
    let track = Track::new().await;
    let setup = async |store: &Fresh| {
        empty(store).await;
        begin_parts(store).await;
        add_part(store, 1, "e", "hello").await;
    };
    let check = async |store: &Fresh, ends: &Ends| {
        assert!(ends.a.is_ok() && ends.b.is_ok() && ends.done() == 1, "{:?}, {:?}", ends.a, ends.b);
        ends.at_once();
        assert_eq!(text(store, "big", None).await.is_some(), ends.done_a());
    };
    track.explore(setup, (complete(), expire(UPLOAD)), check).await;
    let check = async |store: &Fresh, ends: &Ends| {
        assert!(ends.done_b() && ends.a.is_ok(), "{:?}, {:?}", ends.a, ends.b);
        ends.at_once();
        assert_eq!(store.count("SELECT COUNT(*) FROM segment WHERE state <> 'dead'").await, 0);
    };
    track.explore(setup, (part(2, "f", "world"), expire(UPLOAD)), check).await;
}

/// A blob whose bytes were found to be damaged.
async fn damaged(store: &Fresh) {
    run(store, push("team/a", "layer")).await;
    store.execute("UPDATE blob SET state = 'quarantined'".to_owned()).await;
}

fn judge(whole: bool) -> Act {
    Act::new(move |side| async move {
        let select = sqlx::query("SELECT id FROM blob ORDER BY id LIMIT 1").fetch_one(side.raw_pool()).await;
        let blob = select.map_err(|error| Error::Internal(error.to_string()))?.get(0);
        side.step("JUDGE").await;
        if whole { side.restore_blob(blob).await } else { side.quarantine_blob(blob).await }.map(|()| true)
    })
}

#[tokio::test]
async fn a3_a_damaged_blob_is_healed_once() {
    let track = Track::new().await;
    let check = async |store: &Fresh, ends: &Ends| {
        ends.both_done();
        ends.at_once();
        assert!(readable(store, "team/a").await && readable(store, "team/b").await);
        assert_eq!(store.count("SELECT COUNT(*) FROM segment WHERE state = 'live'").await, 1);
        assert_eq!(store.count("SELECT COUNT(*) FROM segment WHERE state = 'dead'").await, 2);
    };
    track.explore(damaged, (push("team/a", "layer"), push("team/b", "layer")), check).await;
    let check = async |store: &Fresh, ends: &Ends| {
        ends.both_done();
        ends.at_once();
        assert!(readable(store, "team/a").await);
        assert_eq!(store.count("SELECT COUNT(*) FROM segment WHERE state = 'live'").await, 1);
    };
    track.explore(damaged, (push("team/a", "layer"), judge(true)), check).await;
    // a judgement that is older than the healing may put it back: then the next push heals it once more
    let check = async |store: &Fresh, ends: &Ends| {
        ends.both_done();
        run(store, push("team/b", "layer")).await;
        assert!(readable(store, "team/a").await && readable(store, "team/b").await);
    };
    track.explore(damaged, (push("team/a", "layer"), judge(false)), check).await;
}

#[tokio::test]
async fn a3_a_healing_push_and_the_collector() {
    let setup = async |store: &Fresh| {
        damaged(store).await;
        forget(store).await;
    };
    let check = async |store: &Fresh, ends: &Ends| {
        wins(ends);
        assert!(readable(store, "team/a").await);
        assert!(matches!(store.blob(&repository("team/a"), &sha256("layer")).await.unwrap().unwrap().content,
            Content::Segments(segments) if segments.len() == 1));
    };
    Track::new().await.explore(setup, (push("team/a", "layer"), collect()), check).await;
}

#[tokio::test]
async fn a9_digesting_heals_what_a_push_heals() {
    let setup = async |store: &Fresh| {
        run(store, push("other/app", "hello")).await;
        store.execute("UPDATE blob SET state = 'quarantined'".to_owned()).await;
        undigested(store).await;
    };
    let check = async |store: &Fresh, ends: &Ends| {
        ends.both_done();
        ends.at_once();
        assert!(rendered(store, "big", "hello").await && text(store, "big", None).await.is_some());
        assert!(store.blob(&repository("other/app"), &sha256("hello")).await.unwrap().is_some());
        assert_eq!(store.count("SELECT COUNT(*) FROM blob WHERE state = 'quarantined'").await, 0);
    };
    Track::new().await.explore(setup, (digest("big", "hello"), push("other/app", "hello")), check).await;
}

#[tokio::test]
async fn a3_bytes_are_noted_as_gone_while_they_are_found_again() {
    let setup = async |store: &Fresh| {
        run(store, push("team/a", "layer")).await;
        run(store, push("team/b", "layer")).await;
        store.execute("UPDATE segment SET dead_at = 1 WHERE state = 'dead'".to_owned()).await;
    };
    let gone = Act::new(|side| async move {
        let dead = side.dead_segments(3600, 10).await?;
        let keys: Vec<_> = dead.iter().map(|dead| dead.key.clone()).collect();
        side.step("DELETE THE BYTES").await;
        side.note_gone(&keys).await.map(|()| keys.len() == 1)
    });
    let found = Act::new(|side| async move {
        let select = sqlx::query("SELECT key FROM segment WHERE state = 'dead'").fetch_one(side.raw_pool()).await;
        let key: String = select.map_err(|error| Error::Internal(error.to_string()))?.get(0);
        side.step("LIST").await;
        side.claim_orphans(&[DeadSegment { key: key.parse()?, size: 5 }]).await.map(|_| true)
    });
    let check = async |store: &Fresh, ends: &Ends| {
        assert!(ends.a.is_ok() && ends.done_b(), "{:?}, {:?}", ends.a, ends.b);
        ends.at_once();
        assert!(readable(store, "team/a").await && readable(store, "team/b").await);
        assert_eq!(store.count("SELECT COUNT(*) FROM segment WHERE state = 'dead'").await, 1, "it is still known");
    };
    Track::new().await.explore(setup, (gone, found), check).await;
}
