//! Conditions of stores.

use k8s_openapi::api::apps::v1::Deployment;
use serde_json::{Value, json};
use zot_crds::status::{Reason, ZotArtifactStoreStatus};

use super::{facts, resource};
use crate::apply::{Applied, ApplyOutcome};
use crate::diagnostics::Diagnosis;
use crate::error::StoreRefusal;
use crate::kinds::{Apis, ObjectKind};
use crate::status::{of_applied, of_refused};
use crate::validate::validate;

fn deployment(replicas: i32, updated: i32, available: i32, progress: &str) -> Deployment {
    serde_json::from_value(json!({
        "metadata": { "name": "store", "generation": 1 },
        "spec": { "replicas": replicas, "selector": {}, "template": {} },
        "status": {
            "observedGeneration": 1, "replicas": replicas, "updatedReplicas": updated, "availableReplicas": available,
            "conditions": [{ "type": "Progressing", "status": "True", "reason": progress }],
        },
    }))
    .unwrap()
}

fn bound() -> Value {
    json!({ "metadata": { "name": "store-data" }, "status": { "phase": "Bound" } })
}

/// The status of a minimal store on a cluster without any optional API.
fn status(deployment: &Deployment, outcome: ApplyOutcome, diagnosis: Option<&Diagnosis>) -> ZotArtifactStoreStatus {
    let resource = resource(&json!({}));
    let mut facts = facts(&resource);
    facts.apis = Apis::default();
    facts.volume = serde_json::from_value(bound()).unwrap();
    let store = validate(&resource, &facts).unwrap_or_else(|refusal| unreachable!("{refusal:?}"));
    of_applied(&store, &[Applied::new(ObjectKind::Service, "store", outcome)], Some(deployment), diagnosis)
}

fn said(status: &ZotArtifactStoreStatus, of: &str) -> (String, String) {
    let condition = status.conditions.iter().find(|it| it.type_ == of).unwrap();
    (condition.status.clone(), condition.reason.clone())
}

fn is(status: &str, reason: &str) -> (String, String) {
    (status.to_owned(), reason.to_owned())
}

#[test]
fn a_store_that_serves_is_ready() {
    let found = status(&deployment(1, 1, 1, "NewReplicaSetAvailable"), ApplyOutcome::Unchanged, None);
    assert_eq!(said(&found, "Ready"), is("True", "AllReplicasReady"));
    assert_eq!(said(&found, "Degraded"), is("False", "Settled"));
    assert_eq!(said(&found, "Progressing"), is("False", "Settled"));
    assert_eq!(found.phase.map(|phase| json!(phase)), Some(json!("Running")));
}

#[test]
fn a_cause_goes_before_its_consequences() {
    let going = deployment(1, 1, 0, "ReplicaSetUpdated");
    let found = status(&going, ApplyOutcome::Unchanged, None);
    assert_eq!(said(&found, "Progressing"), is("True", "RolloutInProgress"));
    assert_eq!(found.phase.map(|phase| json!(phase)), Some(json!("Pending")));
    let diagnosis = Diagnosis { reason: Reason::ImagePullFailed, message: "no image".to_owned() };
    let found = status(&going, ApplyOutcome::Unchanged, Some(&diagnosis));
    assert_eq!(said(&found, "Ready"), is("False", "ImagePullFailed"));
    assert_eq!(said(&found, "Degraded"), is("True", "ImagePullFailed"));
    assert_eq!(found.phase.map(|phase| json!(phase)), Some(json!("Failed")));
    let found = status(&going, ApplyOutcome::Foreign, Some(&diagnosis));
    assert_eq!((said(&found, "Ready"), said(&found, "Degraded")), (is("False", "Conflict"), is("True", "Conflict")));
    let found = status(&deployment(1, 1, 0, "ProgressDeadlineExceeded"), ApplyOutcome::Unchanged, None);
    assert_eq!(said(&found, "Progressing"), is("False", "RolloutDeadlineExceeded"));
}

#[test]
fn running_servers_are_reported_beside_a_refusal() {
    let resource = resource(&json!({}));
    let refusal = StoreRefusal::new(zot_crds::status::ConditionType::SpecValid, Reason::InvalidSpec, "no");
    let serving = deployment(3, 3, 3, "NewReplicaSetAvailable");
    let found = of_refused(&resource, Some(&serving), &refusal);
    assert_eq!(
        (said(&found, "Ready"), said(&found, "Available")),
        (is("False", "InvalidSpec"), is("True", "AllReplicasReady"))
    );
    assert_eq!(found.phase.map(|phase| json!(phase)), Some(json!("Running")));
    let found = of_refused(&resource, None, &refusal);
    assert_eq!(said(&found, "Available"), is("False", "ReplicasUnavailable"));
    assert_eq!(found.phase.map(|phase| json!(phase)), Some(json!("Failed")));
    // a new database is awaited; a database that servers have used is a problem
    let waits = StoreRefusal::new(zot_crds::status::ConditionType::DatabaseReady, Reason::DatabaseProvisioning, "");
    assert_eq!(said(&of_refused(&resource, None, &waits), "Degraded").0, "False");
    assert_eq!(said(&of_refused(&resource, Some(&serving), &waits), "Degraded").0, "True");
}
