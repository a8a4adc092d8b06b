//! One request, as use cases see it: who asks, from where, and under which id it is recorded.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use zot_core::policy::Context;
use zot_core::principal::Principal;

/// One request: who asks, from where, and under which id it is recorded.
#[derive(Clone, Debug)]
pub struct Call {
    pub principal: Principal,
    /// The id that the client also gets; key of the audit row.
    pub request_id: RequestId,
    /// Where it came from.
    pub origin: Origin,
    /// What it was sent by.
    pub agent: Agent,
}

/// Where a request came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The client's address, as far as proxies that are trusted told it.
    pub address: Option<IpAddr>,
    /// Whether the client's connection is encrypted.
    pub tls: bool,
}

/// Who counts as one where somebody is counted by their address: an address of version 4, and of version 6 a network of
/// /64, in which everybody has as many addresses as they like.
pub fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
        address @ IpAddr::V4(_) => address,
    }
}

/// What a request was sent by, for the audit trail. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Agent {
    /// The method of HTTP; empty where there is none.
    pub method: &'static str,
    user_agent: Option<Arc<str>>,
}

/// Longest part of a client's description of itself that is kept, in characters.
const USER_AGENT_MAX: usize = 256;

impl Agent {
    /// A client that calls itself that.
    pub fn new(method: &'static str, user_agent: &str) -> Self {
        let text = || user_agent.chars().filter(|c| *c != '\0').take(USER_AGENT_MAX).collect::<String>().into();
        Self { method, user_agent: (!user_agent.is_empty()).then(text) }
    }

    /// What the client calls itself; empty if it does not say.
    pub fn user_agent(&self) -> &str {
        self.user_agent.as_deref().unwrap_or_default()
    }
}

impl Call {
    /// A call of the store itself, for a background task. Nothing is refused to it.
    pub fn system(reason: &str) -> Self {
        let principal = Principal::break_glass(&format!("system:{reason}"));
        Self { principal, request_id: RequestId::new(), origin: Origin::default(), agent: Agent::default() }
    }

    /// The circumstances, for conditions.
    pub fn context(&self) -> Context<'static> {
        let Origin { address, tls } = self.origin;
        Context { source_ip: address, tls, now: zot_core::ambient::now(), list_prefix: None, operation: None }
    }

    /// The same without the bound of a token.
    #[must_use]
    pub fn unbound(&self) -> Self {
        Self { principal: self.principal.unbound(), ..self.clone() }
    }
}

/// The id of one request, unique and ordered by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RequestId(uuid::Uuid);

impl RequestId {
    pub fn new() -> Self {
        Self(zot_core::ambient::ordered_id())
    }
}

impl Default for RequestId {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
