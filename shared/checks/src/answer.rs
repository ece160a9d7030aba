//! An answer to a check's request, whatever carried it, and what is taken out of it: JSON, captured values, an excerpt. Knows
//! nothing of what was expected.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::Duration;

use clock::Clock;
use domain::config::Capture;
use domain::text::bounded;
use domain::time::Timestamp;
use http::HeaderMap;
use http::header::HeaderName;
use outbound::{Certificate, Held, HttpResponse};
use serde_json::Value;
use serde_json_path::JsonPath;

use crate::mask::Mask;
use crate::matcher::regex;

/// How much of a body a finding repeats, in characters.
const EXCERPT: usize = 300;

/// How much of a body is kept when nothing is wanted of it, in bytes: an excerpt may be.
pub(crate) const SMALL: usize = 64 << 10;
/// How much of a text regular expressions look at, in bytes. Each character costs them as many steps as the expression has parts.
pub(crate) const SEARCHED: usize = 1 << 20;
/// The longest body that is read as JSON, in bytes: as values in memory it takes up some forty times as much.
pub(crate) const LONGEST_JSON: usize = 2 << 20;

/// A whole answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    /// The status; `None` for an invocation and for gRPC, which have none.
    pub(crate) status: Option<u16>,
    /// The headers; none for an invocation and for gRPC.
    pub(crate) headers: HeaderMap,
    /// The body, the payload or the message, as far as it was needed.
    pub(crate) body: Vec<u8>,
    /// How long it was, in bytes.
    pub(crate) length: usize,
    /// Its place among all that are in memory.
    pub(crate) _held: Held,
    /// The body as JSON, once it has been read.
    pub(crate) parsed: OnceLock<Result<Value, String>>,
    /// What the server showed of itself.
    pub(crate) seal: Seal,
    /// How long it took.
    pub(crate) elapsed: Duration,
    /// What Lambda calls the error, when the invoked function itself failed.
    pub(crate) function_error: Option<String>,
    /// What it is called where it is as expected, if not by its status.
    pub(crate) called: Option<String>,
    /// The address that answered, when it is known.
    pub(crate) peer: Option<SocketAddr>,
}

/// What is known of the server's certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Seal {
    /// There is none: no TLS.
    #[default]
    Absent,
    /// A rehearsal has none to show, whatever the configuration says.
    Rehearsed,
    /// It is valid until then, seen now.
    ValidUntil { end: Timestamp, now: Timestamp },
    /// It could not be read, for this reason.
    Unreadable(String),
}

impl Seal {
    /// What a connection's certificate says now.
    pub(crate) fn of(certificate: Certificate, clock: &Clock) -> Self {
        match certificate {
            Certificate::Absent if clock.is_virtual() => Seal::Rehearsed,
            Certificate::Absent => Seal::Absent,
            Certificate::ValidUntil(end) => Seal::ValidUntil { end, now: clock.now() },
            Certificate::Unreadable(why) => Seal::Unreadable(why),
        }
    }
}

impl Answer {
    /// An answer by HTTP.
    pub(crate) fn of(response: HttpResponse, clock: &Clock) -> Self {
        let HttpResponse { status, headers, body, length, held, elapsed, peer, certificate, .. } = response;
        let seal = Seal::of(certificate, clock);
        Self { status: Some(status), headers, body, length, _held: held, seal, elapsed, peer, ..Self::default() }
    }

    /// The body as JSON, or a sentence that says what it is instead.
    pub(crate) fn json(&self) -> Result<&Value, String> {
        self.parsed.get_or_init(|| self.parse()).as_ref().map_err(Clone::clone)
    }

    fn parse(&self) -> Result<Value, String> {
        if self.length > LONGEST_JSON {
            let most = LONGEST_JSON >> 20;
            return Err(format!(
                "the body of {} bytes is longer than the {most} MiB that JSON is read from",
                self.length
            ));
        }
        if self.body.is_empty() {
            return Err("the body is empty".to_owned());
        }
        serde_json::from_slice(&self.body).map_err(|error| format!("the body is not JSON ({error})"))
    }

    /// The part of the body that regular expressions look at, as text, and how it is named.
    pub(crate) fn searched(&self) -> (Cow<'_, str>, &'static str) {
        let part = self.body.get(..SEARCHED).unwrap_or(&self.body);
        let named = if self.length > SEARCHED { "the first 1 MiB of the body" } else { "the body" };
        (String::from_utf8_lossy(part), named)
    }

    /// The beginning of the body on one line, without what `mask` hides.
    pub(crate) fn excerpt(&self, mask: &Mask) -> String {
        if self.body.is_empty() {
            return "an empty body".to_owned();
        }
        match line_of(&self.body, mask) {
            Some(line) => format!("body `{line}`"),
            None => format!("a body of {} bytes that are not text", self.length),
        }
    }

    /// A header's value; several of one name are joined by commas, as HTTP allows.
    pub(crate) fn header(&self, name: &HeaderName) -> Option<String> {
        let values: Vec<String> = self
            .headers
            .get_all(name)
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
            .collect();
        (!values.is_empty()).then(|| values.join(", "))
    }

    /// What a `capture` takes from the answer.
    pub(crate) fn take(&self, capture: &Capture) -> Result<Value, String> {
        match capture {
            Capture::JsonPath(path) => {
                let parsed = json_path(path)?;
                let body = self.json()?;
                let nodes = parsed.query(body).all();
                nodes.first().map(|node| (*node).clone()).ok_or_else(|| format!("there is nothing at `{path}`"))
            }
            Capture::Header { header } => {
                let name = header_name(header)?;
                self.header(&name).map(Value::String).ok_or_else(|| format!("there is no header `{header}`"))
            }
            Capture::Regex { regex: expression } => {
                let regex = regex(expression)?;
                let (text, named) = self.searched();
                let found =
                    regex.captures(&text).ok_or_else(|| format!("nothing in {named} matches /{expression}/"))?;
                // Without a group, all that matched is meant.
                let value = found.get(1).or_else(|| found.get(0)).map(|group| group.as_str().to_owned());
                Ok(Value::String(value.unwrap_or_default()))
            }
        }
    }
}

/// The beginning of a text on one line; `None` when it is no text.
pub(crate) fn line_of(bytes: &[u8], mask: &Mask) -> Option<String> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        // Cut off in the midst of a character, where no more was kept.
        Err(error) if error.error_len().is_none() => std::str::from_utf8(bytes.get(..error.valid_up_to())?).ok()?,
        Err(_) => return None,
    };
    // Masked as it came, for a secret may have line breaks, and then bounded. A large body is not walked through for the sake of
    // 300 characters.
    let line = mask.head(text, EXCERPT).split_whitespace().collect::<Vec<_>>().join(" ");
    let line: String = line.chars().filter(|c| !c.is_control()).collect();
    Some(bounded(&mask.own(&line), EXCERPT))
}

/// How a captured value's source reads in a finding.
pub(crate) fn source_of(capture: &Capture) -> String {
    match capture {
        Capture::JsonPath(path) => format!("a value at `{path}`"),
        Capture::Header { header } => format!("a header `{header}`"),
        Capture::Regex { regex } => format!("a match of /{regex}/"),
    }
}

/// A JSONPath, or a sentence that says what is wrong with it.
pub(crate) fn json_path(path: &str) -> Result<JsonPath, String> {
    JsonPath::parse(path).map_err(|error| {
        format!("`{path}` is no JSONPath (RFC 9535): {} at character {}", error.message(), error.position() + 1)
    })
}

/// A header's name, or a sentence that says that it is none.
pub(crate) fn header_name(name: &str) -> Result<HeaderName, String> {
    HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("`{name}` is no header name"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer(body: &str) -> Answer {
        let mut headers = HeaderMap::new();
        headers.append("x-tag", "a".parse().unwrap());
        headers.append("x-tag", "b".parse().unwrap());
        Answer { status: Some(200), headers, body: body.as_bytes().to_vec(), length: body.len(), ..Answer::default() }
    }

    #[test]
    fn values_are_captured_from_json_headers_and_text() {
        let body = r#"{"id": 7, "token": "t-1"}"#;
        let header = |name: &str| Capture::Header { header: name.to_owned() };
        let regex = |text: &str| Capture::Regex { regex: text.to_owned() };
        let cases = [
            (Capture::JsonPath("$.id".to_owned()), Ok(json!(7))),
            (Capture::JsonPath("$.no".to_owned()), Err("there is nothing at `$.no`".to_owned())),
            (header("X-Tag"), Ok(json!("a, b"))),
            (header("x-no"), Err("there is no header `x-no`".to_owned())),
            (regex("t-(\\d)"), Ok(json!("1"))),
            (regex("t-\\d"), Ok(json!("t-1"))),
            (regex("u"), Err("nothing in the body matches /u/".to_owned())),
        ];
        for (capture, expected) in cases {
            assert_eq!(answer(body).take(&capture), expected, "{capture:?}");
        }
        let wrong = answer(body).take(&Capture::JsonPath("id".to_owned())).unwrap_err();
        assert!(wrong.starts_with("`id` is no JSONPath (RFC 9535): "), "{wrong}");
    }

    #[test]
    fn an_excerpt_is_one_bounded_line() {
        let mut mask = Mask::default();
        mask.hide("two\nlines");
        assert_eq!(answer("a\n\t b").excerpt(&mask), "body `a b`");
        assert_eq!(answer("a two\nlines b, two  lines").excerpt(&mask), "body `a *** b, ***`");
        assert_eq!(answer("").excerpt(&mask), "an empty body");
        assert_eq!(answer(&"x ".repeat(5000)).excerpt(&mask).chars().count(), "body ``".len() + EXCERPT);
        let mut binary = answer("x");
        (binary.body, binary.length) = (vec![0xff, 0xfe], 2);
        assert_eq!(binary.excerpt(&mask), "a body of 2 bytes that are not text");
        let mut cut = answer("caf\u{e9}");
        cut.body.pop();
        assert_eq!(cut.excerpt(&mask), "body `caf`");
    }

    #[test]
    fn json_and_regular_expressions_have_an_end_and_say_so() {
        let json = Capture::JsonPath("$[0]".to_owned());
        let list = |length: usize| answer(&("[0]".to_owned() + &" ".repeat(length - 3)));
        assert_eq!(list(LONGEST_JSON).take(&json), Ok(json!(0)));
        let why = list(LONGEST_JSON + 1).take(&json).unwrap_err();
        assert_eq!(why, "the body of 2097153 bytes is longer than the 2 MiB that JSON is read from");
        let regex = Capture::Regex { regex: "ab$".to_owned() };
        let text = |before: usize| answer(&("x".repeat(before) + "ab"));
        assert_eq!(text(SEARCHED - 2).take(&regex), Ok(json!("ab")));
        assert_eq!(
            text(SEARCHED - 1).take(&regex),
            Err("nothing in the first 1 MiB of the body matches /ab$/".to_owned())
        );
    }
}
