//! What pods say, in one sentence.

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};

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
    for (status, reason, words) in [
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
