//! The client's address and scheme behind a trusted proxy.
//!
//! In `X-Forwarded-For` the last address counts that is no trusted proxy: the client may have written the earlier ones.
//! If a trusted proxy wrote something that is no address, the client is unknown. Then there is no address: the proxy's
//! own address could be allowed by policies.

use std::net::IpAddr;

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue};
use ipnet::IpNet;
use zot_domain::call::Origin;

/// Replaces the connection's address and scheme by those from a trusted proxy.
pub(super) fn settle(request: &mut Request, trusted: &[IpNet]) {
    let Some(origin) = request.extensions().get::<Origin>().copied() else { return };
    let found = told(origin, request.headers(), trusted);
    request.extensions_mut().insert(found);
}

fn told(origin: Origin, headers: &HeaderMap, trusted: &[IpNet]) -> Origin {
    let is_trusted = |address: &IpAddr| {
        let address = address.to_canonical();
        trusted.iter().any(|network| network.contains(&address))
    };
    if !origin.address.as_ref().is_some_and(is_trusted) {
        return origin;
    }
    // bytes, not text: a header of a client that is no text must not hide the others
    let values: Vec<&[u8]> = headers.get_all("x-forwarded-for").iter().map(HeaderValue::as_bytes).collect();
    let hops = values.iter().rev().flat_map(|value| value.rsplit(|byte| *byte == b','));
    let mut address = origin.address;
    for hop in hops {
        address = address_of(hop);
        if !address.as_ref().is_some_and(is_trusted) {
            break;
        }
    }
    let scheme = headers.get_all("x-forwarded-proto").iter().next_back().map(HeaderValue::as_bytes);
    let scheme = scheme.and_then(|value| value.rsplit(|byte| *byte == b',').next());
    Origin { address, tls: scheme.map_or(origin.tls, |scheme| scheme.trim_ascii().eq_ignore_ascii_case(b"https")) }
}

/// An address, with or without a port; IPv6 with or without brackets.
fn address_of(hop: &[u8]) -> Option<IpAddr> {
    let hop = std::str::from_utf8(hop).ok()?.trim();
    let bracketed = hop.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let bracketed = bracketed.and_then(|inner| inner.parse::<std::net::Ipv6Addr>().ok()).map(IpAddr::V6);
    let with_port = || hop.parse::<std::net::SocketAddr>().ok().map(|it| it.ip());
    bracketed.or_else(|| hop.parse().ok()).or_else(with_port)
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNKNOWN: &str = "unknown";

    fn from(remote: &str, forwarded: &[&[u8]], proto: &[u8]) -> (String, bool) {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", HeaderValue::from_bytes(value).unwrap());
        }
        if !proto.is_empty() {
            headers.insert("x-forwarded-proto", HeaderValue::from_bytes(proto).unwrap());
        }
        let trusted = ["10.0.0.0/8".parse().unwrap(), "127.0.0.0/8".parse().unwrap(), "2001:db8::/32".parse().unwrap()];
        let origin = Origin { address: Some(remote.parse().unwrap()), tls: false };
        let found = told(origin, &headers, &trusted);
        (found.address.map_or(UNKNOWN.to_owned(), |address| address.to_string()), found.tls)
    }

    #[test]
    fn only_proxies_that_are_trusted_are_believed() {
        for (remote, forwarded, proto, address, tls) in [
            ("192.0.2.1", &[&b"203.0.113.7"[..]][..], &b"https"[..], "192.0.2.1", false),
            ("10.1.2.3", &[b"203.0.113.7"], b"https", "203.0.113.7", true),
            ("::ffff:10.1.2.3", &[b"203.0.113.7:443"], b"http", "203.0.113.7", false),
            // the client wrote the first one itself
            ("10.1.2.3", &[b"127.0.0.1, 203.0.113.7", b"10.9.9.9"], b"", "203.0.113.7", false),
            ("10.1.2.3", &[b"\xff, 203.0.113.7"], b"", "203.0.113.7", false),
            ("10.1.2.3", &[b"\xff", b"203.0.113.7"], b"", "203.0.113.7", false),
            ("10.1.2.3", &[b"unknown, 203.0.113.7, 10.9.9.9"], b"", "203.0.113.7", false),
            // no proxy forwarded anything: the request is its own
            ("10.1.2.3", &[], b"https", "10.1.2.3", true),
            ("10.1.2.3", &[b"10.7.7.7, 10.9.9.9"], b"", "10.7.7.7", false),
            ("2001:db8::1", &[b"[2001:0db9::5]"], b"", "2001:db9::5", false),
            ("2001:db8::1", &[b"[2001:0db9::5]:443"], b"", "2001:db9::5", false),
            ("10.1.2.3", &[b"203.0.113.7"], b"\xff, https", "203.0.113.7", true),
            ("10.1.2.3", &[b"203.0.113.7"], b"https, \xff", "203.0.113.7", false),
        ] {
            assert_eq!(from(remote, forwarded, proto), (address.to_owned(), tls), "{remote} {forwarded:?}");
        }
    }

    #[test]
    fn what_a_trusted_proxy_wrote_and_cannot_be_read_is_nobodys_address() {
        for hop in [
            &b"fe80::1%eth0"[..],
            b"[127.0.0.1",
            b"127.0.0.1]",
            b"[127.0.0.1]",
            b"",
            b" ",
            b"unknown",
            b"_hidden",
            b"\xff",
            b"127.0.0.1;",
            b"for=127.0.0.1",
            b"127.1",
        ] {
            for forwarded in [vec![hop], vec![&b"203.0.113.7"[..], hop], vec![hop, &b"10.9.9.9"[..]]] {
                assert_eq!(from("10.1.2.3", &forwarded, b"").0, UNKNOWN, "{forwarded:?}");
                assert_eq!(from("10.1.2.3", &[&forwarded.join(&b","[..])], b"").0, UNKNOWN, "{forwarded:?}");
            }
        }
    }
}
