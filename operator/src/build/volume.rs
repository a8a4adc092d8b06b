//! The `PersistentVolumeClaim`, and the CloudNativePG cluster. Both stay when the resource is deleted: their data cannot be
//! created again.

use k8s_openapi::api::core::v1::{PersistentVolumeClaim, PersistentVolumeClaimSpec, VolumeResourceRequirements};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use serde_json::json;

use super::object::{Child, retained};
use crate::kinds::ObjectKind;
use crate::validate::ValidSpec;

pub(super) fn children(store: &ValidSpec<'_>) -> Option<Child> {
    let requests = [("storage".to_owned(), Quantity(quantity(store.volume?)))].into();
    let spec = PersistentVolumeClaimSpec {
        access_modes: Some(vec!["ReadWriteOnce".to_owned()]),
        resources: Some(VolumeResourceRequirements { requests: Some(requests), limits: None }),
        storage_class_name: store.spec().storage.storage_class.clone(),
        ..PersistentVolumeClaimSpec::default()
    };
    let body = PersistentVolumeClaim { spec: Some(spec), ..PersistentVolumeClaim::default() };
    Some(retained(store, ObjectKind::PersistentVolumeClaim, &format!("{}-data", store.name), body))
}

pub(super) fn database(store: &ValidSpec<'_>) -> Option<Child> {
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
    Some(retained(store, ObjectKind::PostgresCluster, &format!("{}-db", store.name), json!({ "spec": spec })))
}

/// A size in the largest unit that gives a whole number.
pub(crate) fn quantity(bytes: u64) -> String {
    let units = [("Ti", 40), ("Gi", 30), ("Mi", 20), ("Ki", 10)];
    let whole = units.iter().find(|(_, power)| bytes.trailing_zeros() >= *power && bytes >> power > 0);
    whole.map_or_else(|| bytes.to_string(), |(unit, power)| format!("{}{unit}", bytes >> power))
}
