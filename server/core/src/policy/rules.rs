//! All statements in force, and the decision. Finding those that matter costs the same however many there are: they are
//! looked up by resource first, and among those by principal.

use std::collections::{HashMap, HashSet};

use super::condition::{Condition, Context};
use super::effect::Effect;
use super::operation::Operation;
use super::pattern::{PrincipalPattern, ResourcePattern, Shape};
use super::resource::{Resource, ResourceKind};
use super::statement::Statement;
use crate::action::Action;
use crate::principal::Principal;

/// The statements in force. Made anew when one changes.
#[derive(Debug, Default)]
pub struct Rules {
    /// Of which epoch of the database they are.
    epoch: i64,
    statements: Vec<Statement>,
    /// By exactly that name.
    exact: HashMap<String, Group>,
    /// By that name and all below it.
    subtree: HashMap<String, Group>,
    /// By a pattern that has to be tried, or by none.
    others: Group,
    /// Namespaces of which nothing is public, whatever a statement says.
    blocked: HashSet<String>,
}

/// Statements that may be about one resource, by whom they are about.
#[derive(Debug, Default)]
struct Group {
    named: HashMap<String, Vec<u32>>,
    authenticated: Vec<u32>,
    everybody: Vec<u32>,
}

/// What the statements say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// That policy allows it.
    Allowed(&'a str),
    /// That policy denies it.
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
                    // a bucket's policy has globs over its keys: other buckets need not look at them
                    (Shape::Glob(_), Some(tree)) => rules.subtree.entry(tree.to_owned()).or_default(),
                    (Shape::All | Shape::Glob(_), _) => &mut rules.others,
                }
                .add(number, &statement.principals);
            }
        }
        rules.statements = statements;
        rules
    }

    /// The same, of that epoch.
    #[must_use]
    pub fn of_epoch(mut self, epoch: i64) -> Self {
        self.epoch = epoch;
        self
    }

    /// Of which epoch of the database they are.
    pub fn epoch(&self) -> i64 {
        self.epoch
    }

    /// How many statements there are.
    pub fn len(&self) -> usize {
        self.statements.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.statements.is_empty()
    }

    /// Deny wins; no match says nothing.
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
                // once one allows, only a denial matters
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

    /// The groups that may be about a resource: its own, those of the trees that it is in, and the rest.
    fn groups(&self, name: &str) -> impl Iterator<Item = &Group> {
        let ends = name.match_indices('/').map(|(at, _)| at).chain([name.len()]);
        let trees: Vec<&Group> = ends.filter_map(|end| self.subtree.get(&name[..end])).collect();
        self.exact.get(name).into_iter().chain(trees).chain([&self.others])
    }

    /// The policy that would allow it if its conditions held. It looks at all of them: for explanations.
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
                // an action of S3 that it does not name is no condition that could hold another time
                && it.conditions.iter().all(|one| !matches!(one, Condition::Operation(all) if !all.contains(operation)))
        };
        self.statements.iter().find(conditional).map(|it| it.policy.as_str())
    }

    /// What is public does not count in a namespace that blocks it.
    fn is_blocked(&self, statement: &Statement, principal: &Principal, name: &str) -> bool {
        let blocked = || self.blocked.contains(name.split('/').next().unwrap_or_default());
        let by_name =
            |it: &PrincipalPattern| *it != PrincipalPattern::Everybody && it.covers(principal, statement.effect);
        !self.blocked.is_empty() && statement.is_public() && blocked() && !statement.principals.iter().any(by_name)
    }

    /// Whether everything may be read, whichever repository it is in: some statement without conditions says so, and none
    /// denies reading anything.
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

    /// Whether some statement lets everybody do that somewhere.
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

/// Whether it is to say who may do what, or about the store itself. Nobody in particular ever does that: a policy about
/// everybody is written to make artifacts public, and would hand over the store.
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

    /// Statements that may be about that principal, by all that it holds; one may come twice.
    fn about<'a>(&'a self, principal: &'a Principal) -> impl Iterator<Item = u32> + 'a {
        let authenticated = if principal.is_anonymous() { &[][..] } else { &self.authenticated };
        // the smaller side is walked through; looking a name up is quicker than looking for it among the principal's
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
