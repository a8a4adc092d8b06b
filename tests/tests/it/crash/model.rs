//! The expected content of a store after a crash: each name has the content of the last acknowledged write, or of a later
//! write without an answer.

use std::collections::BTreeMap;

/// What may be found under a name: SHA-256 digests; none is "not there".
type Outcomes = Vec<Option<String>>;

/// Names and what they may hold.
#[derive(Default)]
pub(super) struct Model {
    names: BTreeMap<String, Outcomes>,
    /// Writes that were acknowledged.
    pub(super) acknowledged: usize,
    /// Writes that were not.
    pub(super) uncertain: usize,
}

impl Model {
    /// A write was acknowledged.
    pub(super) fn done(&mut self, name: &str, content: Option<String>) {
        self.acknowledged += 1;
        self.names.insert(name.to_owned(), vec![content]);
    }

    /// A write got no answer: it may have taken place, or take place yet.
    pub(super) fn maybe(&mut self, name: &str, content: Option<String>) {
        self.uncertain += 1;
        let outcomes = self.names.entry(name.to_owned()).or_insert_with(|| vec![None]);
        if !outcomes.contains(&content) {
            outcomes.push(content);
        }
    }

    /// A name that is known to hold something.
    pub(super) fn existing(&self, pick: usize) -> Option<String> {
        let there: Vec<_> = self.names.iter().filter(|(_, outcomes)| matches!(&outcomes[..], [Some(_)])).collect();
        Some(there.get(pick % there.len().max(1))?.0.clone())
    }

    /// Takes over what another writer knows of its own names.
    pub(super) fn extend(&mut self, other: Self) {
        self.acknowledged += other.acknowledged;
        self.uncertain += other.uncertain;
        self.names.extend(other.names);
    }

    /// All names.
    pub(super) fn names(&self) -> Vec<String> {
        self.names.keys().cloned().collect()
    }

    /// Holds what was read against what may be there, and remembers what it turned out to be.
    pub(super) fn check(&mut self, name: &str, found: Option<String>) {
        let outcomes = &self.names[name];
        assert!(outcomes.contains(&found), "{name} holds {found:?}, and may hold {outcomes:?}");
        self.names.insert(name.to_owned(), vec![found]);
    }
}
