//! Checks a file of `log.audit`: each row is as the server writes it, and each batch's rows hash to the root that follows
//! them. [`zot_domain::audit::Chain::compare`] compares the roots with the database.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Error as IoError};
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;
use zot_domain::audit::root_of;
use zot_domain::fsck::{Finding, Kind};
use zot_domain::ports::audit::{Change, Root};

use super::RowLine;

/// The contents of the file.
#[derive(Debug, Default)]
pub(crate) struct Account {
    /// The roots, in order.
    pub roots: Vec<Root>,
    pub findings: Vec<Finding>,
    /// The file ends within this batch. A server continues there.
    pub open: Option<i64>,
}

/// A row in the file.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RowRead {
    seq: i64,
    position: usize,
    id: String,
    timestamp: String,
    user_id: String,
    action: String,
    resource: String,
    outcome: String,
    request_id: String,
    ip_address: String,
    method: String,
    user_agent: String,
    reason: Option<String>,
    policy_id: Option<String>,
    details: Option<Value>,
    kept_outcome: Option<String>,
    kept_request: Option<String>,
}

/// A batch's root in the file.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RootRead {
    seq: i64,
    rows: i64,
    root: String,
    prev: String,
    key_id: String,
    signature: String,
    dropped: bool,
}

impl RowRead {
    /// The database's row, if the server would write it like this.
    fn change(self, whole: &Value) -> Option<Change> {
        let at: jiff::Timestamp = self.timestamp.parse().ok()?;
        let change = Change {
            id: self.id,
            at: at.as_microsecond(),
            actor: self.user_id,
            action: self.action,
            resource: self.resource,
            outcome: self.kept_outcome.unwrap_or(self.outcome),
            request: self.kept_request.unwrap_or(self.request_id),
            address: self.ip_address,
            method: self.method,
            user_agent: self.user_agent,
            reason: self.reason.unwrap_or_default(),
            policy: self.policy_id.unwrap_or_default(),
            details: self.details.map_or_else(String::new, |details| match details {
                Value::String(text) => text,
                details => details.to_string(),
            }),
            batch: Some(self.seq),
        };
        // derived fields, such as the user's name, are not hashed; a later server may write more
        let rendered = serde_json::to_value(RowLine::of(self.seq, self.position, change.clone())).ok()?;
        let same = whole.as_object()?.iter().all(|(name, value)| rendered.get(name) == Some(value));
        same.then_some(change)
    }
}

enum Line {
    Row(i64, usize, Box<Change>),
    Root(Root),
}

fn read(text: &[u8]) -> Option<Line> {
    let whole: Value = serde_json::from_slice(text).ok()?;
    if whole.get("root").is_none() {
        let row = RowRead::deserialize(&whole).ok()?;
        let (seq, position) = (row.seq, row.position);
        return Some(Line::Row(seq, position, Box::new(row.change(&whole)?)));
    }
    let root = RootRead::deserialize(&whole).ok()?;
    Some(Line::Root(Root {
        seq: root.seq,
        rows: root.rows,
        root: root.root,
        prev: root.prev,
        key_id: root.key_id,
        signature: hex::decode(root.signature).ok()?,
        dropped: root.dropped.then(Vec::new),
        ..Root::default()
    }))
}

pub(crate) fn check(path: &Path) -> Result<Account, IoError> {
    let mut file = BufReader::new(File::open(path)?);
    let mut check = Check::default();
    let mut text = Vec::new();
    while file.read_until(b'\n', &mut text)? > 0 {
        if text.last() != Some(&b'\n') {
            // incomplete, or being written
            check.torn = true;
            break;
        }
        check.line(&text);
        text.clear();
    }
    Ok(check.ended())
}

#[derive(Default)]
struct Check {
    account: Account,
    /// Of the current line, from 1.
    number: u64,
    batch: Option<i64>,
    rows: Vec<Change>,
    first: usize,
    /// A wrong line of the batch was reported.
    spoiled: bool,
    torn: bool,
}

impl Check {
    fn found(&mut self, kind: Kind, text: String) {
        self.account.findings.push(Finding::new(kind, text));
    }

    /// The batch of the last root.
    fn last(&self) -> Option<i64> {
        self.account.roots.last().map(|root| root.seq)
    }

    fn line(&mut self, text: &[u8]) {
        self.number += 1;
        match read(text) {
            None => {
                self.spoiled = true;
                let number = self.number;
                self.found(Kind::AuditChanged, format!("line {number} of the file was changed"));
            }
            Some(Line::Row(seq, position, row)) => {
                self.begin(seq, position);
                if position != self.first + self.rows.len() && !self.spoiled {
                    self.found(
                        Kind::AuditMissing,
                        format!("rows of batch {seq} in the file are missing or in another order"),
                    );
                    self.spoiled = true;
                }
                self.rows.push(*row);
            }
            Some(Line::Root(root)) => {
                self.begin(root.seq, usize::try_from(root.rows).unwrap_or_default());
                self.close(root);
            }
        }
    }

    /// Begins a batch with a line at this position, unless it is open.
    fn begin(&mut self, seq: i64, position: usize) {
        if self.batch == Some(seq) {
            return;
        }
        if let Some(open) = self.batch {
            self.found(Kind::AuditMissing, format!("batch {open} in the file has no root"));
            self.spoiled = false;
        }
        let before = self.batch.or(self.last());
        match before {
            Some(before) if seq <= before => {
                self.found(Kind::AuditAdded, format!("batch {seq} is in the file after batch {before}"));
            }
            Some(before) if seq > before + 1 => {
                self.found(Kind::AuditMissing, format!("batches {} to {} are not in the file", before + 1, seq - 1));
            }
            _ => {}
        }
        // older lines may have been moved to another file
        self.first = if self.number == 1 { position } else { 0 };
        self.batch = Some(seq);
        self.rows.clear();
    }

    fn close(&mut self, root: Root) {
        let (seq, wanted) = (root.seq, root.rows);
        let count = i64::try_from(self.first + self.rows.len()).unwrap_or(i64::MAX);
        if !self.spoiled && root.dropped.is_none() {
            if count < wanted {
                self.found(
                    Kind::AuditMissing,
                    format!("batch {seq} has {count} rows in the file, but was closed with {wanted}"),
                );
            } else if count > wanted {
                self.found(Kind::AuditAdded, format!("batch {seq} has more than its {wanted} rows in the file"));
            } else if self.first == 0 && root_of(&self.rows) != root.root {
                self.found(
                    Kind::AuditChanged,
                    format!("batch {seq} has {wanted} rows in the file, but some changed after it was closed"),
                );
            }
        }
        self.account.roots.push(root);
        self.batch = None;
        self.rows.clear();
        self.spoiled = false;
    }

    fn ended(mut self) -> Account {
        let next = self.last().map_or(1, |last| last + 1);
        self.account.open = self.batch.or_else(|| (self.torn || self.spoiled).then_some(next));
        self.account
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::Journal;
    use super::*;

    /// Rows of every kind: with all fields, of an older server, anonymous and denied.
    fn rows(seq: i64) -> Vec<Change> {
        let text = ToOwned::to_owned;
        let full = Change {
            id: format!("{seq}-0"),
            at: 1_700_000_000_123_456 + seq,
            actor: text("user:alice"),
            action: text("manifest.push"),
            resource: text("repository:team/app:v1"),
            outcome: text("allowed"),
            request: text("client-id"),
            address: text("10.0.0.1"),
            method: text("PUT"),
            user_agent: text("curl/8 \"ü\\"),
            details: text(r#"{"digest":"sha256:b","previousDigest":"sha256:a","tags":{"v1":null}}"#),
            ..Change::default()
        };
        let old = Change { id: format!("{seq}-1"), actor: text("key:a"), outcome: text("ok"), ..Change::default() };
        let denied = Change {
            id: format!("{seq}-2"),
            actor: text("anonymous"),
            outcome: text("denied"),
            reason: text("no policy allows it"),
            policy: text("p1"),
            details: text("no object"),
            ..full.clone()
        };
        vec![full, old, denied]
    }

    fn written(path: &Path) -> Vec<String> {
        let mut journal = Journal::open(path).unwrap();
        for seq in 1..=3 {
            let rows = rows(seq);
            let rows: Vec<_> = rows.into_iter().map(|row| Change { batch: Some(seq), ..row }).collect();
            let root = Root { seq, rows: 3, root: root_of(&rows), signature: vec![1], ..Root::default() };
            journal.append(&root, rows).unwrap();
        }
        fs::read_to_string(path).unwrap().lines().map(ToOwned::to_owned).collect()
    }

    fn kinds(path: &Path, lines: &[String]) -> (Vec<Kind>, Option<i64>) {
        fs::write(path, lines.iter().map(String::as_str).chain([""]).collect::<Vec<_>>().join("\n")).unwrap();
        let account = check(path).unwrap();
        (account.findings.iter().map(|finding| finding.kind).collect(), account.open)
    }

    #[test]
    fn a_file_as_it_was_written_fits_and_so_do_its_later_lines() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.log");
        let lines = written(&path);
        let account = check(&path).unwrap();
        assert_eq!(
            account.roots.iter().map(|root| (root.seq, root.rows)).collect::<Vec<_>>(),
            [(1, 3), (2, 3), (3, 3)]
        );
        // lines were moved to another file
        for from in 0..lines.len() {
            assert_eq!(kinds(&path, &lines[from..]), (vec![], None), "from line {from}");
        }
        assert_eq!(kinds(&path, &[]), (vec![], None));
    }

    #[test]
    fn whatever_is_changed_in_a_line_shows() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.log");
        let lines = written(&path);
        for (number, line) in lines.iter().enumerate().filter(|(_, line)| !line.contains("\"root\"")) {
            let whole: Value = serde_json::from_str(line).unwrap();
            for (name, value) in whole.as_object().unwrap() {
                let changed = match value {
                    Value::String(text) if name == "timestamp" => {
                        text.replacen('2', "1", 1).replacen("70", "71", 1).into()
                    }
                    Value::String(text) => format!("{text}x").into(),
                    Value::Number(value) => (value.as_i64().unwrap() + 1).into(),
                    Value::Object(_) => serde_json::json!({"digest": "sha256:c"}),
                    _ => Value::String("x".to_owned()),
                };
                let mut other = whole.clone();
                other[name] = changed;
                let mut lines = lines.clone();
                lines[number] = other.to_string();
                let (kinds, open) = kinds(&path, &lines);
                assert!(!kinds.is_empty() || open.is_some(), "line {number}, {name}: {}", lines[number]);
            }
            let mut lines = lines.clone();
            lines[number] = line.replacen('{', "{\"more\":1,", 1);
            assert_eq!(kinds(&path, &lines).0, [Kind::AuditChanged], "{number}");
        }
    }

    #[test]
    fn whatever_is_taken_away_or_added_shows() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.log");
        let lines = written(&path);
        // the first line alone may be missing: the rest of its batch then looks like a moved beginning
        for number in 1..lines.len() {
            let mut fewer = lines.clone();
            fewer.remove(number);
            let (found, open) = kinds(&path, &fewer);
            assert!(!found.is_empty() || open == Some(3), "without line {number}");
            let mut more = lines.clone();
            more.insert(number, lines[number - 1].clone());
            assert!(!kinds(&path, &more).0.is_empty(), "line {number} twice");
            let mut swapped = lines.clone();
            swapped.swap(number - 1, number);
            assert!(!kinds(&path, &swapped).0.is_empty(), "line {number} earlier");
            let mut strange = lines.clone();
            strange[number] = "not ours".to_owned();
            assert!(!kinds(&path, &strange).0.is_empty(), "line {number} is strange");
        }
        // a batch as a whole
        let without: Vec<_> = lines.iter().filter(|line| !line.contains("\"seq\":2,")).cloned().collect();
        assert_eq!(kinds(&path, &without).0, [Kind::AuditMissing]);
        // the end
        assert_eq!(kinds(&path, &lines[..lines.len() - 1]), (vec![], Some(3)));
        fs::write(&path, format!("{}\n{{\"seq\":2,\"posi", lines[..4].join("\n"))).unwrap();
        assert_eq!(check(&path).unwrap().open, Some(2));
    }
}
