//! Whether a resource makes sense, beyond what the API server checked: what it refers to is there, and the server's
//! configuration that comes of it is one that the server takes. Pure: all that it needs is in [`Facts`].

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::{Resource as _, ResourceExt as _};
use zot_crds::spec::{DatabaseType, StorageType};
use zot_crds::status::{ConditionType, Reason};
use zot_crds::{ZotArtifactStore, ZotArtifactStoreSpec};
use zot_settings::Settings;

use crate::api::Kind;
use crate::build::{INSTANCE, MANAGED_BY, OPERATOR, config};
use crate::facts::Facts;
use crate::references::{Source, references};

/// Why nothing can be made of a resource yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// What fails.
    pub(crate) condition: ConditionType,
    pub(crate) reason: Reason,
    /// For people: what is wrong, and what to do.
    pub(crate) message: String,
}

impl Refusal {
    pub(crate) fn new(condition: ConditionType, reason: Reason, message: impl Into<String>) -> Self {
        Self { condition, reason, message: message.into() }
    }
}

/// A store that makes sense.
pub(crate) struct Store<'a> {
    pub(crate) resource: &'a ZotArtifactStore,
    pub(crate) facts: &'a Facts,
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) owner: OwnerReference,
    /// The servers' configuration.
    pub(crate) settings: Settings,
    /// Size of the volume in bytes; none: there is none.
    pub(crate) volume: Option<u64>,
}

impl Store<'_> {
    pub(crate) fn spec(&self) -> &ZotArtifactStoreSpec {
        &self.resource.spec
    }

    /// The servers' image.
    pub(crate) fn image(&self) -> String {
        let image = &self.spec().image;
        let default = &self.facts.server_image;
        // a registry's port has a colon too
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

    /// Whether there may be several servers.
    pub(crate) fn is_replicated(&self) -> bool {
        let spec = self.spec();
        if spec.autoscaling.enabled { spec.autoscaling.max_replicas > 1 } else { spec.replicas > 1 }
    }
}

/// Whether it makes sense.
///
/// # Errors
/// The first thing that does not.
pub(crate) fn validate<'a>(resource: &'a ZotArtifactStore, facts: &'a Facts) -> Result<Store<'a>, Refusal> {
    let spec = &resource.spec;
    let invalid = |message: String| Refusal::new(ConditionType::SpecValid, Reason::InvalidSpec, message);
    contradictions(spec).map_err(&invalid)?;
    let settings = config::settings(spec).map_err(&invalid)?;
    if let Some(problem) = settings.problems().first() {
        return Err(invalid(format!("the server's configuration would be refused: {problem}")));
    }
    if spec.database.cluster.is_some() && !facts.apis.has(Kind::PostgresCluster) {
        let message = "database.cluster needs CloudNativePG, which this cluster does not have: install it, or name a server in \
                       database.postgres";
        return Err(Refusal::new(ConditionType::DatabaseReady, Reason::DependencyApiMissing, message));
    }
    let volume = volume(spec).map_err(&invalid)?;
    let owner = resource.controller_owner_ref(&()).ok_or_else(|| invalid("it has no name or uid".to_owned()))?;
    let (name, namespace) = (resource.name_any(), resource.namespace().unwrap_or_default());
    Ok(Store { resource, facts, name, namespace, owner, settings, volume })
}

/// What the definition's rules refuse, for resources that were stored under an older one.
fn contradictions(spec: &ZotArtifactStoreSpec) -> Result<(), String> {
    let several = spec.replicas > 1 || spec.autoscaling.enabled;
    let database = &spec.database;
    match database.r#type {
        DatabaseType::Mysql => return Err("database.type mysql is not supported: use postgres".to_owned()),
        DatabaseType::Embedded if several => {
            return Err(
                "database.type embedded allows one replica only: set replicas to 1, or database.type to postgres"
                    .into(),
            );
        }
        DatabaseType::Postgres if database.postgres.is_some() == database.cluster.is_some() => {
            return Err("database.type postgres needs either database.postgres or database.cluster".to_owned());
        }
        _ => {}
    }
    let storage = &spec.storage;
    match storage.r#type {
        StorageType::Filesystem if several => Err(
            "storage.type filesystem is a disk of one replica: set replicas to 1, or storage.type to s3, gcs or azure"
                .into(),
        ),
        StorageType::S3 if storage.s3.is_none() => Err("storage.type s3 needs storage.s3 with bucket".to_owned()),
        StorageType::Gcs if storage.gcs.is_none() => Err("storage.type gcs needs storage.gcs with bucket".to_owned()),
        StorageType::Azure if storage.azure.is_none() => {
            Err("storage.type azure needs storage.azure with accountName and container".to_owned())
        }
        _ if spec.supply_chain.enabled => {
            Err("supplyChain is not in this version: set supplyChain.enabled to false".into())
        }
        _ if spec.metrics.tracing.enabled => Err("metrics.tracing is not in this version: set it to false".to_owned()),
        _ => Ok(()),
    }
}

/// Whether what it refers to is there.
///
/// # Errors
/// All that is not.
pub(crate) fn check_references(store: &Store<'_>) -> Result<(), Refusal> {
    let Store { resource, facts, namespace, .. } = store;
    let mut missing = Vec::new();
    for reference in references(resource) {
        let (kind, name) = (reference.source.as_str(), &reference.name);
        let found = facts.referenced.get(&(reference.source, name.clone())).and_then(Option::as_ref);
        let Some(values) = found else {
            if reference.field == "database.cluster" {
                let message = format!("CloudNativePG is making the database {}-db", resource.name_any());
                return Err(Refusal::new(reference.condition, Reason::DatabaseProvisioning, message));
            }
            let keys = reference.keys.join(" and ");
            let message = format!(
                "{kind} {namespace}/{name}, which {} names, is not there: create it with {keys}",
                reference.field
            );
            let reason = match reference.source {
                Source::Secret => Reason::SecretNotFound,
                Source::ConfigMap => Reason::ConfigMapNotFound,
            };
            missing.push(Refusal::new(reference.condition, reason, message));
            continue;
        };
        if let Some(key) = reference.keys.iter().find(|key| values.get(*key).is_none_or(Vec::is_empty)) {
            let message =
                format!("{kind} {namespace}/{name}, which {} names, has no key {key}: add it", reference.field);
            missing.push(Refusal::new(reference.condition, Reason::SecretKeyMissing, message));
        }
    }
    // the first one's reason, and all in one message
    let message = missing.iter().map(|refusal| refusal.message.as_str()).collect::<Vec<_>>().join("; and ");
    missing.into_iter().next().map_or(Ok(()), |first| Err(Refusal { message, ..first }))
}

/// Whether what cannot be made again is still there. All of it is made before the first server.
///
/// # Errors
/// The first thing that is gone.
pub(crate) fn check_kept(store: &Store<'_>) -> Result<(), Refusal> {
    let Store { facts, namespace, name, .. } = store;
    check_keys(store)?;
    let ours = format!("{MANAGED_BY}={OPERATOR} and {INSTANCE}={name}");
    if facts.admin_unusable {
        let message = format!(
            "Secret {namespace}/{name}-admin is there and has no access-key and secret-key: delete it, and it is made anew"
        );
        return Err(Refusal::new(ConditionType::SpecValid, Reason::SecretKeyMissing, message));
    }
    if facts.master_lost {
        let message = format!(
            "Secret {namespace}/{name}-keys, by whose key `keys` access keys in the database are read, is gone, or has no such key: \
             restore it from your backup, with the labels {ours}. If there is none, delete the Deployment {name} and what is left of \
             the Secret: then it is made anew, and so must be all access keys"
        );
        return Err(Refusal::new(ConditionType::DatabaseReady, Reason::MasterKeyMissing, message));
    }
    let ran = facts.deployment.is_some();
    let going = |metadata: &ObjectMeta| metadata.deletion_timestamp.is_some();
    if store.volume.is_some() {
        let claim = format!("PersistentVolumeClaim {namespace}/{name}-data");
        let lost = |message| Err(Refusal::new(ConditionType::StorageReady, Reason::VolumeLost, message));
        if ran && facts.volume.as_ref().is_some_and(|volume| going(&volume.metadata)) {
            return lost(format!(
                "{claim} is being deleted, and goes with what is on it when its server ends: copy the artifacts now. Nothing is \
                 changed meanwhile, so that the server goes on"
            ));
        }
        if ran && facts.volume.is_none() {
            return lost(format!(
                "{claim} is gone: restore it, with what was on it, and with the labels {ours}. To begin anew without that, delete the \
                 Deployment {name}"
            ));
        }
        if !ran && facts.volume.as_ref().is_some_and(|volume| going(&volume.metadata)) {
            return lost(format!("{claim} is being deleted: when it is gone another one is made"));
        }
    }
    if store.spec().database.cluster.is_some() && ran && facts.database.as_ref().is_none_or(going) {
        let message = format!(
            "the Cluster {namespace}/{name}-db of CloudNativePG is gone, or going, with the metadata of all artifacts: recover it from \
             its backup, with the labels {ours}. To begin anew without that, delete the Deployment {name}"
        );
        return Err(Refusal::new(ConditionType::DatabaseReady, Reason::DatabaseLost, message));
    }
    Ok(())
}

/// Whether servers would start with the keys that they get: those that run keep what they have.
fn check_keys(store: &Store<'_>) -> Result<(), Refusal> {
    let Store { facts, namespace, name, .. } = store;
    let spec = store.spec();
    let invalid = |secret: &str, what: &str| {
        let message = format!("Secret {namespace}/{secret}: {what}; servers that run keep what they have");
        Err(Refusal::new(ConditionType::SpecValid, Reason::SecretInvalid, message))
    };
    if spec.rbac.enabled {
        let own = format!("{name}-admin");
        let (secret, (access, key)) = match &spec.rbac.admin_secret {
            Some(admin) => {
                (&admin.name, (facts.secret(&admin.name, "access-key"), facts.secret(&admin.name, "secret-key")))
            }
            None => (&own, facts.admin.clone()),
        };
        // one that is not there is told when references are
        if !key.is_empty() && !zot_settings::is_admin_key(&access, &key) {
            let least = zot_settings::ADMIN_SECRET_MIN;
            return invalid(
                secret,
                &format!("access-key must have no colon, and secret-key {least} characters or more"),
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

/// Whether the names in it are names. They go into addresses of the API server, where `?watch=true` is something else.
///
/// # Errors
/// The first one that is none.
pub(crate) fn check_names(resource: &ZotArtifactStore) -> Result<(), Refusal> {
    for reference in references(resource) {
        let name = &reference.name;
        let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
        let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        let chars = || name.chars();
        if name.len() > 253 || !chars().all(inner) || !edge(chars().next()) || !edge(chars().next_back()) {
            let message = format!("{}: {name:?} is no name of a {}", reference.field, reference.source.as_str());
            return Err(Refusal::new(ConditionType::SpecValid, Reason::InvalidSpec, message));
        }
    }
    Ok(())
}

/// Size of the volume in bytes: for bytes and the embedded database, where they are on one.
fn volume(spec: &ZotArtifactStoreSpec) -> Result<Option<u64>, String> {
    let of = |field: &str, text: &str| match text.parse::<zot_settings::ByteSize>() {
        Ok(size) if size.0 > 0 => Ok(size.0),
        Ok(_) => Err(format!("{field}: {text:?} is no size of a volume")),
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
