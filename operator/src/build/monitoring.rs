//! The ServiceMonitor and the alerts for the Prometheus operator.

use serde_json::{Value, json};

use super::network::has_metrics;
use super::object::{Child, owned};
use crate::kinds::ObjectKind;
use crate::labels::{COMPONENT, selector};
use crate::validate::ValidSpec;

/// The kinds that the spec enables, whether the cluster knows them or not.
pub(crate) fn enabled(store: &ValidSpec<'_>) -> Vec<ObjectKind> {
    let prometheus = &store.spec().metrics.prometheus;
    let monitor = prometheus.service_monitor.then_some(ObjectKind::ServiceMonitor);
    let rules = prometheus.rules.then_some(ObjectKind::PrometheusRule);
    if has_metrics(store) { monitor.into_iter().chain(rules).collect() } else { Vec::new() }
}

pub(super) fn children(store: &ValidSpec<'_>) -> Vec<Child> {
    let kinds = enabled(store).into_iter().filter(|kind| store.facts.apis.has(*kind));
    kinds.map(|kind| if kind == ObjectKind::ServiceMonitor { monitor(store) } else { rules(store) }).collect()
}

fn monitor(store: &ValidSpec<'_>) -> Child {
    let tls = store.spec().http.tls.enabled;
    let mut endpoint = json!({
        "port": "metrics",
        "path": store.spec().metrics.prometheus.path,
        "interval": "30s",
        "scheme": if tls { "https" } else { "http" },
    });
    if tls {
        // the certificate is for the name that clients use
        endpoint["tlsConfig"] = json!({ "insecureSkipVerify": true });
    }
    let mut labels = selector(&store.name);
    labels.insert(COMPONENT.to_owned(), "metrics".to_owned());
    let spec = json!({
        "selector": { "matchLabels": labels },
        "namespaceSelector": { "matchNames": [store.namespace] },
        "endpoints": [endpoint],
    });
    owned(store, ObjectKind::ServiceMonitor, &store.name, json!({ "spec": spec }))
}

fn rules(store: &ValidSpec<'_>) -> Child {
    let job = format!("{}-metrics", store.name);
    let of = format!("job=\"{job}\",namespace=\"{}\"", store.namespace);
    let alert = |name: &str, expr: String, lasting: &str, severity: &str, summary: &str| {
        json!({
            "alert": name,
            "expr": expr,
            "for": lasting,
            "labels": { "severity": severity, "store": store.name },
            "annotations": { "summary": summary },
        })
    };
    let rules: Vec<Value> = vec![
        alert(
            "ZotArtifactStoreDown",
            format!("absent(up{{{of}}} == 1)"),
            "5m",
            "critical",
            "No server of the store answers.",
        ),
        alert(
            "ZotArtifactStoreErrors",
            format!(
                "sum(rate(system_requests_total{{{of},status=~\"5..\"}}[5m])) / sum(rate(system_requests_total{{{of}}}[5m])) > 0.05"
            ),
            "10m",
            "warning",
            "More than 5 % of the requests fail.",
        ),
    ];
    let spec = json!({ "groups": [{ "name": "zot-artifact-store", "rules": rules }] });
    owned(store, ObjectKind::PrometheusRule, &store.name, json!({ "spec": spec }))
}
