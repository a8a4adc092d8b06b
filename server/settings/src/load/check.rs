//! Checks a layer against the table of keys: unknown, refused and missing keys, and strings for other types.
//! `validate.rs` has ranges and rules between keys.

use serde_json::{Map, Value};

use super::layer::Layer;
use crate::keys::nearest::nearest;
use crate::keys::refused::{Verdict, is_section, verdict};
use crate::keys::{SCHEMA, description, items, join, properties};
use crate::{Fault, Problem};

/// Checks one layer. Supported keys remain in it, with values to decode.
pub(crate) fn layer(layer: &mut Layer, problems: &mut Vec<Problem>) {
    let mut faults = Vec::new();
    section(&mut layer.tree, Some(&SCHEMA), "", &mut faults);
    problems.extend(faults.into_iter().map(|(path, fault)| layer.problem(path, fault)));
}

fn section(map: &mut Map<String, Value>, schema: Option<&Value>, prefix: &str, faults: &mut Vec<(String, Fault)>) {
    map.retain(|key, value| match entry(key, value, schema, prefix, faults) {
        Ok(keep) => keep,
        Err(fault) => {
            faults.push((join(prefix, key), fault));
            false
        }
    });
}

/// Checks one key with everything below it. Returns whether it stays.
fn entry(
    key: &str,
    value: &mut Value,
    schema: Option<&Value>,
    prefix: &str,
    faults: &mut Vec<(String, Fault)>,
) -> Result<bool, Fault> {
    if key.contains('.') {
        return Err(Fault::Wrong("a key has no dots; write one section in another instead".to_owned()));
    }
    let path = join(prefix, key);
    match verdict(&path, value) {
        Verdict::Refused(fault) => return Err(fault),
        Verdict::Accepted => return Ok(false),
        Verdict::None => {}
    }
    let known = schema.and_then(properties).and_then(|keys| keys.get(key));
    let is_section = is_section(&path) || known.is_some_and(|known| properties(known).is_some());
    match (known, value) {
        (None, _) if !is_section => Err(Fault::Unknown { nearest: nearest(schema, prefix, key) }),
        (_, Value::Null) => Ok(false),
        (known, Value::Object(inner)) if is_section => {
            section(inner, known, &path, faults);
            Ok(known.is_some())
        }
        (Some(known), Value::Array(list)) if items(known).is_some() => {
            for (number, each) in list.iter_mut().enumerate() {
                if let Value::Object(inner) = each {
                    section(inner, items(known), &format!("{path}[{number}]"), faults);
                }
            }
            Ok(true)
        }
        (Some(leaf), value) if !is_section => convert(value, leaf).map(|()| true),
        _ => Err(Fault::Wrong("expected a section with keys below it, not a single value".to_owned())),
    }
}

/// Converts a string to the type of the key, because the environment, flags and `${VAR}` only have strings. Decoding
/// refuses what cannot be converted.
fn convert(value: &mut Value, leaf: &Value) -> Result<(), Fault> {
    let Value::String(text) = value else { return Ok(()) };
    if text.trim().is_empty() {
        return Err(Fault::Wrong("is empty; give a value, or remove the key to get its default".to_owned()));
    }
    let wants = |kind: &str| match leaf.get("type") {
        Some(Value::Array(kinds)) => kinds.iter().any(|each| each == kind),
        Some(only) => only == kind,
        None => false,
    };
    if wants("array") {
        *value = text.split(',').map(str::trim).collect();
    } else if wants("boolean") && matches!(text.as_str(), "true" | "false") {
        *value = Value::Bool(text == "true");
    } else if wants("integer")
        && let Ok(number) = text.parse::<u64>()
    {
        *value = Value::from(number);
    }
    Ok(())
}

/// The required keys that a section of the merged tree lacks.
pub(super) fn missing(tree: &Value) -> Vec<(String, Fault)> {
    let mut faults = Vec::new();
    missing_in(tree, &SCHEMA, "", &mut faults);
    faults
}

fn missing_in(tree: &Value, schema: &Value, prefix: &str, faults: &mut Vec<(String, Fault)>) {
    let Some(keys) = properties(schema) else { return };
    for key in schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
        if tree.get(key).is_none() {
            let meaning = keys.get(key).map(description).unwrap_or_default();
            faults.push((join(prefix, key), Fault::Missing(meaning)));
        }
    }
    for (key, schema) in keys {
        let path = join(prefix, key);
        match (tree.get(key), items(schema)) {
            (Some(Value::Array(list)), Some(items)) => {
                for (number, each) in list.iter().enumerate() {
                    missing_in(each, items, &format!("{path}[{number}]"), faults);
                }
            }
            (Some(child), _) => missing_in(child, schema, &path, faults),
            (None, _) => {}
        }
    }
}
