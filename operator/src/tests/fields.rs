//! Each field of the custom resource changes an object.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use zot_crds::definition::definition;

use super::{documents, made};

/// Fields that are always refused, with a message that says what to do instead.
const REFUSED: [&str; 4] = [
    "metrics.tracing.enabled",
    "rbac.keycloak.clientSecretRef.key",
    "rbac.keycloak.clientSecretRef.name",
    "supplyChain.enabled",
];

/// Fields with a value. [`base`] has the other fields that each one needs.
#[expect(clippy::too_many_lines, reason = "a table")]
fn fields() -> Vec<(&'static str, Value)> {
    let affinity = json!({"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}});
    vec![
        ("affinity", affinity),
        ("auth.bearer.realm", json!("https://store.example.com/auth/token")),
        ("auth.bearer.service", json!("another")),
        ("auth.failuresPerMinute", json!(7)),
        ("auth.keySecret", json!("keys")),
        ("auth.sessionMaxDuration", json!("2h")),
        ("autoscaling.enabled", json!(true)),
        ("autoscaling.maxReplicas", json!(7)),
        ("autoscaling.minReplicas", json!(2)),
        ("autoscaling.targetCPUUtilization", json!(70)),
        ("autoscaling.targetMemoryUtilization", json!(70)),
        ("database.cluster.instances", json!(2)),
        ("database.cluster.storageClass", json!("fast")),
        ("database.cluster.storageSize", json!("20Gi")),
        ("database.embedded.storageSize", json!("2Gi")),
        ("database.maxConnections", json!(7)),
        ("database.postgres.credentialsSecret", json!("other")),
        ("database.postgres.database", json!("other")),
        ("database.postgres.host", json!("other")),
        ("database.postgres.port", json!(5433)),
        ("database.postgres.sslMode", json!("require")),
        ("database.type", json!("postgres")),
        ("extensions.s3api.basePath", json!("/aws")),
        ("extensions.s3api.domain", json!("s3.example.com")),
        ("extensions.s3api.enableMultipart", json!(false)),
        ("extensions.s3api.enablePresignedURL", json!(false)),
        ("extensions.s3api.enabled", json!(false)),
        ("extensions.s3api.maxUploadSize", json!("1Gi")),
        ("extensions.s3api.port", json!(9001)),
        ("http.cors.allowHeaders", json!(["Range"])),
        ("http.cors.allowMethods", json!(["GET"])),
        ("http.cors.allowOrigin", json!(["https://ui.example.com"])),
        ("http.cors.exposeHeaders", json!(["ETag"])),
        ("http.port", json!(8081)),
        ("http.readOnly", json!(true)),
        ("http.realm", json!("another")),
        ("http.tls.certSecretName", json!("other-tls")),
        ("http.tls.clientCaSecretName", json!("ca")),
        ("http.tls.enabled", json!(true)),
        ("http.trustedProxies", json!(["10.0.0.0/8"])),
        ("image.digest", json!(format!("sha256:{}", "a".repeat(64)))),
        ("image.pullPolicy", json!("Always")),
        ("image.pullSecrets", json!(["pull"])),
        ("image.repository", json!("elsewhere/store")),
        ("image.tag", json!("9")),
        ("limits.maxConcurrentRequests", json!(7)),
        ("limits.maxRequestBodySize", json!("1Gi")),
        ("limits.requestTimeout", json!("7s")),
        ("log.format", json!("text")),
        ("log.level", json!("debug")),
        ("metrics.enabled", json!(false)),
        ("metrics.prometheus.enabled", json!(false)),
        ("metrics.prometheus.path", json!("/custom")),
        ("metrics.prometheus.port", json!(9100)),
        ("metrics.prometheus.rules", json!(true)),
        ("metrics.prometheus.serviceMonitor", json!(true)),
        ("networking.gateway.enabled", json!(true)),
        ("networking.gateway.host", json!("other.example.com")),
        ("networking.gateway.parentRef.name", json!("other")),
        ("networking.gateway.parentRef.namespace", json!("gateways")),
        ("networking.gateway.parentRef.sectionName", json!("https")),
        ("networking.ingress.annotations", json!({"a": "b"})),
        ("networking.ingress.className", json!("nginx")),
        ("networking.ingress.enabled", json!(true)),
        ("networking.ingress.host", json!("other.example.com")),
        ("networking.ingress.tls.enabled", json!(true)),
        ("networking.ingress.tls.secretName", json!("other-tls")),
        ("networking.networkPolicy.enabled", json!(false)),
        ("networking.service.annotations", json!({"a": "b"})),
        ("networking.service.port", json!(80)),
        ("networking.service.type", json!("LoadBalancer")),
        ("nodeSelector", json!({"disk": "fast"})),
        ("openshift.route.enabled", json!(true)),
        ("openshift.route.host", json!("other.example.com")),
        ("openshift.route.termination", json!("passthrough")),
        ("podDisruptionBudget.enabled", json!(false)),
        ("podDisruptionBudget.maxUnavailable", json!("50%")),
        ("podDisruptionBudget.minAvailable", json!(2)),
        ("rbac.adminSecret.name", json!("chief")),
        ("rbac.allowAnonymousGet", json!(true)),
        ("rbac.auditLogging", json!(false)),
        ("rbac.auditRetention", json!("24h")),
        ("rbac.enabled", json!(false)),
        ("rbac.issuers[].audiences", json!(["other"])),
        ("rbac.issuers[].caConfigMap", json!("ca")),
        ("rbac.issuers[].clientId", json!("other")),
        ("rbac.issuers[].groupsClaims", json!(["teams"])),
        ("rbac.issuers[].issuer", json!("https://other.example.com")),
        ("rbac.issuers[].jwksUrl", json!("https://other.example.com/keys")),
        ("rbac.issuers[].kind", json!("kubernetes")),
        ("rbac.issuers[].name", json!("other")),
        ("rbac.issuers[].prefix", json!("other-")),
        ("rbac.issuers[].rolesClaims", json!(["roles"])),
        ("rbac.issuers[].usernameClaim", json!("email")),
        ("rbac.keycloak.audiences", json!(["other"])),
        ("rbac.keycloak.caConfigMap", json!("ca")),
        ("rbac.keycloak.clientId", json!("other")),
        ("rbac.keycloak.groupsClaims", json!(["teams"])),
        ("rbac.keycloak.internalUrl", json!("http://keycloak.sso.svc:8080")),
        ("rbac.keycloak.realm", json!("other")),
        ("rbac.keycloak.rolesClaims", json!(["roles"])),
        ("rbac.keycloak.url", json!("https://other.example.com")),
        ("rbac.keycloak.usernameClaim", json!("email")),
        ("rbac.kubernetes.audiences", json!(["other"])),
        ("rbac.kubernetes.enabled", json!(false)),
        ("rbac.kubernetes.issuer", json!("https://cluster.example.com")),
        ("replicas", json!(3)),
        ("resources.limits.cpu", json!("2")),
        ("resources.limits.memory", json!("1Gi")),
        ("resources.requests.cpu", json!("200m")),
        ("resources.requests.memory", json!("256Mi")),
        ("securityContext.fsGroup", json!(2000)),
        ("securityContext.runAsGroup", json!(2000)),
        ("securityContext.runAsNonRoot", json!(false)),
        ("securityContext.runAsUser", json!(2000)),
        ("securityContext.seccompProfile.type", json!("Unconfined")),
        ("serviceAccount.annotations", json!({"eks.amazonaws.com/role-arn": "arn"})),
        ("serviceAccount.name", json!("mine")),
        ("storage.azure.accountName", json!("other")),
        ("storage.azure.container", json!("other")),
        ("storage.azure.credentialsSecret", json!("azure")),
        ("storage.azure.endpoint", json!("https://other.blob.example.com")),
        ("storage.azure.rootDirectory", json!("here")),
        ("storage.gc", json!(false)),
        ("storage.gcDelay", json!("2h")),
        ("storage.gcDeleteDelay", json!("48h")),
        ("storage.gcInterval", json!("2h")),
        ("storage.gcs.bucket", json!("other")),
        ("storage.gcs.credentialsSecret", json!("gcs")),
        ("storage.gcs.endpoint", json!("https://gcs.example.com")),
        ("storage.gcs.rootDirectory", json!("here")),
        ("storage.s3.accessKeySecret.accessKeyField", json!("id")),
        ("storage.s3.accessKeySecret.name", json!("other")),
        ("storage.s3.accessKeySecret.secretKeyField", json!("secret")),
        ("storage.s3.bucket", json!("other")),
        ("storage.s3.endpoint", json!("https://s3.example.com")),
        ("storage.s3.forcePathStyle", json!(true)),
        ("storage.s3.region", json!("eu-central-1")),
        ("storage.s3.rootDirectory", json!("here")),
        ("storage.size", json!("20Gi")),
        ("storage.storageClass", json!("fast")),
        ("storage.type", json!("s3")),
        ("tolerations", json!([{"operator": "Exists"}])),
    ]
}

/// A spec in which the field has an effect.
fn base(field: &str) -> Value {
    let postgres = json!({
        "type": "postgres", "postgres": {"host": "db", "database": "zot", "credentialsSecret": "db"},
    });
    let s3 = json!({"type": "s3", "s3": {"bucket": "blobs", "accessKeySecret": {"name": "s3"}}});
    let replicated = json!({"replicas": 3, "storage": s3, "database": postgres});
    let has = |part: &str| field.starts_with(part);
    match field {
        "database.type" => json!({"storage": s3, "database": {"postgres": postgres["postgres"]}}),
        "storage.type" => json!({"storage": {"s3": {"bucket": "blobs"}}}),
        "replicas" => json!({"storage": s3, "database": postgres}),
        "autoscaling.enabled" => replicated,
        _ if has("autoscaling.") => {
            let mut base = replicated;
            base["autoscaling"] = json!({"enabled": true});
            base
        }
        _ if has("podDisruptionBudget.") => replicated,
        _ if has("database.cluster.") => json!({"storage": s3, "database": {"type": "postgres", "cluster": {}}}),
        _ if has("database.postgres.") => json!({"storage": s3, "database": postgres}),
        _ if has("storage.s3.") => json!({"storage": s3}),
        _ if has("storage.gcs.") => json!({"storage": {"type": "gcs", "gcs": {"bucket": "blobs"}}}),
        _ if has("storage.azure.") => {
            json!({"storage": {"type": "azure", "azure": {"accountName": "account", "container": "blobs"}}})
        }
        _ if has("http.tls.") => {
            json!({"http": {"tls": {"enabled": field != "http.tls.enabled", "certSecretName": "tls"}}})
        }
        _ if has("networking.ingress.") => {
            let tls = json!({"enabled": field == "networking.ingress.tls.secretName", "secretName": "tls"});
            let enabled = field != "networking.ingress.enabled";
            json!({"networking": {"ingress": {"enabled": enabled, "host": "store.example.com", "tls": tls}}})
        }
        _ if has("networking.gateway.") => {
            let enabled = field != "networking.gateway.enabled";
            let gateway = json!({"enabled": enabled, "host": "store.example.com", "parentRef": {"name": "gateway"}});
            json!({"networking": {"gateway": gateway}})
        }
        _ if has("openshift.route.") => {
            json!({"openshift": {"route": {"enabled": field != "openshift.route.enabled"}}})
        }
        _ if has("rbac.issuers[].") => {
            json!({"rbac": {"issuers": [{"name": "one", "issuer": "https://one.example.com", "audiences": ["store"]}]}})
        }
        _ if has("rbac.keycloak.") => {
            json!({"rbac": {"keycloak": {"url": "https://sso.example.com", "realm": "realm", "clientId": "store"}}})
        }
        _ => json!({}),
    }
}

fn set(spec: &mut Value, field: &str, value: Value) {
    let place = field.split('.').fold(spec, |place, part| match part.strip_suffix("[]") {
        Some(part) => &mut place[part][0],
        None => &mut place[part],
    });
    *place = value;
}

/// For each field, a spec without it and one with it.
pub(super) fn all() -> Vec<(Value, Value)> {
    let pair = |(field, value): (&'static str, Value)| {
        let before = base(field);
        let mut after = before.clone();
        set(&mut after, field, value);
        (before, after)
    };
    fields().into_iter().map(pair).collect()
}

#[test]
fn each_field_changes_something() {
    for (field, value) in fields() {
        let before = base(field);
        let mut after = before.clone();
        set(&mut after, field, value);
        assert_ne!(documents(&before), documents(&after), "{field} has no effect");
    }
}

#[test]
fn each_field_has_a_value_here() {
    let covered: BTreeSet<String> =
        fields().into_iter().map(|(field, _)| field).chain(REFUSED).map(ToOwned::to_owned).collect();
    let definition = serde_json::to_value(definition()).unwrap();
    let mut defined = BTreeSet::new();
    leaves("", &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"], &mut defined);
    assert_eq!(covered, defined);
}

fn leaves(path: &str, schema: &Value, found: &mut BTreeSet<String>) {
    let below = |properties: &Value, path: &str, found: &mut BTreeSet<String>| {
        for (name, schema) in properties.as_object().unwrap() {
            leaves(&if path.is_empty() { name.clone() } else { format!("{path}.{name}") }, schema, found);
        }
    };
    match (&schema["properties"], &schema["items"]["properties"]) {
        // types of Kubernetes are copied as they are
        _ if ["affinity", "tolerations"].contains(&path) => drop(found.insert(path.to_owned())),
        (Value::Object(_), _) => below(&schema["properties"], path, found),
        (_, Value::Object(_)) => below(&schema["items"]["properties"], &format!("{path}[]"), found),
        _ => drop(found.insert(path.to_owned())),
    }
}

#[test]
fn invalid_specs_are_refused() {
    for (spec, word) in [
        (json!({"database": {"type": "mysql"}}), "postgres"),
        (json!({"replicas": 2}), "one replica"),
        (json!({"supplyChain": {"enabled": true}}), "supplyChain"),
        (json!({"metrics": {"tracing": {"enabled": true}}}), "tracing"),
        (json!({"storage": {"type": "s3"}}), "storage.s3"),
        (json!({"storage": {"gcDelay": "soon"}}), "storage.gcDelay"),
        (json!({"storage": {"gcDelay": "1m"}}), "gcDelay"),
        (json!({"limits": {"maxRequestBodySize": "many"}}), "limits.maxRequestBodySize"),
        (json!({"auth": {"sessionMaxDuration": "100h"}}), "sessionMaxDuration"),
        (json!({"http": {"trustedProxies": ["everybody"]}}), "trustedProxies"),
    ] {
        let refusal = made(&spec).unwrap_err();
        assert!(refusal.reason.as_str() == "InvalidSpec" && refusal.message.contains(word), "{spec}: {refusal:?}");
    }
}
