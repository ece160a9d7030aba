//! Text from outside: bounded, escaped and named before it goes anywhere. Knows nothing of where it goes.

/// Cuts `text` to at most `limit` characters, at a character's boundary, and says that it did so.
pub fn bounded(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(limit.saturating_sub(1)).collect();
    cut.push('…');
    cut
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
    fn only_a_near_name_is_suggested() {
        assert_eq!(nearest("endpoint", ["endpoints", "alarms"]), Some("endpoints"));
        assert_eq!(nearest("zebra", ["endpoints", "alarms"]), None);
    }
}
