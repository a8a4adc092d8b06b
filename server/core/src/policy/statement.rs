//! One statement: which principals may, or may not, do which actions to which resources, under which conditions. Policies of
//! the REST API, bucket policies and public access all consist of statements.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::condition::{self, Condition, Context};
use super::effect::Effect;
use super::glob::Work;
use super::pattern::{PrincipalPattern, ResourcePattern};
use super::resource::ResourceKind;
use crate::action::{Action, Actions, actions_of};
use crate::invalid::{Invalid, Result};
use crate::principal::Principal;

/// Most principals or actions of one policy.
const LIST_MAX: usize = 1000;
/// Longest id, name or description, in bytes.
const TEXT_MAX: usize = 1024;

/// A policy of the REST API.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Policy {
    #[serde(default)]
    pub id: String,
    /// A name for people.
    #[serde(default)]
    pub name: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What it is about: `team/app`, `team/*`, `*`, with `object:`, `repository:` or `system:` before it.
    pub resource: String,
    /// `read`, `list`, `create`, `update`, `delete`, `admin`; `write` is create and update, `*` all.
    pub actions: Vec<String>,
    /// `allow` or `deny`.
    #[serde(default)]
    pub effect: Effect,
    /// Whom it is about; empty: everybody who says who they are.
    #[serde(default)]
    pub principals: Vec<String>,
    /// When it applies; all must hold.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub conditions: BTreeMap<String, String>,
}

#[derive(Clone, Debug)]
pub struct Statement {
    /// The id of its policy.
    pub policy: String,
    /// Whether it allows or denies.
    pub effect: Effect,
    /// Whom it is about.
    pub principals: Vec<PrincipalPattern>,
    pub actions: Actions,
    pub resources: Vec<ResourcePattern>,
    /// When; all must hold.
    pub conditions: Vec<Condition>,
}

impl Policy {
    /// Checks it and converts it to a statement.
    ///
    /// # Errors
    /// [`Invalid::Parameter`] names the field.
    pub fn statement(&self) -> Result<Statement> {
        for (field, text) in [("id", &self.id), ("name", &self.name)] {
            if text.len() > TEXT_MAX || text.chars().any(char::is_control) {
                return Err(Invalid::Parameter(format!("{field}: it is too long or holds a control character")));
            }
        }
        if self.description.as_ref().is_some_and(|text| text.len() > TEXT_MAX) {
            return Err(Invalid::Parameter(format!("description: it is longer than {TEXT_MAX} bytes")));
        }
        if self.principals.len() > LIST_MAX {
            return Err(Invalid::Parameter(format!(
                "principals: there are more than {LIST_MAX}; use a group or a role"
            )));
        }
        let principals = match self.principals.as_slice() {
            [] => vec![PrincipalPattern::Authenticated],
            named => named.iter().map(|text| text.parse()).collect::<Result<_>>()?,
        };
        Ok(Statement {
            policy: self.id.clone(),
            effect: self.effect,
            principals,
            actions: actions_of(&self.actions)?,
            resources: vec![self.resource.parse()?],
            conditions: condition::parse(&self.conditions)?,
        })
    }
}

impl Statement {
    /// Whether it applies to this request.
    pub(super) fn applies(
        &self,
        principal: &Principal,
        action: Action,
        what: (ResourceKind, &str),
        context: &Context<'_>,
        work: &mut Work,
    ) -> bool {
        self.is_about(principal, action, what, work)
            && self.conditions.iter().all(|it| it.holds(self.effect == Effect::Deny, principal, context, work))
    }

    /// Whether it applies without regard to its conditions.
    pub(super) fn is_about(
        &self,
        principal: &Principal,
        action: Action,
        (kind, name): (ResourceKind, &str),
        work: &mut Work,
    ) -> bool {
        self.actions.contains(action)
            && self.principals.iter().any(|pattern| pattern.covers(principal, self.effect))
            && self.resources.iter().any(|pattern| {
                // `*` includes the store itself for administrators, but not for readers of everything
                let reaches =
                    kind != ResourceKind::System || pattern.names_kind() || self.actions.contains(Action::Admin);
                reaches && pattern.matches(kind, name, work)
            })
    }
}
