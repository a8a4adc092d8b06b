//! Conditions of a statement: from where, when, over what connection and with which claims.
//!
//! A policy of the REST API has them as a map of texts. What is unknown is refused: a condition that is not looked at
//! would grant more than was written.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};
use jiff::Timestamp;
use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;

use super::operation::{Operation, Operations};
use super::pattern::glob_matches;
use crate::invalid::{Invalid, Result};
use crate::principal::Principal;

/// The names of conditions, for messages and documents.
pub const NAMES: [&str; 9] =
    ["sourceIp", "notSourceIp", "notBefore", "notAfter", "timeOfDay", "weekdays", "timeZone", "tls", "claim:NAME"];
/// Most values of one condition.
const VALUES_MAX: usize = 256;

/// The circumstances of a request.
#[derive(Clone, Debug)]
pub struct Context<'a> {
    /// The client's address, as far as proxies that are trusted told it.
    pub source_ip: Option<IpAddr>,
    /// Whether the client's connection is encrypted.
    pub tls: bool,
    /// Now.
    pub now: Timestamp,
    /// What a list is narrowed to; none: nothing is listed.
    pub list_prefix: Option<&'a str>,
    /// What it is in S3's words; none: what the action usually is.
    pub operation: Option<Operation>,
}

/// One condition. All of a statement's must hold.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// The address is in one of these networks; or in none.
    SourceIp {
        /// The networks.
        networks: Vec<IpNet>,
        /// In none of them.
        none: bool,
    },
    /// Not before that moment.
    NotBefore(Timestamp),
    /// Not after that moment.
    NotAfter(Timestamp),
    /// Between two times of each day; over midnight if the first is the later one.
    TimeOfDay(Time, Time, TimeZone),
    /// On these days of the week.
    Weekdays(Vec<Weekday>, TimeZone),
    /// Whether the connection is encrypted.
    Tls(bool),
    /// A claim of the token, or an attribute of the principal, matches one of these globs; or none.
    Claim {
        /// Its name.
        name: String,
        /// The globs.
        globs: Vec<String>,
        /// It matches none of them, or is not there.
        none: bool,
    },
    /// The user's name matches one of these globs; or none.
    User {
        /// The globs.
        globs: Vec<String>,
        /// It matches none of them, or there is no user.
        none: bool,
    },
    /// It is one of these actions of S3.
    Operation(Operations),
    /// A list is narrowed to one of these globs.
    ListPrefix {
        /// The globs.
        globs: Vec<String>,
        /// To none of them, or nothing is listed.
        none: bool,
    },
}

impl Condition {
    /// Whether it holds, in a statement that denies or one that allows. What is not there is in no list: so it holds where
    /// it must be in none. An address is always there: where it is not known, what denies holds and what allows does not.
    ///
    /// Source: AWS IAM *Condition operators*, on keys that are missing.
    pub(super) fn holds(&self, denies: bool, principal: &Principal, context: &Context<'_>) -> bool {
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
                values.iter().any(|value| globs.iter().any(|glob| glob_matches(glob, value))) != *none
            }
            Self::User { globs, none } => {
                let matches = |name: &str| globs.iter().any(|glob| glob_matches(glob, name));
                // a name that was given up must neither open what is for others, nor get out of a denial
                let met = if *none || denies {
                    principal.all_names_of("user").any(matches)
                } else {
                    principal.names_of("user").any(matches)
                };
                met != *none
            }
            Self::Operation(operations) => context.operation.is_some_and(|it| operations.contains(it)),
            Self::ListPrefix { globs, none } => {
                let matches = |prefix| globs.iter().any(|glob| glob_matches(glob, prefix));
                context.list_prefix.is_some_and(matches) != *none
            }
        }
    }

    /// Whether it leaves so few in that what it goes with is not public: some networks, none of them very wide.
    ///
    /// Source: S3 user guide, *Blocking public access*, *The meaning of "public"*.
    pub(super) fn narrows(&self) -> bool {
        let narrow = |network: &IpNet| match network {
            IpNet::V4(network) => network.prefix_len() >= 8,
            IpNet::V6(network) => network.prefix_len() >= 32,
        };
        matches!(self, Self::SourceIp { networks, none: false } if networks.iter().all(narrow))
    }
}

/// Reads the map of a policy.
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

/// A network, or a single address as a network of one. Addresses are compared as IPv4 has them where they are of IPv4, so
/// a network that is written in IPv6 (`::ffff:10.0.0.0/104`) becomes one of IPv4; if it is wider than what is written so,
/// there is none: it would hold for no client that its writer thought of.
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
