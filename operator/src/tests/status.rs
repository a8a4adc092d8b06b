//! Conditions of what was found.

use k8s_openapi::api::apps::v1::Deployment;
use serde_json::{Value, json};
use zot_crds::status::{Reason, ZotArtifactStoreStatus};

use super::{facts, resource};
use crate::api::{Apis, Kind};
use crate::apply::Outcome;
use crate::status::{of_applied, of_refused};
use crate::troubles::Trouble;
use crate::validate::{Refusal, validate};

/// A Deployment of so many servers, of which so many are up to date and take requests.
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
fn status(deployment: &Deployment, outcome: Outcome, trouble: Option<&Trouble>) -> ZotArtifactStoreStatus {
    let resource = resource(&json!({}));
    let mut facts = facts(&resource);
    facts.apis = Apis::default();
    facts.volume = serde_json::from_value(bound()).unwrap();
    let store = validate(&resource, &facts).unwrap_or_else(|refusal| unreachable!("{refusal:?}"));
    of_applied(&store, &[(Kind::Service, "store".to_owned(), outcome)], Some(deployment), trouble)
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
    let found = status(&deployment(1, 1, 1, "NewReplicaSetAvailable"), Outcome::Unchanged, None);
    assert_eq!(said(&found, "Ready"), is("True", "AllReplicasReady"));
    assert_eq!(said(&found, "Degraded"), is("False", "Settled"));
    assert_eq!(said(&found, "Progressing"), is("False", "Settled"));
    assert_eq!(found.phase.map(|phase| json!(phase)), Some(json!("Running")));
}

#[test]
fn the_cause_comes_before_what_it_leads_to() {
    let going = deployment(1, 1, 0, "ReplicaSetUpdated");
    let found = status(&going, Outcome::Unchanged, None);
    assert_eq!(said(&found, "Progressing"), is("True", "RolloutInProgress"));
    assert_eq!(found.phase.map(|phase| json!(phase)), Some(json!("Pending")));
    let trouble = Trouble { reason: Reason::ImagePullFailed, message: "no image".to_owned() };
    let found = status(&going, Outcome::Unchanged, Some(&trouble));
    assert_eq!(said(&found, "Ready"), is("False", "ImagePullFailed"));
    assert_eq!(said(&found, "Degraded"), is("True", "ImagePullFailed"));
    assert_eq!(found.phase.map(|phase| json!(phase)), Some(json!("Failed")));
    let found = status(&going, Outcome::Foreign, Some(&trouble));
    assert_eq!((said(&found, "Ready"), said(&found, "Degraded")), (is("False", "Conflict"), is("True", "Conflict")));
    let found = status(&deployment(1, 1, 0, "ProgressDeadlineExceeded"), Outcome::Unchanged, None);
    assert_eq!(said(&found, "Progressing"), is("False", "RolloutDeadlineExceeded"));
}

#[test]
fn servers_that_go_on_are_told_beside_what_is_wrong() {
    let resource = resource(&json!({}));
    let refusal = Refusal::new(zot_crds::status::ConditionType::SpecValid, Reason::InvalidSpec, "no");
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
    // waiting is nothing bad, unless it was there
    let waits = Refusal::new(zot_crds::status::ConditionType::DatabaseReady, Reason::DatabaseProvisioning, "");
    assert_eq!(said(&of_refused(&resource, None, &waits), "Degraded").0, "False");
    assert_eq!(said(&of_refused(&resource, Some(&serving), &waits), "Degraded").0, "True");
}
