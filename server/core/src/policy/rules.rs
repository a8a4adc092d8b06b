//! All active statements, and the decision. Statements are looked up by resource and then by principal, so that the cost
//! does not depend on their number.

use std::collections::{HashMap, HashSet};

use super::condition::{Condition, Context};
use super::effect::Effect;
use super::glob::Work;
use super::operation::Operation;
use super::pattern::{PrincipalPattern, ResourcePattern, Shape};
use super::public::public;
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
    /// Statements about names and everything below them.
    trees: Tree,
    /// Statements with other patterns, which are tried one by one.
    others: Group,
    /// Namespaces that block public access, whatever a statement says.
    blocked: HashSet<String>,
    /// Which statements give everybody access.
    public: Vec<bool>,
}

/// Statements about everything below a name, and the trees of its next components.
#[derive(Debug, Default)]
struct Tree {
    about: Group,
    below: HashMap<String, Tree>,
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
    /// It takes too many steps to find out, so nothing is allowed.
    TooComplex,
    /// None is about it.
    Silent,
}

impl Rules {
    /// Rules of these statements.
    pub fn new(statements: Vec<Statement>, blocked: HashSet<String>) -> Self {
        let mut rules = Self { blocked, public: public(&statements), ..Self::default() };
        for (number, statement) in (0_u32..).zip(&statements) {
            for pattern in &statement.resources {
                match (pattern.shape(), pattern.tree()) {
                    (Shape::Exact(name), _) => rules.exact.entry(name.clone()).or_default(),
                    (Shape::Subtree(root), _) => rules.trees.at(root),
                    // a bucket policy has globs over keys, which other buckets need not try
                    (Shape::Glob(_), Some(tree)) => rules.trees.at(tree),
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
        self.verdict_within(principal, action, resource, context, &mut Work::new(Work::MAX))
    }

    pub(super) fn verdict_within(
        &self,
        principal: &Principal,
        action: Action,
        resource: Resource<'_>,
        context: &Context<'_>,
        work: &mut Work,
    ) -> Verdict<'_> {
        let (kind, name) = resource.in_tree();
        if principal.is_anonymous() && is_administration(action, kind) {
            return Verdict::Silent;
        }
        let operation = context.operation.unwrap_or_else(|| Operation::usual(action, resource));
        let context = &Context { operation: Some(operation), ..context.clone() };
        let mut verdict = Verdict::Silent;
        for number in self.about(principal, &name) {
            let Some(statement) = self.statements.get(number as usize) else { continue };
            // after an allowance, only a denial matters
            if statement.effect == Effect::Allow && verdict != Verdict::Silent {
                continue;
            }
            let applies = statement.applies(principal, action, (kind, &name), context, work);
            if work.is_exhausted() {
                return Verdict::TooComplex;
            }
            if !applies || self.is_blocked(number as usize, principal, &name) {
                continue;
            }
            match statement.effect {
                Effect::Deny => return Verdict::Denied(&statement.policy),
                Effect::Allow => verdict = Verdict::Allowed(&statement.policy),
            }
        }
        verdict
    }

    /// The statements that may be about a principal and a resource, each once: one tries all its patterns.
    fn about(&self, principal: &Principal, name: &str) -> Vec<u32> {
        let mut numbers: Vec<u32> = self.groups(name).iter().flat_map(|group| group.about(principal)).collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }

    /// The groups of statements for a resource: its own, those of the trees above it, and the rest.
    fn groups(&self, name: &str) -> Vec<&Group> {
        let mut groups: Vec<&Group> = self.exact.get(name).into_iter().chain([&self.others]).collect();
        let mut tree = &self.trees;
        for part in name.split('/') {
            let Some(below) = tree.below.get(part) else { break };
            groups.push(&below.about);
            tree = below;
        }
        groups
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
        let conditional = |(number, it): &(usize, &Statement)| {
            it.effect == Effect::Allow
                && it.is_about(principal, action, (kind, &name), &mut Work::new(Work::MAX))
                && !self.is_blocked(*number, principal, &name)
                // the operation is fixed, unlike conditions that may hold another time
                && it.conditions.iter().all(|one| !matches!(one, Condition::Operation(all) if !all.contains(operation)))
        };
        self.statements.iter().enumerate().find(conditional).map(|(_, it)| it.policy.as_str())
    }

    /// Public statements do not apply in a namespace that blocks public access.
    fn is_blocked(&self, number: usize, principal: &Principal, name: &str) -> bool {
        let (Some(true), Some(statement)) = (self.public.get(number), self.statements.get(number)) else {
            return false;
        };
        let by_name =
            |it: &PrincipalPattern| *it != PrincipalPattern::Everybody && it.covers(principal, statement.effect);
        self.blocked.contains(name.split('/').next().unwrap_or_default()) && !statement.principals.iter().any(by_name)
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

impl Tree {
    /// The statements about a name and everything below it.
    fn at(&mut self, name: &str) -> &mut Group {
        &mut name.split('/').fold(self, |tree, part| tree.below.entry(part.to_owned()).or_default()).about
    }
}

impl Group {
    /// Adds a statement once, however many of its patterns lead here.
    fn add(&mut self, number: u32, principals: &[PrincipalPattern]) {
        for principal in principals {
            let numbers = match principal {
                PrincipalPattern::Everybody => &mut self.everybody,
                PrincipalPattern::Authenticated => &mut self.authenticated,
                PrincipalPattern::Named(name) => self.named.entry(name.clone()).or_default(),
            };
            if numbers.last() != Some(&number) {
                numbers.push(number);
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
