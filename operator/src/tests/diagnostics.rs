//! Diagnoses from the status of pods, and results of preflights.

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};

use crate::diagnostics::{Diagnosis, first_problem, unavailable_since};
use crate::preflight::{PreflightResult, result};

const NOW: &str = "2026-11-27T12:01:00Z";
const LONG_AGO: &str = "2026-11-27T12:00:00Z";
const JUST_NOW: &str = "2026-11-27T12:00:50Z";

fn pod(status: &Value) -> Pod {
    serde_json::from_value(json!({ "metadata": { "name": "store-1" }, "status": status })).unwrap()
}

fn container(state: &Value, last: &Value) -> Value {
    json!({ "containerStatuses": [{
        "name": "server", "image": "r/x:1", "imageID": "", "ready": false, "restartCount": 2, "state": state, "lastState": last,
    }] })
}

fn diagnosis(status: &Value) -> Option<Diagnosis> {
    first_problem(None, &[pod(status)], NOW.parse().unwrap())
}

fn deployment(conditions: &Value) -> Deployment {
    serde_json::from_value(json!({ "status": { "conditions": conditions } })).unwrap()
}

#[test]
fn problems_of_pods_are_diagnosed() {
    let waiting = |reason: &str, message: &str| json!({ "waiting": { "reason": reason, "message": message } });
    let nothing = json!({});
    let crashed = json!({ "terminated": {
        "exitCode": 1, "reason": "Error", "message": "starting\nerror: cannot listen on 0.0.0.0:80\n\n",
    } });
    let mut stuck = container(&waiting("ContainerCreating", ""), &nothing);
    stuck["startTime"] = json!(LONG_AGO);
    for (status, reason, words) in [
        (stuck, "PodNotStarted", ["store-1", "events"]),
        (container(&waiting("ErrImagePull", "not found"), &nothing), "ImagePullFailed", ["r/x:1", "not found"]),
        (container(&waiting("InvalidImageName", "bad"), &nothing), "ImagePullFailed", ["r/x:1", "InvalidImageName"]),
        (
            container(&waiting("CreateContainerConfigError", "runs as root"), &nothing),
            "PodRefused",
            ["store-1", "root"],
        ),
        (
            container(&waiting("CrashLoopBackOff", "back-off"), &crashed),
            "ServerCrashes",
            ["2 times", "cannot listen on"],
        ),
        (container(&crashed, &nothing), "ServerCrashes", ["exit code 1", "cannot listen on"]),
        (
            json!({ "conditions": [{
                "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "lastTransitionTime": LONG_AGO,
                "message": "0/3 nodes are available",
            }] }),
            "PodUnschedulable",
            ["store-1", "0/3 nodes"],
        ),
    ] {
        let found = diagnosis(&status).unwrap();
        assert_eq!(found.reason.as_str(), reason, "{status}");
        assert!(words.iter().all(|word| found.message.contains(word)), "{words:?}: {found:?}");
    }
}

#[test]
fn what_takes_a_while_is_no_diagnosis() {
    let starting = json!({ "waiting": { "reason": "ContainerCreating" } });
    assert_eq!(diagnosis(&container(&starting, &json!({}))), None);
    assert_eq!(diagnosis(&container(&json!({ "running": {} }), &json!({}))), None);
    let unscheduled = json!({ "type": "PodScheduled", "status": "False", "lastTransitionTime": JUST_NOW });
    assert_eq!(diagnosis(&json!({ "conditions": [unscheduled] })), None);
    // a container that was killed long ago and runs again
    let killed = json!({ "terminated": { "exitCode": 137, "finishedAt": "2026-11-27T11:00:00Z" } });
    assert_eq!(diagnosis(&container(&json!({ "running": {} }), &killed)), None);
    // an evicted pod
    let mut evicted = container(&json!({ "terminated": { "exitCode": 0 } }), &json!({}));
    evicted["phase"] = json!("Failed");
    assert_eq!(diagnosis(&evicted), None);
    // a pod that is being deleted
    let mut terminating = pod(&container(&json!({ "waiting": { "reason": "ErrImagePull" } }), &json!({})));
    terminating.metadata.deletion_timestamp = serde_json::from_value(json!(LONG_AGO)).unwrap();
    assert_eq!(first_problem(None, &[terminating], NOW.parse().unwrap()), None);
}

#[test]
fn unavailable_servers_are_a_problem_after_the_grace_period() {
    let now: Timestamp = NOW.parse().unwrap();
    let conditions = |progress: &str, since: &str| {
        json!([
            { "type": "Progressing", "status": "True", "reason": progress },
            { "type": "Available", "status": "False", "lastTransitionTime": since },
        ])
    };
    let long = deployment(&conditions("NewReplicaSetAvailable", LONG_AGO));
    assert_eq!(first_problem(Some(&long), &[], now).unwrap().reason.as_str(), "ReplicasUnavailable");
    assert_eq!(unavailable_since(Some(&long), now), Some(LONG_AGO.parse().unwrap()));
    for short in [conditions("NewReplicaSetAvailable", JUST_NOW), conditions("ReplicaSetUpdated", LONG_AGO)] {
        let short = deployment(&short);
        assert_eq!((first_problem(Some(&short), &[], now), unavailable_since(Some(&short), now)), (None, None));
    }
    let refused = deployment(&json!([{ "type": "ReplicaFailure", "status": "True", "message": "no account" }]));
    assert_eq!(first_problem(Some(&refused), &[], now).unwrap().reason.as_str(), "PodRefused");
}

#[test]
fn results_of_a_preflight() {
    let now: Timestamp = NOW.parse().unwrap();
    let job = |status: &Value| -> k8s_openapi::api::batch::v1::Job {
        serde_json::from_value(json!({
            "metadata": { "name": "store-preflight-1", "creationTimestamp": LONG_AGO }, "status": status,
        }))
        .unwrap()
    };
    let ended = |code: i32, message: &str| {
        let end = json!({ "terminated": { "exitCode": code, "message": message, "finishedAt": LONG_AGO } });
        // a sidecar that the cluster injects keeps running
        let other = json!({
            "name": "mesh", "image": "m", "imageID": "", "ready": true, "restartCount": 0, "state": { "running": {} },
        });
        let mut own = container(&end, &json!({}))["containerStatuses"][0].clone();
        own["name"] = json!("preflight");
        pod(&json!({ "containerStatuses": [other, own] }))
    };
    let running = job(&json!({}));
    let when = Some(LONG_AGO.parse().unwrap());
    assert_eq!(
        result(&job(&json!({ "succeeded": 1, "completionTime": LONG_AGO })), &[], now),
        PreflightResult::Passed(when)
    );
    assert_eq!(result(&running, &[ended(0, "")], now), PreflightResult::Passed(when));
    let report = json!({ "database": { "ok": false, "reason": "DatabaseNotFound", "message": "no zot" }, "storage": { "ok": true } });
    let PreflightResult::Failed { report: Some(found), since } =
        result(&running, &[ended(1, &report.to_string())], now)
    else {
        unreachable!("it failed")
    };
    assert_eq!((found.reason.as_str(), found.message.as_str(), since), ("DatabaseNotFound", "no zot", when));
    assert_eq!(result(&running, &[ended(1, "panicked")], now), PreflightResult::Failed { report: None, since: when });
    let failed =
        |reason: &str| job(&json!({ "conditions": [{ "type": "Failed", "status": "True", "reason": reason }] }));
    assert_eq!(result(&failed("DeadlineExceeded"), &[], now), PreflightResult::TimedOut);
    assert_eq!(
        result(&failed("BackoffLimitExceeded"), &[], now),
        PreflightResult::Failed { report: None, since: None }
    );
    let PreflightResult::Pending(Some(diagnosis)) = result(&running, &[], now) else {
        unreachable!("no pod was created")
    };
    assert_eq!(diagnosis.reason.as_str(), "PodRefused");
    assert_eq!(result(&running, &[pod(&json!({}))], now), PreflightResult::Pending(None));
}
