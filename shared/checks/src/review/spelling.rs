//! References that are spelt so that they are none, and would be sent as they stand. Knows nothing of what a reference stands for.

use domain::config::SecretRef;
use domain::text::{bounded, nearest};

use crate::template::other_braces;

/// What is wrong with the references in a text, each in a sentence.
pub(super) fn misspelt(text: &str) -> Vec<String> {
    let mut wrong: Vec<String> = other_braces(text).into_iter().filter_map(in_braces).collect();
    // `authorization: secret:app#token`, with or without `Bearer` before it.
    let bare = |word: &&str| matches!(SecretRef::parse(word), Ok(SecretRef::SecretsManager { .. }));
    if !text.contains("{{")
        && let Some(word) = text.split_whitespace().find(bare)
    {
        let shown = bounded(word, 60);
        wrong.push(format!("`{shown}` without braces is sent as it stands; write `\"{{{{ {shown} }}}}\"`"));
    }
    wrong
}

/// What stands in braces and is no name, where it is meant to be a secret or a variable.
fn in_braces(inner: &str) -> Option<String> {
    let end = inner.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(inner.len());
    let (word, rest) = inner.split_at(end);
    let lower = word.to_ascii_lowercase();
    let is_near = rest.trim_start().starts_with(':') && nearest(&lower, ["secret", "env"]).is_some();
    if !lower.starts_with("secret") && !lower.starts_with("env") && !is_near {
        return None;
    }
    let kind = nearest(&lower, ["secret", "env"]).unwrap_or(if lower.starts_with('s') { "secret" } else { "env" });
    let meant = format!("{kind}:{}", rest.trim_start_matches([':', ' ', '.', '/']).trim());
    let is_fine = SecretRef::parse(&meant).is_ok() && !meant.contains(char::is_whitespace);
    let hint = if is_fine {
        format!("did you mean `{{{{ {} }}}}`?", bounded(&meant, 60))
    } else {
        "write `{{ secret:<name>#<key> }}` or `{{ env:<NAME> }}`".to_owned()
    };
    Some(format!("`{{{{ {} }}}}` is no reference and would be sent as it stands; {hint}", bounded(inner, 60)))
}
