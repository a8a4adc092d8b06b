//! What a store keeps its state on: the volume of its one replica, or the database's cluster. Both stay when the resource
//! goes, as they hold what cannot be made again.

use serde_json::json;

use super::{Child, kept};
use crate::api::Kind;
use crate::validate::Store;

pub(super) fn children(store: &Store<'_>) -> Option<Child> {
    let size = quantity(store.volume?);
    let mut spec = json!({ "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": size } } });
    if let Some(class) = &store.spec().storage.storage_class {
        spec["storageClassName"] = json!(class);
    }
    Some(kept(store, Kind::PersistentVolumeClaim, &format!("{}-data", store.name), json!({ "spec": spec })))
}

/// The database, where the operator makes it.
pub(super) fn database(store: &Store<'_>) -> Option<Child> {
    let cluster = store.spec().database.cluster.as_ref()?;
    let mut storage = json!({ "size": cluster.storage_size });
    if let Some(class) = &cluster.storage_class {
        storage["storageClass"] = json!(class);
    }
    let spec = json!({
        "instances": cluster.instances,
        "storage": storage,
        "bootstrap": { "initdb": { "database": "zot", "owner": "zot" } },
    });
    Some(kept(store, Kind::PostgresCluster, &format!("{}-db", store.name), json!({ "spec": spec })))
}

/// Bytes in the largest unit that they are whole in.
pub(crate) fn quantity(bytes: u64) -> String {
    let units = [("Ti", 40), ("Gi", 30), ("Mi", 20), ("Ki", 10)];
    let whole = units.iter().find(|(_, power)| bytes.trailing_zeros() >= *power && bytes >> power > 0);
    whole.map_or_else(|| bytes.to_string(), |(unit, power)| format!("{}{unit}", bytes >> power))
}
