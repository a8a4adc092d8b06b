//! What the schemas of several fields share.

use serde_json::{Value, json};

/// Names of Secrets, ConfigMaps and other objects (RFC 1123 subdomains).
pub(crate) const NAME: &str = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$";
/// Names of storage classes; an empty one is a volume that somebody makes by hand.
pub(crate) const CLASS: &str = r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$";
/// Keys of Secrets and `ConfigMaps`.
pub(crate) const KEY: &str = r"^[-._a-zA-Z0-9]+$";
/// Sizes of volumes, as quantities of Kubernetes: `k` is a thousand, and no `K`.
pub(crate) const SIZE: &str = r"^[1-9][0-9]{0,6}(k|[MGT]|[KMGT]i)$";

/// A rule in CEL that the API server checks, and what it says where it does not hold.
pub(crate) fn rule(rule: &str, message: &str) -> Value {
    json!({ "rule": rule, "message": message })
}
