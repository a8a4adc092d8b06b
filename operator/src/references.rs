//! The Secrets and ConfigMaps that a resource refers to. The operator reads them before it builds objects, and watches them.

use zot_crds::spec::DatabaseType;
use zot_crds::spec::StorageType;
use zot_crds::status::ConditionType;
use zot_crds::{ZotArtifactStore, ZotArtifactStoreSpec};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum InputKind {
    Secret,
    ConfigMap,
}

impl InputKind {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Secret => "Secret",
            Self::ConfigMap => "ConfigMap",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InputReference {
    pub(crate) kind: InputKind,
    pub(crate) name: String,
    /// The keys that the servers need.
    pub(crate) keys: Vec<String>,
    /// The condition that becomes false without it.
    pub(crate) condition: ConditionType,
    /// The field of the spec that names it.
    pub(crate) field: &'static str,
}

fn secret(condition: ConditionType, field: &'static str, name: &str, keys: &[&str]) -> InputReference {
    let keys = keys.iter().map(|key| (*key).to_owned()).collect();
    InputReference { kind: InputKind::Secret, name: name.to_owned(), keys, condition, field }
}

pub(crate) fn references(store: &ZotArtifactStore) -> Vec<InputReference> {
    let spec = &store.spec;
    [storage(spec), database(spec, store.metadata.name.as_deref().unwrap_or_default()), access(spec), http(spec)]
        .concat()
}

fn storage(spec: &ZotArtifactStoreSpec) -> Vec<InputReference> {
    let condition = ConditionType::StorageReady;
    let storage = &spec.storage;
    let mut found = Vec::new();
    if let (StorageType::S3, Some(key)) =
        (storage.r#type, storage.s3.as_ref().and_then(|s3| s3.access_key_secret.as_ref()))
    {
        let keys = [key.access_key_field.as_str(), key.secret_key_field.as_str()];
        found.push(secret(condition, "storage.s3.accessKeySecret", &key.name, &keys));
    }
    if let (StorageType::Gcs, Some(name)) =
        (storage.r#type, storage.gcs.as_ref().and_then(|it| it.credentials_secret.as_ref()))
    {
        found.push(secret(condition, "storage.gcs.credentialsSecret", name, &["key.json"]));
    }
    let azure = storage.azure.as_ref().and_then(|it| it.credentials_secret.as_ref());
    if let (StorageType::Azure, Some(name)) = (storage.r#type, azure) {
        found.push(secret(condition, "storage.azure.credentialsSecret", name, &["account-key"]));
    }
    found
}

fn database(spec: &ZotArtifactStoreSpec, store: &str) -> Vec<InputReference> {
    let condition = ConditionType::DatabaseReady;
    let database = &spec.database;
    if database.r#type != DatabaseType::Postgres {
        return Vec::new();
    }
    if let Some(postgres) = &database.postgres {
        let keys = ["username", "password"];
        return vec![secret(condition, "database.postgres.credentialsSecret", &postgres.credentials_secret, &keys)];
    }
    if database.cluster.is_some() {
        // CloudNativePG creates it once the database is ready
        let keys = ["username", "password", "host", "port", "dbname"];
        return vec![secret(condition, "database.cluster", &format!("{store}-db-app"), &keys)];
    }
    Vec::new()
}

fn access(spec: &ZotArtifactStoreSpec) -> Vec<InputReference> {
    let condition = ConditionType::SpecValid;
    let mut found = Vec::new();
    if let Some(admin) = &spec.rbac.admin_secret {
        found.push(secret(condition, "rbac.adminSecret", &admin.name, &["access-key", "secret-key"]));
    }
    if let Some(name) = &spec.auth.key_secret {
        found.push(secret(condition, "auth.keySecret", name, &["keys"]));
    }
    let realm =
        spec.rbac.keycloak.iter().filter_map(|it| Some((it.ca_config_map.as_ref()?, "rbac.keycloak.caConfigMap")));
    let issuers =
        spec.rbac.issuers.iter().filter_map(|it| Some((it.ca_config_map.as_ref()?, "rbac.issuers[].caConfigMap")));
    for (name, field) in realm.chain(issuers) {
        let keys = vec!["ca.crt".to_owned()];
        found.push(InputReference { kind: InputKind::ConfigMap, name: name.clone(), keys, condition, field });
    }
    found
}

fn http(spec: &ZotArtifactStoreSpec) -> Vec<InputReference> {
    let tls = &spec.http.tls;
    if !tls.enabled {
        return Vec::new();
    }
    let condition = ConditionType::SpecValid;
    let cert = tls.cert_secret_name.iter();
    let cert = cert.map(|name| secret(condition, "http.tls.certSecretName", name, &["tls.crt", "tls.key"]));
    let clients = tls.client_ca_secret_name.iter();
    cert.chain(clients.map(|name| secret(condition, "http.tls.clientCaSecretName", name, &["ca.crt"]))).collect()
}
