//! Builds the objects of a store from a valid spec. It is pure: the same spec and facts give the same objects.
//!
//! There is one file for each group of objects. Built-in kinds are typed by `k8s-openapi`; kinds of other projects are JSON.

mod account;
mod config;
pub(crate) mod exposure;
mod fingerprint;
pub(crate) mod monitoring;
mod network;
mod object;
pub(crate) mod preflight;
mod scaling;
pub(crate) mod servers;
mod volume;

pub(crate) use account::name as account_name;
pub(crate) use object::Child;

use crate::validate::ValidSpec;

/// Objects that must exist before all others: the database, if the operator creates it.
pub(crate) fn dependencies(store: &ValidSpec<'_>) -> Vec<Child> {
    volume::database(store).into_iter().collect()
}

/// All other objects of a store, in the order in which they are applied.
pub(crate) fn build(store: &ValidSpec<'_>) -> Vec<Child> {
    let mut children = Vec::new();
    children.extend(account::children(store));
    children.extend(config::children(store));
    children.extend(volume::children(store));
    children.extend(network::children(store));
    let preflight = preflight::is_needed(store).then(|| preflight::name(store));
    children.push(servers::deployment(store, preflight));
    children.extend(scaling::children(store));
    children.extend(exposure::children(store));
    children.extend(monitoring::children(store));
    children.sort_by_key(|child| child.kind);
    children
}
