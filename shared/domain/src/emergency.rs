//! The emergency lane: a deployment whose description asks to be let through unchecked. Knows nothing of what is not checked then.

use crate::deployment::Deployment;
use crate::text::bounded;

/// How it is asked for; said wherever it is asked for in another way.
pub const HOW_TO_ASK: &str = "[greenlight skip: why]";

/// The longest reason, in characters.
const REASON: usize = 300;

/// What a deployment's description says of the emergency lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Skip {
    /// It asks for it, for this reason; text from outside, bounded and on one line.
    Asked(String),
    /// It asks for it without a reason, so it is not let through.
    WithoutReason,
}

/// Reads `[greenlight skip: reason]` in a description, wherever it stands and in whichever case.
pub fn asked(description: &str) -> Option<Skip> {
    // ASCII letters keep their place in the text when their case changes.
    let lower = description.to_ascii_lowercase();
    let word = lower.match_indices("[greenlight").find_map(|(at, opening)| {
        let rest = lower.get(at + opening.len()..)?;
        let word = rest.trim_start();
        (word.len() < rest.len() && word.starts_with("skip")).then_some(word)
    })?;
    let rest = description.get(description.len() - (word.len() - "skip".len())..)?;
    let inner = rest.trim_start().strip_prefix(':').and_then(|reason| reason.split_once(']')).map(|(reason, _)| reason);
    let reason: Vec<&str> = inner.unwrap_or_default().split(|c: char| c.is_whitespace() || c.is_control()).collect();
    let reason = reason.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    // Dots and dashes are no reason.
    let is_empty = reason.chars().all(|c| !c.is_alphanumeric());
    Some(if is_empty { Skip::WithoutReason } else { Skip::Asked(bounded(&reason, REASON)) })
}

/// Who created a deployment, as far as CodeDeploy and the description's `by=…` tell; text from outside.
pub fn asker(deployment: &Deployment) -> String {
    match (deployment.described("by"), deployment.creator.as_str()) {
        (Some(name), _) => format!("`{}`", bounded(name, 100)),
        (None, "" | "user") => "a person or a pipeline".to_owned(),
        (None, creator) => format!("`{}`", bounded(creator, 100)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_taken_and_bounded_and_without_one_nothing_is_let_through() {
        let reason = |text: &str| Some(Skip::Asked(text.to_owned()));
        let cases = [
            ("git_sha=abc", None),
            ("", None),
            ("greenlight skip: no brackets", None),
            ("[greenlight skipped: x", Some(Skip::WithoutReason)),
            ("[greenlightskip: x]", None),
            ("[greenlight skip: the cure for the red alarm] git_sha=abc", reason("the cure for the red alarm")),
            ("git_sha=abc [Greenlight SKIP :INC-42]", reason("INC-42")),
            ("ÄÖÜ [greenlight  skip: größer\n  als gedacht ]", reason("größer als gedacht")),
            ("[greenlight skip]", Some(Skip::WithoutReason)),
            ("[greenlight skip: ]", Some(Skip::WithoutReason)),
            ("[greenlight skip: … ]", Some(Skip::WithoutReason)),
            ("[greenlight skip: the bracket is missing", Some(Skip::WithoutReason)),
        ];
        for (description, expected) in cases {
            assert_eq!(asked(description), expected, "{description}");
        }
        let Some(Skip::Asked(long)) = asked(&format!("[greenlight skip: {}]", "ö".repeat(5000))) else { panic!() };
        assert_eq!(long.chars().count(), REASON);
    }
}
