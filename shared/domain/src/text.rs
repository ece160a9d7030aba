//! Text from outside: bounded, escaped and named before it goes anywhere. Knows nothing of where it goes.

use std::ops::Range;

/// Cuts `text` to at most `limit` characters, at a character's boundary, and says that it did so.
pub fn bounded(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(limit.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

/// The URL without the user and the password that may stand before its host.
pub fn without_secrets(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let host = authority.rsplit('@').next().unwrap_or(authority);
    format!("{scheme}://{host}{path}")
}

/// Where in a text there may be a user and a password of a URL, however badly that is written: in each word what stands between the
/// scheme, where there is one, and the last `@`. Rather too much than too little.
pub fn credentials_in(text: &str) -> Vec<Range<usize>> {
    let ends_word = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`');
    let mut at = 0;
    let mut found = Vec::new();
    for word in text.split_inclusive(ends_word) {
        let scheme = ["://", ":/"].into_iter().find_map(|mark| word.find(mark).map(|start| start + mark.len()));
        let rest = word.get(scheme.unwrap_or(0)..).unwrap_or_default();
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let before = |part: &str| {
            part.rfind('@').filter(|end| scheme.is_some() || part.get(..*end).unwrap_or_default().contains(':'))
        };
        // A password may have a slash in it, against the rules.
        let end =
            before(authority).or_else(|| before(rest).filter(|end| rest.get(..*end).unwrap_or_default().contains(':')));
        let start = at + scheme.unwrap_or(0);
        found.extend(end.filter(|end| *end > 0).map(|end| start..start + end));
        at += word.len();
    }
    found
}

/// The text with `***` in place of each of those.
pub fn without_credentials(text: &str) -> String {
    let (mut out, mut at) = (String::new(), 0);
    for found in credentials_in(text) {
        out.push_str(text.get(at..found.start).unwrap_or_default());
        out.push_str("***");
        at = found.end;
    }
    out.push_str(text.get(at..).unwrap_or_default());
    out
}

/// The candidate that `wrong` was most likely meant to be, when one is near enough to be worth naming.
pub fn nearest<'a>(wrong: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(wrong, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len().min(wrong.len()) / 3)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// The text on one line, with nothing in it that a terminal would obey or nobody would see: line breaks and tabs become blanks, and
/// characters that control, that turn the direction of writing, or that have no width are left out.
pub fn visible(text: &str) -> String {
    let shown = |c: char| match c {
        '\n' | '\r' | '\t' | '\u{85}' | '\u{2028}' | '\u{2029}' => Some(' '),
        _ if c.is_control() || is_unseen(c) => None,
        _ => Some(c),
    };
    text.chars().filter_map(shown).collect()
}

/// Marks of direction (Unicode's UAX #9), characters without a width, and tags.
fn is_unseen(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
    )
}

/// The innermost cause of an error. The outer ones of an HTTP client name the URL, which may carry a secret.
pub fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// `1 check`, `3 checks`.
pub fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_in_characters_not_bytes() {
        assert_eq!(bounded("äöü", 3), "äöü");
        assert_eq!(bounded("äöüß", 3), "äö…");
    }

    #[test]
    fn what_is_visible_is_all_that_is_left() {
        // An ANSI sequence, the same with C1's CSI, an override of direction, a zero-width space, a byte order mark.
        let text = "a\u{1b}[2Jb\u{9b}31mc\u{202e}d\u{200b}e\u{feff}f\u{2066}g\r\nh\u{2028}i\tj\u{7f}";
        assert_eq!(visible(text), "a[2Jb31mcdefg  h i j");
        assert_eq!(visible("Grüße, 世界 ✓ \u{1f600}"), "Grüße, 世界 ✓ \u{1f600}");
    }

    #[test]
    fn credentials_are_found_in_urls_that_are_none() {
        for (text, expected) in [
            ("`https://ada:pw@host/x@y` has", "`https://***@host/x@y` has"),
            ("ftp://ada@host", "ftp://***@host"),
            ("https:/ada:pw@host, ada:pw@host", "https:/***@host, ***@host"),
            ("https://ada:p/w@host", "https://***@host"),
            (
                "{test: 'https://a:b@h', production: \"http://c:d@h\"}",
                "{test: 'https://***@h', production: \"http://***@h\"}",
            ),
        ] {
            assert_eq!(without_credentials(text), expected);
        }
        for text in ["https://host/a@b", "mail ada@example.com", "/users/a@b", "https://@host", "a: b", "12:30"] {
            assert_eq!(without_credentials(text), text);
        }
        assert_eq!(without_secrets("https://ada:pw@host:1/x@y"), "https://host:1/x@y");
    }

    #[test]
    fn only_a_near_name_is_suggested() {
        assert_eq!(nearest("endpoint", ["endpoints", "alarms"]), Some("endpoints"));
        assert_eq!(nearest("zebra", ["endpoints", "alarms"]), None);
    }
}
