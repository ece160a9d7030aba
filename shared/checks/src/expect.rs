//! Whether an answer is as a check's `expect` block wants it. Pure: knows nothing of how the answer was got or of what follows
//! from the judgement.

mod certificate;
mod needs;
mod status;
mod wanted;

use std::time::Duration;

use domain::config::{BodyExpectation, Expect};
use domain::text::bounded;
use domain::time::spoken;
use http::HeaderMap;
use http::header::HeaderName;
use regex_lite::Regex;
use serde_json::{Map, Number, Value};
use serde_json_path::JsonPath;
use sha2::{Digest, Sha256};

use crate::answer::{Answer, SEARCHED, header_name, json_path};
use crate::grpc::SERVING;
use crate::mask::{Mask, is_secret_name};
use crate::matcher::{Matcher, Show, regex};
use crate::request::Kind;
use crate::template::{Scope, Unable, plain};

use status::{StatusPattern, patterns, spoken_status};

/// How much of a value is shown in an expectation or an observation, in characters.
const SHOWN: usize = 120;

/// What is expected, read and with its references replaced.
#[derive(Debug)]
pub(crate) struct Expectation {
    status: Option<Vec<StatusPattern>>,
    latency: Option<Duration>,
    headers: Vec<(HeaderName, Vec<Matcher>)>,
    contains: Option<String>,
    matches: Option<Regex>,
    sha256: Option<String>,
    json: Vec<JsonExpectation>,
    /// Whether a gRPC server is to say `SERVING`, as is expected where nothing else is.
    serving: bool,
    /// For how long the certificate must still be valid.
    certificate: Option<Duration>,
    /// Whether an answer of another status is no answer to the question: a WebSocket that was not opened carries no messages.
    status_decides: bool,
    /// What must not be seen of what is said.
    mask: Mask,
}

#[derive(Debug)]
struct JsonExpectation {
    text: String,
    path: JsonPath,
    /// Whether the path can lead to several places, so that a length counts those.
    many: bool,
    matchers: Vec<Matcher>,
}

/// One thing that was not as expected, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unmet {
    pub(crate) expected: String,
    pub(crate) observed: String,
}

/// What came of comparing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Judgement {
    /// What was not as expected.
    pub(crate) unmet: Vec<Unmet>,
    /// What could not be looked at, with the reason as the observation.
    pub(crate) untold: Vec<Unmet>,
    /// Whether the body helps to understand what was not met.
    pub(crate) show_body: bool,
}

impl Expectation {
    /// Reads an `expect` block. An invocation and an answer of gRPC have neither status nor headers, so expecting them is an error.
    pub(crate) fn read(expect: &Expect, scope: Scope<'_>, kind: Kind) -> Result<Self, Unable> {
        let of_http = expect.status.is_some() || !expect.headers.is_empty();
        if kind == Kind::Invocation && (of_http || expect.certificate.is_some()) {
            return Err(Unable::Wrong(
                "an invocation answers with a payload alone; expect something of `json`, `body` or `latency`, \
                 such as `json: { $.statusCode: 200 }`, in place of `status`, `headers` and `certificate`"
                    .to_owned(),
            ));
        }
        if kind == Kind::GrpcHealth && of_http {
            return Err(Unable::Wrong(
                "a gRPC server's health is a status of its own; expect `json: { $.status: SERVING }`, or nothing, which \
                 means the same, in place of `status` and `headers`"
                    .to_owned(),
            ));
        }
        let status = match (&expect.status, kind) {
            (Some(status), _) => Some(patterns(status).map_err(Unable::Wrong)?),
            (None, Kind::Http) => Some(vec![StatusPattern::Class(2)]),
            (None, Kind::WebSocket) => Some(vec![StatusPattern::OPEN]),
            (None, Kind::Invocation | Kind::GrpcHealth) => None,
        };
        let body = expect.body.clone().unwrap_or_default();
        Ok(Self {
            status,
            latency: expect.latency.map(|span| span.0),
            headers: headers(&expect.headers, scope)?,
            contains: body.contains.as_deref().map(|text| wanted::part(text, scope)).transpose()?,
            matches: match &body.matches {
                Some(text) => Some(regex(&wanted::expression(text, scope)?).map_err(Unable::Wrong)?),
                None => None,
            },
            sha256: sha256(&body, scope)?,
            json: json(&expect.json, scope)?,
            serving: kind == Kind::GrpcHealth && expect.json.is_empty() && expect.body.is_none(),
            certificate: expect.certificate.map(|wanted| wanted.valid_for.0),
            status_decides: kind == Kind::WebSocket,
            mask: scope.variables.mask().clone(),
        })
    }

    /// Whether something is expected that only a message can bring.
    pub(crate) fn wants_a_message(&self) -> bool {
        self.contains.is_some() || self.matches.is_some() || self.sha256.is_some() || !self.json.is_empty()
    }

    /// Whether a message is the one that is waited for.
    pub(crate) fn is_met_by(&self, message: &Answer) -> bool {
        let mut judgement = Judgement::default();
        self.judge_body(message, &mut judgement);
        self.judge_json(message, &mut judgement);
        judgement.unmet.is_empty()
    }

    /// A text of our own, the configuration's words.
    fn own(&self, text: &str) -> String {
        bounded(&self.mask.own(text), SHOWN)
    }

    /// A matcher as it reads after the name of what it is about; of a password it is not said which.
    fn wanted(&self, name: &str, matchers: &[Matcher]) -> String {
        let texts: Vec<String> =
            matchers.iter().map(|matcher| matcher.spoken(&|text| self.shown(name, text))).collect();
        texts.join(" and ")
    }

    fn shown(&self, name: &str, value: &str) -> String {
        if is_secret_name(name) { "***".to_owned() } else { self.mask.outside(value, SHOWN) }
    }

    /// All of it in words, for a finding that has nothing better to say.
    pub(crate) fn spoken(&self) -> String {
        let mut parts = Vec::new();
        parts.extend(self.status.as_deref().map(spoken_status));
        parts.extend(self.latency.map(spoken_latency));
        parts.extend(
            self.headers
                .iter()
                .map(|(name, matchers)| format!("header `{name}` {}", self.wanted(name.as_str(), matchers))),
        );
        parts.extend(self.contains.as_deref().map(|part| self.spoken_contains(part)));
        parts.extend(self.matches.as_ref().map(|regex| self.spoken_matches(regex)));
        parts.extend(self.sha256.as_deref().map(spoken_sha256));
        parts.extend(self.json.iter().map(|wanted| self.spoken_json(wanted)));
        parts.extend(self.serving.then(|| SERVING.to_owned()));
        parts.extend(self.certificate.map(certificate::spoken_certificate));
        if parts.is_empty() { "an answer".to_owned() } else { parts.join(", ") }
    }

    fn spoken_contains(&self, part: &str) -> String {
        format!("a body that contains `{}`", self.own(part))
    }

    fn spoken_matches(&self, regex: &Regex) -> String {
        format!("a body that matches /{}/", self.own(regex.as_str()))
    }

    fn spoken_json(&self, wanted: &JsonExpectation) -> String {
        format!("{} {}", wanted.text, self.wanted(&wanted.text, &wanted.matchers))
    }

    /// A redirect is not followed, so where it would have led helps to see why it came.
    fn observed_status(&self, status: u16, headers: &HeaderMap) -> String {
        let to = headers.get(http::header::LOCATION).and_then(|to| to.to_str().ok());
        match to.filter(|_| (300..400).contains(&status)) {
            Some(to) => format!("status {status} to `{}`", self.mask.outside(to, SHOWN)),
            None => format!("status {status}"),
        }
    }

    /// Compares.
    pub(crate) fn judge(&self, answer: &Answer) -> Judgement {
        let mut judgement = Judgement::default();
        if let Some(error) = &answer.function_error {
            judgement.show_body = true;
            judgement.fail("an answer of the function", format!("the function failed ({error})"));
            return judgement;
        }
        if let (Some(patterns), Some(status)) = (&self.status, answer.status)
            && !patterns.iter().any(|pattern| pattern.includes(status))
        {
            judgement.show_body = true;
            judgement.fail(spoken_status(patterns), self.observed_status(status, &answer.headers));
            if self.status_decides {
                return judgement;
            }
        }
        if let Some(limit) = self.latency.filter(|limit| answer.elapsed > *limit) {
            judgement.fail(spoken_latency(limit), spoken(answer.elapsed));
        }
        for (name, matchers) in &self.headers {
            let value = answer.header(name);
            for matcher in matchers {
                let value = value.as_deref().map(|text| as_operand(text, matcher));
                if !matcher.holds(value.as_ref()) {
                    let show = |text: &str| self.shown(name.as_str(), text);
                    judgement.compare(&format!("header `{name}`"), matcher, value.as_ref(), &show);
                }
            }
        }
        self.judge_body(answer, &mut judgement);
        self.judge_json(answer, &mut judgement);
        if self.serving && answer.called.as_deref() != Some(SERVING) {
            let seen = answer.called.as_deref().unwrap_or_default();
            judgement.fail(SERVING, crate::grpc::spoken_health(seen));
        }
        if let Some(wanted) = self.certificate {
            certificate::judge(wanted, &answer.seal, &mut judgement);
        }
        judgement
    }

    fn judge_body(&self, answer: &Answer, judgement: &mut Judgement) {
        let has = |part: &str| answer.body.utf8_chunks().any(|chunk| chunk.valid().contains(part));
        if let Some(part) = self.contains.as_deref().filter(|part| !has(part)) {
            judgement.show_body = true;
            judgement.fail(self.spoken_contains(part), "another body");
        }
        if let Some(regex) = &self.matches {
            let (text, named) = answer.searched();
            if !regex.is_match(&text) {
                let seen =
                    if answer.length > SEARCHED { format!("no match in {named}") } else { "another body".to_owned() };
                judgement.show_body = true;
                judgement.fail(self.spoken_matches(regex), seen);
            }
        }
        if let Some(wanted) = &self.sha256 {
            let seen = hex(&Sha256::digest(&answer.body));
            if seen != *wanted {
                judgement.fail(spoken_sha256(wanted), format!("a body of {} bytes with sha256 {seen}", answer.length));
            }
        }
    }

    fn judge_json(&self, answer: &Answer, judgement: &mut Judgement) {
        if self.json.is_empty() {
            return;
        }
        let body = match answer.json() {
            Ok(body) => body,
            Err(why) => {
                let expected: Vec<String> = self.json.iter().map(|wanted| self.spoken_json(wanted)).collect();
                judgement.show_body = !answer.body.is_empty();
                judgement.fail(expected.join(", "), why);
                return;
            }
        };
        for wanted in &self.json {
            let show = |text: &str| self.shown(&wanted.text, text);
            let nodes = wanted.path.query(body).all();
            for matcher in &wanted.matchers {
                match matcher {
                    // A path to many places is measured by how many there are; its values are not.
                    Matcher::Length(of_length) if wanted.many => {
                        let count = Value::from(nodes.len());
                        if !of_length.iter().all(|matcher| matcher.holds(Some(&count))) {
                            let expected = format!("{} {}", wanted.text, matcher.spoken(&show));
                            judgement.fail(expected, format!("{} has a length of {count}", wanted.text));
                        }
                    }
                    _ if nodes.is_empty() => {
                        if !matcher.holds(None) {
                            judgement.compare(&wanted.text, matcher, None, &show);
                        }
                    }
                    // It must hold of every place that the path leads to.
                    _ => {
                        if let Some(wrong) = nodes.iter().find(|node| !matcher.holds(Some(node))) {
                            judgement.compare(&wanted.text, matcher, Some(wrong), &show);
                        }
                    }
                }
            }
        }
    }
}

impl Judgement {
    fn fail(&mut self, expected: impl Into<String>, observed: impl Into<String>) {
        self.unmet.push(Unmet { expected: expected.into(), observed: observed.into() });
    }

    fn compare(&mut self, what: &str, matcher: &Matcher, value: Option<&Value>, show: Show<'_>) {
        self.fail(format!("{what} {}", matcher.spoken(show)), format!("{what} {}", matcher.observed(value, show)));
    }
}

fn headers(expected: &Map<String, Value>, scope: Scope<'_>) -> Result<Vec<(HeaderName, Vec<Matcher>)>, Unable> {
    expected
        .iter()
        .map(|(name, wanted)| {
            let name = header_name(name).map_err(Unable::Wrong)?;
            let mut matchers = wanted::matchers(wanted, scope)?;
            // YAML reads `x-ready: true` as a truth; a header is always text.
            for matcher in &mut matchers {
                if let Matcher::Equal(Value::Bool(truth)) = matcher {
                    *matcher = Matcher::Equal(Value::String(truth.to_string()));
                }
            }
            Ok((name, matchers))
        })
        .collect()
}

fn json(expected: &Map<String, Value>, scope: Scope<'_>) -> Result<Vec<JsonExpectation>, Unable> {
    expected
        .iter()
        .map(|(text, wanted)| {
            Ok(JsonExpectation {
                text: text.clone(),
                path: json_path(text).map_err(Unable::Wrong)?,
                many: leads_to_many(text),
                matchers: wanted::matchers(wanted, scope)?,
            })
        })
        .collect()
}

/// Whether a JSONPath has a wildcard, a descent, a slice, a filter or a choice outside of its quoted names.
fn leads_to_many(path: &str) -> bool {
    let mut quote = None;
    let mut previous = ' ';
    for c in path.chars() {
        match quote {
            Some(_) if previous == '\\' => {
                previous = ' ';
                continue;
            }
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if c == '\'' || c == '"' => quote = Some(c),
            None if matches!(c, '*' | '?' | ':' | ',') || (c == '.' && previous == '.') => return true,
            None => {}
        }
        previous = c;
    }
    false
}

fn sha256(body: &BodyExpectation, scope: Scope<'_>) -> Result<Option<String>, Unable> {
    let Some(text) = &body.sha256 else { return Ok(None) };
    let text = plain(text, scope)?;
    let digits = text.trim().to_ascii_lowercase();
    if digits.len() == 64 && digits.chars().all(|c| c.is_ascii_hexdigit()) {
        Ok(Some(digits))
    } else {
        Err(Unable::Wrong(format!("`{text}` is no SHA-256; write its 64 hexadecimal digits")))
    }
}

/// A header's text as what the matcher compares with.
fn as_operand(text: &str, matcher: &Matcher) -> Value {
    match text.trim().parse::<Number>() {
        Ok(number) if matcher.is_numeric() => Value::Number(number),
        _ => Value::String(text.to_owned()),
    }
}

fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or_default();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn spoken_latency(limit: Duration) -> String {
    format!("an answer within {}", spoken(limit))
}

fn spoken_sha256(digits: &str) -> String {
    format!("a body with sha256 {digits}")
}

#[cfg(test)]
mod tests;
