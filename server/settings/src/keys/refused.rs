//! The keys of zot and of later versions that this version refuses, with what to use instead. Supported keys are the
//! fields of the sections.

use serde_json::Value;

const SUPPLY_CHAIN: &str = "not in this version: signing, SBOMs and attestations come in a later one; remove the key \
     (`cosign` and `oras` can push them as OCI referrers today)";
const TRACING: &str = "not in this version: traces come in a later one; remove the key and use the logs and metrics";
const HTPASSWD: &str = "password files are not supported; remove the key and use access keys";
const DIST_SPEC_VERSION: &str = "zot's configurations name the version of the distribution-spec here, and this server reads \
     no such key; remove it (`zot-artifact-store migrate-config FILE` prints the configuration without it)";
const ACCESS_CONTROL: &str = "zot's access control is not read from the configuration: without it the store would be open; \
     run `zot-artifact-store migrate-config FILE`, which turns it into policies of this store";
const LDAP: &str = "LDAP is not supported; remove the key and use access keys, or an OIDC provider in front of the \
     directory (extensions.rbac.keycloak, extensions.rbac.issuers)";

/// Which values of a refused key are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// All values, and everything below the key.
    Always,
    /// All but this one, which is the server's behaviour.
    Unless(bool),
}

/// A key that this version refuses.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// Dotted path; `*.` at its start stands for any section.
    pub(crate) path: &'static str,
    pub(crate) when: When,
    /// What to do instead.
    pub(crate) message: &'static str,
}

const fn refusal(path: &'static str, when: When, message: &'static str) -> Refusal {
    Refusal { path, when, message }
}

/// All refused keys.
pub(crate) const REFUSALS: &[Refusal] = &[
    refusal(
        "*.metadataDBPath",
        When::Always,
        "there is one metadata database for all parts; remove the key and use `database.url`",
    ),
    refusal("auth.bearer.cert", When::Always, "the server signs its tokens with a key of its own; remove the key"),
    refusal("auth.htpasswd", When::Always, HTPASSWD),
    refusal("auth.ldap", When::Always, LDAP),
    refusal(
        "cluster",
        When::Always,
        "replicas need no list of members; remove the section and give all of them the same Postgres in `database.url`",
    ),
    refusal("distSpecVersion", When::Always, DIST_SPEC_VERSION),
    refusal("extensions.metrics.tracing.enabled", When::Unless(false), TRACING),
    refusal("extensions.metrics.tracing.endpoint", When::Always, TRACING),
    refusal("extensions.metrics.tracing.serviceName", When::Always, TRACING),
    refusal(
        "extensions.rbac.keycloak.clientSecret",
        When::Always,
        "tokens are verified by the realm's public keys, without a secret; remove the key",
    ),
    refusal(
        "extensions.s3api.dataDir",
        When::Always,
        "the S3 API and the OCI API share one store; remove the key and use `storage.rootDirectory`",
    ),
    refusal("extensions.supplychain.attestation", When::Always, SUPPLY_CHAIN),
    refusal("extensions.supplychain.enabled", When::Unless(false), SUPPLY_CHAIN),
    refusal("extensions.supplychain.privateKeyPath", When::Always, SUPPLY_CHAIN),
    refusal("extensions.supplychain.sbom", When::Always, SUPPLY_CHAIN),
    refusal("extensions.supplychain.signing", When::Always, SUPPLY_CHAIN),
    refusal("http.accessControl", When::Always, ACCESS_CONTROL),
    refusal("http.auth.htpasswd", When::Always, HTPASSWD),
    refusal("http.auth.ldap", When::Always, LDAP),
    refusal(
        "storage.dedupe",
        When::Unless(true),
        "the store keeps each blob once, which cannot be turned off; remove the key or set it to true",
    ),
    refusal("storage.subPaths", When::Always, "one store has one storage; remove the section and run a second store"),
];

pub(crate) enum Verdict {
    /// The key is not in the table: it is supported or unknown.
    None,
    /// The value is the only accepted one, and has no effect.
    Accepted,
    /// Refused, with what to do instead.
    Refused(&'static str),
}

pub(crate) fn verdict(path: &str, value: &Value) -> Verdict {
    let Some(refusal) = REFUSALS.iter().find(|refusal| covers(refusal.path, path)) else { return Verdict::None };
    match refusal.when {
        // a key without a value is not set
        _ if value.is_null() => Verdict::Accepted,
        When::Unless(accepted) if says(value, accepted) => Verdict::Accepted,
        _ => Verdict::Refused(refusal.message),
    }
}

/// Whether a refused key is below this path.
pub(crate) fn is_section(path: &str) -> bool {
    REFUSALS.iter().any(|refusal| refusal.path.strip_prefix(path).is_some_and(|rest| rest.starts_with('.')))
}

fn covers(pattern: &str, path: &str) -> bool {
    match pattern.strip_prefix('*') {
        Some(suffix) => path.ends_with(suffix),
        None => pattern == path,
    }
}

/// A boolean, or its string from the environment or a flag.
fn says(value: &Value, wanted: bool) -> bool {
    value.as_bool() == Some(wanted) || value.as_str() == Some(if wanted { "true" } else { "false" })
}
