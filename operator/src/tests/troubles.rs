//! What pods say, in one sentence.

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};

use crate::preflight::{Tried, tried};
use crate::troubles::{Trouble, away_since, of};

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

fn trouble(status: &Value) -> Option<Trouble> {
    of(None, &[pod(status)], NOW.parse().unwrap())
}

fn deployment(conditions: &Value) -> Deployment {
    serde_json::from_value(json!({ "status": { "conditions": conditions } })).unwrap()
}

#[test]
fn what_keeps_a_pod_from_serving_is_told() {
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
        let found = trouble(&status).unwrap();
        assert_eq!(found.reason.as_str(), reason, "{status}");
        assert!(words.iter().all(|word| found.message.contains(word)), "{words:?}: {found:?}");
    }
}

#[test]
fn what_takes_a_while_is_no_trouble() {
    let starting = json!({ "waiting": { "reason": "ContainerCreating" } });
    assert_eq!(trouble(&container(&starting, &json!({}))), None);
    assert_eq!(trouble(&container(&json!({ "running": {} }), &json!({}))), None);
    let unscheduled = json!({ "type": "PodScheduled", "status": "False", "lastTransitionTime": JUST_NOW });
    assert_eq!(trouble(&json!({ "conditions": [unscheduled] })), None);
    // one that was killed long ago, and runs again
    let killed = json!({ "terminated": { "exitCode": 137, "finishedAt": "2026-11-27T11:00:00Z" } });
    assert_eq!(trouble(&container(&json!({ "running": {} }), &killed)), None);
    // one that was evicted, and lies about
    let mut evicted = container(&json!({ "terminated": { "exitCode": 0 } }), &json!({}));
    evicted["phase"] = json!("Failed");
    assert_eq!(trouble(&evicted), None);
    // one that goes is nobody's any more
    let mut going = pod(&container(&json!({ "waiting": { "reason": "ErrImagePull" } }), &json!({})));
    going.metadata.deletion_timestamp = serde_json::from_value(json!(LONG_AGO)).unwrap();
    assert_eq!(of(None, &[going], NOW.parse().unwrap()), None);
}

#[test]
fn servers_that_were_there_and_are_away_are_missed_after_a_while() {
    let now: Timestamp = NOW.parse().unwrap();
    let conditions = |progress: &str, since: &str| {
        json!([
            { "type": "Progressing", "status": "True", "reason": progress },
            { "type": "Available", "status": "False", "lastTransitionTime": since },
        ])
    };
    let long = deployment(&conditions("NewReplicaSetAvailable", LONG_AGO));
    assert_eq!(of(Some(&long), &[], now).unwrap().reason.as_str(), "ReplicasUnavailable");
    assert_eq!(away_since(Some(&long), now), Some(LONG_AGO.parse().unwrap()));
    for short in [conditions("NewReplicaSetAvailable", JUST_NOW), conditions("ReplicaSetUpdated", LONG_AGO)] {
        let short = deployment(&short);
        assert_eq!((of(Some(&short), &[], now), away_since(Some(&short), now)), (None, None));
    }
    let refused = deployment(&json!([{ "type": "ReplicaFailure", "status": "True", "message": "no account" }]));
    assert_eq!(of(Some(&refused), &[], now).unwrap().reason.as_str(), "PodRefused");
}

#[test]
fn what_came_of_a_preflight() {
    let now: Timestamp = NOW.parse().unwrap();
    let job = |status: &Value| -> k8s_openapi::api::batch::v1::Job {
        serde_json::from_value(json!({
            "metadata": { "name": "store-preflight-1", "creationTimestamp": LONG_AGO }, "status": status,
        }))
        .unwrap()
    };
    let ended = |code: i32, message: &str| {
        let end = json!({ "terminated": { "exitCode": code, "message": message, "finishedAt": LONG_AGO } });
        // others that the cluster puts there go on
        let other = json!({
            "name": "mesh", "image": "m", "imageID": "", "ready": true, "restartCount": 0, "state": { "running": {} },
        });
        let mut own = container(&end, &json!({}))["containerStatuses"][0].clone();
        own["name"] = json!("preflight");
        pod(&json!({ "containerStatuses": [other, own] }))
    };
    let running = job(&json!({}));
    let when = Some(LONG_AGO.parse().unwrap());
    assert_eq!(tried(&job(&json!({ "succeeded": 1, "completionTime": LONG_AGO })), &[], now), Tried::Well(when));
    assert_eq!(tried(&running, &[ended(0, "")], now), Tried::Well(when));
    let report = json!({ "database": { "ok": false, "reason": "DatabaseNotFound", "message": "no zot" }, "storage": { "ok": true } });
    let Tried::Badly { found: Some(found), since } = tried(&running, &[ended(1, &report.to_string())], now) else {
        unreachable!("it failed")
    };
    assert_eq!((found.reason.as_str(), found.message.as_str(), since), ("DatabaseNotFound", "no zot", when));
    assert_eq!(tried(&running, &[ended(1, "panicked")], now), Tried::Badly { found: None, since: when });
    let failed =
        |reason: &str| job(&json!({ "conditions": [{ "type": "Failed", "status": "True", "reason": reason }] }));
    assert_eq!(tried(&failed("DeadlineExceeded"), &[], now), Tried::TooLate);
    assert_eq!(tried(&failed("BackoffLimitExceeded"), &[], now), Tried::Badly { found: None, since: None });
    let Tried::NotYet(Some(trouble)) = tried(&running, &[], now) else { unreachable!("no pod was made") };
    assert_eq!(trouble.reason.as_str(), "PodRefused");
    assert_eq!(tried(&running, &[pod(&json!({}))], now), Tried::NotYet(None));
}
