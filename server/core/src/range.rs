//! Byte ranges of RFC 9110 section 14, resolved against a length.

/// Most ranges of one request. A header with more is ignored (RFC 9110 section 14.2 permits that).
pub const RANGES_MAX: usize = 64;

/// A part of some content: `start..end`, in bytes, never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteRange {
    pub start: u64,
    /// One past the last byte.
    pub end: u64,
}

impl ByteRange {
    /// Its length in bytes.
    pub fn length(&self) -> u64 {
        self.end - self.start
    }

    /// The value of `Content-Range` for this part of `size` bytes: `bytes 0-99/1234` (RFC 9110 section 14.4).
    pub fn content_range(&self, size: u64) -> String {
        format!("bytes {}-{}/{size}", self.start, self.end.saturating_sub(1))
    }
}

/// The meaning of a `Range` header for content of a certain length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// No header, another unit, malformed, or abusive: the whole content.
    Whole,
    /// One or more parts, in the requested order.
    Parts(Vec<ByteRange>),
    /// All parts are outside of the content: 416.
    Unsatisfiable,
}

/// Resolves a `Range` header against `length` bytes. An end beyond the content is cut; parts outside are left out.
pub fn select(header: Option<&str>, length: u64) -> Selection {
    // names of units ignore case (RFC 9110 section 14.1)
    let unit_and_specs = header.and_then(|h| h.trim().split_once('='));
    let Some((_, specs)) = unit_and_specs.filter(|(unit, _)| unit.eq_ignore_ascii_case("bytes")) else {
        return Selection::Whole;
    };
    let mut parts = Vec::new();
    for (count, spec) in specs.split(',').map(str::trim).filter(|s| !s.is_empty()).enumerate() {
        if count == RANGES_MAX {
            return Selection::Whole;
        }
        match resolve(spec, length) {
            Ok(Some(part)) => parts.push(part),
            Ok(None) => {}
            // clients must not rely on a malformed header being an error, but 416 says more than the whole content
            Err(Malformed) => return if spec_is_reversed(spec) { Selection::Unsatisfiable } else { Selection::Whole },
        }
    }
    // ranges that are together longer than the content are an amplification (RFC 9110 section 17.15)
    if parts.len() > 1 && parts.iter().map(ByteRange::length).sum::<u64>() > length {
        return Selection::Whole;
    }
    if parts.is_empty() { Selection::Unsatisfiable } else { Selection::Parts(parts) }
}

struct Malformed;

fn resolve(spec: &str, length: u64) -> Result<Option<ByteRange>, Malformed> {
    let (first, last) = spec.split_once('-').ok_or(Malformed)?;
    let number = |text: &str| -> Result<u64, Malformed> {
        if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(Malformed);
        }
        // a number of more than 64 bits is beyond any content
        Ok(text.parse().unwrap_or(u64::MAX))
    };
    let (start, end) = match (first, last) {
        ("", last) => (length.saturating_sub(number(last)?), length),
        (first, "") => (number(first)?, length),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            if last < first {
                return Err(Malformed);
            }
            (first, last.saturating_add(1).min(length))
        }
    };
    Ok((start < end).then_some(ByteRange { start, end }))
}

fn spec_is_reversed(spec: &str) -> bool {
    spec.split_once('-')
        .and_then(|(first, last)| Some((first.parse::<u64>().ok()?, last.parse::<u64>().ok()?)))
        .is_some_and(|(first, last)| last < first)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parts(header: &str, length: u64) -> Vec<(u64, u64)> {
        match select(Some(header), length) {
            Selection::Parts(parts) => parts.iter().map(|p| (p.start, p.end)).collect(),
            other => panic!("{header}: {other:?}"),
        }
    }

    #[test]
    fn single_ranges() {
        assert_eq!(parts("bytes=0-0", 10), [(0, 1)]);
        assert_eq!(parts("BYTES=0-0", 10), [(0, 1)]);
        assert_eq!(parts("bytes=5-", 10), [(5, 10)]);
        assert_eq!(parts("bytes=-3", 10), [(7, 10)]);
        assert_eq!(parts("bytes=-30", 10), [(0, 10)]);
        assert_eq!(parts("bytes=2-5000", 10), [(2, 10)]);
        assert_eq!(parts("bytes=2-99999999999999999999999999", 10), [(2, 10)]);
    }

    #[test]
    fn several_ranges_keep_their_order_and_lose_those_outside() {
        assert_eq!(parts("bytes=5-6, 0-1", 10), [(5, 7), (0, 2)]);
        assert_eq!(parts("bytes=0-1,50-60", 10), [(0, 2)]);
    }

    #[test]
    fn nothing_inside_is_unsatisfiable() {
        for header in ["bytes=10-", "bytes=500-600", "bytes=-0", "bytes=500-0", "bytes="] {
            assert_eq!(select(Some(header), 10), Selection::Unsatisfiable, "{header}");
        }
        assert_eq!(select(Some("bytes=0-"), 0), Selection::Unsatisfiable);
    }

    #[test]
    fn other_units_malformed_and_abusive_headers_get_the_whole() {
        let many = format!("bytes={}", "0-0,".repeat(1000));
        for header in
            ["items=0-5", "bytes 0-5", "bytes=a-b", "bytes=5", "bytes=--5", "bytes=0-9,0-9", "bytes=+1-2", &many]
        {
            assert_eq!(select(Some(header), 10), Selection::Whole, "{header}");
        }
        assert_eq!(select(None, 10), Selection::Whole);
    }

    proptest! {
        #[test]
        fn a_selection_lies_within_the_content(header in "(bytes=)?[0-9,\\- ]{0,40}", length in 0u64..100) {
            if let Selection::Parts(parts) = select(Some(&header), length) {
                prop_assert!(!parts.is_empty());
                for part in parts {
                    prop_assert!(part.start < part.end && part.end <= length);
                }
            }
        }
    }
}
