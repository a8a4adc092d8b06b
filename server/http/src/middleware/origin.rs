//! Where a request came from, where a proxy that is trusted stands in front of the server.
//!
//! Of `X-Forwarded-For` the last address counts that no trusted proxy has: those before it the client may have written.

use std::net::IpAddr;

use axum::extract::Request;
use axum::http::HeaderMap;
use ipnet::IpNet;
use zot_domain::identity::Origin;

/// Puts what a trusted proxy says in the place of what the connection says.
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
    let hops: Vec<&str> = headers
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .collect();
    let mut address = origin.address;
    for hop in hops.iter().rev() {
        // what cannot be read hides who is behind it
        let Some(found) = address_of(hop) else { break };
        address = Some(found);
        if !is_trusted(&found) {
            break;
        }
    }
    let scheme = headers.get_all("x-forwarded-proto").iter().next_back().and_then(|value| value.to_str().ok());
    let scheme = scheme.and_then(|value| value.split(',').next_back());
    Origin { address, tls: scheme.map_or(origin.tls, |scheme| scheme.trim().eq_ignore_ascii_case("https")) }
}

/// An address, with or without a port.
fn address_of(hop: &str) -> Option<IpAddr> {
    let bare = hop.trim_start_matches('[').trim_end_matches(']').parse().ok();
    bare.or_else(|| hop.parse::<std::net::SocketAddr>().ok().map(|it| it.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(remote: &str, forwarded: &[&str], proto: &str) -> (String, bool) {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", value.parse().unwrap());
        }
        if !proto.is_empty() {
            headers.insert("x-forwarded-proto", proto.parse().unwrap());
        }
        let trusted = ["10.0.0.0/8".parse().unwrap(), "2001:db8::/32".parse().unwrap()];
        let origin = Origin { address: Some(remote.parse().unwrap()), tls: false };
        let found = told(origin, &headers, &trusted);
        (found.address.unwrap().to_string(), found.tls)
    }

    #[test]
    fn only_proxies_that_are_trusted_are_believed() {
        for (remote, forwarded, proto, address, tls) in [
            ("192.0.2.1", &["203.0.113.7"][..], "https", "192.0.2.1", false),
            ("10.1.2.3", &["203.0.113.7"], "https", "203.0.113.7", true),
            ("::ffff:10.1.2.3", &["203.0.113.7:443"], "http", "203.0.113.7", false),
            // the client wrote the first one itself
            ("10.1.2.3", &["127.0.0.1, 203.0.113.7", "10.9.9.9"], "", "203.0.113.7", false),
            ("10.1.2.3", &["203.0.113.7, unknown, 10.9.9.9"], "", "10.9.9.9", false),
            ("10.1.2.3", &[], "https", "10.1.2.3", true),
            ("2001:db8::1", &["[2001:0db9::5]"], "", "2001:db9::5", false),
        ] {
            assert_eq!(from(remote, forwarded, proto), (address.to_owned(), tls), "{remote} {forwarded:?}");
        }
    }
}
