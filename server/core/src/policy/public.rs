//! Which statements give everybody access, as a public access block and `IsPublic` judge it.
//!
//! Source: S3 user guide, *Blocking public access*, *The meaning of "public"*.

use std::collections::HashMap;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::condition::Condition;
use super::effect::Effect;
use super::pattern::PrincipalPattern;
use super::statement::Statement;

/// Most public IPv4 addresses, as many as a network of `/8` has. More of them are everybody.
const ADDRESSES_MAX: u64 = 1 << 24;
/// The widest IPv6 network that is not everybody.
const V6_PREFIX_MIN: u8 = 32;
/// Networks that nobody reaches from the Internet (RFC 1918, RFC 6598, RFC 1122, RFC 3927).
const PRIVATE: [([u8; 4], u8); 6] = [
    ([10, 0, 0, 0], 8),
    ([172, 16, 0, 0], 12),
    ([192, 168, 0, 0], 16),
    ([100, 64, 0, 0], 10),
    ([127, 0, 0, 0], 8),
    ([169, 254, 0, 0], 16),
];

/// Whether each statement gives everybody access. The networks of all statements of a bucket's policy count together, and
/// so do those of all policies of the REST API: many narrow networks may be everybody.
pub(super) fn public(statements: &[Statement]) -> Vec<bool> {
    let mut networks: HashMap<&str, Vec<IpNet>> = HashMap::new();
    for statement in statements.iter().filter(|statement| opens(statement)) {
        networks.entry(document(statement)).or_default().extend(limits(statement).into_iter().flatten());
    }
    let narrow: HashMap<&str, bool> =
        networks.into_iter().map(|(document, all)| (document, are_narrow(&all))).collect();
    let is_limited = |statement| limits(statement).is_some() && narrow.get(document(statement)) == Some(&true);
    statements.iter().map(|statement| opens(statement) && !is_limited(statement)).collect()
}

/// Whether it is for everybody, if its conditions hold.
fn opens(statement: &Statement) -> bool {
    statement.effect == Effect::Allow && statement.principals.contains(&PrincipalPattern::Everybody)
}

/// The networks that it is limited to, if it is. Of several lists, of which each limits the others, a narrow one.
fn limits(statement: &Statement) -> Option<&[IpNet]> {
    let lists = || {
        statement.conditions.iter().filter_map(|condition| match condition {
            Condition::SourceIp { networks, none: false } => Some(networks.as_slice()),
            _ => None,
        })
    };
    lists().find(|networks| are_narrow(networks)).or_else(|| lists().next())
}

/// The bucket policy that it belongs to, or nothing for a policy of the REST API.
fn document(statement: &Statement) -> &str {
    match statement.policy.split_once('/') {
        Some((document, _)) if document.starts_with("bucket:") => document,
        _ => "",
    }
}

/// Whether networks, taken together, are only a part of the Internet.
fn are_narrow(networks: &[IpNet]) -> bool {
    let (mut four, mut six) = (Vec::new(), Vec::new());
    for network in networks {
        match network {
            IpNet::V4(network) => four.push(*network),
            IpNet::V6(network) => six.push(*network),
        }
    }
    let size = |network: &Ipv4Net| 1_u64 << (32 - network.prefix_len());
    let public: u64 = Ipv4Net::aggregate(&four).iter().filter(|network| !is_private(**network)).map(size).sum();
    public <= ADDRESSES_MAX && Ipv6Net::aggregate(&six).iter().all(|network| network.prefix_len() >= V6_PREFIX_MIN)
}

fn is_private(network: Ipv4Net) -> bool {
    PRIVATE
        .iter()
        .any(|(address, length)| Ipv4Net::new((*address).into(), *length).is_ok_and(|all| all.contains(&network)))
}
