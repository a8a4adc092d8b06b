//! Applies objects by server-side apply, and deletes those that a store no longer needs. An object that belongs to somebody
//! else is left alone, even if it has the right name.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions};
use kube::core::{DynamicObject, PartialObjectMeta};
use kube::{Api, Client, ResourceExt as _};
use serde_json::json;

use crate::build::{Child, account_name};
use crate::error::Error;
use crate::kinds::ObjectKind;
use crate::labels::{INSTANCE, MANAGED_BY, OPERATOR};
use crate::validate::ValidSpec;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ApplyOutcome {
    Created,
    Changed,
    Unchanged,
    /// An object of this name exists and does not belong to the store.
    Foreign,
    /// The API server refuses to change an existing volume; its message.
    VolumeRefused(String),
}

pub(crate) struct Applied {
    pub(crate) kind: ObjectKind,
    pub(crate) name: String,
    pub(crate) outcome: ApplyOutcome,
    /// The object as the API server returned it.
    live: Option<DynamicObject>,
}

impl Applied {
    pub(crate) fn new(kind: ObjectKind, name: &str, outcome: ApplyOutcome) -> Self {
        Self { kind, name: name.to_owned(), outcome, live: None }
    }

    /// For messages, such as `Service hello`.
    pub(crate) fn object(&self) -> String {
        format!("{} {}", self.kind.as_str(), self.name)
    }

    pub(crate) fn is_foreign(&self) -> bool {
        self.outcome == ApplyOutcome::Foreign
    }

    /// What the user has to do about an object that does not belong to the store.
    pub(crate) fn conflict(&self) -> String {
        conflict(self.kind, &self.name)
    }
}

/// What the user has to do about an object that does not belong to the store.
pub(crate) fn conflict(kind: ObjectKind, name: &str) -> String {
    let what = format!("the {} {name} exists and does not belong to this store", kind.as_str());
    if kind.is_retained() {
        return format!(
            "{what}: if you restored it for this store, label it {MANAGED_BY}={OPERATOR} and {INSTANCE}=<the store's name>; otherwise \
             rename or delete it"
        );
    }
    format!("{what}: rename or delete it")
}

/// The applied Deployment, with its current status.
pub(crate) fn deployment(applied: &[Applied]) -> Result<Option<Deployment>, Error> {
    let found = applied.iter().find(|it| it.kind == ObjectKind::Deployment).and_then(|it| it.live.clone());
    found.map(DynamicObject::try_parse).transpose().map_err(|error| Error::Internal(error.to_string()))
}

/// With `dry_run` nothing is changed.
pub(crate) async fn apply(
    client: &Client,
    namespace: &str,
    children: &[Child],
    dry_run: bool,
) -> Result<Vec<Applied>, Error> {
    let mut applied = Vec::new();
    for child in children {
        applied.push(apply_one(client, namespace, child, dry_run).await?);
    }
    Ok(applied)
}

async fn apply_one(client: &Client, namespace: &str, child: &Child, dry_run: bool) -> Result<Applied, Error> {
    let (kind, name) = (child.kind, &child.name);
    let api = Api::<DynamicObject>::namespaced_with(client.clone(), namespace, &kind.resource());
    let doing = || format!("applying {} {name}", kind.as_str());
    let before = api.get_metadata_opt(name).await.map_err(Error::api(doing()))?;
    if before.as_ref().is_some_and(|before| !is_ours(before, child)) {
        return Ok(Applied::new(kind, name, ApplyOutcome::Foreign));
    }
    let mut parameters = PatchParams::apply(OPERATOR).force().validation_strict();
    parameters.dry_run = dry_run;
    let document = Patch::Apply(&child.document);
    if before.is_none() && child.is_created_once() && !dry_run {
        // fails if another operator, or a restore, has just created it: that key must not be overwritten
        let manager = PostParams { field_manager: Some(OPERATOR.to_owned()), ..PostParams::default() };
        let object: DynamicObject =
            serde_json::from_value(child.document.clone()).map_err(|error| Error::Internal(error.to_string()))?;
        api.create(&manager, &object).await.map_err(Error::api(doing()))?;
    }
    let after = match api.patch(name, &parameters, &document).await {
        // the volume keeps its size, and all other objects can still be applied
        Err(kube::Error::Api(status))
            if kind == ObjectKind::PersistentVolumeClaim && before.is_some() && matches!(status.code, 403 | 422) =>
        {
            return Ok(Applied::new(kind, name, ApplyOutcome::VolumeRefused(status.message)));
        }
        // if somebody changed the merge key of a list entry, such as a port's number, the entry would be there twice
        Err(kube::Error::Api(status)) if status.code == 422 && before.is_some() && !dry_run => {
            let whole = Patch::Merge(json!({ "spec": child.document["spec"] }));
            let manager = PatchParams { field_manager: Some(OPERATOR.to_owned()), ..PatchParams::default() };
            api.patch(name, &manager, &whole).await.map_err(Error::api(doing()))?;
            api.patch(name, &parameters, &document).await
        }
        other => other,
    };
    let after = after.map_err(Error::api(doing()))?;
    let outcome = match before {
        None => ApplyOutcome::Created,
        // other managers may have written meanwhile: only the operator's fields count
        Some(before) if managed_fields(&before.metadata) == managed_fields(&after.metadata) => ApplyOutcome::Unchanged,
        Some(_) => ApplyOutcome::Changed,
    };
    Ok(Applied { live: Some(after), ..Applied::new(kind, name, outcome) })
}

/// The fields that the operator owns, and when it last changed them.
fn managed_fields(metadata: &ObjectMeta) -> Option<&ManagedFieldsEntry> {
    let mut entries = metadata.managed_fields.iter().flatten();
    entries.find(|entry| entry.manager.as_deref() == Some(OPERATOR) && entry.operation.as_deref() == Some("Apply"))
}

/// Whether the operator created the object for this store. An owner reference is enough, because users may remove labels;
/// retained objects have labels only.
fn is_ours(found: &PartialObjectMeta<DynamicObject>, child: &Child) -> bool {
    let owner = &child.document["metadata"]["ownerReferences"][0]["uid"];
    if found.owner_references().iter().any(|found| *owner == found.uid.as_str()) {
        return true;
    }
    let labels = found.labels();
    let label = |name: &str| labels.get(name).map(String::as_str);
    let store = child.document["metadata"]["labels"][INSTANCE].as_str();
    label(MANAGED_BY) == Some(OPERATOR) && label(INSTANCE) == store
}

/// Deletes the store's objects that are not among `children`, except those that hold data.
pub(crate) async fn prune(
    client: &Client,
    store: &ValidSpec<'_>,
    children: &[Child],
    dry_run: bool,
) -> Result<Vec<(ObjectKind, String)>, Error> {
    let mut pruned = Vec::new();
    let (uid, account) = (&store.owner.uid, account_name(store));
    let listed = ListParams::default().labels(&format!("{MANAGED_BY}={OPERATOR},{INSTANCE}={}", store.name));
    for kind in ObjectKind::ALL.iter().copied().filter(|kind| !kind.is_retained() && store.facts.apis.has(*kind)) {
        let api = Api::<DynamicObject>::namespaced_with(client.clone(), &store.namespace, &kind.resource());
        let found = api.list_metadata(&listed).await.map_err(Error::api(format!("listing {}", kind.as_str())))?;
        for object in found {
            let name = object.name_any();
            let needed = children.iter().any(|child| child.kind == kind && child.name == name);
            let owned = object.owner_references().iter().any(|owner| owner.uid == *uid);
            // the user may name an account that the operator created before
            let used = kind == ObjectKind::ServiceAccount && name == account;
            if used || needed || !owned || object.metadata.deletion_timestamp.is_some() {
                continue;
            }
            let preconditions = Preconditions { uid: object.uid(), ..Preconditions::default() };
            let parameters = DeleteParams { dry_run, preconditions: Some(preconditions), ..DeleteParams::background() };
            match api.delete(&name, &parameters).await {
                Ok(_) => pruned.push((kind, name)),
                // already gone, or replaced by another object
                Err(kube::Error::Api(status)) if status.code == 404 || status.code == 409 => {}
                Err(error) => return Err(Error::api(format!("deleting {} {name}", kind.as_str()))(error)),
            }
        }
    }
    Ok(pruned)
}
