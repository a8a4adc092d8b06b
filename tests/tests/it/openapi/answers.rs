//! Parses the description: its operations, and whether an answer matches it.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use zot_tests::client::Reply;

use super::table::Who;

pub(crate) struct Description {
    document: Value,
    /// For validators: schemas refer to `#/components`.
    components: Value,
}

impl Description {
    pub(crate) fn of(document: Value) -> Self {
        let mut components = document["components"].clone();
        // a field that nobody described is a fault here, though clients must bear new ones
        components["schemas"].as_object_mut().expect("schemas").values_mut().for_each(close);
        Self { document, components }
    }

    /// Such as `GET /health`.
    pub(super) fn operations(&self) -> BTreeSet<String> {
        let paths = self.document["paths"].as_object().expect("paths");
        let of = |(path, item): (&String, &Value)| {
            let methods = item.as_object().expect("operations").keys();
            methods.map(|method| format!("{} {path}", method.to_uppercase())).collect::<Vec<_>>()
        };
        paths.iter().flat_map(of).collect()
    }

    pub(crate) fn operation(&self, name: &str) -> &Value {
        let (method, path) = name.split_once(' ').expect("method and path");
        &self.document["paths"][path][method.to_lowercase()]
    }

    pub(super) fn statuses(operation: &Value) -> BTreeSet<u16> {
        let responses = operation["responses"].as_object().expect("responses");
        responses.keys().map(|status| status.parse().expect("a status")).collect()
    }

    /// Whether credentials are needed, and whether any are looked at.
    pub(crate) fn credentials(&self, operation: &Value) -> (bool, bool) {
        let security = operation.get("security").unwrap_or(&self.document["security"]).as_array().expect("security");
        (!security.contains(&json!({})), security.iter().any(|one| *one != json!({})))
    }

    /// Who gets a 401: nobody where credentials are needed, and whoever sends wrong ones where any are looked at.
    pub(super) fn refused_callers(&self, operation: &Value) -> Vec<(Who, u16)> {
        let (needed, looked_at) = self.credentials(operation);
        [(Who::Nobody, needed), (Who::Wrong, looked_at)].into_iter().filter(|it| it.1).map(|it| (it.0, 401)).collect()
    }

    /// A body that is taken is as it is described.
    pub(super) fn check_request(&self, name: &str, operation: &Value, body: &Value) {
        let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
        assert!(schema.is_object(), "{name}: no body is described");
        self.assert_valid(schema, body, name);
    }

    /// Status, headers, media type and body.
    pub(super) fn check(&self, operation: &Value, reply: &Reply) {
        let described = operation["responses"].get(reply.status.as_str());
        let described = described.unwrap_or_else(|| panic!("this status is not described: {reply}"));
        for name in described["headers"].as_object().expect("headers").keys() {
            assert!(reply.headers.contains_key(name), "no {name}, which is described: {reply}");
        }
        let Some(content) = described.get("content").and_then(Value::as_object) else {
            assert!(reply.body.is_empty(), "a body that is not described: {reply}");
            return;
        };
        let media_type = reply.header("content-type").split(';').next().unwrap_or_default();
        let described = content.get(media_type).unwrap_or_else(|| panic!("{media_type} is not described: {reply}"));
        let body = if media_type == "application/json" {
            reply.json()
        } else {
            Value::String(String::from_utf8(reply.body.to_vec()).expect("text"))
        };
        self.assert_valid(&described["schema"], &body, &reply.to_string());
    }

    fn assert_valid(&self, schema: &Value, body: &Value, what: &str) {
        let whole = json!({"allOf": [schema], "components": self.components});
        let options = jsonschema::options().with_draft(jsonschema::Draft::Draft202012).should_validate_formats(true);
        let validator = options.build(&whole).unwrap_or_else(|error| panic!("{what}\n{schema} is no schema: {error}"));
        let wrong: Vec<_> =
            validator.iter_errors(body).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(wrong.is_empty(), "{what}\nis not as described: {wrong:#?}");
    }
}

/// Takes no fields beyond those that are described.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            if object.contains_key("properties") && !object.contains_key("additionalProperties") {
                object.insert("additionalProperties".to_owned(), Value::Bool(false));
            }
            object.values_mut().for_each(close);
        }
        Value::Array(schemas) => schemas.iter_mut().for_each(close),
        _ => {}
    }
}
