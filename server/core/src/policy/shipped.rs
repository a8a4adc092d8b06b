//! The roles of a new store. They are ordinary policies, which can be changed or deleted.

use super::effect::Effect;
use super::statement::Policy;

/// A shipped role: name, description, resources and actions.
const ROLES: [(&str, &str, &str, &[&str]); 4] = [
    ("admin", "Everything, policies and keys included.", "*", &["*"]),
    (
        "developer",
        "Reads, pushes, changes and deletes artifacts everywhere.",
        "*",
        &["read", "list", "write", "delete"],
    ),
    ("viewer", "Reads artifacts everywhere.", "*", &["read", "list"]),
    ("auditor", "Reads the audit trail.", "system:audit", &["read", "list"]),
];

/// The policies of the shipped roles. The identity provider assigns roles in a claim.
pub fn shipped() -> Vec<Policy> {
    let policy = |(role, description, resource, actions): &(&str, &str, &str, &[&str])| Policy {
        id: format!("role-{role}"),
        name: (*role).to_owned(),
        description: Some((*description).to_owned()),
        resource: (*resource).to_owned(),
        actions: actions.iter().map(|action| (*action).to_owned()).collect(),
        effect: Effect::Allow,
        principals: vec![format!("role:{role}")],
        ..Policy::default()
    };
    ROLES.iter().map(policy).collect()
}
