//! The file `log.audit`: closed batches of the audit trail as JSON lines, in order, each line once.
//!
//! The last line says where to continue, so that a restart neither repeats nor skips lines; an incomplete line is cut
//! off. Every batch ends with its root's line, by which `journal/check.rs` detects a trail that was changed later.

mod check;

use std::fs::{File, OpenOptions};
use std::io::{Error as IoError, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use serde::{Deserialize, Serialize};
use zot_api::AuditEntry;
use zot_domain::ports::audit::{Change, Root};

pub(crate) use check::{Account, check};

use crate::error::Error;

/// The last line is searched in this many bytes. Rows are far shorter.
const TAIL: u64 = 1024 * 1024;

#[derive(Serialize)]
struct RowLine {
    seq: i64,
    position: usize,
    #[serde(flatten)]
    entry: AuditEntry,
    /// The outcome as it was hashed, if an older server used another word.
    #[serde(rename = "keptOutcome", skip_serializing_if = "Option::is_none")]
    outcome: Option<String>,
    /// The request's id as it was hashed, if another one is shown.
    #[serde(rename = "keptRequest", skip_serializing_if = "Option::is_none")]
    request: Option<String>,
}

impl RowLine {
    fn of(seq: i64, position: usize, row: Change) -> Self {
        let (outcome, request) = (row.outcome.clone(), row.request.clone());
        let entry = zot_rest::audit_entry(row);
        let outcome = Some(outcome).filter(|outcome| *outcome != entry.outcome);
        let request = Some(request).filter(|request| *request != entry.request_id);
        Self { seq, position, entry, outcome, request }
    }
}

/// The end of a batch.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RootLine<'a> {
    seq: i64,
    position: usize,
    rows: i64,
    root: &'a str,
    prev: &'a str,
    key_id: &'a str,
    signature: String,
    /// Its old rows were dropped before they were written here.
    dropped: bool,
}

/// The fields of a line that are needed to continue.
#[derive(Deserialize)]
struct Noted {
    seq: i64,
    /// The row's position in the batch; in a root's line, the number of rows.
    position: usize,
    /// Only in a root's line.
    #[serde(default)]
    root: Option<String>,
}

pub(crate) struct Journal {
    file: File,
    whole: i64,
    /// Rows of the next batch that are in the file.
    rows: usize,
}

impl Journal {
    /// Opens or creates the file, and finds where to continue.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let refused = |why: &str| Error::Refused(format!("log.audit: {}: {why}", path.display()));
        let failed = |error: IoError| Error::file_of("log.audit", path)(error);
        let mut file = OpenOptions::new().create(true).append(true).read(true).open(path).map_err(failed)?;
        file.try_lock().map_err(|_| refused("another server writes to it; give each replica its own file"))?;
        let (whole, rows) = match last_line(&mut file).map_err(failed)? {
            None => (0, 0),
            Some(line) => {
                let noted: Noted = serde_json::from_slice(&line)
                    .map_err(|_| refused("its last line is not of an audit trail; name another file"))?;
                if noted.root.is_some() { (noted.seq, 0) } else { (noted.seq - 1, noted.position + 1) }
            }
        };
        Ok(Self { file, whole, rows })
    }

    pub(crate) fn whole(&self) -> i64 {
        self.whole
    }

    /// Appends the rest of the next batch, durably.
    pub(crate) fn append(&mut self, root: &Root, rows: Vec<Change>) -> Result<(), IoError> {
        let mut text = Vec::new();
        for (position, row) in rows.into_iter().enumerate().skip(self.rows) {
            line(&mut text, &RowLine::of(root.seq, position, row))?;
        }
        let end = RootLine {
            seq: root.seq,
            position: usize::try_from(root.rows).unwrap_or_default(),
            rows: root.rows,
            root: &root.root,
            prev: &root.prev,
            key_id: &root.key_id,
            signature: hex::encode(&root.signature),
            dropped: root.dropped.is_some(),
        };
        line(&mut text, &end)?;
        self.file.write_all(&text)?;
        self.file.sync_data()?;
        (self.whole, self.rows) = (root.seq, 0);
        Ok(())
    }
}

fn line(text: &mut Vec<u8>, line: &impl Serialize) -> Result<(), IoError> {
    serde_json::to_writer(&mut *text, line)?;
    text.push(b'\n');
    Ok(())
}

/// The last complete line. The rest is cut off.
fn last_line(file: &mut File) -> Result<Option<Vec<u8>>, IoError> {
    let length = file.metadata()?.len();
    let from = length.saturating_sub(TAIL);
    file.seek(SeekFrom::Start(from))?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail)?;
    let ends = |byte: &u8| *byte == b'\n';
    let Some(end) = tail.iter().rposition(ends) else {
        if from > 0 {
            return Err(IoError::other("one of its lines is too long for an audit trail"));
        }
        file.set_len(0)?;
        return Ok(None);
    };
    file.set_len(from + end as u64 + 1)?;
    let begin = tail[..end].iter().rposition(ends).map_or(0, |before| before + 1);
    Ok(Some(tail[begin..end].to_vec()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn rows(count: usize) -> Vec<Change> {
        (0..count).map(|number| Change { id: number.to_string(), ..Change::default() }).collect()
    }

    fn batch(seq: i64, rows: i64) -> Root {
        Root { seq, rows, root: format!("root-{seq}"), ..Root::default() }
    }

    fn places(path: &Path) -> Vec<(i64, usize, bool)> {
        let text = fs::read_to_string(path).unwrap();
        let noted = text.lines().map(|line| serde_json::from_str::<Noted>(line).unwrap());
        noted.map(|it| (it.seq, it.position, it.root.is_some())).collect()
    }

    /// The file after a crash at every byte.
    #[test]
    fn after_a_crash_at_any_byte_each_line_is_there_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.log");
        let write = |path: &Path| {
            let mut journal = Journal::open(path).unwrap();
            for seq in journal.whole() + 1..=3 {
                journal.append(&batch(seq, 2), rows(2)).unwrap();
            }
        };
        write(&path);
        let whole = fs::read(&path).unwrap();
        let expected = places(&path);
        assert_eq!(expected[..4], [(1, 0, false), (1, 1, false), (1, 2, true), (2, 0, false)]);
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            write(&path);
            assert!(fs::read(&path).unwrap() == whole, "torn after {length} bytes: {:?}", places(&path));
        }
    }

    #[test]
    fn other_files_and_a_second_writer_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.log");
        fs::write(&path, "not ours\n").unwrap();
        assert!(Journal::open(&path).is_err_and(|error| error.to_string().contains("not of an audit trail")));
        assert_eq!(fs::read(&path).unwrap(), b"not ours\n");
        let missing = folder.path().join("no/audit.log");
        assert!(Journal::open(&missing).is_err_and(|error| error.to_string().contains("log.audit")));
        let other = folder.path().join("other.log");
        let first = Journal::open(&other).unwrap();
        assert!(Journal::open(&other).is_err_and(|error| error.to_string().contains("another server")));
        drop(first);
        assert_eq!(Journal::open(&other).unwrap().whole(), 0);
    }
}
