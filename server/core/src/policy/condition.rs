//! Conditions of a statement: the client's network, the time, the connection and claims.
//!
//! A policy of the REST API has them as a map of texts. An unknown condition is refused, since ignoring it would grant more
//! than the policy says.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};
use jiff::Timestamp;
use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;

use super::glob::{Work, glob_matches};
use super::operation::{Operation, Operations};
use crate::invalid::{Invalid, Result};
use crate::principal::Principal;

/// The names of conditions, for messages and documents.
pub const NAMES: [&str; 9] =
    ["sourceIp", "notSourceIp", "notBefore", "notAfter", "timeOfDay", "weekdays", "timeZone", "tls", "claim:NAME"];
/// Most values of one condition.
const VALUES_MAX: usize = 256;
/// Longest glob of a condition, in bytes.
pub(super) const GLOB_MAX: usize = 1024;

/// The circumstances of a request.
#[derive(Clone, Debug)]
pub struct Context<'a> {
    /// The client's address, as trusted proxies report it.
    pub source_ip: Option<IpAddr>,
    /// Whether the client's connection is encrypted.
    pub tls: bool,
    pub now: Timestamp,
    /// The prefix of a list, if the request lists names.
    pub list_prefix: Option<&'a str>,
    /// The S3 operation. By default, the usual one of the action.
    pub operation: Option<Operation>,
}

/// One condition. All of a statement's must hold.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// The address is in one of these networks; or in none.
    SourceIp {
        networks: Vec<IpNet>,
        /// In none of them.
        none: bool,
    },
    /// Not before that time.
    NotBefore(Timestamp),
    /// Not after that time.
    NotAfter(Timestamp),
    /// Between two times of each day, over midnight if the first is the later one.
    TimeOfDay(Time, Time, TimeZone),
    /// On these days of the week.
    Weekdays(Vec<Weekday>, TimeZone),
    /// Whether the connection is encrypted.
    Tls(bool),
    /// A claim of the token, or an attribute of the principal, matches one of these globs; or none.
    Claim {
        name: String,
        globs: Vec<String>,
        /// It matches none of them, or is absent.
        none: bool,
    },
    /// The user's name matches one of these globs; or none.
    User {
        globs: Vec<String>,
        /// It matches none of them, or there is no user.
        none: bool,
    },
    /// The request is one of these S3 operations.
    Operation(Operations),
    /// The prefix of a list matches one of these globs.
    ListPrefix {
        globs: Vec<String>,
        /// It matches none of them, or the request lists nothing.
        none: bool,
    },
}

impl Condition {
    /// Whether it holds in a statement with this effect. An absent value matches no list, so negated conditions hold. An
    /// unknown address is not absent: then a denial's condition holds, and an allowance's does not.
    ///
    /// Source: AWS IAM *Condition operators*, on keys that are missing.
    pub(super) fn holds(&self, denies: bool, principal: &Principal, context: &Context<'_>, work: &mut Work) -> bool {
        let mut any = |globs: &[String], text: &str| globs.iter().any(|glob| glob_matches(glob, text, work));
        match self {
            Self::SourceIp { networks, none } => {
                let within = |address: IpAddr| networks.iter().any(|network| network.contains(&address.to_canonical()));
                context.source_ip.map_or(denies, |address| within(address) != *none)
            }
            Self::NotBefore(moment) => context.now >= *moment,
            Self::NotAfter(moment) => context.now <= *moment,
            Self::TimeOfDay(from, to, zone) => {
                let time = context.now.to_zoned(zone.clone()).time();
                if from <= to { (*from..*to).contains(&time) } else { time >= *from || time < *to }
            }
            Self::Weekdays(days, zone) => days.contains(&context.now.to_zoned(zone.clone()).weekday()),
            Self::Tls(wanted) => context.tls == *wanted,
            Self::Claim { name, globs, none } => {
                let values = principal.claims.get(name).map(Vec::as_slice).unwrap_or_default();
                values.iter().any(|value| any(globs, value)) != *none
            }
            Self::User { globs, none } => {
                let matches = |name: &str| any(globs, name);
                // a name that the principal gave up must not give access, nor evade a denial
                let met = if *none || denies {
                    principal.all_names_of("user").any(matches)
                } else {
                    principal.names_of("user").any(matches)
                };
                met != *none
            }
            Self::Operation(operations) => context.operation.is_some_and(|it| operations.contains(it)),
            Self::ListPrefix { globs, none } => context.list_prefix.is_some_and(|prefix| any(globs, prefix)) != *none,
        }
    }
}

/// Parses the map of a policy.
///
/// # Errors
/// [`Invalid::Parameter`] names the condition.
pub(super) fn parse(map: &BTreeMap<String, String>) -> Result<Vec<Condition>> {
    let zone = match map.get("timeZone") {
        Some(name) => {
            TimeZone::get(name).map_err(|_| invalid("timeZone", name, "expected a name such as \"Europe/Berlin\""))?
        }
        None => TimeZone::UTC,
    };
    if map.contains_key("timeZone") && !map.contains_key("timeOfDay") && !map.contains_key("weekdays") {
        return Err(invalid("timeZone", "", "it belongs to timeOfDay or weekdays, and neither is there"));
    }
    let others = map.iter().filter(|(name, _)| *name != "timeZone");
    others.map(|(name, value)| one(name, value, &zone)).collect()
}

fn one(name: &str, value: &str, zone: &TimeZone) -> Result<Condition> {
    let moment = |text: &str| {
        let parsed = text.parse::<Timestamp>();
        parsed.map_err(|_| invalid(name, value, "expected a moment such as \"2026-01-31T08:00:00Z\""))
    };
    Ok(match name {
        "sourceIp" | "notSourceIp" => {
            Condition::SourceIp { networks: networks(name, value)?, none: name == "notSourceIp" }
        }
        "notBefore" => Condition::NotBefore(moment(value)?),
        "notAfter" => Condition::NotAfter(moment(value)?),
        "timeOfDay" => {
            let (from, to) =
                times(value).ok_or_else(|| invalid(name, value, "expected two times such as \"08:00-18:00\""))?;
            Condition::TimeOfDay(from, to, zone.clone())
        }
        "weekdays" => {
            let days: Option<Vec<_>> = values(value).map(weekday).collect();
            let days = days.filter(|days| !days.is_empty());
            let days = days.ok_or_else(|| invalid(name, value, "expected days such as \"mon,tue,wed,thu,fri\""))?;
            Condition::Weekdays(days, zone.clone())
        }
        "tls" => match value {
            "true" => Condition::Tls(true),
            "false" => Condition::Tls(false),
            _ => return Err(invalid(name, value, "expected \"true\" or \"false\"")),
        },
        _ => match name.strip_prefix("claim:") {
            Some(claim) if !claim.is_empty() => {
                let globs: Vec<_> = values(value).map(ToOwned::to_owned).collect();
                if globs.is_empty() || globs.len() > VALUES_MAX {
                    return Err(invalid(name, value, "expected one or more values, separated by commas"));
                }
                if globs.iter().any(|glob| glob.len() > GLOB_MAX) {
                    return Err(invalid(name, "", &format!("a value is longer than {GLOB_MAX} bytes")));
                }
                Condition::Claim { name: claim.to_owned(), globs, none: false }
            }
            _ => {
                return Err(invalid(
                    name,
                    value,
                    &format!("there is no such condition; known are {}", NAMES.join(", ")),
                ));
            }
        },
    })
}

/// Networks or single addresses, separated by commas.
pub(crate) fn networks(name: &str, value: &str) -> Result<Vec<IpNet>> {
    let found: Option<Vec<_>> = values(value).map(network).collect();
    let found = found.filter(|found| !found.is_empty() && found.len() <= VALUES_MAX);
    found.ok_or_else(|| invalid(name, value, "expected networks such as \"10.0.0.0/8,192.0.2.1\""))
}

/// A network, or a single address as a network of one. IPv4 addresses are compared as IPv4, so an IPv4 network in IPv6
/// notation (`::ffff:10.0.0.0/104`) becomes an IPv4 network. One that is wider than all of IPv4 is refused: it would not
/// hold for IPv4 clients.
pub fn network(text: &str) -> Option<IpNet> {
    let network = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))?;
    let IpNet::V6(six) = network else { return Some(network) };
    let Some(four) = six.addr().to_ipv4_mapped() else { return Some(network) };
    let length = six.prefix_len().checked_sub(96)?;
    Ipv4Net::new(four, length).ok().map(IpNet::V4)
}

fn values(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').map(str::trim).filter(|text| !text.is_empty())
}

fn times(value: &str) -> Option<(Time, Time)> {
    let (from, to) = value.split_once('-')?;
    let time = |text: &str| Time::strptime("%H:%M", text.trim()).ok();
    Some((time(from)?, time(to)?)).filter(|(from, to)| from != to)
}

fn weekday(name: &str) -> Option<Weekday> {
    let days = [
        ("mon", Weekday::Monday),
        ("tue", Weekday::Tuesday),
        ("wed", Weekday::Wednesday),
        ("thu", Weekday::Thursday),
        ("fri", Weekday::Friday),
        ("sat", Weekday::Saturday),
        ("sun", Weekday::Sunday),
    ];
    days.iter().find(|(short, _)| *short == name.to_ascii_lowercase()).map(|(_, day)| *day)
}

fn invalid(name: &str, value: &str, why: &str) -> Invalid {
    Invalid::Parameter(format!("condition {name} {value:?}: {why}"))
}
