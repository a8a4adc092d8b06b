//! The ConfigMap with the servers' configuration, and the Secrets that the operator generates.

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use zot_crds::spec::DatabaseType;

use super::object::{Child, owned, retained};
use crate::kinds::ObjectKind;
use crate::labels::labels;
use crate::server_config::{generates_admin_key, render};
use crate::validate::ValidSpec;

pub(super) fn children(store: &ValidSpec<'_>) -> Vec<Child> {
    let mut children = vec![config_map(store, &format!("{}-config", store.name))];
    let spec = store.spec();
    if generates_admin_key(spec) {
        let (access, secret) = &store.facts.admin;
        let data = secret_data([("access-key", access), ("secret-key", secret)]);
        children.push(retained(store, ObjectKind::Secret, &format!("{}-admin", store.name), data));
    }
    if spec.database.r#type == DatabaseType::Postgres {
        if spec.auth.key_secret.is_none() {
            let data = secret_data([("keys", &store.facts.master_key)]);
            children.push(retained(store, ObjectKind::Secret, &format!("{}-keys", store.name), data));
        }
        children.push(database_secret(store, &format!("{}-database", store.name)));
    }
    children
}

/// The Secret with the database's URL.
pub(super) fn database_secret(store: &ValidSpec<'_>, name: &str) -> Child {
    owned(store, ObjectKind::Secret, name, secret_data([("url", &database_url(store))]))
}

pub(super) fn config_map(store: &ValidSpec<'_>, name: &str) -> Child {
    let data = labels([("config.yaml", &render(&store.settings))]);
    owned(store, ObjectKind::ConfigMap, name, ConfigMap { data: Some(data), ..ConfigMap::default() })
}

fn secret_data<const N: usize>(values: [(&str, &str); N]) -> Secret {
    let encode = |(key, value): (&str, &str)| (key.to_owned(), ByteString(value.as_bytes().to_vec()));
    Secret { data: Some(values.into_iter().map(encode).collect()), ..Secret::default() }
}

fn database_url(store: &ValidSpec<'_>) -> String {
    let quoted = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let database = &store.spec().database;
    if let Some(postgres) = &database.postgres {
        let secret = |key| quoted(&store.facts.secret(&postgres.credentials_secret, key));
        let (user, password) = (secret("username"), secret("password"));
        let mode = postgres.ssl_mode.as_ref().map(|mode| format!("?sslmode={}", quoted(mode))).unwrap_or_default();
        let (host, port, name) = (&postgres.host, postgres.port, quoted(&postgres.database));
        return format!("postgres://{user}:{password}@{host}:{port}/{name}{mode}");
    }
    let app = format!("{}-db-app", store.name);
    let secret = |key| quoted(&store.facts.secret(&app, key));
    let host = store.facts.secret(&app, "host");
    let [user, password, port, name] = ["username", "password", "port", "dbname"].map(secret);
    format!("postgres://{user}:{password}@{host}:{port}/{name}?sslmode=require")
}
