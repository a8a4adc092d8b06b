//! Credential scope and times.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// Longest accepted region; the longest of AWS has 14 letters.
const REGION: usize = 64;

/// Day, region and service of a signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scope {
    /// `yyyymmdd`.
    pub(super) date: String,
    pub(super) region: String,
    pub(super) service: String,
}

impl Scope {
    /// Splits `access-key/date/region/service/aws4_request`. An access key may have slashes, the rest not.
    pub(super) fn parse(credential: &str) -> Option<(String, Self)> {
        let mut parts = credential.rsplitn(5, '/');
        let (terminator, service, region, date, access_key) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let date_ok = date.len() == 8 && date.bytes().all(|byte| byte.is_ascii_digit());
        let region_ok = region.len() <= REGION && region.bytes().all(|byte| byte.is_ascii_graphic());
        if terminator != "aws4_request" || access_key.is_empty() || !date_ok || !region_ok {
            return None;
        }
        let scope = Self { date: date.to_owned(), region: region.to_owned(), service: service.to_owned() };
        Some((access_key.to_owned(), scope))
    }

    /// The line of the string to sign.
    pub(super) fn text(&self) -> String {
        let Self { date, region, service } = self;
        format!("{date}/{region}/{service}/aws4_request")
    }
}

/// The time of a request, and how it stands in the string to sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) time: Timestamp,
    pub(super) text: String,
}

impl Stamp {
    /// `x-amz-date`: `yyyymmddThhmmssZ` and nothing else.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let bytes: &[u8; 16] = text.as_bytes().try_into().ok()?;
        if bytes[8] != b'T' || bytes[15] != b'Z' {
            return None;
        }
        let number = |from: usize, to: usize| -> Option<i16> {
            bytes
                .get(from..to)?
                .iter()
                .try_fold(0_i16, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + i16::from(byte - b'0')))
        };
        let small = |from: usize| number(from, from + 2).and_then(|value| i8::try_from(value).ok());
        let civil = DateTime::new(number(0, 4)?, small(4)?, small(6)?, small(9)?, small(11)?, small(13)?, 0).ok()?;
        let time = civil.to_zoned(TimeZone::UTC).ok()?.timestamp();
        Some(Self { time, text: text.to_owned() })
    }

    /// The `Date` header (RFC 9110 section 5.6.7), for clients without `x-amz-date`. Some write the other
    /// form there.
    pub(super) fn parse_date(text: &str) -> Option<Self> {
        Self::parse(text).or_else(|| {
            let time = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
            Some(Self { time, text: time.strftime("%Y%m%dT%H%M%SZ").to_string() })
        })
    }

    /// Seconds since then; negative for a time in the future.
    pub(super) fn age(&self, now: Timestamp) -> i64 {
        now.as_second().saturating_sub(self.time.as_second())
    }
}
