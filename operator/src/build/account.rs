//! Who the servers are in the cluster.

use serde_json::json;

use super::{Child, annotated, child};
use crate::api::Kind;
use crate::validate::Store;

pub(super) fn children(store: &Store<'_>) -> Option<Child> {
    let account = &store.spec().service_account;
    // one that the user names is the user's
    account.name.is_none().then(|| {
        let made = child(store, Kind::ServiceAccount, &store.name, json!({ "automountServiceAccountToken": false }));
        annotated(made, &json!(account.annotations))
    })
}

/// Its name.
pub(crate) fn name<'a>(store: &'a Store<'_>) -> &'a str {
    store.spec().service_account.name.as_deref().unwrap_or(&store.name)
}
