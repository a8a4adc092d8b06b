//! Labels of the operator's objects.

use std::collections::BTreeMap;

pub(crate) const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Value of [`MANAGED_BY`], and the field manager of server-side apply.
pub(crate) const OPERATOR: &str = "zot-artifact-store-operator";
/// Its value is the store's name.
pub(crate) const INSTANCE: &str = "app.kubernetes.io/instance";
pub(crate) const COMPONENT: &str = "app.kubernetes.io/component";
/// Value of the label `app` of the servers.
pub(crate) const APP: &str = "zot-artifact-store";

pub(crate) type Labels = BTreeMap<String, String>;

pub(crate) fn labels<const N: usize>(pairs: [(&str, &str); N]) -> Labels {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Labels of every object of a store.
pub(crate) fn common(store: &str) -> Labels {
    labels([
        ("app", APP),
        ("app.kubernetes.io/name", APP),
        ("app.kubernetes.io/part-of", APP),
        (INSTANCE, store),
        (MANAGED_BY, OPERATOR),
    ])
}

/// Selects the servers' pods. A Deployment's selector is immutable: these labels must never change.
pub(crate) fn selector(store: &str) -> Labels {
    labels([("app", APP), (INSTANCE, store)])
}
