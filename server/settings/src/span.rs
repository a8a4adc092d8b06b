//! Durations as Go writes them (`1h30m`).

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::fmt::friendly::{Spacing, SpanParser, SpanPrinter};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

const HINT: &str =
    "expected a duration such as \"500ms\", \"300s\" or \"1h30m\" (units ns, us, ms, s, m, h; a week is 168h)";
const PARSER: SpanParser = SpanParser::new();
const PRINTER: SpanPrinter = SpanPrinter::new().spacing(Spacing::None);

/// A length of time, written as in Go: numbers with units, `1h`, `1h30m`, `1.5s`; never negative. Larger units come first, and
/// only the last number may have a fraction.
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
        // the parser also accepts words, blanks, signs and clock times, which other readers of the file do not
        let is_go = text.chars().all(|c| c.is_ascii_digit() || ".hmsnuµ".contains(c));
        let span = PARSER.parse_unsigned_duration(text).ok().filter(|_| is_go);
        // more nanoseconds than fit are a typing error
        span.filter(|span| u64::try_from(span.as_nanos()).is_ok()).map(Self).ok_or(HINT)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&PRINTER.unsigned_duration_to_string(&self.0))
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
            ("1.5h", 5_400_000),
            ("1h30m0.5s", 5_400_500),
            ("100us", 0),
            ("0", 0),
            ("0s", 0),
        ] {
            assert_eq!(text.parse::<Span>().unwrap().0.as_millis(), millis, "{text}");
        }
    }

    #[test]
    fn other_writings_are_refused() {
        for text in [
            "",
            "5",
            "1d",
            "1w",
            "-1s",
            "+1s",
            "s",
            ".s",
            "1.s",
            "1h 30m",
            "1h, 30m",
            "1h30",
            "30m1h",
            "1h ago",
            "PT1H",
            "01:00:00",
            "1 hour",
            "1hour",
            "99999999999h",
            "1..5s",
            "é",
        ] {
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
