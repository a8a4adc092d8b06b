//! zot's repository patterns (`bmatcuk/doublestar`): `**` matches any number of components, `*` and `?` stay within
//! one, `[…]` and `{…,…}` are choices. In this store's patterns `*` crosses slashes.

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Pattern {
    /// `**`: all repositories.
    All,
    /// `team/app`: this repository.
    Exact(String),
    /// `team/**`: `team` and all below it.
    Subtree(String),
    /// A pattern that no pattern of this store equals.
    Other {
        /// The common prefix of its matches.
        prefix: String,
        /// A glob of this store that matches more.
        wider: String,
    },
}

const SPECIAL: [char; 5] = ['*', '?', '[', '{', '\\'];

impl Pattern {
    pub(super) fn of(text: &str) -> Self {
        let is_plain = |text: &str| !text.contains(SPECIAL);
        match text.strip_suffix("/**") {
            _ if text == "**" => Self::All,
            Some(root) if is_plain(root) => Self::Subtree(root.to_owned()),
            _ if is_plain(text) => Self::Exact(text.to_owned()),
            _ => {
                let plain = text.find(SPECIAL).map_or(text, |at| &text[..at]);
                // "a/**/b" matches "a/b", and "a/**" matches "a"
                Self::Other { prefix: plain.trim_end_matches('/').to_owned(), wider: wider(text) }
            }
        }
    }

    /// The pattern of this store that matches the same repositories, if there is one.
    pub(super) fn same(&self) -> Option<String> {
        match self {
            Self::All => Some("repository:*".to_owned()),
            Self::Exact(name) => Some(format!("repository:{name}")),
            Self::Subtree(root) => Some(format!("repository:{root}/*")),
            Self::Other { .. } => None,
        }
    }

    /// The pattern of this store that matches at least these repositories.
    pub(super) fn at_least(&self) -> String {
        match self {
            Self::Other { wider, .. } => format!("repository:{wider}"),
            Self::All | Self::Exact(_) | Self::Subtree(_) => self.same().unwrap_or_default(),
        }
    }

    /// Whether both may match one repository. Unless one of them is [`Pattern::Other`], the answer is exact.
    pub(super) fn may_meet(&self, other: &Self) -> bool {
        let below = |root: &str, name: &str| {
            name.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        match (self, other) {
            (Self::All, _) | (_, Self::All) => true,
            (Self::Exact(a), Self::Exact(b)) => a == b,
            (Self::Exact(name), Self::Subtree(root)) | (Self::Subtree(root), Self::Exact(name)) => below(root, name),
            (Self::Subtree(a), Self::Subtree(b)) => below(a, b) || below(b, a),
            (Self::Other { prefix, .. }, Self::Exact(name)) | (Self::Exact(name), Self::Other { prefix, .. }) => {
                name.starts_with(prefix.as_str())
            }
            (Self::Other { prefix: a, .. }, Self::Subtree(b) | Self::Other { prefix: b, .. })
            | (Self::Subtree(b), Self::Other { prefix: a, .. }) => {
                a.starts_with(b.as_str()) || b.starts_with(a.as_str())
            }
        }
    }
}

/// A glob of this store that matches everything that zot's pattern matches.
fn wider(text: &str) -> String {
    let mut wide = String::new();
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '*' => {
                let is_double = rest.next_if_eq(&'*').is_some();
                if is_double && wide.ends_with('/') && matches!(rest.peek(), None | Some('/')) {
                    // "/**" may match nothing
                    wide.pop();
                }
                if is_double && (wide.is_empty() || rest.peek() == Some(&'/')) {
                    // and "**/" too
                    rest.next_if_eq(&'/');
                }
                wide.push('*');
            }
            // the rest is not translated
            '[' | '{' | '\\' => {
                wide.push('*');
                break;
            }
            c => wide.push(c),
        }
    }
    while wide.contains("**") {
        wide = wide.replace("**", "*");
    }
    wide
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_sorted_by_whether_this_store_has_the_same() {
        let same = |text: &str| Pattern::of(text).same();
        for (zot, ours) in
            [("**", "repository:*"), ("team/app", "repository:team/app"), ("team/a/**", "repository:team/a/*")]
        {
            assert_eq!(same(zot).as_deref(), Some(ours));
        }
        for (zot, wider) in [
            ("*", "*"),
            ("team/*", "team/*"),
            ("team/*/**", "team/*"),
            ("team/**/app", "team*app"),
            ("**/app", "*app"),
            ("te?m/**", "te?m*"),
            ("team/v[0-9]", "team/v*"),
            ("{a,b{c,d}}/x", "*"),
            ("te[", "te*"),
            ("a\\*b\\c", "a*"),
            ("a**b", "a*b"),
        ] {
            assert_eq!((same(zot), Pattern::of(zot).at_least()), (None, format!("repository:{wider}")), "{zot}");
        }
    }

    #[test]
    fn patterns_meet_where_a_repository_is_in_both() {
        for (a, b, meets) in [
            ("**", "team/*", true),
            ("team/**", "team", true),
            ("team/**", "team/app", true),
            ("team/**", "teams/**", false),
            ("team/a/**", "team/**", true),
            ("team/a", "team/b", false),
            ("team/*", "team/app", true),
            ("team/*", "other/**", false),
            ("te?m/**", "team/a/**", true),
        ] {
            assert_eq!(Pattern::of(a).may_meet(&Pattern::of(b)), meets, "{a} {b}");
            assert_eq!(Pattern::of(b).may_meet(&Pattern::of(a)), meets, "{b} {a}");
        }
    }
}
