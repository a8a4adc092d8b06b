//! Slows down guessing: after too many wrong credentials, an address must wait. The limit for one access key is lower than
//! for all of them. Each replica counts for itself, so replicas only multiply the speed of guessing.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use zot_domain::call::network_of;
use zot_domain::{Error, Result};

use crate::token_cache::Digest;

/// The limit of an address, in multiples of the limit of one key. Many people may share an address.
const KEYS_PER_ADDRESS: f64 = 10.0;
/// Most counters of keys. An address alone adds at most its own limit of them in a minute. If there are more, only whole
/// addresses are counted, up to the same number. Counters stay until they have leaked away: otherwise an attacker with many
/// addresses could erase the counter of one.
const REMEMBERED: usize = 50_000;
/// How often empty counters are removed.
const PURGE_PAUSE: Duration = Duration::from_secs(10);
const MINUTE: Duration = Duration::from_mins(1);

pub(crate) struct Throttle {
    /// Wrong credentials a minute for each pair of address and key. `None` means any number.
    per_minute: Option<f64>,
    counts: Mutex<Counts>,
}

struct Counts {
    /// One counter of the whole address, and one of each key that it tried. Keys have any length, so their digests are used.
    failures: HashMap<(Option<IpAddr>, Option<Digest>), Count>,
    purged: Instant,
}

/// Failures, which leak away evenly: the limit of a minute in a minute.
struct Count {
    level: f64,
    at: Instant,
}

impl Count {
    fn now(&self, limit: f64, now: Instant) -> f64 {
        let leaked = limit * now.duration_since(self.at).as_secs_f64() / MINUTE.as_secs_f64();
        (self.level - leaked).max(0.0)
    }
}

/// The source that is counted. All unknown addresses are one source.
fn source(address: Option<IpAddr>) -> Option<IpAddr> {
    address.map(network_of)
}

impl Throttle {
    pub(crate) fn new(per_minute: Option<u32>) -> Self {
        let counts = Counts { failures: HashMap::new(), purged: Instant::now() };
        Self { per_minute: per_minute.map(f64::from), counts: Mutex::new(counts) }
    }

    /// Refuses credentials of an address that sent too many wrong ones.
    pub(crate) fn admit(&self, address: Option<IpAddr>, key: Option<&str>) -> Result<()> {
        let Some(per_minute) = self.per_minute else { return Ok(()) };
        let (source, key) = (source(address), key.map(Digest::of));
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let full = |key: Option<Digest>| {
            let limit = limit_of(per_minute, key);
            counts.failures.get(&(source, key)).is_some_and(|count| count.now(limit, now) + 1.0 > limit)
        };
        if full(None) || (key.is_some() && full(key)) {
            return Err(Error::TooManyRequests(
                "too many wrong credentials came from this address; wait a minute and correct them".to_owned(),
            ));
        }
        Ok(())
    }

    /// Counts wrong credentials of that address.
    pub(crate) fn failed(&self, address: Option<IpAddr>, key: Option<&str>) {
        let Some(per_minute) = self.per_minute else { return };
        let (source, key) = (source(address), key.map(Digest::of));
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if now.duration_since(counts.purged) >= PURGE_PAUSE {
            counts.purged = now;
            counts.failures.retain(|(_, key), count| count.now(limit_of(per_minute, *key), now) > 0.0);
        }
        let mut count = |key: Option<Digest>, most: usize| {
            let limit = limit_of(per_minute, key);
            let room = counts.failures.len() < most;
            if let Some(count) = counts.failures.get_mut(&(source, key)) {
                *count = Count { level: (count.now(limit, now) + 1.0).min(limit), at: now };
            } else if room {
                counts.failures.insert((source, key), Count { level: 1.0_f64.min(limit), at: now });
            }
        };
        count(None, 2 * REMEMBERED);
        if key.is_some() {
            count(key, REMEMBERED);
        }
    }
}

fn limit_of(per_minute: f64, key: Option<Digest>) -> f64 {
    if key.is_some() { per_minute } else { per_minute * KEYS_PER_ADDRESS }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));
    const AWAY: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::BROADCAST));

    #[test]
    fn one_key_is_closed_to_an_address_before_the_others() {
        let throttle = Throttle::new(Some(3));
        for _ in 0..3 {
            throttle.admit(HOME, Some("alice")).unwrap();
            throttle.failed(HOME, Some("alice"));
        }
        assert!(throttle.admit(HOME, Some("alice")).is_err());
        throttle.admit(HOME, Some("bob")).unwrap();
        throttle.admit(AWAY, Some("alice")).unwrap();
        for number in 0..30 {
            throttle.failed(HOME, Some(&format!("guess {number}")));
        }
        assert!(throttle.admit(HOME, Some("bob")).is_err(), "the address as a whole");
        throttle.admit(AWAY, Some("bob")).unwrap();
    }

    #[test]
    fn what_is_not_limited_is_not_counted() {
        let throttle = Throttle::new(None);
        for _ in 0..1000 {
            throttle.failed(HOME, None);
        }
        throttle.admit(HOME, None).unwrap();
    }

    fn address(number: u32) -> IpAddr {
        IpAddr::V4(std::net::Ipv4Addr::from_bits(number))
    }

    #[test]
    fn memory_is_bounded_and_what_counts_stays() {
        let throttle = Throttle::new(Some(3));
        for _ in 0..3 {
            throttle.failed(HOME, Some("alice"));
        }
        for number in 0..3 * u32::try_from(REMEMBERED).unwrap() {
            throttle.failed(Some(address(number)), Some(&"x".repeat(45)));
        }
        assert!(throttle.counts.lock().unwrap().failures.len() <= 2 * REMEMBERED);
        assert!(throttle.admit(HOME, Some("alice")).is_err(), "others cannot erase it");
        throttle.admit(HOME, Some("bob")).unwrap();
    }

    #[test]
    fn what_is_forgiven_is_forgotten() {
        let throttle = Throttle::new(Some(3));
        throttle.failed(HOME, Some("alice"));
        let mut counts = throttle.counts.lock().unwrap();
        let before = Instant::now().checked_sub(2 * MINUTE).unwrap();
        counts.purged = before;
        counts.failures.values_mut().for_each(|count| count.at = before);
        drop(counts);
        throttle.failed(AWAY, None);
        assert_eq!(throttle.counts.lock().unwrap().failures.len(), 1);
    }

    #[test]
    fn a_network_of_version_6_is_one_address_and_so_is_whoever_is_not_known() {
        let throttle = Throttle::new(Some(3));
        for number in 1..=3 {
            throttle.failed(format!("2001:db8::{number}").parse().ok(), Some("alice"));
            throttle.failed(None, Some("alice"));
            throttle.failed(format!("::ffff:192.0.2.{number}").parse().ok(), Some("alice"));
        }
        assert!(throttle.admit("2001:db8::ffff".parse().ok(), Some("alice")).is_err());
        throttle.admit("2001:db8:0:1::1".parse().ok(), Some("alice")).unwrap();
        assert!(throttle.admit(None, Some("alice")).is_err());
        throttle.admit("192.0.2.1".parse().ok(), Some("alice")).unwrap();
    }
}
