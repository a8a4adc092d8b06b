//! The server's configuration, derived from a resource's spec. Secrets are not in it: servers read them from Secrets.

use std::path::PathBuf;

use serde_json::Value;
use zot_crds::ZotArtifactStoreSpec;
use zot_crds::spec::{DatabaseType, IssuerKind, LogFormat, LogLevel, StorageType};
use zot_settings::{DriverName, Keycloak, Settings, StorageDriver, Tls, TrustedIssuer};

/// Directories of the server's container.
pub(crate) const CONFIG: &str = "/etc/zot/config";
pub(crate) const DATA: &str = "/var/lib/zot";
pub(crate) const TLS: &str = "/etc/zot/tls";
pub(crate) const CLIENT_CA: &str = "/etc/zot/client-ca";
pub(crate) const KEYS: &str = "/etc/zot/keys";
pub(crate) const GCS: &str = "/etc/zot/gcs";
pub(crate) const ISSUERS: &str = "/etc/zot/issuers";

/// # Errors
/// The field that cannot be parsed, and why.
pub(crate) fn settings(spec: &ZotArtifactStoreSpec) -> Result<Settings, String> {
    let mut settings = Settings::default();
    http(spec, &mut settings);
    storage(spec, &mut settings)?;
    access(spec, &mut settings)?;
    s3api(spec, &mut settings)?;
    if let Some(most) = spec.database.max_connections {
        settings.database.max_connections = unsigned(most);
    }
    let (metrics, asked) = (&mut settings.extensions.metrics, &spec.metrics);
    metrics.enabled = asked.enabled;
    metrics.prometheus.enabled = asked.enabled && asked.prometheus.enabled;
    metrics.prometheus.path.clone_from(&asked.prometheus.path);
    metrics.health.enabled = true; // the probes use it
    limits(spec, &mut settings)?;
    settings.log.level = match spec.log.level {
        LogLevel::Trace => zot_settings::Level::Trace,
        LogLevel::Debug => zot_settings::Level::Debug,
        LogLevel::Info => zot_settings::Level::Info,
        LogLevel::Warn => zot_settings::Level::Warn,
        LogLevel::Error => zot_settings::Level::Error,
    };
    settings.log.format = match spec.log.format {
        LogFormat::Json => zot_settings::LogFormat::Json,
        LogFormat::Text => zot_settings::LogFormat::Text,
    };
    Ok(settings)
}

fn http(spec: &ZotArtifactStoreSpec, settings: &mut Settings) {
    let (http, asked) = (&mut settings.http, &spec.http);
    // the Service has to reach the server
    http.address = Some("0.0.0.0".to_owned());
    http.port = port(asked.port);
    http.read_only = asked.read_only;
    http.trusted_proxies.clone_from(&asked.trusted_proxies);
    http.cors.allow_origin.clone_from(&asked.cors.allow_origin);
    http.cors.allow_methods.clone_from(&asked.cors.allow_methods);
    http.cors.allow_headers.clone_from(&asked.cors.allow_headers);
    http.cors.expose_headers.clone_from(&asked.cors.expose_headers);
    if let Some(realm) = &asked.realm {
        http.realm.clone_from(realm);
    }
    http.tls = asked.tls.enabled.then(|| Tls {
        cert: PathBuf::from(TLS).join("tls.crt"),
        key: PathBuf::from(TLS).join("tls.key"),
        cacert: asked.tls.client_ca_secret_name.as_ref().map(|_| PathBuf::from(CLIENT_CA).join("ca.crt")),
    });
}

fn storage(spec: &ZotArtifactStoreSpec, settings: &mut Settings) -> Result<(), String> {
    let (storage, asked) = (&mut settings.storage, &spec.storage);
    storage.root_directory = PathBuf::from(DATA);
    storage.gc = asked.gc;
    let spans = [
        (&mut storage.gc_delay, &asked.gc_delay, "storage.gcDelay"),
        (&mut storage.gc_interval, &asked.gc_interval, "storage.gcInterval"),
        (&mut storage.gc_delete_delay, &asked.gc_delete_delay, "storage.gcDeleteDelay"),
    ];
    for (span, text, field) in spans {
        set(span, text.as_deref(), field)?;
    }
    storage.storage_driver = match (asked.r#type, &asked.s3, &asked.gcs, &asked.azure) {
        (StorageType::S3, Some(s3), _, _) => Some(StorageDriver {
            bucket: Some(s3.bucket.clone()),
            endpoint: s3.endpoint.clone(),
            region: Some(s3.region.clone()),
            root_directory: s3.root_directory.clone(),
            force_path_style: s3.force_path_style,
            ..StorageDriver::named(DriverName::S3)
        }),
        (StorageType::Gcs, _, Some(gcs), _) => Some(StorageDriver {
            bucket: Some(gcs.bucket.clone()),
            endpoint: gcs.endpoint.clone(),
            root_directory: gcs.root_directory.clone(),
            keyfile: gcs.credentials_secret.as_ref().map(|_| PathBuf::from(GCS).join("key.json")),
            ..StorageDriver::named(DriverName::Gcs)
        }),
        (StorageType::Azure, _, _, Some(azure)) => Some(StorageDriver {
            account_name: Some(azure.account_name.clone()),
            container: Some(azure.container.clone()),
            endpoint: azure.endpoint.clone(),
            root_directory: azure.root_directory.clone(),
            ..StorageDriver::named(DriverName::Azure)
        }),
        _ => None,
    };
    Ok(())
}

fn access(spec: &ZotArtifactStoreSpec, settings: &mut Settings) -> Result<(), String> {
    let (rbac, asked) = (&mut settings.extensions.rbac, &spec.rbac);
    rbac.enabled = asked.enabled;
    rbac.allow_anonymous_get = asked.allow_anonymous_get;
    rbac.audit_logging = asked.audit_logging;
    set(&mut rbac.audit_retention, asked.audit_retention.as_deref(), "rbac.auditRetention")?;
    rbac.kubernetes.enabled = asked.enabled && asked.kubernetes.enabled;
    rbac.kubernetes.audiences.clone_from(&asked.kubernetes.audiences);
    rbac.kubernetes.issuer.clone_from(&asked.kubernetes.issuer);
    let some = |list: &Vec<String>| (!list.is_empty()).then(|| list.clone());
    rbac.keycloak = asked.keycloak.as_ref().map(|it| Keycloak {
        url: it.url.clone(),
        realm: it.realm.clone(),
        client_id: it.client_id.clone(),
        internal_url: it.internal_url.clone(),
        audiences: it.audiences.clone(),
        username_claim: it.username_claim.clone(),
        roles_claims: some(&it.roles_claims),
        groups_claims: some(&it.groups_claims),
        cacert: it.ca_config_map.as_deref().map(ca_file),
    });
    rbac.issuers = asked
        .issuers
        .iter()
        .map(|it| TrustedIssuer {
            name: it.name.clone(),
            issuer: it.issuer.clone(),
            kind: match it.kind {
                IssuerKind::Oidc => zot_settings::IssuerKind::Oidc,
                IssuerKind::Kubernetes => zot_settings::IssuerKind::Kubernetes,
            },
            audiences: it.audiences.clone(),
            client_id: it.client_id.clone(),
            jwks_url: it.jwks_url.clone(),
            prefix: it.prefix.clone(),
            username_claim: it.username_claim.clone(),
            roles_claims: it.roles_claims.clone(),
            groups_claims: it.groups_claims.clone(),
            cacert: it.ca_config_map.as_deref().map(ca_file),
        })
        .collect();
    let (auth, asked) = (&mut settings.auth, &spec.auth);
    auth.bearer.realm.clone_from(&asked.bearer.realm);
    if let Some(service) = &asked.bearer.service {
        auth.bearer.service.clone_from(service);
    }
    if let Some(most) = asked.failures_per_minute {
        auth.failures_per_minute = unsigned(most);
    }
    set(&mut auth.session_max_duration, asked.session_max_duration.as_deref(), "auth.sessionMaxDuration")?;
    auth.key_file = has_master_key_secret(spec).then(|| PathBuf::from(KEYS).join("keys"));
    Ok(())
}

/// Whether the master keys come from a Secret. With the embedded database, the server keeps them in a file beside it.
pub(crate) fn has_master_key_secret(spec: &ZotArtifactStoreSpec) -> bool {
    spec.auth.key_secret.is_some() || spec.database.r#type == DatabaseType::Postgres
}

/// Whether the operator generates the admin's key.
pub(crate) fn generates_admin_key(spec: &ZotArtifactStoreSpec) -> bool {
    spec.rbac.enabled && spec.rbac.admin_secret.is_none()
}

/// The CA file of a ConfigMap, as it is mounted.
fn ca_file(map: &str) -> PathBuf {
    PathBuf::from(ISSUERS).join(map).join("ca.crt")
}

fn s3api(spec: &ZotArtifactStoreSpec, settings: &mut Settings) -> Result<(), String> {
    let (s3api, asked) = (&mut settings.extensions.s3api, &spec.extensions.s3api);
    s3api.enabled = asked.enabled;
    s3api.port = port(asked.port);
    s3api.enable_multipart = asked.enable_multipart;
    s3api.enable_presigned_url = asked.enable_presigned_url;
    s3api.domain.clone_from(&asked.domain);
    if let Some(path) = &asked.base_path {
        s3api.base_path.clone_from(path);
    }
    set(&mut s3api.max_upload_size, asked.max_upload_size.as_deref(), "extensions.s3api.maxUploadSize")
}

fn limits(spec: &ZotArtifactStoreSpec, settings: &mut Settings) -> Result<(), String> {
    let (limits, asked) = (&mut settings.limits, &spec.limits);
    limits.max_concurrent_requests = asked.max_concurrent_requests.map(unsigned);
    if let Some(text) = &asked.request_timeout {
        limits.request_timeout = Some(parsed(text, "limits.requestTimeout")?);
    }
    if let Some(text) = &asked.max_request_body_size {
        limits.max_request_body_size = Some(parsed(text, "limits.maxRequestBodySize")?);
    }
    Ok(())
}

fn parsed<T: std::str::FromStr<Err = &'static str>>(text: &str, field: &str) -> Result<T, String> {
    text.parse().map_err(|why| format!("{field}: {text:?}: {why}"))
}

fn set<T: std::str::FromStr<Err = &'static str>>(value: &mut T, text: Option<&str>, field: &str) -> Result<(), String> {
    if let Some(text) = text {
        *value = parsed(text, field)?;
    }
    Ok(())
}

fn unsigned(number: i32) -> u32 {
    u32::try_from(number).unwrap_or_default()
}

fn port(number: i32) -> u16 {
    u16::try_from(number).unwrap_or_default()
}

/// The configuration file. `${` is escaped, because the server replaces variables.
pub(crate) fn render(settings: &Settings) -> String {
    let mut document = serde_json::to_value(settings).unwrap_or_default();
    remove_nulls(&mut document);
    escape(&mut document);
    serde_saphyr::to_string(&document).unwrap_or_else(|_| document.to_string())
}

fn remove_nulls(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.retain(|_, value| !value.is_null());
            object.values_mut().for_each(remove_nulls);
        }
        Value::Array(list) => list.iter_mut().for_each(remove_nulls),
        _ => {}
    }
}

fn escape(value: &mut Value) {
    match value {
        Value::Object(object) => object.values_mut().for_each(escape),
        Value::Array(list) => list.iter_mut().for_each(escape),
        Value::String(text) if text.contains("${") => *text = text.replace("${", "$${"),
        _ => {}
    }
}
