//! Too many wrong credentials from one address: then it has to wait, for one access key sooner than for all. Each replica
//! counts for itself; nothing but the speed of guessing depends on it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use zot_domain::{Error, Result};

/// An address has this many times what one of its keys has: many people may share it.
const KEYS_PER_ADDRESS: f64 = 10.0;
/// Most that is remembered; beyond it what is nearly forgiven is forgotten.
const REMEMBERED: usize = 50_000;
const MINUTE: Duration = Duration::from_mins(1);

/// Counts wrong credentials.
pub(crate) struct Throttle {
    /// Wrong credentials a minute for each pair of address and key; none: any number.
    per_minute: Option<f64>,
    counts: Mutex<HashMap<(IpAddr, Option<String>), Count>>,
}

/// Failures that leak away evenly, a minute's worth in a minute.
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

impl Throttle {
    pub(crate) fn new(per_minute: Option<u32>) -> Self {
        Self { per_minute: per_minute.map(f64::from), counts: Mutex::default() }
    }

    /// Whether credentials of that address are looked at now.
    pub(crate) fn admit(&self, address: Option<IpAddr>, key: Option<&str>) -> Result<()> {
        let (Some(per_minute), Some(address)) = (self.per_minute, address) else { return Ok(()) };
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let full = |key: Option<&str>, limit: f64| {
            counts.get(&(address, key.map(ToOwned::to_owned))).is_some_and(|count| count.now(limit, now) + 1.0 > limit)
        };
        if full(None, per_minute * KEYS_PER_ADDRESS) || (key.is_some() && full(key, per_minute)) {
            return Err(Error::TooManyRequests(
                "too many wrong credentials came from this address; wait a minute, and see that they are right"
                    .to_owned(),
            ));
        }
        Ok(())
    }

    /// Credentials of that address were wrong.
    pub(crate) fn failed(&self, address: Option<IpAddr>, key: Option<&str>) {
        let (Some(per_minute), Some(address)) = (self.per_minute, address) else { return };
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if counts.len() > REMEMBERED {
            counts.retain(|(_, key), count| count.now(limit_of(per_minute, key.as_deref()), now) >= 1.0);
            if counts.len() > REMEMBERED {
                counts.clear();
            }
        }
        let mut count = |key: Option<&str>| {
            let limit = limit_of(per_minute, key);
            let count = counts.entry((address, key.map(ToOwned::to_owned))).or_insert(Count { level: 0.0, at: now });
            *count = Count { level: (count.now(limit, now) + 1.0).min(limit), at: now };
        };
        count(None);
        if key.is_some() {
            count(key);
        }
    }
}

fn limit_of(per_minute: f64, key: Option<&str>) -> f64 {
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

    #[test]
    fn memory_is_bounded() {
        let throttle = Throttle::new(Some(5));
        for number in 0..REMEMBERED + 10 {
            throttle.failed(HOME, Some(&number.to_string()));
        }
        assert!(throttle.counts.lock().unwrap().len() <= REMEMBERED + 1);
    }
}
