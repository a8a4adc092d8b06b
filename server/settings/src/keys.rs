//! The table of all keys: supported keys come from the types of the sections, refused keys from `keys/refused.rs`. The
//! reference in docs/, the JSON Schema and the file's check use it.

pub(crate) mod nearest;
pub(crate) mod refused;

use std::sync::LazyLock;

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::Settings;
use refused::{REFUSALS, When};

/// Schema keyword for a default that is a rule, not a value.
const RULE: &str = "x-default";

/// The schema of the supported keys, without references, `null` and rules of combination: a tree of sections.
pub(crate) static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings.into_generator().into_root_schema_for::<Settings>().to_value();
    simplify(&mut schema);
    schema
});

/// One key, as the reference documents it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyDoc {
    /// Dotted path; `*.` at its start stands for any section.
    pub path: String,
    pub status: Status,
    /// The default as Markdown; empty if there is none.
    pub default: String,
    /// Meaning, units and limits, on one line.
    pub description: String,
}

/// Whether a key works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    Works,
    /// It is refused, with this message.
    Refused(&'static str),
}

/// JSON Schema (draft 2020-12) of the configuration file, for editors and checks before a rollout.
///
/// It has a refused key only if one value of it is accepted. No key is required, because the environment or a flag may
/// set any.
pub fn json_schema() -> Value {
    let mut schema = SCHEMA.clone();
    for_files(&mut schema);
    for refusal in REFUSALS {
        if let When::Unless(accepted) = refusal.when {
            insert(&mut schema, refusal.path, json!({ "const": accepted, "description": refusal.message }));
        }
    }
    schema
}

/// All keys by path, each once.
pub fn known_keys() -> Vec<KeyDoc> {
    let mut keys = Vec::new();
    collect(&SCHEMA, "", &mut keys);
    keys.extend(REFUSALS.iter().map(|refusal| KeyDoc {
        path: refusal.path.to_owned(),
        status: Status::Refused(refusal.message),
        default: String::new(),
        description: match refusal.when {
            When::Always | When::Unmigrated => "refused".to_owned(),
            When::Unless(accepted) => format!("only `{accepted}` is accepted"),
        },
    }));
    keys.sort_by(|a, b| a.path.cmp(&b.path));
    keys
}

/// The keys of a section. None for a leaf.
pub(crate) fn properties(schema: &Value) -> Option<&Map<String, Value>> {
    schema.get("properties").and_then(Value::as_object)
}

/// The schema of each section in a list. None for other keys.
pub(crate) fn items(schema: &Value) -> Option<&Value> {
    schema.get("items").filter(|items| properties(items).is_some())
}

/// The schema of the key at a dotted path, which may have indexes such as `[0]`.
pub(crate) fn at(path: &str) -> Option<&'static Value> {
    path.split('.').try_fold(&*SCHEMA, |schema, key| {
        let (key, index) = key.split_once('[').map_or((key, false), |(key, _)| (key, true));
        let found = properties(schema)?.get(key)?;
        Some(if index { items(found).unwrap_or(found) } else { found })
    })
}

/// The description of a key, on one line.
pub(crate) fn description(schema: &Value) -> String {
    schema.get("description").and_then(Value::as_str).unwrap_or_default().replace('\n', " ")
}

/// `key` within the section `prefix`, which is empty at the top.
pub(crate) fn join(prefix: &str, key: &str) -> String {
    if prefix.is_empty() { key.to_owned() } else { format!("{prefix}.{key}") }
}

fn collect(schema: &Value, prefix: &str, keys: &mut Vec<KeyDoc>) {
    for (key, child) in properties(schema).into_iter().flatten() {
        let path = join(prefix, key);
        if properties(child).is_some() {
            collect(child, &path, keys);
        } else if let Some(items) = items(child) {
            collect(items, &format!("{path}[]"), keys);
        } else {
            let (default, description) = (default_of(child), description(child));
            keys.push(KeyDoc { path, status: Status::Works, default, description });
        }
    }
}

fn default_of(schema: &Value) -> String {
    match (schema.get(RULE).and_then(Value::as_str), schema.get("default")) {
        (Some(rule), _) => rule.to_owned(),
        (None, Some(Value::Array(list))) if list.is_empty() => String::new(),
        (None, Some(value)) => format!("`{}`", value.as_str().map_or_else(|| value.to_string(), str::to_owned)),
        (None, None) => String::new(),
    }
}

/// Removes what `Option` and nested defaults add: `null` in a file means "not set" for every key.
fn simplify(schema: &mut Value) {
    let Some(map) = schema.as_object_mut() else { return };
    if let Some(Value::Array(types)) = map.get_mut("type") {
        types.retain(|kind| kind != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            map.insert("type".to_owned(), only);
        }
    }
    if map.contains_key(RULE) || map.contains_key("properties") || map.get("default") == Some(&Value::Null) {
        map.remove("default");
    }
    each_property(map, simplify);
}

fn for_files(schema: &mut Value) {
    let Some(map) = schema.as_object_mut() else { return };
    map.remove(RULE);
    map.remove("required");
    each_property(map, for_files);
}

fn each_property(map: &mut Map<String, Value>, change: fn(&mut Value)) {
    if let Some(Value::Object(properties)) = map.get_mut("properties") {
        properties.values_mut().for_each(change);
    }
    if let Some(items) = map.get_mut("items") {
        change(items);
    }
}

/// Adds a leaf at a dotted path, with its sections.
fn insert(schema: &mut Value, path: &str, leaf: Value) {
    let mut node = schema;
    for key in path.split('.') {
        if node.get("properties").is_none() {
            *node = json!({ "type": "object", "properties": {}, "additionalProperties": false });
        }
        node = &mut node["properties"][key];
    }
    *node = leaf;
}

#[cfg(test)]
mod tests;
