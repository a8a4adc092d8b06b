//! Actions on resources, and sets of actions.

use crate::invalid::{Invalid, Result};

/// An action. Create and update are distinct: moving an existing tag needs update.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Action {
    Read,
    List,
    /// Add new content or names.
    Create,
    /// Change existing content or names.
    Update,
    Delete,
    /// Administer policies, accounts and keys.
    Admin,
}

impl Action {
    /// The action's name, as policies and metrics spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::List => "list",
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Admin => "admin",
        }
    }

    pub const ALL: [Self; 6] = [Self::Read, Self::List, Self::Create, Self::Update, Self::Delete, Self::Admin];

    /// Whether it changes the store.
    pub const fn changes(self) -> bool {
        matches!(self, Self::Create | Self::Update | Self::Delete)
    }
}

/// A set of actions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Actions(u8);

impl Actions {
    /// None.
    pub const NONE: Self = Self(0);

    /// A set of these.
    #[must_use]
    pub const fn with(self, action: Action) -> Self {
        Self(self.0 | 1 << action as u8)
    }

    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub const fn all() -> Self {
        Self((1 << Action::ALL.len()) - 1)
    }

    /// Whether that one is among them.
    pub const fn contains(self, action: Action) -> bool {
        self.0 & (1 << action as u8) != 0
    }
}

/// Reads a list of actions.
///
/// # Errors
/// [`Invalid::Parameter`] if the list is empty, or has an unknown action.
pub fn actions_of(names: &[String]) -> Result<Actions> {
    let known = "read, list, create, update, delete, admin, write (create and update) and * (all)";
    if names.is_empty() {
        return Err(Invalid::Parameter(format!("actions: name one or more of {known}")));
    }
    let one = |name: &String| match name.as_str() {
        "*" => Some(Actions::all()),
        "write" => Some(Actions::NONE.with(Action::Create).with(Action::Update)),
        name => Action::ALL.into_iter().find(|action| action.as_str() == name).map(|action| Actions::NONE.with(action)),
    };
    names.iter().try_fold(Actions::NONE, |all, name| {
        let action = one(name)
            .ok_or_else(|| Invalid::Parameter(format!("actions: there is no action {name:?}; known are {known}")))?;
        Ok(all.and(action))
    })
}
