//! Checks a resource beyond the API server's schema: references exist, nothing that cannot be recreated was lost, and the
//! server accepts the configuration. It is pure: everything that it needs is in [`Facts`].

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::{Resource as _, ResourceExt as _};
use zot_crds::spec::{DatabaseType, StorageType};
use zot_crds::status::{ConditionType, Reason};
use zot_crds::{ZotArtifactStore, ZotArtifactStoreSpec};
use zot_settings::Settings;

use crate::error::StoreRefusal;
use crate::facts::Facts;
use crate::kinds::ObjectKind;
use crate::labels::{INSTANCE, MANAGED_BY, OPERATOR};
use crate::references::{InputKind, references};
use crate::server_config;

/// A resource whose spec is valid, with the facts that its objects are built from.
pub(crate) struct ValidSpec<'a> {
    pub(crate) resource: &'a ZotArtifactStore,
    pub(crate) facts: &'a Facts,
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) owner: OwnerReference,
    pub(crate) settings: Settings,
    /// Size of the volume in bytes, if the store has a volume.
    pub(crate) volume: Option<u64>,
}

impl ValidSpec<'_> {
    pub(crate) fn spec(&self) -> &ZotArtifactStoreSpec {
        &self.resource.spec
    }

    pub(crate) fn image(&self) -> String {
        let image = &self.spec().image;
        let default = &self.facts.server_image;
        // the port of a registry has a colon too
        let (repository, version) = match default.rsplit_once('@').or_else(|| default.rsplit_once(':')) {
            Some((repository, version)) if !version.contains('/') => (repository, Some(version)),
            _ => (default.as_str(), None),
        };
        let repository = image.repository.as_deref().unwrap_or(repository);
        match (&image.digest, &image.tag, version) {
            (Some(digest), _, _) => format!("{repository}@{digest}"),
            (None, Some(tag), _) => format!("{repository}:{tag}"),
            (None, None, _) if image.repository.is_none() => default.clone(),
            (None, None, Some(version)) if !version.starts_with("sha256:") => format!("{repository}:{version}"),
            (None, None, _) => format!("{repository}:latest"),
        }
    }

    /// Whether the store may have several servers.
    pub(crate) fn is_replicated(&self) -> bool {
        let spec = self.spec();
        if spec.autoscaling.enabled { spec.autoscaling.max_replicas > 1 } else { spec.replicas > 1 }
    }
}

fn invalid(message: impl Into<String>) -> StoreRefusal {
    StoreRefusal::new(ConditionType::SpecValid, Reason::InvalidSpec, message)
}

/// # Errors
/// The first problem of the spec.
pub(crate) fn validate<'a>(resource: &'a ZotArtifactStore, facts: &'a Facts) -> Result<ValidSpec<'a>, StoreRefusal> {
    let spec = &resource.spec;
    check_combinations(spec).map_err(invalid)?;
    let settings = server_config::settings(spec).map_err(invalid)?;
    if let Some(problem) = settings.problems().first() {
        return Err(invalid(format!("the server would refuse its configuration: {problem}")));
    }
    if spec.database.cluster.is_some() && !facts.apis.has(ObjectKind::PostgresCluster) {
        let message = "database.cluster needs CloudNativePG, which this cluster does not have: install it, or configure an \
                       existing Postgres server in database.postgres";
        return Err(StoreRefusal::new(ConditionType::DatabaseReady, Reason::DependencyApiMissing, message));
    }
    let volume = volume_size(spec).map_err(invalid)?;
    let owner = resource.controller_owner_ref(&()).ok_or_else(|| invalid("the resource has no name or uid"))?;
    let (name, namespace) = (resource.name_any(), resource.namespace().unwrap_or_default());
    Ok(ValidSpec { resource, facts, name, namespace, owner, settings, volume })
}

/// The same rules as in the definition, for resources that were stored under an older definition.
fn check_combinations(spec: &ZotArtifactStoreSpec) -> Result<(), &'static str> {
    let several = spec.replicas > 1 || spec.autoscaling.enabled;
    let (database, storage) = (&spec.database, &spec.storage);
    match database.r#type {
        DatabaseType::Mysql => return Err("database.type mysql is not supported: use postgres"),
        DatabaseType::Embedded if several => {
            return Err(
                "database.type embedded allows one replica only: set replicas to 1, or database.type to postgres",
            );
        }
        DatabaseType::Postgres if database.postgres.is_some() == database.cluster.is_some() => {
            return Err("database.type postgres needs either database.postgres or database.cluster");
        }
        _ => {}
    }
    match storage.r#type {
        StorageType::Filesystem if several => Err(
            "storage.type filesystem allows one replica only: set replicas to 1, or storage.type to s3, gcs or azure",
        ),
        StorageType::S3 if storage.s3.is_none() => Err("storage.type s3 needs storage.s3 with bucket"),
        StorageType::Gcs if storage.gcs.is_none() => Err("storage.type gcs needs storage.gcs with bucket"),
        StorageType::Azure if storage.azure.is_none() => {
            Err("storage.type azure needs storage.azure with accountName and container")
        }
        _ if spec.supply_chain.enabled => Err("supplyChain is not in this version: set supplyChain.enabled to false"),
        _ if spec.metrics.tracing.enabled => {
            Err("metrics.tracing is not in this version: set metrics.tracing.enabled to false")
        }
        _ => Ok(()),
    }
}

/// Whether the Secrets and ConfigMaps that the resource refers to exist.
///
/// # Errors
/// All that are missing, in one message, with the reason of the first one.
pub(crate) fn check_references(store: &ValidSpec<'_>) -> Result<(), StoreRefusal> {
    let ValidSpec { resource, facts, namespace, .. } = store;
    let mut missing = Vec::new();
    for reference in references(resource) {
        let (kind, name, field) = (reference.kind.as_str(), &reference.name, reference.field);
        let found = facts.inputs.get(&(reference.kind, name.clone())).and_then(Option::as_ref);
        let Some(values) = found else {
            if field == "database.cluster" {
                let message = format!("CloudNativePG is creating the database {}-db", resource.name_any());
                return Err(StoreRefusal::new(reference.condition, Reason::DatabaseProvisioning, message));
            }
            let keys = reference.keys.join(" and ");
            let message =
                format!("{kind} {namespace}/{name} of {field} does not exist: create it with the keys {keys}");
            let reason = match reference.kind {
                InputKind::Secret => Reason::SecretNotFound,
                InputKind::ConfigMap => Reason::ConfigMapNotFound,
            };
            missing.push(StoreRefusal::new(reference.condition, reason, message));
            continue;
        };
        if let Some(key) = reference.keys.iter().find(|key| values.get(*key).is_none_or(Vec::is_empty)) {
            let message = format!("{kind} {namespace}/{name} of {field} has no key {key}: add it");
            missing.push(StoreRefusal::new(reference.condition, Reason::SecretKeyMissing, message));
        }
    }
    let message = missing.iter().map(|refusal| refusal.message.as_str()).collect::<Vec<_>>().join("; ");
    missing.into_iter().next().map_or(Ok(()), |first| Err(StoreRefusal { message, ..first }))
}

/// Whether the data that cannot be created again still exists. The operator creates all of it before the first server.
///
/// # Errors
/// The first loss.
pub(crate) fn check_retained(store: &ValidSpec<'_>) -> Result<(), StoreRefusal> {
    let ValidSpec { facts, namespace, name, .. } = store;
    check_keys(store)?;
    let ours = format!("{MANAGED_BY}={OPERATOR} and {INSTANCE}={name}");
    if facts.admin_key_missing {
        let message = format!(
            "Secret {namespace}/{name}-admin has no access-key and secret-key: delete the Secret, and the operator creates a new one"
        );
        return Err(StoreRefusal::new(ConditionType::SpecValid, Reason::SecretKeyMissing, message));
    }
    if facts.master_key_lost {
        let message = format!(
            "Secret {namespace}/{name}-keys with the master key `keys` is gone or incomplete; the server needs this key to decrypt the \
             access keys in the database. Restore the Secret from your backup, with the labels {ours}. Without a backup: delete the \
             Deployment {name} and the rest of the Secret. The operator then creates a new master key, and all access keys have to be \
             created again"
        );
        return Err(StoreRefusal::new(ConditionType::DatabaseReady, Reason::MasterKeyMissing, message));
    }
    let had_servers = facts.deployment.is_some();
    let terminating = |metadata: &ObjectMeta| metadata.deletion_timestamp.is_some();
    if store.volume.is_some() {
        check_volume(store, had_servers, &ours)?;
    }
    if store.spec().database.cluster.is_some() && had_servers && facts.database.as_ref().is_none_or(terminating) {
        let message = format!(
            "the CloudNativePG Cluster {namespace}/{name}-db is gone or being deleted; it holds the metadata of all artifacts. Recover it \
             from its backup, with the labels {ours}. To start with an empty database, delete the Deployment {name}"
        );
        return Err(StoreRefusal::new(ConditionType::DatabaseReady, Reason::DatabaseLost, message));
    }
    Ok(())
}

fn check_volume(store: &ValidSpec<'_>, had_servers: bool, ours: &str) -> Result<(), StoreRefusal> {
    let claim = format!("PersistentVolumeClaim {}/{}-data", store.namespace, store.name);
    let terminating = store.facts.volume.as_ref().map(|claim| claim.metadata.deletion_timestamp.is_some());
    let message = match (terminating, had_servers) {
        (Some(true), true) => format!(
            "{claim} is being deleted; Kubernetes deletes its data as soon as the server stops. Copy the artifacts now. The operator \
             changes nothing meanwhile, so that the server keeps running"
        ),
        (Some(true), false) => format!("{claim} is being deleted: the operator creates a new one when it is gone"),
        (None, true) => format!(
            "{claim} is gone: restore it with its data, and with the labels {ours}. To start with an empty volume, delete the \
             Deployment {}",
            store.name
        ),
        (Some(false), _) | (None, false) => return Ok(()),
    };
    Err(StoreRefusal::new(ConditionType::StorageReady, Reason::VolumeLost, message))
}

/// Whether servers would start with their keys.
fn check_keys(store: &ValidSpec<'_>) -> Result<(), StoreRefusal> {
    let ValidSpec { facts, namespace, name, .. } = store;
    let spec = store.spec();
    let invalid = |secret: &str, problem: &str| {
        let message = format!("Secret {namespace}/{secret}: {problem}; running servers keep their current keys");
        Err(StoreRefusal::new(ConditionType::SpecValid, Reason::SecretInvalid, message))
    };
    if spec.rbac.enabled {
        let own = format!("{name}-admin");
        let (secret, (access, key)) = match &spec.rbac.admin_secret {
            Some(admin) => {
                (&admin.name, (facts.secret(&admin.name, "access-key"), facts.secret(&admin.name, "secret-key")))
            }
            None => (&own, facts.admin.clone()),
        };
        // `check_references` reports a missing key
        if !key.is_empty() && !zot_settings::is_admin_key(&access, &key) {
            let least = zot_settings::ADMIN_SECRET_MIN;
            return invalid(
                secret,
                &format!("access-key must not contain a colon, and secret-key needs {least} characters or more"),
            );
        }
    }
    if let Some(secret) = &spec.auth.key_secret {
        let keys = facts.secret(secret, "keys");
        if !keys.is_empty()
            && let Err(why) = zot_settings::master_keys(&keys)
        {
            return invalid(secret, &format!("key `keys`: {why}"));
        }
    }
    Ok(())
}

/// Whether referenced names are valid. A name such as `a?watch=true` would change the meaning of the request's URL.
///
/// # Errors
/// The first invalid name.
pub(crate) fn check_names(resource: &ZotArtifactStore) -> Result<(), StoreRefusal> {
    for reference in references(resource) {
        let name = &reference.name;
        let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
        let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        let chars = || name.chars();
        if name.len() > 253 || !chars().all(inner) || !edge(chars().next()) || !edge(chars().next_back()) {
            let kind = reference.kind.as_str();
            return Err(invalid(format!("{}: {name:?} is not a valid name of a {kind}", reference.field)));
        }
    }
    Ok(())
}

/// Size of the volume in bytes: the sum of the blobs' and the embedded database's sizes.
fn volume_size(spec: &ZotArtifactStoreSpec) -> Result<Option<u64>, String> {
    let of = |field: &str, text: &str| match text.parse::<zot_settings::ByteSize>() {
        Ok(size) if size.0 > 0 => Ok(size.0),
        Ok(_) => Err(format!("{field}: {text:?}: a volume cannot be empty")),
        Err(why) => Err(format!("{field}: {text:?}: {why}")),
    };
    let mut all = None;
    if spec.storage.r#type == StorageType::Filesystem {
        all = Some(of("storage.size", &spec.storage.size)?);
    }
    if spec.database.r#type == DatabaseType::Embedded {
        let size = of("database.embedded.storageSize", &spec.database.embedded.storage_size)?;
        all = Some(all.unwrap_or(0).saturating_add(size));
    }
    Ok(all)
}
