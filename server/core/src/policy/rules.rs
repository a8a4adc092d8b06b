//! All active statements, and the decision. Statements are looked up by resource and then by principal, so that the cost
//! does not depend on their number.

use std::collections::{HashMap, HashSet};

use super::condition::{Condition, Context};
use super::effect::Effect;
use super::operation::Operation;
use super::pattern::{PrincipalPattern, ResourcePattern, Shape};
use super::resource::{Resource, ResourceKind};
use super::statement::Statement;
use crate::action::Action;
use crate::principal::Principal;

/// The active statements. They are rebuilt when one changes.
#[derive(Debug, Default)]
pub struct Rules {
    /// Of which epoch of the database they are.
    epoch: i64,
    statements: Vec<Statement>,
    /// Statements about exactly that name.
    exact: HashMap<String, Group>,
    /// Statements about that name and everything below it.
    subtree: HashMap<String, Group>,
    /// Statements with other patterns, which are tried one by one.
    others: Group,
    /// Namespaces that block public access, whatever a statement says.
    blocked: HashSet<String>,
}

/// Statements that may be about one resource, by principal.
#[derive(Debug, Default)]
struct Group {
    named: HashMap<String, Vec<u32>>,
    authenticated: Vec<u32>,
    everybody: Vec<u32>,
}

/// The result of the statements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// This policy allows it.
    Allowed(&'a str),
    /// This policy denies it.
    Denied(&'a str),
    /// None is about it.
    Silent,
}

impl Rules {
    /// Rules of these statements.
    pub fn new(statements: Vec<Statement>, blocked: HashSet<String>) -> Self {
        let mut rules = Self { blocked, ..Self::default() };
        for (number, statement) in (0_u32..).zip(&statements) {
            for pattern in &statement.resources {
                match (pattern.shape(), pattern.tree()) {
                    (Shape::Exact(name), _) => rules.exact.entry(name.clone()).or_default(),
                    (Shape::Subtree(root), _) => rules.subtree.entry(root.clone()).or_default(),
                    // a bucket policy has globs over keys, which other buckets need not try
                    (Shape::Glob(_), Some(tree)) => rules.subtree.entry(tree.to_owned()).or_default(),
                    (Shape::All | Shape::Glob(_), _) => &mut rules.others,
                }
                .add(number, &statement.principals);
            }
        }
        rules.statements = statements;
        rules
    }

    /// The rules with another epoch.
    #[must_use]
    pub fn of_epoch(mut self, epoch: i64) -> Self {
        self.epoch = epoch;
        self
    }

    /// Of which epoch of the database they are.
    pub fn epoch(&self) -> i64 {
        self.epoch
    }

    /// The number of statements.
    pub fn len(&self) -> usize {
        self.statements.len()
    }

    /// Whether there are no statements.
    pub fn is_empty(&self) -> bool {
        self.statements.is_empty()
    }

    /// A denial wins. Without a match there is no result.
    pub fn verdict(
        &self,
        principal: &Principal,
        action: Action,
        resource: Resource<'_>,
        context: &Context<'_>,
    ) -> Verdict<'_> {
        let (kind, name) = resource.in_tree();
        if principal.is_anonymous() && is_administration(action, kind) {
            return Verdict::Silent;
        }
        let operation = context.operation.unwrap_or_else(|| Operation::usual(action, resource));
        let context = &Context { operation: Some(operation), ..context.clone() };
        let mut verdict = Verdict::Silent;
        for group in self.groups(&name) {
            for number in group.about(principal) {
                let Some(statement) = self.statements.get(number as usize) else { continue };
                // after an allowance, only a denial matters
                if statement.effect == Effect::Allow && verdict != Verdict::Silent {
                    continue;
                }
                if !statement.applies(principal, action, (kind, &name), context)
                    || self.is_blocked(statement, principal, &name)
                {
                    continue;
                }
                match statement.effect {
                    Effect::Deny => return Verdict::Denied(&statement.policy),
                    Effect::Allow => verdict = Verdict::Allowed(&statement.policy),
                }
            }
        }
        verdict
    }

    /// The groups of statements for a resource: its own, those of the trees above it, and the rest.
    fn groups(&self, name: &str) -> impl Iterator<Item = &Group> {
        let ends = name.match_indices('/').map(|(at, _)| at).chain([name.len()]);
        let trees: Vec<&Group> = ends.filter_map(|end| self.subtree.get(&name[..end])).collect();
        self.exact.get(name).into_iter().chain(trees).chain([&self.others])
    }

    /// The policy that would allow it if its conditions held. This reads all statements, and serves explanations only.
    pub fn held_back(
        &self,
        principal: &Principal,
        action: Action,
        resource: Resource<'_>,
        context: &Context<'_>,
    ) -> Option<&str> {
        let (kind, name) = resource.in_tree();
        if principal.is_anonymous() && is_administration(action, kind) {
            return None;
        }
        let operation = context.operation.unwrap_or_else(|| Operation::usual(action, resource));
        let conditional = |it: &&Statement| {
            it.effect == Effect::Allow
                && it.is_about(principal, action, (kind, &name))
                && !self.is_blocked(it, principal, &name)
                // the operation is fixed, unlike conditions that may hold another time
                && it.conditions.iter().all(|one| !matches!(one, Condition::Operation(all) if !all.contains(operation)))
        };
        self.statements.iter().find(conditional).map(|it| it.policy.as_str())
    }

    /// Public statements do not apply in a namespace that blocks public access.
    fn is_blocked(&self, statement: &Statement, principal: &Principal, name: &str) -> bool {
        let blocked = || self.blocked.contains(name.split('/').next().unwrap_or_default());
        let by_name =
            |it: &PrincipalPattern| *it != PrincipalPattern::Everybody && it.covers(principal, statement.effect);
        !self.blocked.is_empty() && statement.is_public() && blocked() && !statement.principals.iter().any(by_name)
    }

    /// Whether the principal may read all repositories: a statement without conditions allows it, and none denies any read.
    pub fn reads_everything(&self, principal: &Principal) -> bool {
        let about = |statement: &&Statement| {
            statement.actions.contains(Action::Read)
                && statement.principals.iter().any(|it| it.covers(principal, statement.effect))
        };
        let everywhere = |statement: &Statement| {
            statement.conditions.is_empty() && statement.resources.iter().any(ResourcePattern::is_everything)
        };
        let mut about = self.statements.iter().filter(about).peekable();
        let mut found = false;
        about.all(|statement| {
            found |= everywhere(statement);
            statement.effect == Effect::Allow
        }) && found
            && self.blocked.is_empty()
    }

    /// Whether a statement allows everybody the action somewhere.
    pub fn lets_everybody(&self, action: Action) -> bool {
        self.statements.iter().any(|statement| {
            statement.effect == Effect::Allow
                && statement.actions.contains(action)
                && statement.principals.contains(&PrincipalPattern::Everybody)
        })
    }

    /// All statements, for explanations and lists of permissions.
    pub fn statements(&self) -> &[Statement] {
        &self.statements
    }
}

/// Whether it is administration, or about the store itself. Statements for everybody never allow this: they are meant to
/// make artifacts public, and would give away the store.
fn is_administration(action: Action, kind: ResourceKind) -> bool {
    action == Action::Admin || kind == ResourceKind::System
}

impl Group {
    fn add(&mut self, number: u32, principals: &[PrincipalPattern]) {
        for principal in principals {
            match principal {
                PrincipalPattern::Everybody => self.everybody.push(number),
                PrincipalPattern::Authenticated => self.authenticated.push(number),
                PrincipalPattern::Named(name) => self.named.entry(name.clone()).or_default().push(number),
            }
        }
    }

    /// Statements that may be about the principal, by all its names. A statement may occur twice.
    fn about<'a>(&'a self, principal: &'a Principal) -> impl Iterator<Item = u32> + 'a {
        let authenticated = if principal.is_anonymous() { &[][..] } else { &self.authenticated };
        // this iterates over the smaller side, since a lookup is faster than a search among the principal's names
        let names: Box<dyn Iterator<Item = u32>> = if self.named.len() * 4 < principal.all_names.len() {
            let met = self.named.iter().filter(|(name, _)| principal.ever_had_name(name));
            Box::new(met.flat_map(|(_, numbers)| numbers).copied())
        } else {
            let met = principal.all_names.iter().filter_map(|name| self.named.get(name));
            Box::new(met.flatten().copied())
        };
        self.everybody.iter().chain(authenticated).copied().chain(names)
    }
}
