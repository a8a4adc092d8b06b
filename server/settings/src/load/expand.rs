//! `${VAR}` in the file's values. Expanded after parsing, so that a variable's value can never become YAML.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::layer::Layer;
use crate::keys::join;
use crate::{Fault, Problem};

type Env = BTreeMap<String, String>;

/// Expands all strings of a layer.
pub(super) fn layer(layer: &mut Layer, env: &Env, problems: &mut Vec<Problem>) {
    let mut faults = Vec::new();
    section(&mut layer.tree, "", env, &mut faults);
    problems.extend(faults.into_iter().map(|(path, fault)| layer.problem(path, fault)));
}

fn section(map: &mut Map<String, Value>, prefix: &str, env: &Env, faults: &mut Vec<(String, Fault)>) {
    for (key, child) in map {
        value(child, &join(prefix, key), env, faults);
    }
}

fn value(node: &mut Value, path: &str, env: &Env, faults: &mut Vec<(String, Fault)>) {
    match node {
        Value::String(text) => match expanded(text, env) {
            Ok(new) => *text = new,
            Err(fault) => faults.push((path.to_owned(), fault)),
        },
        Value::Array(items) => items.iter_mut().for_each(|item| value(item, path, env, faults)),
        Value::Object(map) => section(map, path, env, faults),
        _ => {}
    }
}

/// The text with `${VAR}` and `${VAR:-default}` replaced, and `$${` changed to `${`. Values are not expanded again.
fn expanded(text: &str, env: &Env) -> Result<String, Fault> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let (before, placeholder) = rest.split_at(start);
        if let Some(before) = before.strip_suffix('$') {
            out.push_str(before);
            out.push_str("${");
            rest = &placeholder[2..];
            continue;
        }
        out.push_str(before);
        let (inner, tail) = placeholder[2..].split_once('}').ok_or_else(malformed)?;
        out.push_str(lookup(inner, env)?);
        rest = tail;
    }
    out.push_str(rest);
    Ok(out)
}

fn lookup<'a>(inner: &'a str, env: &'a Env) -> Result<&'a str, Fault> {
    let (name, default) = inner.split_once(":-").map_or((inner, None), |(name, default)| (name, Some(default)));
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !starts_well || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Err(malformed());
    }
    match (env.get(name), default) {
        // as in a shell, `:-` also replaces an empty value
        (Some(value), Some(default)) if value.is_empty() => Ok(default),
        (Some(value), _) => Ok(value),
        (None, Some(default)) => Ok(default),
        (None, None) => Err(Fault::Unset { variable: name.to_owned() }),
    }
}

fn malformed() -> Fault {
    Fault::Wrong("`${` begins no `${VAR}` or `${VAR:-default}`; write `$${` for a plain `${`".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expand(text: &str) -> Result<String, Fault> {
        let env = [("A", "1"), ("B_2", "${A}"), ("EMPTY", "")].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        expanded(text, &env)
    }

    #[test]
    fn variables_are_replaced_once() {
        for (text, want) in [
            ("plain $A $", "plain $A $"),
            ("x${A}y${A}", "x1y1"),
            ("${B_2}", "${A}"),
            ("$${A}", "${A}"),
            ("$$${A}", "$${A}"),
            ("${NONE:-d:-e}", "d:-e"),
            ("${EMPTY}", ""),
            ("${EMPTY:-d}", "d"),
            ("${A:-d}", "1"),
        ] {
            assert_eq!(expand(text).as_deref(), Ok(want), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_replaced_is_an_error() {
        assert_eq!(expand("${NONE}"), Err(Fault::Unset { variable: "NONE".into() }));
        for text in ["${", "${A", "${}", "${A B}", "${1A}", "${A-b}"] {
            assert_eq!(expand(text), Err(malformed()), "{text}");
        }
    }
}
