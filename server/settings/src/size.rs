//! Sizes in bytes with units (`5Gi`, `10GB`).

use std::borrow::Cow;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

const HINT: &str = "expected a whole number of bytes, or one with a unit such as \"512MiB\", \"5Gi\" or \"10GB\"";

/// A number of bytes: an integer, or a string with a unit. `k`, `M`, `G`, `T` are powers of 1000, `Ki`, `Mi`, `Gi`,
/// `Ti` powers of 1024; a `B` may follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct ByteSize(pub u64);

impl FromStr for ByteSize {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
        let scale: u64 = match unit.trim_start().trim_end_matches('B') {
            "" => 1,
            "k" | "K" => 1000,
            "M" => 1000_u64.pow(2),
            "G" => 1000_u64.pow(3),
            "T" => 1000_u64.pow(4),
            "Ki" => 1 << 10,
            "Mi" => 1 << 20,
            "Gi" => 1 << 30,
            "Ti" => 1 << 40,
            _ => return Err(HINT),
        };
        number.parse::<u64>().ok().and_then(|number| number.checked_mul(scale)).map(Self).ok_or(HINT)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Number(number) => number.as_u64().map(Self).ok_or(HINT),
            Value::String(text) => text.parse(),
            _ => Err(HINT),
        }
        .map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for ByteSize {
    fn schema_name() -> Cow<'static, str> {
        "ByteSize".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["integer", "string"], "minimum": 1, "pattern": "^[0-9]+ ?([kKMGT]|[KMGT]i)?B?$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_and_without_units() {
        for (text, bytes) in [
            ("0", 0),
            ("5368709120", 5 << 30),
            ("5Gi", 5 << 30),
            ("512MiB", 512 << 20),
            ("10GB", 10_000_000_000),
            ("1 kB", 1000),
            ("7B", 7),
        ] {
            assert_eq!(text.parse(), Ok(ByteSize(bytes)), "{text}");
        }
        assert_eq!(serde_json::from_str::<ByteSize>("42").unwrap(), ByteSize(42));
    }

    #[test]
    fn other_writings_are_refused() {
        for text in ["", "B", "Gi", "-1", "1.5Gi", "5m", "5Pi", "99999999Ti", "5 0", "5é"] {
            assert_eq!(text.parse::<ByteSize>(), Err(HINT), "{text}");
        }
        assert!(serde_json::from_str::<ByteSize>("-1").is_err());
        assert!(serde_json::from_str::<ByteSize>("1.5").is_err());
    }
}
