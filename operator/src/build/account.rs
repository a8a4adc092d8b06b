//! The servers' ServiceAccount.

use k8s_openapi::api::core::v1::ServiceAccount;

use super::object::{Child, owned};
use crate::kinds::ObjectKind;
use crate::validate::ValidSpec;

pub(super) fn children(store: &ValidSpec<'_>) -> Option<Child> {
    let account = &store.spec().service_account;
    // the user manages an account that the spec names
    account.name.is_none().then(|| {
        let body = ServiceAccount { automount_service_account_token: Some(false), ..ServiceAccount::default() };
        owned(store, ObjectKind::ServiceAccount, &store.name, body).annotated(&account.annotations)
    })
}

pub(crate) fn name<'a>(store: &'a ValidSpec<'_>) -> &'a str {
    store.spec().service_account.name.as_deref().unwrap_or(&store.name)
}
