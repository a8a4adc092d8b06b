//! What the operator reads from the cluster before it builds a store. Contents of Secrets are kept for one reconciliation
//! only.

use std::collections::BTreeMap;

use aws_lc_rs::rand;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::DynamicObject;
use kube::{Api, Client, ResourceExt as _};
use zot_crds::ZotArtifactStore;
use zot_crds::spec::DatabaseType;

use crate::error::Error;
use crate::kinds::{Apis, ObjectKind};
use crate::references::{InputKind, references};
use crate::server_config::generates_admin_key;

/// Values of a Secret or ConfigMap by key.
pub(crate) type Values = BTreeMap<String, Vec<u8>>;

pub(crate) struct Facts {
    pub(crate) apis: Apis,
    /// The servers' image, unless the resource names one.
    pub(crate) server_image: String,
    /// What the resource refers to. `None`: the Secret or ConfigMap does not exist.
    pub(crate) inputs: BTreeMap<(InputKind, String), Option<Values>>,
    /// The admin's access key and secret key, read from the Secret or just generated.
    pub(crate) admin: (String, String),
    /// The admin's Secret exists, but its keys are missing.
    pub(crate) admin_key_missing: bool,
    /// Read from the Secret or just generated.
    pub(crate) master_key: String,
    /// Servers used a master key that no longer exists.
    pub(crate) master_key_lost: bool,
    /// As it was when the reconciliation began.
    pub(crate) deployment: Option<Deployment>,
    /// Metadata of the CloudNativePG cluster.
    pub(crate) database: Option<ObjectMeta>,
    pub(crate) volume: Option<PersistentVolumeClaim>,
}

impl Facts {
    pub(crate) async fn gather(
        client: &Client,
        apis: Apis,
        server_image: &str,
        store: &ZotArtifactStore,
        deployment: Option<Deployment>,
    ) -> Result<Self, Error> {
        let (name, namespace) = (store.name_any(), store.namespace().unwrap_or_default());
        let secrets: Api<Secret> = Api::namespaced(client.clone(), &namespace);
        let maps: Api<ConfigMap> = Api::namespaced(client.clone(), &namespace);
        let mut inputs = BTreeMap::new();
        for reference in references(store) {
            let found = match reference.kind {
                InputKind::Secret => secret(&secrets, &reference.name).await?,
                InputKind::ConfigMap => {
                    let doing = format!("reading ConfigMap {}", reference.name);
                    maps.get_opt(&reference.name).await.map_err(Error::api(doing))?.map(values_of)
                }
            };
            // servers read no other keys
            let found = found.map(|mut values| {
                values.retain(|key, _| reference.keys.contains(key));
                values
            });
            let known: &mut Option<Values> = inputs.entry((reference.kind, reference.name)).or_default();
            match (known.as_mut(), found) {
                (Some(known), Some(found)) => known.extend(found),
                (None, found) => *known = found,
                (Some(_), None) => {}
            }
        }
        let own = |values: Option<Values>, key: &str| {
            values.and_then(|mut values| String::from_utf8(values.remove(key)?).ok()).filter(|text| !text.is_empty())
        };
        let admin = secret(&secrets, &format!("{name}-admin")).await?;
        let exists = admin.is_some();
        let usable = match (own(admin.clone(), "access-key"), own(admin, "secret-key")) {
            (Some(access), Some(secret)) => Some((access, secret)),
            _ => None,
        };
        let admin_key_missing = exists && usable.is_none() && generates_admin_key(&store.spec);
        let admin = match usable {
            Some(admin) => admin,
            None => ("admin".to_owned(), random()?),
        };
        let mut master_key = None;
        let mut master_key_lost = false;
        if store.spec.database.r#type == DatabaseType::Postgres && store.spec.auth.key_secret.is_none() {
            let found = secret(&secrets, &format!("{name}-keys")).await?;
            let exists = found.is_some();
            master_key = own(found, "keys");
            // the key is created before the first server, so a Deployment or an incomplete Secret means that it was lost
            master_key_lost = master_key.is_none() && (exists || deployment.is_some());
        }
        let master_key = master_key.map_or_else(random, Ok)?;
        let volumes: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), &namespace);
        Ok(Self {
            server_image: server_image.to_owned(),
            inputs,
            admin,
            master_key,
            master_key_lost,
            admin_key_missing,
            deployment,
            database: database(client, &apis, store).await?,
            apis,
            volume: volumes
                .get_opt(&format!("{name}-data"))
                .await
                .map_err(Error::api("reading the PersistentVolumeClaim"))?,
        })
    }

    /// A value of a Secret; empty if the Secret or the key does not exist.
    pub(crate) fn secret(&self, name: &str, key: &str) -> String {
        let values = self.inputs.get(&(InputKind::Secret, name.to_owned())).and_then(Option::as_ref);
        let value = values.and_then(|values| values.get(key));
        value.map(|value| String::from_utf8_lossy(value).trim().to_owned()).unwrap_or_default()
    }
}

/// The store's own Deployment. If it exists, the store has had servers.
pub(crate) async fn deployment(client: &Client, store: &ZotArtifactStore) -> Result<Option<Deployment>, Error> {
    let api: Api<Deployment> = Api::namespaced(client.clone(), &store.namespace().unwrap_or_default());
    let found = api.get_opt(&store.name_any()).await.map_err(Error::api("reading the Deployment"))?;
    let uid = store.uid().unwrap_or_default();
    Ok(found.filter(|found| found.owner_references().iter().any(|owner| owner.uid == uid)))
}

async fn database(client: &Client, apis: &Apis, store: &ZotArtifactStore) -> Result<Option<ObjectMeta>, Error> {
    if store.spec.database.cluster.is_none() || !apis.has(ObjectKind::PostgresCluster) {
        return Ok(None);
    }
    let (namespace, resource) = (store.namespace().unwrap_or_default(), ObjectKind::PostgresCluster.resource());
    let api = Api::<DynamicObject>::namespaced_with(client.clone(), &namespace, &resource);
    let found = api.get_metadata_opt(&format!("{}-db", store.name_any())).await;
    Ok(found.map_err(Error::api("reading the CloudNativePG Cluster"))?.map(|found| found.metadata))
}

async fn secret(api: &Api<Secret>, name: &str) -> Result<Option<Values>, Error> {
    let found = api.get_opt(name).await.map_err(Error::api(format!("reading Secret {name}")))?;
    Ok(found.map(|secret| secret.data.unwrap_or_default().into_iter().map(|(key, value)| (key, value.0)).collect()))
}

fn values_of(map: ConfigMap) -> Values {
    let binary = map.binary_data.unwrap_or_default().into_iter().map(|(key, value)| (key, value.0));
    map.data.unwrap_or_default().into_iter().map(|(key, value)| (key, value.into_bytes())).chain(binary).collect()
}

/// 256 random bits, in hexadecimal.
fn random() -> Result<String, Error> {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes).map_err(|_| Error::Internal("the system has no random numbers".to_owned()))?;
    Ok(hex::encode(bytes))
}
