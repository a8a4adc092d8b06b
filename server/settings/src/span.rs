//! Lengths of time as Go writes them (`1h30m`). Dates and clocks do not live here.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

const HINT: &str =
    "expected a duration such as \"500ms\", \"300s\" or \"1h30m\" (units ns, us, ms, s, m, h; a week is 168h)";

/// Units, longest first; also the order in which a span is written.
const UNITS: [(&str, u128); 6] = [
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// A length of time, written as in Go: numbers with units, `1h`, `1h30m`, `1.5s`; never negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

impl From<Span> for Duration {
    fn from(span: Span) -> Self {
        span.0
    }
}

impl FromStr for Span {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "0" {
            return Ok(Self(Duration::ZERO));
        }
        let mut nanos: u128 = 0;
        let mut rest = text;
        while !rest.is_empty() || text.is_empty() {
            let (part, tail) = leading_part(rest).ok_or(HINT)?;
            nanos = nanos.checked_add(part).ok_or(HINT)?;
            rest = tail;
        }
        u64::try_from(nanos).map(|nanos| Self(Duration::from_nanos(nanos))).map_err(|_| HINT)
    }
}

/// One number with its unit as nanoseconds, and what follows it.
fn leading_part(text: &str) -> Option<(u128, &str)> {
    let (number, tail) = text.split_at(text.find(|c: char| !c.is_ascii_digit() && c != '.')?);
    let (unit, tail) = tail.split_at(tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len()));
    let unit = if unit == "µs" { "us" } else { unit };
    let scale = UNITS.iter().find(|(name, _)| *name == unit)?.1;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    // nine digits are nanoseconds of the largest fraction that can matter; more is a typing error
    if whole.is_empty() || fraction.is_empty() || fraction.len() > 9 {
        return None;
    }
    let part = scale * fraction.parse::<u128>().ok()? / 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    Some((whole.parse::<u128>().ok()?.checked_mul(scale)?.checked_add(part)?, tail))
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut nanos = self.0.as_nanos();
        if nanos == 0 {
            return f.write_str("0");
        }
        for (unit, scale) in UNITS {
            if nanos >= scale {
                write!(f, "{}{unit}", nanos / scale)?;
                nanos %= scale;
            }
        }
        Ok(())
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Span {
    fn schema_name() -> Cow<'static, str> {
        "Span".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^(0|([0-9]+(\\.[0-9]{1,9})?(ns|us|µs|ms|s|m|h))+)$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn go_syntax_is_read() {
        for (text, millis) in [
            ("1h", 3_600_000),
            ("24h", 86_400_000),
            ("300s", 300_000),
            ("500ms", 500),
            ("1h30m", 5_400_000),
            ("1.5s", 1_500),
            ("0", 0),
        ] {
            assert_eq!(text.parse::<Span>().unwrap().0, Duration::from_millis(millis), "{text}");
        }
    }

    #[test]
    fn other_writings_are_refused() {
        for text in ["", "5", "1d", "-1s", "s", ".s", "1.s", "1h 30m", "1h30", "99999999999h", "1..5s", "é"] {
            assert_eq!(text.parse::<Span>(), Err(HINT), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(nanos: u64) {
            let span = Span(Duration::from_nanos(nanos));
            prop_assert_eq!(span.to_string().parse::<Span>(), Ok(span));
        }
    }
}
