//! One trusted issuer: verifies its tokens and reads the principal from the claims. Its keys are in `jwks.rs`.
//!
//! Sources: `OpenID` Connect Core 1.0, RFC 7519 (JWT), RFC 8725 (JWT best current practices), RFC 9068 (access tokens).

use std::collections::BTreeMap;

use jsonwebtoken::{Algorithm, Header, Validation};
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use zot_core::principal::Principal;
use zot_domain::{Error, Result};

use crate::NAME_MAX;
use crate::credentials::invalid;
use crate::jwks::KeySet;

/// Accepted signature algorithms. Symmetric ones and `none` are not among them.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

/// The kind of issuer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An `OpenID` provider.
    Oidc,
    /// A Kubernetes cluster: its tokens name a ServiceAccount.
    Kubernetes,
}

/// The configuration of an issuer.
#[derive(Clone, Debug)]
pub struct IssuerConfig {
    /// Its name in messages.
    pub name: String,
    /// The kind of issuer.
    pub kind: Kind,
    /// The exact value of the claim `iss`.
    pub issuer: String,
    /// Accepted audiences. One must be in `aud`, or with `accept_azp` in `azp`.
    pub audiences: Vec<String>,
    /// Whether `azp` may name the audience. Keycloak's access tokens have the client there.
    pub accept_azp: bool,
    /// Prefix of all user, role and group names, so that names of two issuers differ.
    pub prefix: String,
    /// The claim with the user's name.
    pub username_claim: ClaimPath,
    /// The claims with roles: texts or lists of texts.
    pub roles_claims: Vec<ClaimPath>,
    /// The claims with groups.
    pub groups_claims: Vec<ClaimPath>,
    /// The client for logins of people at this issuer. `GET /api/v1/auth` shows it to programs.
    pub client_id: Option<String>,
}

/// The path of a claim: its names from the outermost to the innermost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimPath(Vec<String>);

impl ClaimPath {
    /// A path of names.
    pub fn new(names: &[&str]) -> Self {
        Self(names.iter().map(|name| (*name).to_owned()).collect())
    }

    /// Parses a path with dots. A URL is one claim, whose name has dots itself.
    pub fn parse(text: &str) -> Self {
        if text.contains("://") { Self::new(&[text]) } else { Self(text.split('.').map(ToOwned::to_owned).collect()) }
    }

    fn of<'a>(&self, claims: &'a Value) -> &'a Value {
        self.0.iter().fold(claims, |value, name| &value[name.as_str()])
    }
}

/// Accepted difference between the issuer's clock and ours, in seconds.
const LEEWAY_SECS: u64 = 30;

pub struct Issuer {
    config: IssuerConfig,
    keys: KeySet,
    /// Prefixes of other issuers' names.
    taken: Vec<String>,
}

impl Issuer {
    /// An issuer with these keys.
    pub fn new(config: IssuerConfig, keys: KeySet) -> Self {
        Self { config, keys, taken: Vec::new() }
    }

    pub fn config(&self) -> &IssuerConfig {
        &self.config
    }

    /// Refuses names that begin with other issuers' prefixes.
    pub(crate) fn avoid_prefixes(&mut self, prefixes: &[String]) {
        let longer = |it: &&String| it.len() > self.config.prefix.len();
        self.taken = prefixes.iter().filter(longer).cloned().collect();
    }

    /// The name of a principal for policies. There is none if the name could be another issuer's, since people may choose
    /// their names, or if it is too long for policies and the database.
    fn named(&self, kind: &str, name: &str) -> Option<String> {
        let name = format!("{}{name}", self.config.prefix);
        (name.len() <= NAME_MAX && !self.taken.iter().any(|taken| name.starts_with(taken)))
            .then(|| format!("{kind}:{name}"))
    }

    pub(crate) fn keys(&self) -> &KeySet {
        &self.keys
    }

    /// The principal of one of its tokens. Keys in the token's own header are ignored.
    ///
    /// # Errors
    /// [`Error::CredentialsInvalid`] with the reason; [`Error::Unavailable`] if its key is unknown and the issuer does not
    /// answer.
    pub(crate) async fn verify(&self, token: &str, header: &Header) -> Result<Verified> {
        let kid = header.kid.as_deref().ok_or_else(|| self.refused("it names no key (kid)"))?;
        if !ALGORITHMS.contains(&header.alg) {
            return Err(self.refused("its algorithm is not allowed"));
        }
        if header.crit.as_ref().is_some_and(|demands| !demands.is_empty()) {
            return Err(self.refused("it requires an extension that this store does not support (crit)"));
        }
        let key = self.keys.get(kid, header.alg).await?;
        let key = key.ok_or_else(|| self.refused("it is signed with a key that the issuer does not have"))?;
        let mut validation = Validation::new(header.alg);
        validation.leeway = LEEWAY_SECS;
        validation.validate_nbf = true;
        validation.validate_aud = false;
        validation.set_issuer(&[&self.config.issuer]);
        validation.set_required_spec_claims(&["exp", "iss", "sub"]);
        let decoded = jsonwebtoken::decode::<Value>(token, &key, &validation);
        let claims = decoded.map_err(|error| self.refused_for(&error))?.claims;
        self.check_audience(&claims)?;
        self.check_kind(&claims)?;
        let second = |name: &str| seconds(&claims[name]);
        Ok(Verified { principal: self.principal(&claims)?, expires: second("exp"), issued: second("iat") })
    }

    /// Accepts only access tokens: no ID tokens, no refresh tokens, and no tokens that are bound to a key of their holder.
    fn check_kind(&self, claims: &Value) -> Result<()> {
        match &claims["typ"] {
            Value::Null => {}
            Value::String(typ) if typ.eq_ignore_ascii_case("bearer") || typ.eq_ignore_ascii_case("jwt") => {}
            _ => return Err(self.refused("it is not an access token")),
        }
        if claims.get("cnf").is_some() {
            return Err(self.refused("it is bound to a key of its holder (cnf), which this store cannot check"));
        }
        Ok(())
    }

    fn check_audience(&self, claims: &Value) -> Result<()> {
        let named = texts(&claims["aud"]);
        let azp = self.config.accept_azp.then(|| claims["azp"].as_str()).flatten();
        let meant = |name: &str| self.config.audiences.iter().any(|own| own == name);
        if named.iter().map(String::as_str).chain(azp).any(meant) {
            return Ok(());
        }
        let own = self.config.audiences.join(" or ");
        Err(self.refused(&format!("it is for another audience; request a token for {own}")))
    }

    fn principal(&self, claims: &Value) -> Result<Principal> {
        match self.config.kind {
            Kind::Kubernetes => self.service_account(claims),
            Kind::Oidc => self.person(claims),
        }
    }

    fn person(&self, claims: &Value) -> Result<Principal> {
        let config = &self.config;
        let sub = claims["sub"].as_str().unwrap_or_default();
        let username = config.username_claim.of(claims).as_str().filter(|name| !name.is_empty());
        // a person who chooses a name must not choose another's id: a name that looks like an id is ignored, and so is an
        // id that looks like a name
        let looks_like_an_id = |name: &str| uuid::Uuid::parse_str(name).is_ok();
        let username = username.filter(|name| *name == sub || !looks_like_an_id(name));
        let of = |kind: &str, paths: &[ClaimPath]| -> Vec<String> {
            paths.iter().flat_map(|path| texts(path.of(claims))).filter_map(|name| self.named(kind, &name)).collect()
        };
        // Keycloak's groups are paths: /team/ops is also team/ops
        let groups = config.groups_claims.iter().flat_map(|path| texts(path.of(claims)));
        let bare = groups.filter_map(|it| self.named("group", it.strip_prefix('/')?));
        let roles = of("role", &config.roles_claims);
        let groups: Vec<String> = of("group", &config.groups_claims).into_iter().chain(bare).collect();
        let longest = self.config.prefix.len() + sub.len().max(username.map_or(0, str::len));
        if longest > NAME_MAX {
            return Err(self.refused(&format!("a user's name has at most {NAME_MAX} bytes")));
        }
        let by_name = username.and_then(|name| self.named("user", name));
        let by_id = if looks_like_an_id(sub) { self.named("user", sub) } else { None };
        let users: Vec<String> = [by_name, by_id, self.named("userid", sub)].into_iter().flatten().collect();
        let subject = users.first().cloned();
        let subject = subject.ok_or_else(|| self.refused("its subject could be the name of another issuer's user"))?;
        let attributes = attributes(claims, username.unwrap_or(sub));
        Ok(Principal::known(&subject, users.into_iter().chain(roles).chain(groups), attributes))
    }

    fn service_account(&self, claims: &Value) -> Result<Principal> {
        let about = &claims["kubernetes.io"];
        let (Some(namespace), Some(name)) = (about["namespace"].as_str(), about["serviceaccount"]["name"].as_str())
        else {
            return Err(self.refused("it does not name a ServiceAccount"));
        };
        // the API server writes both claims alike, so a token with different ones is not its own
        if claims["sub"].as_str() != Some(&format!("system:serviceaccount:{namespace}:{name}")) {
            return Err(self.refused("its subject is not that ServiceAccount"));
        }
        let subject = format!("serviceaccount:{}{namespace}:{name}", self.config.prefix);
        let all = format!("serviceaccount:{}{namespace}:*", self.config.prefix);
        Ok(Principal::known(&subject, [subject.clone(), all], attributes(claims, name)))
    }

    fn refused(&self, why: &str) -> Error {
        Error::CredentialsInvalid(format!("the token of {} is refused: {why}", self.config.name))
    }

    fn refused_for(&self, error: &jsonwebtoken::errors::Error) -> Error {
        use jsonwebtoken::errors::ErrorKind;
        match error.kind() {
            ErrorKind::ExpiredSignature => {
                Error::CredentialsExpired(format!("the token of {} has expired; request a new one", self.config.name))
            }
            ErrorKind::ImmatureSignature => self.refused("it is not valid yet; check the clocks"),
            ErrorKind::InvalidIssuer => self.refused("it is of another issuer"),
            ErrorKind::InvalidSignature => self.refused("its signature is wrong"),
            ErrorKind::MissingRequiredClaim(_) => self.refused("a claim is missing (exp, iss and sub must be there)"),
            _ => self.refused("it is malformed"),
        }
    }
}

/// A token with a valid signature and valid times.
#[derive(Clone, Debug)]
pub(crate) struct Verified {
    pub principal: Principal,
    /// Seconds since 1970.
    pub expires: i64,
    /// Seconds since 1970; 0 if the token does not have it.
    pub issued: i64,
}

/// The claim `iss` of an unverified token. It only selects the issuer that verifies the token.
///
/// # Errors
/// [`Error::CredentialsInvalid`] if there is none, or if a claim occurs twice.
pub fn issuer_of(token: &str) -> Result<String> {
    use base64::Engine as _;
    let malformed = || invalid("the token is malformed");
    let payload = token.split('.').nth(1).ok_or_else(malformed)?;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).map_err(|_| malformed())?;
    let UniqueClaims(claims) =
        serde_json::from_slice(&bytes).map_err(|error| invalid(&format!("the token's claims: {error}")))?;
    let issuer = claims.get("iss").and_then(Value::as_str);
    issuer.map(ToOwned::to_owned).ok_or_else(|| invalid("the token names no issuer (iss)"))
}

/// Claims, each once (RFC 7519, section 4). With two of a name, readers of the first and of the last would see different
/// tokens.
struct UniqueClaims(Map<String, Value>);

impl<'de> Deserialize<'de> for UniqueClaims {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Claims;
        impl<'de> Visitor<'de> for Claims {
            type Value = UniqueClaims;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> std::result::Result<UniqueClaims, A::Error> {
                let mut claims = Map::new();
                while let Some((name, value)) = entries.next_entry::<String, Value>()? {
                    if claims.insert(name, value).is_some() {
                        return Err(A::Error::custom("a claim occurs twice"));
                    }
                }
                Ok(UniqueClaims(claims))
            }
        }
        deserializer.deserialize_map(Claims)
    }
}

/// A time of a token (RFC 7519, *`NumericDate`*), rounded down to seconds.
fn seconds(value: &Value) -> i64 {
    let whole = |text: String| text.split('.').next().and_then(|text| text.parse().ok());
    value.as_number().and_then(|number| whole(number.to_string())).unwrap_or(0)
}

/// A text, or all texts of a list.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(list) => list.iter().filter_map(Value::as_str).map(ToOwned::to_owned).collect(),
        _ => Vec::new(),
    }
}

/// Claims for conditions: texts, numbers, booleans, and lists of texts.
fn attributes(claims: &Value, username: &str) -> BTreeMap<String, Vec<String>> {
    let value = |value: &Value| match value {
        Value::Bool(_) | Value::Number(_) => vec![value.to_string()],
        other => texts(other),
    };
    let found = claims.as_object().into_iter().flatten().map(|(name, it)| (name.clone(), value(it)));
    found.filter(|(_, values)| !values.is_empty()).chain([("username".to_owned(), vec![username.to_owned()])]).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::jwks::Source;

    fn issuer(prefix: &str) -> Issuer {
        let config = IssuerConfig {
            name: "test".to_owned(),
            kind: Kind::Oidc,
            issuer: "https://issuer.example".to_owned(),
            audiences: vec!["store".to_owned()],
            accept_azp: false,
            prefix: prefix.to_owned(),
            username_claim: ClaimPath::parse("preferred_username"),
            roles_claims: vec![ClaimPath::parse("realm_access.roles")],
            groups_claims: vec![ClaimPath::parse("groups")],
            client_id: None,
        };
        let source = Source { issuer: config.issuer.clone(), jwks: None, token_file: None };
        Issuer::new(config, KeySet::new(source, reqwest::Client::new()))
    }

    fn names(issuer: &Issuer, claims: &Value) -> Vec<String> {
        issuer.person(claims).unwrap().names().to_vec()
    }

    #[test]
    fn names_are_those_of_the_claims() {
        let claims = json!({
            "sub": "1", "preferred_username": "alice", "realm_access": {"roles": ["viewer", 7]}, "groups": "/team/ops",
        });
        let expected = ["group:/team/ops", "group:team/ops", "role:viewer", "user:alice", "userid:1"];
        assert_eq!(names(&issuer(""), &claims), expected);
        assert_eq!(names(&issuer("x:"), &json!({"sub": "1"})), ["userid:x:1"]);
    }

    #[test]
    fn names_that_are_too_long_are_refused_or_left_out() {
        let (fits, long) = ("n".repeat(NAME_MAX), "n".repeat(NAME_MAX + 1));
        let issuer = issuer("");
        let claims = json!({"sub": "1", "preferred_username": fits, "groups": [long, "/ops"], "realm_access": {"roles": [long]}});
        assert_eq!(
            names(&issuer, &claims),
            ["group:/ops".into(), "group:ops".into(), format!("user:{fits}"), "userid:1".into()]
        );
        for claims in [json!({"sub": "1", "preferred_username": long}), json!({"sub": long})] {
            assert!(matches!(issuer.person(&claims), Err(Error::CredentialsInvalid(_))));
        }
    }

    #[test]
    fn nobody_chooses_somebody_elses_name() {
        let id = "0b8e1c5e-3b0f-4f5a-9d9e-5f3c1f6d7a10";
        assert_eq!(names(&issuer(""), &json!({"sub": "1", "preferred_username": id})), ["userid:1"], "an id");
        // of either shape
        for (victim, own) in [(id, format!("user:{id}")), ("auth0|17", "userid:auth0|17".to_owned())] {
            let rights = names(&issuer(""), &json!({"sub": victim, "preferred_username": "victim"}));
            assert!(rights.contains(&own) && rights.contains(&"user:victim".to_owned()), "{rights:?}");
            let without_a_name = names(&issuer(""), &json!({"sub": victim}));
            let mallory = names(&issuer(""), &json!({"sub": "mallory-s", "preferred_username": victim}));
            assert!(!mallory.iter().any(|name| rights.contains(name) || without_a_name.contains(name)), "{mallory:?}");
        }
        let mut by_sub = issuer("");
        by_sub.config.username_claim = ClaimPath::parse("sub");
        assert_eq!(names(&by_sub, &json!({"sub": "repo:acme/app"})), ["user:repo:acme/app", "userid:repo:acme/app"]);
        let mut ours = issuer("");
        ours.avoid_prefixes(&[String::new(), "partner:".to_owned()]);
        let claims = json!({
            "sub": "1", "preferred_username": "partner:bob", "groups": ["partner:ops", "/partner:ops", "ops"],
            "realm_access": {"roles": ["partner:admin"]},
        });
        assert_eq!(names(&ours, &claims), ["group:/partner:ops", "group:ops", "userid:1"], "another issuer's");
        let mut partner = issuer("partner:");
        partner.avoid_prefixes(&[String::new(), "partner:".to_owned()]);
        assert_eq!(names(&partner, &json!({"sub": "bob"})), ["userid:partner:bob"]);
        assert!(ours.person(&json!({"sub": "partner:bob"})).is_err());
    }

    #[test]
    fn what_is_not_meant_for_services_is_refused() {
        let issuer = issuer("");
        for claims in [json!({"typ": "ID"}), json!({"typ": "Refresh"}), json!({"typ": 1}), json!({"cnf": {"jkt": "x"}})]
        {
            assert!(issuer.check_kind(&claims).is_err(), "{claims}");
        }
        for claims in [json!({}), json!({"typ": "Bearer"}), json!({"typ": "JWT"})] {
            issuer.check_kind(&claims).unwrap();
        }
        for (claims, taken) in [
            (json!({"aud": "store"}), true),
            (json!({"aud": ["account", "store"]}), true),
            (json!({"aud": ["account"], "azp": "store"}), false),
            (json!({"aud": {"store": true}}), false),
            (json!({}), false),
        ] {
            assert_eq!(issuer.check_audience(&claims).is_ok(), taken, "{claims}");
        }
    }
}
