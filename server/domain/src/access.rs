//! Policy administration: list, create, change and delete policies, and explain decisions. `zot_core::policy` decides;
//! `bucket/access.rs` has the policies of buckets.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use zot_core::AuditAction;
use zot_core::action::Action;
use zot_core::policy::{Decision, Policy, PrincipalPattern, Reason, Resource, Statement, bucket};
use zot_core::principal::Principal;

use crate::authorizer::Authorizer;
use crate::call::Call;
use crate::error::{AdministrationError, Error, Result};
use crate::ports::access::{self, PolicyChange, PutMode, StoredPolicy};
use crate::ports::metadata::Audit;

const POLICIES: Resource<'_> = Resource::System("policies");
/// Most statements of a store, those of bucket policies included: every replica has all of them in memory.
pub const POLICIES_MAX: usize = 200_000;
/// The prefix of the ids of statements of bucket policies, in explained decisions and in rows.
const OF_BUCKETS: &str = "bucket:";

/// The use cases. Cheap to clone.
#[derive(Clone)]
pub struct Access {
    store: Arc<dyn access::Access>,
    authorizer: Authorizer,
}

/// The request whose decision is explained.
#[derive(Clone, Debug)]
pub struct Question {
    pub principal: Principal,
    pub action: Action,
    /// For example `team/app`, `object:team/key`, `repository:team/app`, `system:audit`.
    pub resource: String,
}

impl Access {
    pub fn new(store: Arc<dyn access::Access>, authorizer: Authorizer) -> Self {
        Self { store, authorizer }
    }

    /// Puts the policies of the database in force. Returns a sentence, for the log, for each bucket that is closed
    /// because its policy is invalid.
    ///
    /// # Errors
    /// [`Error::Unavailable`]: the previous policies stay in force.
    pub async fn load(&self) -> Result<Vec<String>> {
        let stored = self.store.all().await?;
        let mut statements: Vec<Statement> = Vec::with_capacity(stored.policies.len());
        for it in &stored.policies {
            // a newer version wrote it: ignoring an allow is safe, ignoring a deny is not
            statements.push(it.policy.statement().map_err(|error| {
                Error::Internal(format!("policy {} cannot be put in force: {error}", it.policy.id))
            })?);
        }
        let (mut blocked, mut closed) = (HashSet::new(), Vec::new());
        for it in stored.buckets {
            match it.policy.map(|text| bucket::parse(&it.bucket, text.as_bytes())) {
                None => {}
                Some(Ok(own)) => statements.extend(own),
                // its denials are lost, so only this bucket is closed; the others keep working
                Some(Err(error)) => {
                    closed.push(format!("bucket {} is closed to all but the admin's key: {error}", it.bucket));
                    statements.push(bucket::closed(&it.bucket));
                }
            }
            if it.public_access.is_some_and(|block| block.restrict_public_buckets) {
                blocked.insert(it.bucket);
            }
        }
        self.authorizer.replace(stored.epoch, statements, blocked);
        Ok(closed)
    }

    /// As [`Access::load`], but only if another replica changed something.
    ///
    /// # Errors
    /// As [`Access::load`].
    pub async fn follow(&self) -> Result<Vec<String>> {
        if self.store.epoch().await? == self.authorizer.rules().epoch() {
            return Ok(Vec::new());
        }
        self.load().await
    }

    pub(crate) fn authorizer(&self) -> &Authorizer {
        &self.authorizer
    }

    pub(crate) fn store(&self) -> &dyn access::Access {
        &*self.store
    }

    /// All policies, by id.
    ///
    /// # Errors
    /// Denied by policy, or the database is unavailable.
    pub async fn policies(&self, call: &Call) -> Result<Vec<StoredPolicy>> {
        self.authorizer.require(call, Action::Admin, POLICIES)?;
        self.store.policies().await
    }

    /// # Errors
    /// [`Error::NotFound`].
    pub async fn policy(&self, call: &Call, id: &str) -> Result<StoredPolicy> {
        self.authorizer.require(call, Action::Admin, POLICIES)?;
        self.store.policy(id).await?.ok_or_else(|| absent(id))
    }

    /// Creates a policy. If it has no id, it gets one.
    ///
    /// # Errors
    /// [`Error::ParameterInvalid`] names the field, [`AdministrationError::PolicyExists`].
    pub async fn create_policy(&self, call: &Call, mut policy: Policy) -> Result<StoredPolicy, AdministrationError> {
        self.require_change(call)?;
        if policy.id.is_empty() {
            policy.id = zot_core::ambient::random_id().to_string();
        }
        if policy.id.starts_with(OF_BUCKETS) {
            let why = format!("id: {OF_BUCKETS} is the prefix of statements of bucket policies");
            return Err(Error::ParameterInvalid(why).into());
        }
        // ids are path components; the colon is for roles of further issuers, such as role-partner:viewer
        let plain = policy.id.bytes().all(|b| b.is_ascii_alphanumeric() || b"._:-".contains(&b));
        if !plain || policy.id.starts_with('.') {
            let why = "id: letters, digits, '.', '_', '-' and ':', and no '.' at its beginning";
            return Err(Error::ParameterInvalid(why.to_owned()).into());
        }
        self.require_capacity(1)?;
        let id = policy.id.clone();
        let made = self.put(call, policy, PutMode::Create, AuditAction::PolicyCreate).await?;
        made.ok_or(AdministrationError::PolicyExists(id))
    }

    /// Replaces an existing policy.
    ///
    /// # Errors
    /// [`Error::ParameterInvalid`] names the field, [`Error::NotFound`].
    pub async fn replace_policy(&self, call: &Call, id: &str, mut policy: Policy) -> Result<StoredPolicy> {
        self.require_change(call)?;
        id.clone_into(&mut policy.id);
        self.put(call, policy, PutMode::Replace, AuditAction::PolicyUpdate).await?.ok_or_else(|| absent(id))
    }

    /// Changes one field of a policy. Concurrent changes of other fields are kept.
    ///
    /// # Errors
    /// As [`Access::replace_policy`].
    pub async fn change_policy(&self, call: &Call, id: &str, change: PolicyChange) -> Result<StoredPolicy> {
        self.require_change(call)?;
        let audit = Audit::of(call, AuditAction::PolicyUpdate, format!("system:policies/{id}"));
        let changed = self.store.change_policy(id, change, audit).await?.ok_or_else(|| absent(id))?;
        self.load().await?;
        Ok(changed)
    }

    /// Which of these principals appear in no policy and no bucket policy: they may be typos.
    pub fn unknown_names(&self, names: Vec<String>) -> Vec<String> {
        let rules = self.authorizer.rules();
        let principals = rules.statements().iter().flat_map(|statement| &statement.principals);
        let known: HashSet<&str> = principals
            .filter_map(|it| if let PrincipalPattern::Named(name) = it { Some(name.as_str()) } else { None })
            .collect();
        names.into_iter().filter(|name| !known.contains(name.as_str())).collect()
    }

    /// A read-only store takes no policy changes either.
    fn require_change(&self, call: &Call) -> Result<()> {
        self.authorizer.require(call, Action::Admin, POLICIES)?;
        if self.authorizer.settings().read_only {
            return Err(Error::Denied("the store is read-only".to_owned()));
        }
        Ok(())
    }

    /// Refuses statements beyond [`POLICIES_MAX`].
    pub(crate) fn require_capacity(&self, more: usize) -> Result<()> {
        if self.authorizer.rules().len() + more > POLICIES_MAX {
            return Err(Error::ParameterInvalid(format!("a store has at most {POLICIES_MAX} policies")));
        }
        Ok(())
    }

    async fn put(
        &self,
        call: &Call,
        policy: Policy,
        mode: PutMode,
        action: AuditAction,
    ) -> Result<Option<StoredPolicy>> {
        policy.statement()?;
        let audit = Audit::of(call, action, format!("system:policies/{}", policy.id));
        let put = self.store.put_policy(policy, mode, audit).await?;
        if put.is_some() {
            self.load().await?;
        }
        Ok(put)
    }

    /// Deletes a policy.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn delete_policy(&self, call: &Call, id: &str) -> Result<()> {
        self.require_change(call)?;
        let audit = Audit::of(call, AuditAction::PolicyDelete, format!("system:policies/{id}"));
        if !self.store.delete_policy(id, audit).await? {
            return Err(absent(id));
        }
        self.load().await.map(drop)
    }

    /// Explains what a request would be answered. Everybody may ask about themselves; other questions need the right to
    /// administer policies.
    ///
    /// # Errors
    /// Denied by policy; [`Error::ParameterInvalid`] for a resource that cannot be.
    pub fn explain(&self, call: &Call, question: &Question) -> Result<Decision> {
        if call.principal.is_anonymous() && self.authorizer.settings().access_control {
            return Err(Error::Unauthenticated);
        }
        // the name alone is not enough: a caller who adds roles to their own name asks about another principal
        if question.principal != call.principal {
            self.authorizer.require(call, Action::Admin, POLICIES)?;
        }
        let context = call.context();
        let decide = |resource| {
            let (who, action) = (&question.principal, question.action);
            let decision = self.authorizer.decide(who, action, resource, &context);
            if decision.reason != Reason::NoMatch {
                return decision;
            }
            match self.authorizer.rules().held_back(who, action, resource, &context) {
                Some(policy) => Decision { reason: Reason::Conditions, policy: Some(policy.to_owned()), ..decision },
                None => decision,
            }
        };
        let text = question.resource.as_str();
        let (kind, name) = text.split_once(':').filter(|(kind, _)| KINDS.contains(kind)).unwrap_or(("", text));
        if name.is_empty() || (kind.is_empty() && name.split('/').next().is_some_and(|first| first.contains(':'))) {
            return Err(Error::ParameterInvalid(
                "resource: expected a name such as \"team/app\", \"object:team/key\", \"repository:team/app\" or \
                 \"system:audit\""
                    .to_owned(),
            ));
        }
        Ok(match (kind, name.split_once('/')) {
            ("system", _) => decide(Resource::System(name)),
            ("repository", _) => decide(Resource::Repository(&name.parse()?)),
            (_, Some((bucket, key))) if kind == "object" || !key.is_empty() => {
                let object = decide(Resource::Object(bucket, key));
                // a name that fits both kinds is decided as the kind that is allowed
                match name.parse() {
                    Ok(repository) if kind.is_empty() && !object.allowed => decide(Resource::Repository(&repository)),
                    _ => object,
                }
            }
            _ => decide(Resource::Bucket(name)),
        })
    }

    /// # Errors
    /// Denied by policy.
    pub fn require_admin(&self, call: &Call) -> Result<()> {
        self.authorizer.require(call, Action::Admin, POLICIES)
    }

    /// What the caller may do, by the policies that apply to them. Denials are listed separately.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] for an anonymous caller.
    pub fn permissions(&self, call: &Call) -> Result<Vec<Permission>> {
        if call.principal.is_anonymous() && self.authorizer.settings().access_control {
            return Err(Error::Unauthenticated);
        }
        Ok(self.permissions_of(&call.principal))
    }

    /// The permissions of any principal. Callers must check who may ask.
    pub fn permissions_of(&self, principal: &Principal) -> Vec<Permission> {
        let rules = self.authorizer.rules();
        let about = |it: &&Statement| it.principals.iter().any(|pattern| pattern.covers(principal, it.effect));
        let mut found: BTreeMap<(String, bool), Permission> = BTreeMap::new();
        if principal.is_break_glass() || !self.authorizer.settings().access_control {
            return vec![Permission {
                resource: "*".to_owned(),
                actions: Action::ALL.to_vec(),
                denied: false,
                conditional: false,
            }];
        }
        for statement in rules.statements().iter().filter(about) {
            let denied = statement.effect == zot_core::policy::Effect::Deny;
            for pattern in &statement.resources {
                let entry = found.entry((pattern.to_string(), denied)).or_insert_with(|| Permission {
                    resource: pattern.to_string(),
                    actions: Vec::new(),
                    denied,
                    conditional: true,
                });
                entry.conditional &= !statement.conditions.is_empty();
                let more = Action::ALL.into_iter().filter(|it| statement.actions.contains(*it));
                entry.actions.extend(more);
            }
        }
        let tidy = |mut it: Permission| {
            it.actions.sort_unstable();
            it.actions.dedup();
            it
        };
        found.into_values().map(tidy).collect()
    }
}

const KINDS: [&str; 3] = ["object", "repository", "system"];

/// What a principal may do or may not do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permission {
    pub resource: String,
    pub actions: Vec<Action>,
    pub denied: bool,
    pub conditional: bool,
}

fn absent(id: &str) -> Error {
    Error::NotFound(format!("there is no policy {id:?}"))
}
