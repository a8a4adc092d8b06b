//! A tree of keys from one source, and merging of layers.

use serde_json::{Map, Value};

use crate::{Fault, Problem};

/// The keys of one file, variable or flag.
pub(crate) struct Layer {
    /// The source, for messages.
    pub(super) origin: String,
    pub(crate) tree: Map<String, Value>,
}

impl Layer {
    /// A layer with one key.
    pub(super) fn single(origin: String, path: &str, value: &str) -> Self {
        let mut tree = Map::new();
        if let Some((head, keys)) = path.split('.').collect::<Vec<_>>().split_first() {
            let wrap = |inner, key: &&str| Value::Object(Map::from_iter([((*key).to_owned(), inner)]));
            tree.insert((*head).to_owned(), keys.iter().rev().fold(Value::from(value), wrap));
        }
        Self { origin, tree }
    }

    /// A problem with a key of this layer.
    pub(crate) fn problem(&self, path: impl Into<String>, fault: Fault) -> Problem {
        Problem { path: path.into(), origin: Some(self.origin.clone()), fault }
    }

    fn has(&self, path: &str) -> bool {
        let path = path.split('[').next().unwrap_or(path);
        let mut keys = path.split('.');
        keys.next()
            .and_then(|head| keys.try_fold(self.tree.get(head)?, |value, key| value.get(key)))
            .is_some_and(|value| !value.is_null())
    }
}

/// A problem with a key's final value, with the layer that set it.
pub(super) fn problem(layers: &[Layer], path: String, fault: Fault) -> Problem {
    let origin = layers.iter().rev().find(|layer| layer.has(&path)).map(|layer| layer.origin.clone());
    Problem { path, origin, fault }
}

/// All layers merged; a later one wins.
pub(super) fn overlay(layers: &[Layer]) -> Value {
    let mut all = Value::Object(Map::new());
    for layer in layers {
        put(&mut all, Value::Object(layer.tree.clone()));
    }
    all
}

fn put(below: &mut Value, above: Value) {
    match (below, above) {
        (Value::Object(below), Value::Object(above)) => {
            for (key, value) in above {
                put(below.entry(key).or_insert(Value::Null), value);
            }
        }
        (below, above) => *below = above,
    }
}
