//! The invariants of every store.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use sqlx::{AnyConnection, Connection as _, Row as _};

/// Each blob has all its bytes, inline or as live segments without a gap. Each referenced segment is a file of its
/// length.
///
/// Runs on its own thread, because it must not block a test's runtime.
pub(crate) fn hold(directory: &Path, store_id: &str) {
    let (directory, store_id) = (directory.to_owned(), store_id.to_owned());
    let checked = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(check(&directory, &store_id));
    });
    assert!(checked.join().is_ok(), "the store is not consistent; the reason is above");
}

async fn check(directory: &Path, store_id: &str) {
    let url = format!("sqlite:{}", directory.join("metadata.db").display());
    let mut connection = AnyConnection::connect(&url).await.unwrap();
    let live = live_segments(&mut connection).await;
    let sql = "SELECT b.id, b.size, COALESCE(LENGTH(i.bytes), -1) FROM blob b LEFT JOIN blob_inline i ON i.blob = b.id";
    for row in sqlx::query(sql).fetch_all(&mut connection).await.unwrap() {
        let (blob, size, inline): (i64, i64, i64) = (row.get(0), row.get(1), row.get(2));
        match live.get(&blob) {
            None => assert_eq!(inline, size, "blob {blob} lacks its bytes"),
            Some(segments) => {
                assert_eq!(inline, -1, "blob {blob} has its bytes twice");
                let end = segments.iter().fold(0, |end, (start, length)| {
                    assert_eq!(*start, end, "blob {blob} has a gap or an overlap");
                    start + length
                });
                assert_eq!(end, size, "blob {blob} ends early or late");
            }
        }
    }
    let sql = "SELECT key, size FROM segment WHERE state IN ('live', 'staged')";
    for row in sqlx::query(sql).fetch_all(&mut connection).await.unwrap() {
        let (key, size): (String, i64) = (row.get(0), row.get(1));
        let file = segment_file(&directory.join("blobs"), store_id, &key);
        let found = std::fs::metadata(&file).map(|file| i64::try_from(file.len()).unwrap());
        assert_eq!(found.ok(), Some(size), "segment {key} is no file of that length");
    }
}

async fn live_segments(connection: &mut AnyConnection) -> HashMap<i64, Vec<(i64, i64)>> {
    let sql = "SELECT blob, start, size FROM segment WHERE state = 'live' ORDER BY blob, start";
    let mut segments: HashMap<i64, Vec<(i64, i64)>> = HashMap::new();
    for row in sqlx::query(sql).fetch_all(connection).await.unwrap() {
        segments.entry(row.get(0)).or_default().push((row.get(1), row.get(2)));
    }
    segments
}

fn segment_file(blobs: &Path, store_id: &str, key: &str) -> PathBuf {
    blobs.join(store_id).join(&key[key.len() - 2..]).join(key)
}
