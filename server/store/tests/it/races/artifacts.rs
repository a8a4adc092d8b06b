//! Artifacts: rules A7, A8, B1, B2, B8 and B10.

use zot_core::name::Reference;
use zot_domain::ports::metadata::{Content, Metadata as _, PushRights, RemoveTarget};
use zot_domain::ports::objects::{CreateBucket, Objects as _};
use zot_domain::{ArtifactError, Error};

use super::acts::{age, mount, publish, publish_as, push, push_512, remove};
use super::explore::{Act, Ends, Refused, Track};
use crate::database::Fresh;
use crate::make::{self, ALL_RIGHTS, audit, repository, sha256};

const CREATOR: PushRights = PushRights { update: false, ..ALL_RIGHTS };
const UPDATER: PushRights = PushRights { create: false, ..ALL_RIGHTS };

fn blob(text: &str) -> RemoveTarget {
    RemoveTarget::Blob(sha256(text))
}

fn of_manifest(own: &str) -> RemoveTarget {
    RemoveTarget::Manifest(sha256(own))
}

fn tag(name: &str) -> RemoveTarget {
    RemoveTarget::Tag(name.parse().unwrap())
}

/// What a tag leads to.
async fn tagged(store: &Fresh, name: &str) -> Option<String> {
    let found = store.manifest(&repository("team/a"), &name.parse().unwrap()).await.unwrap()?;
    match found.blob.content {
        Content::Inline(bytes) => Some(String::from_utf8(bytes.to_vec()).unwrap()),
        Content::Segments(_) => None,
    }
}

async fn there(store: &Fresh, name: &str, own: &str) -> bool {
    store.manifest(&repository(name), &Reference::Digest(sha256(own))).await.unwrap().is_some()
}

async fn readable(store: &Fresh, name: &str, text: &str) -> bool {
    store.blob(&repository(name), &sha256(text)).await.unwrap().is_some()
}

/// Layers that nobody touched for long.
async fn layers(store: &Fresh) {
    for layer in ["layer 1", "layer 2", "layer 3"] {
        make::push(store, "team/a", layer).await;
    }
    age(store).await;
}

/// The same, with a manifest over two of them.
async fn published(store: &Fresh) {
    layers(store).await;
    make::publish(store, "team/a", "one", &["layer 1", "layer 2"], &["v1"]).await.unwrap();
    age(store).await;
}

#[tokio::test]
async fn a7_a_manifest_and_the_removal_of_its_blob() {
    let track = Track::of_all_ages().await;
    let acts = || (publish("team/a", "one", &["layer 1"], &["v1"]), remove("team/a", blob("layer 1")));
    let check = async |store: &Fresh, ends: &Ends| {
        assert_eq!(ends.done(), 1, "{:?}, {:?}", ends.a, ends.b);
        assert!(
            matches!(ends.a, Ok(true) | Err(Refused::Artifact(ArtifactError::ManifestBlobUnknown(_)))),
            "{:?}",
            ends.a
        );
        assert!(matches!(ends.b, Ok(true) | Err(Refused::Common(Error::Unsupported(_)))), "{:?}", ends.b);
        assert_eq!(there(store, "team/a", "one").await, ends.done_a());
        assert_eq!(readable(store, "team/a", "layer 1").await, ends.done_a());
    };
    track.explore_deeply(layers, acts(), check).await;
}

#[tokio::test]
async fn a7_a_mount_and_the_removal_of_its_source() {
    let check = async |store: &Fresh, ends: &Ends| {
        assert!(ends.done_b() && ends.a.is_ok(), "{:?}, {:?}", ends.a, ends.b);
        ends.at_once();
        assert_eq!(readable(store, "team/b", "layer 1").await, ends.done_a());
        assert!(!readable(store, "team/a", "layer 1").await);
    };
    let acts = (mount("team/a", "team/b", "layer 1"), remove("team/a", blob("layer 1")));
    Track::of_all_ages().await.explore(layers, acts, check).await;
}

#[tokio::test]
async fn a7_a_push_and_the_removal_of_the_same_blob() {
    let check = async |_: &Fresh, ends: &Ends| {
        ends.both_done();
        ends.at_once();
    };
    Track::of_all_ages()
        .await
        .explore(layers, (push("team/a", "layer 1"), remove("team/a", blob("layer 1"))), check)
        .await;
}

#[tokio::test]
async fn a8_a_robot_that_may_only_create_and_a_racing_tag() {
    let check = async |store: &Fresh, ends: &Ends| {
        assert!(ends.done_b(), "{:?}", ends.b);
        assert!(matches!(ends.a, Ok(true) | Err(Refused::Common(Error::Denied(_)))), "{:?}", ends.a);
        ends.at_once();
        assert_eq!(tagged(store, "latest").await.as_deref(), Some("two"), "it came later, or was never overwritten");
        assert_eq!(there(store, "team/a", "one").await, ends.done_a(), "who was denied left nothing");
    };
    let robot = publish_as(CREATOR, "team/a", "one", &["layer 1"], &["latest"]);
    Track::of_all_ages()
        .await
        .explore_deeply(layers, (robot, publish("team/a", "two", &["layer 1"], &["latest"])), check)
        .await;
}

#[tokio::test]
async fn a8_of_two_robots_that_may_only_create_one_wins() {
    let check = async |store: &Fresh, ends: &Ends| {
        assert_eq!(ends.done(), 1, "{:?}, {:?}", ends.a, ends.b);
        ends.at_once();
        assert_eq!(tagged(store, "latest").await.as_deref(), Some(if ends.done_a() { "one" } else { "two" }));
    };
    let robot = |own| publish_as(CREATOR, "team/a", own, &["layer 1"], &["latest"]);
    Track::of_all_ages().await.explore(layers, (robot("one"), robot("two")), check).await;
}

#[tokio::test]
async fn a8_a_robot_that_may_only_update_and_the_removal_of_the_tag() {
    let check = async |store: &Fresh, ends: &Ends| {
        assert!(ends.done_b(), "{:?}", ends.b);
        assert!(matches!(ends.a, Ok(true) | Err(Refused::Common(Error::Denied(_)))), "{:?}", ends.a);
        ends.at_once();
        assert_eq!(tagged(store, "v1").await, None, "it is not made anew");
        assert_eq!(store.count("SELECT MAX(seq) FROM tag_history").await, if ends.done_a() { 3 } else { 2 });
    };
    let robot = publish_as(UPDATER, "team/a", "two", &["layer 1"], &["v1"]);
    Track::of_all_ages().await.explore(published, (robot, remove("team/a", tag("v1"))), check).await;
}

#[tokio::test]
async fn b1_two_pushes_of_the_same_layers_in_opposite_order() {
    let check = async |store: &Fresh, ends: &Ends| {
        ends.both_done();
        ends.at_once();
        assert!(there(store, "team/a", "one").await && there(store, "team/a", "two").await);
        assert_eq!(tagged(store, "a").await, tagged(store, "b").await, "both tags come from one push");
    };
    let forth = publish("team/a", "one", &["layer 1", "layer 2", "layer 3"], &["a", "b"]);
    let back = publish("team/a", "two", &["layer 3", "layer 2", "layer 1"], &["a", "b"]);
    Track::of_all_ages().await.explore(layers, (forth, back), check).await;
}

#[tokio::test]
async fn b1_one_manifest_pushed_twice() {
    let check = async |store: &Fresh, ends: &Ends| {
        ends.both_done();
        ends.at_once();
        assert_eq!(tagged(store, "v2").await.as_deref(), Some("one"));
        assert_eq!(store.count("SELECT COUNT(*) FROM manifest_blob").await, 2);
    };
    let push = || publish("team/a", "one", &["layer 1", "layer 2"], &["v2"]);
    Track::of_all_ages().await.explore(published, (push(), push()), check).await;
}

#[tokio::test]
async fn b2_a_manifest_goes_while_another_one_of_its_layers_comes() {
    let check = async |store: &Fresh, ends: &Ends| {
        ends.both_done();
        ends.at_once();
        assert!(!there(store, "team/a", "one").await);
        assert_eq!(tagged(store, "v2").await.as_deref(), Some("two"));
        assert_eq!(tagged(store, "v1").await, None);
    };
    let acts = (remove("team/a", of_manifest("one")), publish("team/a", "two", &["layer 2", "layer 1"], &["v2"]));
    Track::of_all_ages().await.explore(published, acts, check).await;
}

#[tokio::test]
async fn b2_a_manifest_goes_while_its_tag_is_moved_away() {
    let check = async |store: &Fresh, ends: &Ends| {
        ends.both_done();
        assert!(ends.begun_a == 1 && ends.begun_b <= 2, "at most once it finds that the tag's number is taken");
        assert!(!there(store, "team/a", "one").await);
        assert_eq!(tagged(store, "v1").await.as_deref(), Some("two"), "the tag belongs to the other manifest");
    };
    let acts = (remove("team/a", of_manifest("one")), publish("team/a", "two", &["layer 1"], &["v1"]));
    Track::of_all_ages().await.explore_deeply(published, acts, check).await;
}

#[tokio::test]
async fn b2_a_manifest_goes_while_it_is_pushed_again() {
    let check = async |store: &Fresh, ends: &Ends| {
        ends.both_done();
        ends.at_once();
        let came_again = there(store, "team/a", "one").await;
        assert_eq!(tagged(store, "v2").await.is_some(), came_again);
        assert_eq!(store.count("SELECT COUNT(*) FROM manifest_blob").await, if came_again { 2 } else { 0 });
    };
    let acts = (remove("team/a", of_manifest("one")), publish("team/a", "one", &["layer 1", "layer 2"], &["v2"]));
    Track::of_all_ages().await.explore_deeply(published, acts, check).await;
}

#[tokio::test]
async fn b2_what_two_remove_is_removed_once() {
    let check = async |store: &Fresh, ends: &Ends| {
        assert!(ends.done() == 1 && ends.a.is_ok() && ends.b.is_ok(), "{:?}, {:?}", ends.a, ends.b);
        ends.at_once();
        assert_eq!(
            store.count("SELECT COUNT(*) FROM change WHERE action = 'manifest.push'").await,
            5,
            "one audit row more"
        );
    };
    let track = Track::of_all_ages().await;
    for target in [of_manifest("one"), tag("v1"), blob("layer 3")] {
        let twice = (remove("team/a", target.clone()), remove("team/a", target));
        track.explore(published, twice, check).await;
    }
}

#[tokio::test]
async fn b2_the_last_members_go_while_a_third_repository_mounts() {
    let setup = async |store: &Fresh| {
        layers(store).await;
        make::push(store, "team/b", "layer 1").await;
        age(store).await;
    };
    let check = async |store: &Fresh, ends: &Ends| {
        ends.both_done();
        ends.at_once();
        assert!(readable(store, "team/c", "layer 1").await);
    };
    let acts = (mount("team/a", "team/c", "layer 1"), remove("team/b", blob("layer 1")));
    Track::of_all_ages().await.explore(setup, acts, check).await;
}

#[tokio::test]
async fn b7_a_tag_goes_while_it_is_moved() {
    let check = async |store: &Fresh, ends: &Ends| {
        ends.both_done();
        assert!(ends.begun_a == 1 && ends.begun_b <= 2, "at most once it finds that its number is taken");
        let last = tagged(store, "v1").await;
        assert!(last.is_none() || last.as_deref() == Some("two"), "{last:?}");
        assert_eq!(store.count("SELECT MAX(seq) FROM tag_history").await, 3);
        assert_eq!(store.count("SELECT COUNT(*) FROM tag_history").await, 3);
    };
    let acts = (remove("team/a", tag("v1")), publish("team/a", "two", &["layer 1"], &["v1"]));
    Track::of_all_ages().await.explore_deeply(published, acts, check).await;
}

#[tokio::test]
async fn b8_two_first_pushes_make_one_namespace() {
    let track = Track::of_all_ages().await;
    for other in ["team/a", "team/b"] {
        let check = async |store: &Fresh, ends: &Ends| {
            ends.both_done();
            ends.at_once();
            assert!(readable(store, "team/a", "hello").await && readable(store, other, "world").await);
            assert_eq!(store.count("SELECT COUNT(*) FROM namespace").await, 1);
        };
        track.explore(async |_| {}, (push("team/a", "hello"), push(other, "world")), check).await;
    }
}

#[tokio::test]
async fn b8_a_push_makes_the_namespace_that_is_made_as_a_bucket() {
    let create = Act::new(|side| async move {
        side.create_bucket(CreateBucket { name: "team".to_owned(), region: None, audit: audit() }).await
    });
    let check = async |store: &Fresh, ends: &Ends| {
        assert!(ends.done_a() && ends.b.is_ok(), "{:?}, {:?}", ends.a, ends.b);
        ends.at_once();
        assert!(readable(store, "team/a", "hello").await);
        assert_eq!(store.count("SELECT COUNT(*) FROM namespace").await, 1);
    };
    Track::of_all_ages().await.explore(async |_| {}, (push("team/a", "hello"), create), check).await;
}

#[tokio::test]
async fn b10_two_first_pushes_of_one_blob() {
    let track = Track::of_all_ages().await;
    for second in ["team/a", "team/b"] {
        let check = async |store: &Fresh, ends: &Ends| {
            ends.both_done();
            ends.at_once();
            assert!(readable(store, "team/a", "hello").await && readable(store, second, "hello").await);
            let sha512 = zot_core::digest::Digest::of(zot_core::digest::Algorithm::Sha512, b"hello");
            assert!(store.blob(&repository(second), &sha512).await.unwrap().is_some());
            assert_eq!(store.count("SELECT COUNT(*) FROM blob").await, 1);
            assert_eq!(store.count("SELECT COUNT(*) FROM segment WHERE state = 'live'").await, 1);
            assert_eq!(store.count("SELECT COUNT(*) FROM segment WHERE state = 'dead'").await, 1);
        };
        track.explore(async |_| {}, (push_512("team/a", "hello"), push_512(second, "hello")), &check).await;
        track.explore(async |_| {}, (push("team/a", "hello"), push_512(second, "hello")), check).await;
    }
}
