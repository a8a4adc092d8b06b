//! Patterns and CEL rules that several fields use in their schemas.

use serde_json::{Value, json};

/// Names of Secrets, ConfigMaps and other objects (RFC 1123 subdomains).
pub(crate) const NAME: &str = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$";
/// Names of storage classes; an empty name is for volumes that an administrator creates.
pub(crate) const CLASS: &str = r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$";
/// Keys of Secrets and `ConfigMaps`.
pub(crate) const KEY: &str = r"^[-._a-zA-Z0-9]+$";
/// Sizes of volumes, as quantities of Kubernetes. It has `k` for a thousand, but no `K`.
pub(crate) const SIZE: &str = r"^[1-9][0-9]{0,6}(k|[MGT]|[KMGT]i)$";

/// A CEL rule that the API server checks, and its message.
pub(crate) fn rule(rule: &str, message: &str) -> Value {
    json!({ "rule": rule, "message": message })
}
