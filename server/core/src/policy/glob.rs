//! Matching globs in linear time, and the budget of steps of one decision.

use std::collections::HashMap;

/// The steps that a decision may still take to compare texts. A step is one byte of a glob or text that is looked at.
#[derive(Debug)]
pub(super) struct Work {
    left: u64,
    exhausted: bool,
}

impl Work {
    /// The budget of one decision. All patterns of the largest bucket policy on the longest key take less than a half.
    pub(super) const MAX: u64 = 1 << 22;

    pub(super) fn new(steps: u64) -> Self {
        Self { left: steps, exhausted: false }
    }

    /// Takes steps from the budget. False if there are not enough of them.
    fn spend(&mut self, steps: usize) -> bool {
        match self.left.checked_sub(steps as u64) {
            Some(left) if !self.exhausted => self.left = left,
            _ => self.exhausted = true,
        }
        !self.exhausted
    }

    /// Whether a comparison was given up, so that nothing can be allowed any more.
    pub(super) fn is_exhausted(&self) -> bool {
        self.exhausted
    }

    #[cfg(test)]
    pub(super) fn left(&self) -> u64 {
        self.left
    }
}

/// Whether a glob matches a whole text: `*` stands for any characters, also `/`, and `?` for one. False if the work is
/// exhausted.
pub(super) fn glob_matches(glob: &str, text: &str, work: &mut Work) -> bool {
    let Some((first, rest)) = glob.split_once('*') else {
        return prefix(glob, text, work).is_some_and(str::is_empty);
    };
    let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
    let Some(mut text) = prefix(first, text, work).and_then(|text| suffix(last, text, work)) else { return false };
    // the leftmost place of each part leaves the most for the next one
    for part in middle.split('*').filter(|part| !part.is_empty()) {
        match find(part, text, work) {
            Some(rest) => text = rest,
            None => return false,
        }
    }
    true
}

/// The text behind a part without stars.
fn prefix<'a>(part: &str, text: &'a str, work: &mut Work) -> Option<&'a str> {
    work.spend(part.len().min(text.len()) + 1).then_some(())?;
    let mut rest = text.chars();
    part.chars()
        .all(|wanted| rest.next().is_some_and(|found| wanted == '?' || wanted == found))
        .then_some(rest.as_str())
}

/// The text before a part without stars.
fn suffix<'a>(part: &str, text: &'a str, work: &mut Work) -> Option<&'a str> {
    work.spend(part.len().min(text.len()) + 1).then_some(())?;
    let mut rest = text.chars();
    let mut wanted = part.chars().rev();
    wanted.all(|wanted| rest.next_back().is_some_and(|found| wanted == '?' || wanted == found)).then_some(rest.as_str())
}

/// The text behind the leftmost place of a part without stars.
fn find<'a>(part: &str, text: &'a str, work: &mut Work) -> Option<&'a str> {
    if part.contains('?') {
        return find_open(part, text, work);
    }
    work.spend(part.len().min(text.len()) + 1).then_some(())?;
    let end = text.find(part).map(|at| at + part.len());
    work.spend(end.unwrap_or(text.len())).then_some(())?;
    end.map(|end| &text[end..])
}

/// As [`find`], for a part with question marks: one bit for each character of the part says whether the part matches up
/// to there (the Shift-And algorithm), so a character of the text takes one step for 64 characters of the part.
fn find_open<'a>(part: &str, text: &'a str, work: &mut Work) -> Option<&'a str> {
    let length = part.chars().count();
    let words = length.div_ceil(64);
    // at most one mask for each character of the part
    work.spend(part.len() + length * words).then_some(())?;
    let (mut any, mut masks) = (vec![0_u64; words], HashMap::new());
    for (at, wanted) in part.chars().enumerate() {
        let mask = if wanted == '?' { &mut any } else { masks.entry(wanted).or_insert_with(|| vec![0_u64; words]) };
        mask[at / 64] |= 1 << (at % 64);
    }
    let (none, mut state) = (vec![0_u64; words], vec![0_u64; words]);
    for (at, found) in text.char_indices() {
        work.spend(words).then_some(())?;
        let mask = masks.get(&found).unwrap_or(&none);
        let mut carry = 1;
        for (word, (mask, any)) in state.iter_mut().zip(mask.iter().zip(&any)) {
            let next = (*word << 1) | carry;
            carry = *word >> 63;
            *word = next & (mask | any);
        }
        if state.last().is_some_and(|word| word & (1 << ((length - 1) % 64)) != 0) {
            return Some(&text[at + found.len_utf8()..]);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The obvious way, exponential.
    fn slowly(glob: &[char], text: &[char]) -> bool {
        match (glob.split_first(), text.split_first()) {
            (None, None) => true,
            (Some(('*', rest)), None) => slowly(rest, text),
            (Some(('*', rest)), Some((_, tail))) => slowly(rest, text) || slowly(glob, tail),
            (Some(('?', rest)), Some((_, tail))) => slowly(rest, tail),
            (Some((wanted, rest)), Some((found, tail))) => wanted == found && slowly(rest, tail),
            _ => false,
        }
    }

    fn matched(glob: &str, text: &str) -> bool {
        glob_matches(glob, text, &mut Work::new(Work::MAX))
    }

    /// Steps are proportional to the sum of both lengths, but for one step for 64 characters behind a star and a
    /// question mark.
    fn assert_linear(glob: &str, text: &str) {
        let mut work = Work::new(u64::MAX);
        glob_matches(glob, text, &mut work);
        let (glob_len, text_len) = (glob.len() as u64, text.len() as u64);
        let most = 4 * (glob_len + text_len + 1) + (glob_len + text_len) * glob_len.div_ceil(64);
        assert!(u64::MAX - work.left() <= most, "{glob} on {text} took {} steps", u64::MAX - work.left());
    }

    #[test]
    fn parts_longer_than_a_word_are_found() {
        let part = format!("{}?b", "a".repeat(150));
        let text = format!("{}xb", "a".repeat(1000));
        assert!(matched(&format!("*{part}"), &text) && matched(&format!("*{part}*"), &text));
        assert!(matched(&format!("a*{part}*"), &format!("{text}tail")));
        assert!(!matched(&format!("*{part}c*"), &text));
        for glob in ["*a*a*a*a*a*a*a*b", "*a?a?a?a?a?a?a?b*", "*?????????????????x*", &format!("*{part}*")] {
            assert_linear(glob, &"a".repeat(1024));
        }
    }

    #[test]
    fn without_steps_nothing_matches() {
        let mut work = Work::new(20);
        assert!(glob_matches("a*", "abc", &mut work) && !work.is_exhausted());
        assert!(!glob_matches("*a?c*", &"abx".repeat(100), &mut work) && work.is_exhausted());
        assert!(!glob_matches("a", "a", &mut work), "what is exhausted stays so");
    }

    proptest! {
        #[test]
        fn globs_match_as_the_obvious_way_does(glob in "[ab*?ü]{0,8}", text in "[abü]{0,10}") {
            let (g, t): (Vec<char>, Vec<char>) = (glob.chars().collect(), text.chars().collect());
            prop_assert_eq!(matched(&glob, &text), slowly(&g, &t));
        }

        #[test]
        fn steps_grow_with_the_sum_of_the_lengths(glob in "[ab*?ü]{0,200}", text in "[abü]{0,1000}") {
            assert_linear(&glob, &text);
        }
    }
}
