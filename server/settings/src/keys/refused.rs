//! The keys of zot and of later versions that this version refuses, with what to use instead. Supported keys are the
//! fields of the sections.

use serde_json::Value;

use crate::Fault;

const SUPPLY_CHAIN: &str = "not in this version: signing, SBOMs and attestations come in a later one (`cosign` and `oras` can \
     push them as OCI referrers today)";
const TRACING: &str = "not in this version: traces come in a later one; use the logs and metrics";
const HTPASSWD: &str = "password files are not supported; use access keys (`POST /rbac/access-keys`)";
const DIST_SPEC_VERSION: &str = "zot's configurations name the version of the distribution-spec here, and this server reads \
     no such key; `zot-artifact-store migrate-config FILE` prints the configuration without it";
const ACCESS_CONTROL: &str = "zot's access control is not read from the configuration: without it the store would be open; \
     run `zot-artifact-store migrate-config FILE`, which turns it into policies of this store";
const LDAP: &str = "LDAP is not supported; use access keys, or an OIDC provider in front of the directory \
     (extensions.rbac.keycloak, extensions.rbac.issuers)";
const LOGINS: &str =
    "this server has no logins in a browser, and so no sessions of them; users have access keys and tokens";
const CACHE: &str = "all metadata is in one database; name it in `database.url`";

/// Which values of a refused key are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// All values, and everything below the key.
    Always,
    /// All but this one, which is the server's behaviour.
    Unless(bool),
    /// As [`When::Always`], but the key must not just be removed.
    Unmigrated,
}

/// A key that this version refuses.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// Dotted path; `*.` at its start stands for any section.
    pub(crate) path: &'static str,
    pub(crate) when: When,
    /// Why, and what to do instead. It does not say to remove the key: `migrate-config` has left it out already.
    pub(crate) message: &'static str,
}

const fn refusal(path: &'static str, when: When, message: &'static str) -> Refusal {
    Refusal { path, when, message }
}

const fn always(path: &'static str, message: &'static str) -> Refusal {
    refusal(path, When::Always, message)
}

/// All refused keys.
pub(crate) const REFUSALS: &[Refusal] = &[
    always("*.metadataDBPath", "there is one metadata database for all parts; use `database.url`"),
    always("auth.bearer.cert", "the server signs its tokens with a key of its own"),
    always("auth.htpasswd", HTPASSWD),
    always("auth.ldap", LDAP),
    always("cluster", "replicas need no list of members; give all of them the same Postgres in `database.url`"),
    always("distSpecVersion", DIST_SPEC_VERSION),
    always("extensions.apikey", "users have access keys without a switch (`POST /rbac/access-keys`)"),
    always("extensions.events", "this server sends no events; query the audit trail (`GET /rbac/audit`)"),
    always("extensions.imagetrust", "this server verifies no signatures; clients can (`cosign verify`)"),
    always("extensions.lint", "this server requires no annotations of manifests; check them in the pipeline"),
    refusal("extensions.metrics.tracing.enabled", When::Unless(false), TRACING),
    always("extensions.metrics.tracing.endpoint", TRACING),
    always("extensions.metrics.tracing.serviceName", TRACING),
    always("extensions.mgmt", "this server has no `_zot/ext/mgmt`; `check-config --print` shows its settings"),
    always("extensions.rbac.keycloak.clientSecret", "tokens are verified by the realm's public keys, without a secret"),
    always("extensions.s3api.dataDir", "the S3 API and the OCI API share one store; use `storage.rootDirectory`"),
    always(
        "extensions.scrub",
        "this server does not check its blobs at intervals; run `zot-artifact-store fsck --verify all` as a cron job",
    ),
    always(
        "extensions.search",
        "this server has no search and no CVE scan; list with `GET /v2/_catalog`, and scan with a tool such as `trivy`",
    ),
    always("extensions.supplychain.attestation", SUPPLY_CHAIN),
    refusal("extensions.supplychain.enabled", When::Unless(false), SUPPLY_CHAIN),
    always("extensions.supplychain.privateKeyPath", SUPPLY_CHAIN),
    always("extensions.supplychain.sbom", SUPPLY_CHAIN),
    always("extensions.supplychain.signing", SUPPLY_CHAIN),
    always("extensions.sync", "this server does not mirror registries; run `skopeo sync` as a cron job"),
    always("extensions.ui", "this server has no web pages; use the APIs"),
    always("extensions.userprefs", "this server keeps no bookmarks and stars of users"),
    refusal("http.accessControl", When::Unmigrated, ACCESS_CONTROL),
    always("http.auth.apikey", "users have access keys without a switch (`POST /rbac/access-keys`)"),
    always(
        "http.auth.failDelay",
        "this server limits wrong credentials instead of delaying; see `auth.failuresPerMinute`",
    ),
    always("http.auth.htpasswd", HTPASSWD),
    always("http.auth.ldap", LDAP),
    always("http.auth.openid", "name the provider in extensions.rbac.keycloak or extensions.rbac.issuers"),
    always("http.auth.secureSession", LOGINS),
    always("http.auth.sessionDriver", LOGINS),
    always("http.auth.sessionKeysFile", LOGINS),
    always("http.compat", "this server accepts Docker's manifests without a switch"),
    always("http.externalUrl", "set `auth.bearer.realm` if clients reach the token endpoint at another URL"),
    always(
        "http.ratelimit",
        "this server limits concurrent requests, not their rate; see `limits.maxConcurrentRequests`",
    ),
    always("scheduler", "this server sizes its background work itself"),
    always("storage.cacheDriver", CACHE),
    always("storage.commit", "this server always writes blobs durably"),
    refusal("storage.dedupe", When::Unless(true), "the store keeps each blob once, which cannot be turned off"),
    always("storage.remoteCache", CACHE),
    always("storage.retention", "this server deletes no tags by rules; delete old tags by a cron job"),
    always("storage.subPaths", "one store has one storage; run a second store"),
];

pub(crate) enum Verdict {
    /// The key is not in the table: it is supported or unknown.
    None,
    /// The value is the only accepted one, and has no effect.
    Accepted,
    Refused(Fault),
}

pub(crate) fn verdict(path: &str, value: &Value) -> Verdict {
    let Some(refusal) = REFUSALS.iter().find(|refusal| covers(refusal.path, path)) else { return Verdict::None };
    match refusal.when {
        // a key without a value is not set
        _ if value.is_null() => Verdict::Accepted,
        When::Unless(accepted) if says(value, accepted) => Verdict::Accepted,
        When::Unmigrated => Verdict::Refused(Fault::Unmigrated(refusal.message)),
        When::Always | When::Unless(_) => Verdict::Refused(Fault::Refused(refusal.message)),
    }
}

/// Whether a refused key is below this path.
pub(crate) fn is_section(path: &str) -> bool {
    REFUSALS.iter().any(|refusal| refusal.path.strip_prefix(path).is_some_and(|rest| rest.starts_with('.')))
}

fn covers(pattern: &str, path: &str) -> bool {
    match pattern.strip_prefix('*') {
        Some(suffix) => path.ends_with(suffix),
        // zot ignores case
        None => pattern.eq_ignore_ascii_case(path),
    }
}

/// A boolean, or its string from the environment or a flag.
fn says(value: &Value, wanted: bool) -> bool {
    value.as_bool() == Some(wanted) || value.as_str() == Some(if wanted { "true" } else { "false" })
}
