//! The hash of a batch and the message that its signature covers. The encoding never changes: `docs/reference/audit.md`
//! describes it for independent verifiers.

use sha2::{Digest as _, Sha256};

use super::merkle;
use crate::ports::audit::{Change, Root};

/// The prefix of a row's bytes.
const ROW: &[u8] = b"zot-audit-row-1";
/// The prefix of a signed root.
const ROOT: &[u8] = b"zot-audit-root-1";
/// The prefix of the message that is signed when rows are dropped.
const DROP: &[u8] = b"zot-audit-drop-1";
/// The link of the first batch, which has none before it.
const NOTHING: [u8; 32] = [0; 32];

/// Signs roots, and verifies signatures.
pub trait Signer: Send + Sync {
    fn key_id(&self) -> &str;

    fn sign(&self, message: &[u8]) -> Vec<u8>;

    /// Whether that key's signature is valid. None if the key is not available.
    fn verify(&self, key_id: &str, message: &[u8], signature: &[u8]) -> Option<bool>;
}

/// The canonical bytes of a row: each text is preceded by its length; numbers have eight bytes; all big-endian.
fn encoded(row: &Change) -> Vec<u8> {
    let mut bytes = ROW.to_vec();
    text(&mut bytes, &row.id);
    bytes.extend(row.at.to_be_bytes());
    for value in [
        &row.actor,
        &row.action,
        &row.resource,
        &row.outcome,
        &row.request,
        &row.address,
        &row.method,
        &row.user_agent,
        &row.reason,
        &row.policy,
        &row.details,
    ] {
        text(&mut bytes, value);
    }
    bytes
}

fn text(bytes: &mut Vec<u8>, value: &str) {
    bytes.extend((value.len() as u64).to_be_bytes());
    bytes.extend(value.as_bytes());
}

/// The root over rows in the order of their keys.
pub fn root_of(rows: &[Change]) -> String {
    let leaves: Vec<_> = rows.iter().map(|row| merkle::leaf(&encoded(row))).collect();
    hex::encode(merkle::root(&leaves))
}

/// The message that a root's signature covers.
pub(super) fn message(root: &Root) -> Vec<u8> {
    let mut bytes = ROOT.to_vec();
    text(&mut bytes, &root.root);
    text(&mut bytes, &root.prev);
    for number in [root.seq, root.rows, root.newest] {
        bytes.extend(number.to_be_bytes());
    }
    text(&mut bytes, &root.first);
    text(&mut bytes, &root.last);
    bytes
}

/// The `prev` of the next root: it covers this root and all before it.
pub(super) fn link(root: Option<&Root>) -> String {
    hex::encode(root.map_or(NOTHING, |root| Sha256::digest(message(root)).into()))
}

/// The message that is signed when the rows of a batch are dropped.
pub(super) fn drop_message(root: &Root) -> Vec<u8> {
    let mut bytes = DROP.to_vec();
    text(&mut bytes, &link(Some(root)));
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> Change {
        let text = ToOwned::to_owned;
        Change {
            id: text("01"),
            at: 1,
            actor: text("key:a"),
            action: text("read"),
            resource: text("repository:team/app"),
            outcome: text("allowed"),
            address: text("10.0.0.1"),
            ..Change::default()
        }
    }

    #[test]
    fn every_column_counts() {
        type Set = fn(&mut Change);
        let all: [Set; 13] = [
            |it| it.id.push('x'),
            |it| it.at += 1,
            |it| it.actor.push('x'),
            |it| it.action.push('x'),
            |it| it.resource.push('x'),
            |it| it.outcome.push('x'),
            |it| it.request.push('x'),
            |it| it.address.push('x'),
            |it| it.method.push('x'),
            |it| it.user_agent.push('x'),
            |it| it.reason.push('x'),
            |it| it.policy.push('x'),
            |it| it.details.push('x'),
        ];
        for (number, set) in all.iter().enumerate() {
            let mut other = row();
            set(&mut other);
            assert_ne!(encoded(&other), encoded(&row()), "column {number}");
        }
        // the batch number is not hashed: it is known only after the root
        assert_eq!(encoded(&Change { batch: Some(7), ..row() }), encoded(&row()));
    }

    #[test]
    fn what_moves_between_columns_counts() {
        let (mut left, mut right) = (row(), row());
        left.reason = "ab".to_owned();
        right.reason = "a".to_owned();
        right.policy = "b".to_owned();
        assert_ne!(encoded(&left), encoded(&right));
    }

    /// Today's roots must remain verifiable.
    #[test]
    fn the_encoding_does_not_drift() {
        assert_eq!(root_of(&[row()]), "b89b34a1ca34cfb8a7198f5b5e1815cf33c6ea8fbb32510c49470359bbb0a25e");
        let root = Root { seq: 1, rows: 1, newest: 1, root: root_of(&[row()]), prev: link(None), ..Root::default() };
        assert_eq!(link(Some(&root)), "75c62a31b805e1c7724318761eaebe0da1b621b7daf2559325348e3771e40ed7");
    }
}
