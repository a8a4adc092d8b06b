//! Object keys.

use crate::invalid::{Invalid, Result};

/// Longest key, in bytes of UTF-8 (S3 user guide, *Object key names*).
pub const KEY_MAX: usize = 1024;

/// Sorts after every key. No key has this character, so `prefix + LAST` is a bound of all keys with a prefix.
pub const LAST: char = '\u{10FFFF}';

/// Sorts before every character of a key, so `key + NEXT` is the smallest text after a key.
pub const NEXT: char = '\u{1}';

/// A valid key. Its bytes stay unchanged: `a//b`, `../a` and `a/` are keys like any other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectKey(String);

impl ObjectKey {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for ObjectKey {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self> {
        if text.is_empty() || text.len() > KEY_MAX {
            return Err(Invalid::KeyTooLong);
        }
        if let Some(bad) = text.chars().find(|c| !is_listable(*c)) {
            return Err(Invalid::Key(format!(
                "the key holds {bad:?}, which no listing can show; encode it in your own way"
            )));
        }
        Ok(Self(text.to_owned()))
    }
}

/// Whether XML 1.0 allows the character (section 2.2). The last code point is excluded.
fn is_listable(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..) && c != LAST
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_bytes_that_a_listing_can_show() {
        for good in ["a", "a/b", "a//b", "../a", "./a", "/", "a/", "ü+&=x~(1).txt", " ", "a\tb", &"k".repeat(1024)] {
            assert!(good.parse::<ObjectKey>().is_ok(), "{good:?}");
        }
        for bad in ["", &"k".repeat(1025), &"ü".repeat(513)] {
            assert!(matches!(bad.parse::<ObjectKey>(), Err(Invalid::KeyTooLong)), "{bad:?}");
        }
        for bad in ["a\0", "a\u{1}", "a\u{7}b", "\u{FFFE}", "a\u{10FFFF}"] {
            assert!(matches!(bad.parse::<ObjectKey>(), Err(Invalid::Key(_))), "{bad:?}");
        }
    }
}
