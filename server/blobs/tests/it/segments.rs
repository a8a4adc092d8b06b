//! Writing and reading segments.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use zot_core::digest::{Algorithm, Digest};
use zot_core::hash::Hasher;
use zot_domain::Error;
use zot_domain::ports::blobs::{BlobReads as _, BlobWrites as _, SegmentKey};

use crate::place::{Place, body, broken_body, content, list, piece, read, write};

crate::on_all!(
    what_is_written_is_read_back_and_hashed,
    a_segment_may_be_empty,
    a_large_body_goes_up_in_parts,
    a_piece_is_any_range_of_any_segment,
    what_came_of_a_body_that_broke_is_kept,
    what_was_read_stays_as_long_as_it_is_held,
    missing_bytes_are_an_error_and_no_short_body,
    what_is_discarded_is_gone,
    a_large_body_is_never_in_memory_as_a_whole,
);

const MIB: usize = 1024 * 1024;

async fn what_is_written_is_read_back_and_hashed(place: &Place) {
    let store = place.store("id");
    let all = content(300_000);
    let (head, rest) = (all.slice(..100_000), all.slice(100_000..));
    let written = store.write(head, body(&rest), Hasher::new(Algorithm::Sha512)).await.unwrap();
    assert_eq!((written.size, written.broken.is_none()), (300_000, true));
    let digests = written.hasher.finish();
    assert_eq!(digests.sha256, Digest::of(Algorithm::Sha256, &all));
    assert_eq!(digests.sha512, Some(Digest::of(Algorithm::Sha512, &all)));
    assert!(read(&store, vec![piece(&written.key, 0, 300_000)]).await.unwrap() == all);
}

async fn a_segment_may_be_empty(place: &Place) {
    let store = place.store("id");
    let written = write(&store, body(&Bytes::new())).await;
    assert_eq!((written.size, written.broken.is_none()), (0, true));
    let listed = list(&store, None).await;
    assert_eq!((listed.len(), listed[0].key.as_ref(), listed[0].size), (1, Some(&written.key), 0));
    assert_eq!(read(&store, Vec::new()).await.unwrap(), Vec::<u8>::new());
}

/// Five parts of a cloud and a piece of one, 40 of a disk.
async fn a_large_body_goes_up_in_parts(place: &Place) {
    let store = place.store("id");
    let all = content(40 * MIB + 12_345);
    let written = write(&store, body(&all)).await;
    let size = all.len() as u64;
    assert_eq!(written.size, size);
    assert_eq!(written.hasher.finish().sha256, Digest::of(Algorithm::Sha256, &all));
    assert!(read(&store, vec![piece(&written.key, 0, size)]).await.unwrap() == all);
    let over_a_border = piece(&written.key, 8 * MIB as u64 - 5, 8 * MIB as u64 + 5);
    assert_eq!(read(&store, vec![over_a_border]).await.unwrap(), all.slice(8 * MIB - 5..8 * MIB + 5));
    assert_eq!(list(&store, None).await.len(), 1, "no part is left beside it");
}

async fn a_piece_is_any_range_of_any_segment(place: &Place) {
    let store = place.store("id");
    let (first, second) = (content(3 * MIB), content(5 * MIB).slice(2 * MIB..));
    let (a, b) = (write(&store, body(&first)).await.key, write(&store, body(&second)).await.key);
    let pieces = vec![
        piece(&b, 10, 11),
        piece(&a, 3 * MIB as u64 - 7, 3 * MIB as u64),
        piece(&b, 1_000_000, 2_500_000),
        piece(&a, 0, 3 * MIB as u64),
    ];
    let expected = [&second[10..11], &first[3 * MIB - 7..], &second[1_000_000..2_500_000], &first[..]].concat();
    assert!(read(&store, pieces).await.unwrap() == expected);
}

async fn what_came_of_a_body_that_broke_is_kept(place: &Place) {
    let store = place.store("id");
    for length in [0, 1000, 20 * MIB] {
        let all = content(length);
        let written = write(&store, broken_body(&all)).await;
        assert!(matches!(written.broken, Some(Error::BodyIncomplete)), "{:?}", written.broken);
        assert_eq!(written.size, length as u64);
        assert_eq!(written.hasher.finish().sha256, Digest::of(Algorithm::Sha256, &all));
        if length > 0 {
            assert!(read(&store, vec![piece(&written.key, 0, length as u64)]).await.unwrap() == all);
        }
    }
}

/// Buffers are used again, but only those that nobody holds any more.
async fn what_was_read_stays_as_long_as_it_is_held(place: &Place) {
    let store = place.store("id");
    let all = content(5 * MIB + 1);
    let key = write(&store, body(&all)).await.key;
    let mut bytes = store.read(vec![piece(&key, 0, all.len() as u64)]);
    let (mut held, mut offset) = (Vec::new(), 0);
    while let Some(window) = bytes.next().await {
        let window = window.unwrap();
        let end = offset + window.len();
        assert!(window == all.slice(offset..end), "{offset}..{end}");
        if offset % 3 == 0 || offset > 3 * MIB {
            held.push((offset, window));
        }
        offset = end;
    }
    assert_eq!(offset, all.len());
    assert!(held.iter().all(|(offset, window)| *window == all.slice(*offset..offset + window.len())));
}

async fn missing_bytes_are_an_error_and_no_short_body(place: &Place) {
    let store = place.store("id");
    let written = write(&store, body(&content(2 * MIB))).await;
    let end = 2 * MIB as u64;
    for (start, end) in [(0, end + 1), (end - 1, end + 1), (end, end + 1), (end + 10, end + 20)] {
        let outcome = read(&store, vec![piece(&written.key, start, end)]).await;
        assert!(outcome.is_err(), "{start}..{end}: {} bytes", outcome.unwrap().len());
    }
    let gone = SegmentKey::new();
    let mut bytes = store.read(vec![piece(&written.key, 0, 10), piece(&gone, 0, 10)]);
    assert_eq!(bytes.next().await.unwrap().unwrap(), content(10));
    let error = bytes.next().await.unwrap().unwrap_err();
    assert!(matches!(&error, Error::Internal(text) if text.contains(&gone.to_string())), "{error:?}");
}

async fn what_is_discarded_is_gone(place: &Place) {
    let store = place.store("id");
    let key = write(&store, body(&content(10))).await.key;
    store.discard(&key).await;
    assert!(read(&store, vec![piece(&key, 0, 10)]).await.is_err());
    store.discard(&key).await;
    assert_eq!(list(&store, None).await, []);
}

/// A chunk of a body, counted as long as anybody holds it.
struct Counted(Vec<u8>, Arc<AtomicUsize>);

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.1.fetch_sub(self.0.len(), Ordering::Relaxed);
    }
}

async fn a_large_body_is_never_in_memory_as_a_whole(place: &Place) {
    const CHUNK: usize = MIB / 4;
    let (held, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (counter, peak) = (Arc::clone(&held), Arc::clone(&most));
    let chunks = stream::iter(0..400_u16).map(move |index| {
        let now = counter.fetch_add(CHUNK, Ordering::Relaxed) + CHUNK;
        peak.fetch_max(now, Ordering::Relaxed);
        Ok(Bytes::from_owner(Counted(vec![u8::try_from(index % 256).unwrap(); CHUNK], Arc::clone(&counter))))
    });
    let written = write(&place.store("id"), Box::pin(chunks)).await;
    assert_eq!((written.size, held.load(Ordering::Relaxed)), (100 * MIB as u64, 0));
    // two parts on their way, one that is gathered, and what is being hashed
    let most = most.load(Ordering::Relaxed);
    assert!(most <= 32 * MIB, "{} MiB were held at once", most / MIB);
}
