//! What is called like a secret, or looks like one, in a text that somebody else wrote. Knows nothing of the secrets that are known, or of where the
//! text goes.

use std::ops::Range;
use std::sync::OnceLock;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use regex_lite::Regex;

use crate::text::{bounded, visible};

/// A name that is one of a secret. Its parts may be joined in any of the usual ways: `api_key`, `apiKey`, `x-api-key`.
const NAME: &str = r"(?:[a-z0-9_.\-]*(?:passw(?:or)?d|passphrase|secret|token|api[_\-]?key|access[_\-]?key|private[_\-]?key|authorization|cookie|session|credential|signature|jwt)[a-z0-9_.\-]*|\b(?:pwd|pass|otp|pin|sid|auth)\b)";

struct Patterns {
    name: Regex,
    member: Regex,
    element: Regex,
    bearer: Regex,
    basic: Regex,
    json_web_token: Regex,
    access_key: Regex,
    vendors: Regex,
    credentials: Regex,
}

/// Every expression is a constant, so that either all of them are there, as a test sees to, or none ever was.
fn patterns() -> Option<&'static Patterns> {
    static PATTERNS: OnceLock<Option<Patterns>> = OnceLock::new();
    let read = || {
        let regex = |text: &str| Regex::new(&format!("(?is){text}")).ok();
        Some(Patterns {
            name: regex(NAME)?,
            // A name, `:` or `=`, and a value: in escaped quotes (JSON within JSON), in quotes, a list or map, or bare.
            member: regex(&format!(
                r#"({NAME})(?:\\*["'])?\s*[:=]\s*(?:\\+"((?:[^"\\]|\\+[^"\\]|\\\\\\")*)|"((?:[^"\\]|\\.)*)|'([^']*)|([\[{{])|([^\s&,;"'<>\]}}\\]+))"#
            ))?,
            element: regex(&format!(r"<{NAME}(?:\s[^>]*)?>([^<]+)"))?,
            bearer: regex(r"\bbearer\s+([a-z0-9._~+/=\-]+)")?,
            basic: regex(r"\bbasic\s+([a-z0-9+/_\-]{4,}=*)")?,
            // A JSON Web Token's header begins with `{"` (RFC 7519), which is `eyJ` in Base64.
            json_web_token: Regex::new(r"eyJ[A-Za-z0-9_\-]{4,}\.[A-Za-z0-9_\-]+(?:\.[A-Za-z0-9_\-]*)?").ok()?,
            // The beginnings of AWS's keys ("Unique identifiers", IAM user guide).
            access_key: Regex::new(r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{12,}").ok()?,
            // Slack's tokens ("Token types", Slack's documentation) and its webhooks' addresses, which are secrets as a whole; GitHub's tokens ("About
            // authentication to GitHub", "GitHub's token formats"); by their documented beginnings those of Atlassian, GitLab, Stripe, Google and npm; a
            // private key in PEM (RFC 7468), whose lines may have become one.
            vendors: Regex::new(
                r"\bx(?:ox[a-z]|app|oxe\.xox[a-z])-[A-Za-z0-9.\-]{8,}|hooks\.slack\.com/[A-Za-z0-9/_\-]{8,}|\bgh[a-z]_[A-Za-z0-9]{20,}|\bgithub_pat_[A-Za-z0-9_]{20,}|\bATATT3[A-Za-z0-9_\-=]{20,}|\bglpat-[A-Za-z0-9_\-]{16,}|\b[rs]k_(?:live|test)_[A-Za-z0-9]{16,}|\bAIza[A-Za-z0-9_\-]{30,}|\bnpm_[A-Za-z0-9]{30,}|-----BEGIN [A-Z ]*PRIVATE KEY-----[A-Za-z0-9+/=\s]*(?:-----END [A-Z ]*PRIVATE KEY-----)?",
            )
            .ok()?,
            credentials: regex(r#"://([^/\s@"']+:[^/\s@"']*)@"#)?,
        })
    };
    PATTERNS.get_or_init(read).as_ref()
}

/// Whether a value of this name is not to be shown: a header, or a JSONPath with such a member in it. What counts tokens
/// (`total_tokens`) is none.
pub fn is_secret_name(name: &str) -> bool {
    patterns().is_none_or(|patterns| patterns.name.find_iter(name).any(|found| !counts(found.as_str())))
}

fn counts(name: &str) -> bool {
    name.to_ascii_lowercase().ends_with("tokens")
}

/// What stands in the place of a secret.
pub const HIDDEN: &str = "***";

/// The text with `***` in place of all that is called like a secret or looks like one. A text is masked before it is cut: half a secret is found by
/// nobody afterwards.
pub fn without(text: &str) -> String {
    redacted(text, spans(text))
}

/// A text from outside as it may be shown: on one line, with nothing in it that is not seen, without what is called like a secret or looks like
/// one, and in at most `limit` characters. A long one is not looked through beyond what may be shown of it.
pub fn shown(text: &str, limit: usize) -> String {
    // Enough of it for `limit` characters to be left, whatever is hidden.
    let end = text.char_indices().nth(limit.saturating_mul(4)).map_or(text.len(), |(at, _)| at);
    let head = visible(text.get(..end).unwrap_or(text));
    let mut masked = without(&head);
    if end < text.len() && masked.chars().count() <= limit {
        // So much was hidden that the cut itself may come to be seen: half a token has no form.
        masked.truncate(masked.trim_end_matches(|c: char| !c.is_whitespace() && c != '"').len());
        masked.push('…');
    }
    bounded(&masked, limit)
}

/// The text without what looks like a secret, whatever it is called: tokens, keys, and credentials in URLs. For a text that was put together from
/// several, in which a name may stand before a colon that is none of its own.
pub fn without_tokens(text: &str) -> String {
    let Some(patterns) = patterns() else { return HIDDEN.to_owned() };
    redacted(text, tokens(patterns, text))
}

/// The text with each span hidden; those that overlap are one.
pub fn redacted(text: &str, mut spans: Vec<Range<usize>>) -> String {
    spans.sort_by_key(|span| (span.start, span.end));
    let (mut out, mut at, mut hidden_to) = (String::new(), 0, None);
    for span in spans {
        if hidden_to.is_none_or(|end| span.start >= end) {
            out.push_str(text.get(at..span.start).unwrap_or_default());
            out.push_str(HIDDEN);
        }
        at = at.max(span.end);
        hidden_to = Some(at);
    }
    out.push_str(text.get(at..).unwrap_or_default());
    out
}

/// Where in a text something stands that is to be hidden.
pub fn spans(text: &str) -> Vec<Range<usize>> {
    let Some(patterns) = patterns() else { return std::iter::once(0..text.len()).collect() };
    let mut spans = Vec::new();
    for found in patterns.member.captures_iter(text) {
        let Some(name) = found.get(1) else { continue };
        let before = text.get(..name.start()).unwrap_or_default();
        // A reference of ours names a secret and is none.
        let is_reference = before.trim_end().ends_with("{{");
        let quoted = found.get(2).or(found.get(3)).or(found.get(4)).map(|value| value.range());
        let nested = found.get(5).map(|open| open.start()..closed(text, open.start()));
        let bare = found.get(6).map(|value| bare(text, name.as_str(), value.range()));
        let Some(span) = quoted.or(nested).or(bare).filter(|_| !is_reference) else { continue };
        let value = text.get(span.clone()).unwrap_or_default();
        if !says_nothing(name.as_str(), value) {
            spans.push(span);
        }
    }
    spans.extend(patterns.element.captures_iter(text).filter_map(|found| found.get(1)).map(|found| found.range()));
    spans.extend(tokens(patterns, text));
    spans
}

/// Where something stands that looks like a secret by itself.
fn tokens(patterns: &Patterns, text: &str) -> Vec<Range<usize>> {
    let mut spans = Vec::new();
    for (pattern, group) in
        [(&patterns.json_web_token, 0), (&patterns.access_key, 0), (&patterns.vendors, 0), (&patterns.credentials, 1)]
    {
        spans.extend(pattern.captures_iter(text).filter_map(|found| found.get(group)).map(|found| found.range()));
    }
    let basic = patterns.basic.captures_iter(text).filter_map(|found| found.get(1));
    spans.extend(basic.filter(|found| is_user_and_password(found.as_str())).map(|found| found.range()));
    // `Bearer realm="…"` asks for a token and has none.
    let asks = |end: usize| {
        text.get(..end).is_some_and(|to| to.ends_with('=')) && text.get(end..).is_some_and(|from| from.starts_with('"'))
    };
    let bearer = patterns.bearer.captures_iter(text).filter_map(|found| found.get(1));
    spans.extend(bearer.map(|found| found.range()).filter(|span| !asks(span.end)));
    spans
}

/// A value without quotes: a word; of a header that holds several parts, the rest of its line.
fn bare(text: &str, name: &str, value: Range<usize>) -> Range<usize> {
    let name = name.to_ascii_lowercase();
    if !(name.ends_with("cookie") || name.ends_with("authorization")) {
        return value;
    }
    let rest = text.get(value.start..).unwrap_or_default();
    value.start..value.start + rest.find(['\r', '\n', '"', '<']).unwrap_or(rest.len())
}

/// The end of a list or map that opens at `from`; the end of the text where it is not closed.
fn closed(text: &str, from: usize) -> usize {
    let (mut depth, mut is_text, mut is_escaped) = (0_usize, false, false);
    for (at, c) in text.get(from..).unwrap_or_default().char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => is_text = !is_text,
            '[' | '{' if !is_text => depth += 1,
            ']' | '}' if !is_text => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return from + at + 1;
                }
            }
            _ => {}
        }
    }
    text.len()
}

/// A value that nobody has to hide: that there is none, a number of tokens, or one of our references.
fn says_nothing(name: &str, value: &str) -> bool {
    let is_number = || value.parse::<f64>().is_ok();
    matches!(value, "" | "null" | "true" | "false" | "[]" | "{}")
        || value.starts_with("{{")
        || (counts(name) && is_number())
}

fn is_user_and_password(text: &str) -> bool {
    let lenient = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    let decoded = GeneralPurpose::new(&alphabet::STANDARD, lenient).decode(text);
    decoded.is_ok_and(|bytes| bytes.contains(&b':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(without(text), expected);
    }

    #[test]
    fn every_expression_is_one() {
        assert!(patterns().is_some());
    }

    #[test]
    fn members_and_fields_that_are_called_like_a_secret_lose_their_value() {
        check(r#"{"user":"ada","password":"hunter2","n":1}"#, r#"{"user":"ada","password":"***","n":1}"#);
        check(r#"{"apiKey": "a\"b", "x": 1}"#, r#"{"apiKey": "***", "x": 1}"#);
        check(r#"{"session":{"id":"s-1","of":["}"]},"n":1}"#, r#"{"session":***,"n":1}"#);
        check(r#"{"pin":1234,"otp": 99}"#, r#"{"pin":***,"otp": ***}"#);
        check(r#""{\"access_token\":\"abc\\\"d\",\"n\":1}""#, r#""{\"access_token\":\"***\",\"n\":1}""#);
        check("user=ada&passwd=hunter2&x=1", "user=ada&passwd=***&x=1");
        check("/login?api_key=k-1&next=/", "/login?api_key=***&next=/");
        check("client_secret = 'abc' rest", "client_secret = '***' rest");
        check("<password>hunter2</password>", "<password>***</password>");
        check("cookie: a=1; b=2\nx: y", "cookie: ***\nx: y");
        check("Set-Cookie: sid=1; Path=/; HttpOnly", "Set-Cookie: ***");
        check("{\"password\":\"never clo", "{\"password\":\"***");
        check("Authorization: Basic dXNlcjpwYXNz", "Authorization: ***");
    }

    #[test]
    fn tokens_are_known_by_their_form() {
        check("with Bearer abc.DEF-1~ sent", "with Bearer *** sent");
        check("with Basic dXNlcjpwYXNz sent", "with Basic *** sent");
        check("at eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.sflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c!", "at ***!");
        check("key AKIAIOSFODNN7EXAMPLE.", "key ***.");
        check("to https://ada:hunter2@host/x", "to https://***@host/x");
        // Put together here, so that nobody who looks for tokens in sources finds one.
        check(&format!("xox{}-123456789012-abcdefABCDEF is revoked", "b"), "*** is revoked");
        check(&format!("by https://hooks.slack{}/services/T000/B000/XXXX", ".com"), "by https://***");
        check(&format!("with gh{}_{}", "p", "a1".repeat(18)), "with ***");
        for (begins, rest) in [("ATATT", "3xFfGF0"), ("glpa", "t-"), ("sk_li", "ve_"), ("AIz", "aSy"), ("npm", "_")] {
            check(&format!("with {begins}{rest}{} sent", "a1b2".repeat(9)), "with *** sent");
        }
        check(
            &format!("-----BEGIN RSA PRIVATE {}-----\nMIIE\nAAAA\n-----END RSA PRIVATE KEY----- sent", "KEY"),
            "*** sent",
        );
    }

    #[test]
    fn what_is_put_together_keeps_what_stands_behind_a_name() {
        assert_eq!(without_tokens("session: 3 of 5, by Bearer abc.DEF-1"), "session: 3 of 5, by Bearer ***");
        assert_eq!(without("session: 3 of 5"), "session: *** of 5");
    }

    #[test]
    fn what_is_shown_is_one_bounded_line_in_which_no_half_of_a_secret_is_left() {
        assert_eq!(shown("pass\u{200b}word=hunter2\nx \u{202e}y", 100), "password=*** x y");
        let token = "AKIA0123456789ABCDEF";
        for before in 0..60 {
            let text = format!("{} {token} {}", "x".repeat(before), "y".repeat(500));
            assert!(!shown(&text, 10).contains("AKIA") && shown(&text, 10).chars().count() <= 10);
        }
        // The cut may fall into what follows something long that is hidden.
        let text = format!("password={} {token}", "p".repeat(30));
        assert_eq!(shown(&text, 13), "password=***…");
    }

    #[test]
    fn what_is_no_secret_stays() {
        for text in [
            r#"{"usage":{"total_tokens": 57},"token":null,"sessions":[],"secret":"","auth":true}"#,
            "unexpected token < in JSON",
            "the basic plan is free",
            r#"WWW-Authenticate: Bearer realm="x""#,
            "https://host:8443/a@b",
            "GET /x?key={{ secret:greenlight#token }}",
            "passing spinach: authority",
        ] {
            check(text, text);
        }
        assert!(is_secret_name("Set-Cookie") && is_secret_name("$.user['password']") && is_secret_name("x-api-key"));
        assert!(!is_secret_name("$.usage.total_tokens") && !is_secret_name("x-build"));
    }
}
