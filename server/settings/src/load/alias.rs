//! Moves other spellings of keys and values, from zot and from older documents, to the canonical one.

use serde_json::{Map, Value};

use super::layer::Layer;
use crate::keys::refused::REFUSALS;
use crate::keys::{SCHEMA, at, join, properties};
use crate::{Fault, Problem};

/// Other spelling, canonical spelling; keys or whole sections.
const ALIASES: [(&str, &str); 5] = [
    ("http.allowOrigin", "http.cors.allowOrigin"),
    ("http.auth.bearer", "auth.bearer"),
    ("storage.storageDriver.regionendpoint", "storage.storageDriver.endpoint"),
    ("extensions.s3", "extensions.s3api"),
    ("extensions.supply-chain", "extensions.supplychain"),
];

/// Key, other spelling of its value, canonical one.
const VALUES: [(&str, &str, &str); 1] = [("storage.storageDriver.name", "gcp", "gcs")];

/// Puts a layer into the canonical spelling. A key with two spellings is an error, not a guess.
pub(crate) fn rewrite(layer: &mut Layer, problems: &mut Vec<Problem>) {
    let mut faults = Vec::new();
    if let Some(Value::Object(extensions)) = layer.tree.get_mut("extensions") {
        for (name, extension) in extensions {
            enable(extension, &join("extensions", name), &mut faults);
        }
    }
    for (alias, key) in ALIASES {
        if let Some(value) = take(&mut layer.tree, alias) {
            put(&mut layer.tree, key, (alias, key), value, &mut faults);
        }
    }
    for (key, alias, canonical) in VALUES {
        match find(&mut layer.tree, key) {
            Some(value) if value.as_str() == Some(alias) => *value = canonical.into(),
            _ => {}
        }
    }
    problems.extend(faults.into_iter().map(|(path, fault)| layer.problem(path, fault)));
}

/// Spells keys in the case that this server knows them in: zot ignores case, and a section left out for its case might
/// be access control.
pub(crate) fn ignore_case(layer: &mut Layer, problems: &mut Vec<Problem>) {
    let mut faults = Vec::new();
    respell(&mut layer.tree, "", &mut faults);
    problems.extend(faults.into_iter().map(|(path, fault)| layer.problem(path, fault)));
}

fn respell(map: &mut Map<String, Value>, prefix: &str, faults: &mut Vec<(String, Fault)>) {
    let known: Vec<_> = names_below(prefix).collect();
    for key in map.keys().cloned().collect::<Vec<_>>() {
        let Some(name) = known.iter().find(|name| name.eq_ignore_ascii_case(&key) && **name != key) else { continue };
        if map.contains_key(*name) {
            let (alias, key) = (join(prefix, &key), join(prefix, name));
            faults.push((key.clone(), Fault::SpelledTwice { alias, key }));
        } else if let Some(value) = map.remove(&key) {
            map.insert((*name).to_owned(), value);
        }
    }
    for (key, child) in map {
        if let Value::Object(inner) = child {
            respell(inner, &join(prefix, key), faults);
        }
    }
}

/// The supported, refused and aliased keys of a section.
fn names_below(prefix: &str) -> impl Iterator<Item = &'static str> {
    let section = if prefix.is_empty() { Some(&*SCHEMA) } else { at(prefix) };
    let supported = section.and_then(properties).into_iter().flat_map(Map::keys).map(String::as_str);
    let paths = REFUSALS.iter().map(|refusal| refusal.path).chain(ALIASES.iter().map(|(alias, _)| *alias));
    let below = paths.filter_map(move |path| {
        let rest = if prefix.is_empty() { path } else { path.strip_prefix(prefix)?.strip_prefix('.')? };
        rest.split('.').next()
    });
    supported.chain(below).chain(prefix.starts_with("extensions.").then_some("enable"))
}

/// `enable` anywhere below an extension means `enabled`.
fn enable(section: &mut Value, path: &str, faults: &mut Vec<(String, Fault)>) {
    let Value::Object(map) = section else { return };
    if let Some(value) = map.remove("enable") {
        let spellings = (join(path, "enable"), join(path, "enabled"));
        put(map, "enabled", (&spellings.0, &spellings.1), value, faults);
    }
    for (key, child) in map {
        enable(child, &join(path, key), faults);
    }
}

fn find<'a>(map: &'a mut Map<String, Value>, path: &str) -> Option<&'a mut Value> {
    match path.split_once('.') {
        Some((section, rest)) => find(map.get_mut(section)?.as_object_mut()?, rest),
        None => map.get_mut(path),
    }
}

/// Removes a key, and its section if that is then empty.
fn take(map: &mut Map<String, Value>, path: &str) -> Option<Value> {
    let Some((section, rest)) = path.split_once('.') else { return map.remove(path) };
    let inner = map.get_mut(section)?.as_object_mut()?;
    let value = take(inner, rest)?;
    if inner.is_empty() {
        map.remove(section);
    }
    Some(value)
}

/// Sets a value at `path` below `map`, joining sections; `spellings` are the full paths of alias and key.
fn put(
    map: &mut Map<String, Value>,
    path: &str,
    spellings: (&str, &str),
    value: Value,
    faults: &mut Vec<(String, Fault)>,
) {
    let (head, rest) = path.split_once('.').map_or((path, None), |(head, rest)| (head, Some(rest)));
    match (map.get_mut(head), rest, value) {
        (Some(Value::Object(inner)), Some(rest), value) => put(inner, rest, spellings, value, faults),
        (Some(Value::Object(inner)), None, Value::Object(more)) => {
            for (key, value) in more {
                let (alias, canonical) = (join(spellings.0, &key), join(spellings.1, &key));
                put(inner, &key, (&alias, &canonical), value, faults);
            }
        }
        (None | Some(Value::Null), Some(rest), value) => {
            let mut inner = Map::new();
            put(&mut inner, rest, spellings, value, faults);
            map.insert(head.to_owned(), Value::Object(inner));
        }
        (None | Some(Value::Null), None, value) => {
            map.insert(head.to_owned(), value);
        }
        (Some(_), ..) => {
            let (alias, key) = (spellings.0.to_owned(), spellings.1.to_owned());
            faults.push((key.clone(), Fault::SpelledTwice { alias, key }));
        }
    }
}
