//! What is read from the cluster before a store is built: Secrets and ConfigMaps that it refers to, what the operator made
//! for it once and cannot make again, and its Deployment. Contents of Secrets are read when they are needed and kept no
//! longer than one reconciliation.

use std::collections::BTreeMap;

use aws_lc_rs::rand;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::DynamicObject;
use kube::{Api, Client, ResourceExt as _};
use zot_crds::ZotArtifactStore;
use zot_crds::spec::DatabaseType;

use crate::api::{Apis, Kind};
use crate::build::config::makes_admin;
use crate::error::Error;
use crate::references::{Source, references};

/// Values by key.
pub(crate) type Values = BTreeMap<String, Vec<u8>>;

/// What is read.
pub(crate) struct Facts {
    pub(crate) apis: Apis,
    /// Image of the servers where the resource names none.
    pub(crate) server_image: String,
    /// What the resource refers to; none: it is not there.
    pub(crate) referenced: BTreeMap<(Source, String), Option<Values>>,
    /// The administrator's key that was made, or is to be.
    pub(crate) admin: (String, String),
    /// Its Secret is there, and has none.
    pub(crate) admin_unusable: bool,
    /// The master key that was made, or is to be.
    pub(crate) master: String,
    /// There was one once, and it is gone.
    pub(crate) master_lost: bool,
    /// The Deployment as it is.
    pub(crate) deployment: Option<Deployment>,
    /// The cluster of Postgres that was made for it, as it is.
    pub(crate) database: Option<ObjectMeta>,
    /// The volume as it is.
    pub(crate) volume: Option<PersistentVolumeClaim>,
}

impl Facts {
    /// Reads them.
    pub(crate) async fn gather(
        client: &Client,
        apis: Apis,
        server_image: &str,
        store: &ZotArtifactStore,
    ) -> Result<Self, Error> {
        let (name, namespace) = (store.name_any(), store.namespace().unwrap_or_default());
        let secrets: Api<Secret> = Api::namespaced(client.clone(), &namespace);
        let maps: Api<ConfigMap> = Api::namespaced(client.clone(), &namespace);
        let mut referenced = BTreeMap::new();
        for reference in references(store) {
            let found = match reference.source {
                Source::Secret => secret(&secrets, &reference.name).await?,
                Source::ConfigMap => {
                    let doing = format!("reading ConfigMap {}", reference.name);
                    maps.get_opt(&reference.name).await.map_err(Error::api(doing))?.map(values_of)
                }
            };
            // of other keys of it the servers read nothing
            let found = found.map(|mut values| {
                values.retain(|key, _| reference.keys.contains(key));
                values
            });
            let known: &mut Option<Values> = referenced.entry((reference.source, reference.name)).or_default();
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
        let there = admin.is_some();
        let usable = match (own(admin.clone(), "access-key"), own(admin, "secret-key")) {
            (Some(access), Some(secret)) => Some((access, secret)),
            _ => None,
        };
        let admin_unusable = there && usable.is_none() && makes_admin(&store.spec);
        let admin = usable.map_or_else(|| Ok(("admin".to_owned(), random()?)), Ok)?;
        let deployment = deployment(client, store).await?;
        let mut master = None;
        let mut master_lost = false;
        if store.spec.database.r#type == DatabaseType::Postgres && store.spec.auth.key_secret.is_none() {
            let found = secret(&secrets, &format!("{name}-keys")).await?;
            let there = found.is_some();
            master = own(found, "keys");
            // servers are made after it; and what is there may be what is left of it
            master_lost = master.is_none() && (there || deployment.is_some());
        }
        let master = master.map_or_else(random, Ok)?;
        let volumes: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), &namespace);
        Ok(Self {
            server_image: server_image.to_owned(),
            referenced,
            admin,
            master,
            master_lost,
            admin_unusable,
            deployment,
            database: database(client, &apis, store).await?,
            apis,
            volume: volumes.get_opt(&format!("{name}-data")).await.map_err(Error::api("reading the volume"))?,
        })
    }

    /// A value of a Secret that is there: validation has seen to that.
    pub(crate) fn secret(&self, name: &str, key: &str) -> String {
        let values = self.referenced.get(&(Source::Secret, name.to_owned())).and_then(Option::as_ref);
        let value = values.and_then(|values| values.get(key));
        value.map(|value| String::from_utf8_lossy(value).trim().to_owned()).unwrap_or_default()
    }
}

/// The Deployment of a store, and of no other one of its name: that it is there says that the store's servers ran.
pub(crate) async fn deployment(client: &Client, store: &ZotArtifactStore) -> Result<Option<Deployment>, Error> {
    let api: Api<Deployment> = Api::namespaced(client.clone(), &store.namespace().unwrap_or_default());
    let found = api.get_opt(&store.name_any()).await.map_err(Error::api("reading the Deployment"))?;
    let uid = store.uid().unwrap_or_default();
    Ok(found.filter(|found| found.owner_references().iter().any(|owner| owner.uid == uid)))
}

async fn database(client: &Client, apis: &Apis, store: &ZotArtifactStore) -> Result<Option<ObjectMeta>, Error> {
    if store.spec.database.cluster.is_none() || !apis.has(Kind::PostgresCluster) {
        return Ok(None);
    }
    let (namespace, resource) = (store.namespace().unwrap_or_default(), Kind::PostgresCluster.resource());
    let api = Api::<DynamicObject>::namespaced_with(client.clone(), &namespace, &resource);
    let found = api.get_metadata_opt(&format!("{}-db", store.name_any())).await;
    Ok(found.map_err(Error::api("reading the cluster of Postgres"))?.map(|found| found.metadata))
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
    rand::fill(&mut bytes).map_err(|_| Error::Internal("no random numbers".to_owned()))?;
    Ok(hex::encode(bytes))
}
