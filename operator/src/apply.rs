//! Brings objects to the cluster by server-side apply, and removes those that are no longer asked for. An object of the same
//! name that is somebody else's is left alone.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions};
use kube::core::{DynamicObject, PartialObjectMeta};
use kube::{Api, Client, ResourceExt as _};
use serde_json::json;

use crate::api::Kind;
use crate::build::{Child, INSTANCE, MANAGED_BY, OPERATOR, account};
use crate::error::Error;
use crate::validate::Store;

/// Owner of the fields that the operator sends.
const MANAGER: &str = "zot-artifact-store-operator";

/// What came of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Created,
    Changed,
    Unchanged,
    /// There is one of that name, and it is not ours.
    Foreign,
    /// A volume that is there cannot become what it is to be; the API server's words.
    Kept(String),
}

/// An object and what came of it.
pub(crate) type Applied = (Kind, String, Outcome);

/// Applies all of them; `dry_run` says what would be done.
pub(crate) async fn apply(
    client: &Client,
    namespace: &str,
    children: &[Child],
    dry_run: bool,
) -> Result<Vec<Applied>, Error> {
    let mut applied = Vec::new();
    for child in children {
        let outcome = one(client, namespace, child, dry_run).await?;
        applied.push((child.kind, child.name.clone(), outcome));
    }
    Ok(applied)
}

async fn one(client: &Client, namespace: &str, child: &Child, dry_run: bool) -> Result<Outcome, Error> {
    let (kind, name) = (child.kind, &child.name);
    let api = Api::<DynamicObject>::namespaced_with(client.clone(), namespace, &kind.resource());
    let doing = || format!("applying {} {name}", kind.as_str());
    let before = api.get_metadata_opt(name).await.map_err(Error::api(doing()))?;
    if before.as_ref().is_some_and(|before| !is_ours(before, child)) {
        return Ok(Outcome::Foreign);
    }
    let mut parameters = PatchParams::apply(MANAGER).force().validation_strict();
    parameters.dry_run = dry_run;
    let document = Patch::Apply(&child.document);
    if before.is_none() && child.is_made_once() && !dry_run {
        // one that another operator, or a restore, has just put there must not be written over: then this fails
        let manager = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
        let object: DynamicObject =
            serde_json::from_value(child.document.clone()).map_err(|error| Error::Internal(error.to_string()))?;
        api.create(&manager, &object).await.map_err(Error::api(doing()))?;
    }
    let after = match api.patch(name, &parameters, &document).await {
        // it is as it was, and all else can be made
        Err(kube::Error::Api(status))
            if kind == Kind::PersistentVolumeClaim && before.is_some() && matches!(status.code, 403 | 422) =>
        {
            return Ok(Outcome::Kept(status.message));
        }
        // a list's entry whose key somebody changed, such as a port's number, would be there twice
        Err(kube::Error::Api(status)) if status.code == 422 && before.is_some() && !dry_run => {
            let whole = Patch::Merge(json!({ "spec": child.document["spec"] }));
            let manager = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
            api.patch(name, &manager, &whole).await.map_err(Error::api(doing()))?;
            api.patch(name, &parameters, &document).await
        }
        other => other,
    };
    let after = after.map_err(Error::api(doing()))?;
    Ok(match before {
        None => Outcome::Created,
        // others may have written in between: what counts is whether our part was written
        Some(before) if ours(&before.metadata) == ours(&after.metadata) => Outcome::Unchanged,
        Some(_) => Outcome::Changed,
    })
}

/// The fields that the operator owns, and when it wrote them last.
fn ours(metadata: &ObjectMeta) -> Option<&ManagedFieldsEntry> {
    let mut entries = metadata.managed_fields.iter().flatten();
    entries.find(|entry| entry.manager.as_deref() == Some(MANAGER) && entry.operation.as_deref() == Some("Apply"))
}

/// Whether the operator made it, for this store. Somebody may have taken its labels away; what stays when the store goes has
/// nothing else.
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

/// Removes what the operator made for a store and does not make any more. What holds data stays.
pub(crate) async fn prune(
    client: &Client,
    store: &Store<'_>,
    children: &[Child],
    dry_run: bool,
) -> Result<Vec<(Kind, String)>, Error> {
    let mut pruned = Vec::new();
    let (uid, account) = (&store.owner.uid, account::name(store));
    let listed = ListParams::default().labels(&format!("{MANAGED_BY}={OPERATOR},{INSTANCE}={}", store.name));
    for kind in Kind::ALL.iter().copied().filter(|kind| !kind.is_kept() && store.facts.apis.has(*kind)) {
        let api = Api::<DynamicObject>::namespaced_with(client.clone(), &store.namespace, &kind.resource());
        let found = api.list_metadata(&listed).await.map_err(Error::api(format!("listing {}", kind.as_str())))?;
        for object in found {
            let name = object.name_any();
            let asked = children.iter().any(|child| child.kind == kind && child.name == name);
            let owned = object.owner_references().iter().any(|owner| owner.uid == *uid);
            // one that the user names may have been the operator's before
            let used = kind == Kind::ServiceAccount && name == account;
            if used || asked || !owned || object.metadata.deletion_timestamp.is_some() {
                continue;
            }
            let preconditions = Preconditions { uid: object.uid(), ..Preconditions::default() };
            let parameters = DeleteParams { dry_run, preconditions: Some(preconditions), ..DeleteParams::background() };
            match api.delete(&name, &parameters).await {
                Ok(_) => pruned.push((kind, name)),
                // gone by itself, or another one by now
                Err(kube::Error::Api(status)) if status.code == 404 || status.code == 409 => {}
                Err(error) => return Err(Error::api(format!("removing {} {name}", kind.as_str()))(error)),
            }
        }
    }
    Ok(pruned)
}
