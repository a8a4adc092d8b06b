//! One request as use cases see it: caller, origin and request id.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use zot_core::policy::Context;
use zot_core::principal::Principal;

/// One request: caller, origin and request id.
#[derive(Clone, Debug)]
pub struct Call {
    pub principal: Principal,
    /// The id that the client also gets; key of the audit row.
    pub request_id: RequestId,
    pub origin: Origin,
    pub agent: Agent,
}

/// Where a request came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The client's address, as far as trusted proxies report it.
    pub address: Option<IpAddr>,
    pub tls: bool,
}

/// The network that counts as one client: an IPv4 address, or an IPv6 /64, whose addresses one client can choose
/// freely.
pub fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
        address @ IpAddr::V4(_) => address,
    }
}

/// The HTTP method and user agent of a request, for the audit trail. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Agent {
    /// The HTTP method; empty if there is none.
    pub method: &'static str,
    user_agent: Option<Arc<str>>,
}

/// Longest user agent that is kept, in characters.
const USER_AGENT_MAX: usize = 256;

impl Agent {
    pub fn new(method: &'static str, user_agent: &str) -> Self {
        let text = || user_agent.chars().filter(|c| *c != '\0').take(USER_AGENT_MAX).collect::<String>().into();
        Self { method, user_agent: (!user_agent.is_empty()).then(text) }
    }

    /// The client's `User-Agent`; empty if it sent none.
    pub fn user_agent(&self) -> &str {
        self.user_agent.as_deref().unwrap_or_default()
    }
}

impl Call {
    /// A call of a background job. It is always allowed.
    pub fn system(reason: &str) -> Self {
        let principal = Principal::break_glass(&format!("system:{reason}"));
        Self { principal, request_id: RequestId::new(), origin: Origin::default(), agent: Agent::default() }
    }

    /// The context, for policy conditions.
    pub fn context(&self) -> Context<'static> {
        let Origin { address, tls } = self.origin;
        Context { source_ip: address, tls, now: zot_core::ambient::now(), list_prefix: None, operation: None }
    }

    /// The same call without its token's scope.
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
