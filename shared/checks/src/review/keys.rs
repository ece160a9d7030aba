//! One check's keys and expressions: what means nothing beside what else stands there, and what is no URL, no JSONPath, no regular
//! expression, no status, no matcher. Knows nothing of the other checks.

use std::collections::BTreeMap;

use domain::config::{BodyExpectation, Capture, Expect, Method, Path, Request};
use domain::text::{bounded, without_credentials};
use domain::time::spoken;
use http::header::HeaderValue;
use serde_json::Value;

use super::One;
use crate::answer::{header_name, json_path};
use crate::expect::Expectation;
use crate::matcher::{self, regex};
use crate::request::{Kind, bodies, useless};
use crate::template::{Scope, Unable, references};
use crate::trial::TIMEOUT;
use crate::variables::Variables;

impl One<'_> {
    /// The request, and that nothing stands beside it that it has no use for.
    pub(super) fn request(&mut self) {
        let check = self.check;
        if check.timeout.is_some_and(|timeout| timeout.0.is_zero()) {
            self.add(self.at.key("timeout"), "a timeout of nothing fails every try; write a span such as `10s`");
        }
        self.headers();
        let request = match check.request() {
            Ok(request) => request,
            Err(message) => return self.add(self.at.clone(), message),
        };
        let useless = useless(check, request);
        let bodies: Vec<&str> =
            bodies(check).into_iter().filter(|key| useless.iter().all(|(other, _)| other != key)).collect();
        for (key, why) in useless {
            self.add(self.at.key(key), why);
        }
        if let [first, .., last] = bodies.as_slice() {
            self.add(self.at.key(last), format!("a request has one body; give one of `{first}` and `{last}`"));
        }
        self.address(request);
        self.expectable(request);
    }

    fn headers(&mut self) {
        for (name, value) in &self.check.headers {
            let path = self.at.key("headers").key(name);
            if let Err(message) = header_name(name) {
                self.add(path, message);
            } else if !refers(value) && HeaderValue::from_str(value).is_err() {
                self.add(path, "the value has characters that no header may have, such as a line's end");
            }
        }
    }

    fn address(&mut self, request: Request<'_>) {
        let (path, url) = match request {
            Request::Http { method, path } => (self.at.key(&method.as_str().to_lowercase()), path),
            Request::WebSocket { path } => (self.at.key("websocket"), path),
            Request::GrpcHealth(health) => match &health.url {
                Some(url) => (self.at.key("grpc_health").key("url"), url.as_str()),
                None => return,
            },
            Request::Invoke(_) => return,
        };
        let Some((scheme, rest)) = url.split_once("://") else {
            let badly = ["https:", "http:", "wss:", "ws:"]
                .into_iter()
                .find_map(|scheme| Some((scheme, url.trim().strip_prefix(scheme)?)));
            if let Some((scheme, rest)) = badly {
                let meant = without_credentials(&format!("{scheme}//{}", rest.trim_start_matches('/')));
                let shown = bounded(&without_credentials(url), 120);
                self.add(path, format!("`{shown}` is no URL; did you mean `{}`?", bounded(&meant, 120)));
            } else if matches!(request, Request::GrpcHealth(_)) {
                let shown = bounded(&without_credentials(url), 120);
                self.add(
                    path,
                    format!("`{shown}` is no URL; write `https://`, or `http://` for HTTP/2 without TLS, before it"),
                );
            }
            return;
        };
        if self.check.expect.certificate.is_some() && matches!(scheme, "http" | "ws") {
            let message =
                format!("there is no certificate without TLS, and `{scheme}://` has none; write `{scheme}s://`");
            self.add(self.at.key("expect").key("certificate"), message);
        }
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let shown = bounded(&without_credentials(url), 120);
        let schemes: &[&str] = match request {
            Request::WebSocket { .. } => &["ws", "wss", "http", "https"],
            _ => &["http", "https"],
        };
        // What is no scheme is a path: `/go?to=https://…`.
        if !scheme.chars().all(|c| c.is_ascii_alphanumeric()) {
            return;
        }
        if refers(host) {
            self.add(path, format!("`{shown}` takes its host from a reference; write the host itself"));
        } else if !schemes.contains(&scheme) {
            self.add(
                path,
                format!("`{shown}` has a scheme that means nothing here; write one of {}", schemes.join(", ")),
            );
        } else if host.is_empty() {
            self.add(path, format!("`{shown}` has no host; write it behind `://`"));
        }
    }

    /// What may be expected depends on what is asked.
    fn expectable(&mut self, request: Request<'_>) {
        let expect = &self.check.expect;
        let (what, has): (_, &[&str]) = match request {
            Request::Http { method: Method::Head, .. } => {
                ("a HEAD request", &["status", "latency", "headers", "certificate"])
            }
            Request::Http { .. } | Request::WebSocket { .. } => return,
            Request::Invoke(_) => ("an invocation", &["latency", "body", "json"]),
            Request::GrpcHealth(_) => ("a gRPC health answer", &["latency", "body", "json", "certificate"]),
        };
        let given = [
            ("status", expect.status.is_some()),
            ("headers", !expect.headers.is_empty()),
            ("body", expect.body.is_some()),
            ("json", !expect.json.is_empty()),
            ("certificate", expect.certificate.is_some()),
        ];
        for (key, _) in given.iter().filter(|(key, is_given)| *is_given && !has.contains(key)) {
            let having: Vec<String> = has.iter().map(|key| format!("`{key}`")).collect();
            let message = format!("{what} has no `{key}`; expect something of {}", having.join(", "));
            self.add(self.at.key("expect").key(key), message);
        }
    }

    pub(super) fn captures(&mut self) {
        for (name, capture) in &self.check.capture {
            let path = self.at.key("capture").key(name);
            if references(&format!("{{{{ {name} }}}}")).next() != Some(name) {
                let message = format!(
                    "`{}` cannot be referred to; a name is made of letters, digits and `_ . - :`",
                    bounded(name, 60)
                );
                self.add(path.clone(), message);
            }
            let wrong = match capture {
                Capture::JsonPath(text) => not_a_json_path(text),
                Capture::Header { header } => header_name(header).err(),
                Capture::Regex { regex: expression } => regex(expression).err(),
            };
            if let Some(message) = wrong.or_else(|| self.not_there(capture).map(str::to_owned)) {
                self.add(path, message);
            }
        }
    }

    /// Why an answer never has what is to be captured from it.
    fn not_there(&self, capture: &Capture) -> Option<&'static str> {
        let of_header = matches!(capture, Capture::Header { .. });
        match self.check.request().ok()? {
            Request::Http { method: Method::Head, .. } if !of_header => {
                Some("the answer to a HEAD request has no body; capture a header, or use `get`")
            }
            Request::Invoke(_) if of_header => {
                Some("an invocation has no headers; capture from its payload by a JSONPath")
            }
            Request::GrpcHealth(_) if of_header => Some("a gRPC health answer has no headers here; capture `$.status`"),
            _ => None,
        }
    }

    pub(super) fn expectation(&mut self) {
        let expect = &self.check.expect;
        let at = self.at.key("expect");
        let alone = Expect::default();
        let timeout = self.check.timeout.map_or(TIMEOUT, |timeout| timeout.0);
        match expect.latency.map(|latency| latency.0) {
            Some(latency) if latency.is_zero() => {
                self.add(at.key("latency"), "no answer comes within no time; write a span such as `1s`");
            }
            Some(latency) if latency > timeout && !timeout.is_zero() => {
                let message = format!(
                    "the check is given up after {}, so this bound means nothing; lower it, or give the check a longer `timeout`",
                    spoken(timeout)
                );
                self.add(at.key("latency"), message);
            }
            _ => {}
        }
        self.judge(at.key("status"), &Expect { status: expect.status.clone(), ..alone.clone() });
        if let Some(body) = &expect.body {
            if body.contains.is_none() && body.matches.is_none() && body.sha256.is_none() {
                self.add(at.key("body"), "nothing is expected of the body; give `contains`, `matches` or `sha256`");
            }
            // A text with a reference in it is left to the run.
            let readable = |text: &Option<String>| text.clone().filter(|text| !refers(text));
            let parts = [
                ("contains", BodyExpectation { contains: readable(&body.contains), ..BodyExpectation::default() }),
                ("matches", BodyExpectation { matches: readable(&body.matches), ..BodyExpectation::default() }),
                ("sha256", BodyExpectation { sha256: readable(&body.sha256), ..BodyExpectation::default() }),
            ];
            for (key, part) in parts {
                self.judge(at.key("body").key(key), &Expect { body: Some(part), ..alone.clone() });
            }
        }
        for (name, wanted) in &expect.headers {
            let path = at.key("headers").key(name);
            if let Err(message) = header_name(name) {
                self.add(path.clone(), message);
            }
            self.matcher(&path, wanted);
        }
        for (text, wanted) in &expect.json {
            let path = at.key("json").key(text);
            if let Some(message) = not_a_json_path(text) {
                self.add(path.clone(), message);
            }
            self.matcher(&path, wanted);
        }
    }

    /// What reading this part of an expectation at run time would say.
    fn judge(&mut self, path: Path, expect: &Expect) {
        let (variables, captured, promised) = (Variables::new(), BTreeMap::new(), BTreeMap::new());
        let scope = Scope { variables: &variables, captured: &captured, promised: &promised };
        if let Err(Unable::Wrong(message)) = Expectation::read(expect, scope, Kind::Http) {
            self.add(path, message);
        }
    }

    /// A map is a matcher, so each of its keys is a matcher's word; each is told on its own.
    fn matcher(&mut self, path: &Path, wanted: &Value) {
        match wanted {
            Value::Object(words) if !words.is_empty() => {
                for (word, operand) in words {
                    let here = path.key(word);
                    if word == "length" {
                        self.matcher(&here, operand);
                    } else if !holds_reference(operand)
                        && let Err(message) =
                            matcher::parse(&Value::Object([(word.clone(), operand.clone())].into_iter().collect()))
                    {
                        self.add(here, message);
                    }
                }
            }
            _ => {
                if let Err(message) = matcher::parse(wanted) {
                    self.add(path.clone(), message);
                }
            }
        }
    }
}

fn not_a_json_path(text: &str) -> Option<String> {
    let message = json_path(text).err()?;
    if let Some(rest) = text.strip_prefix("$.") {
        let quoted = rest.split('.').map(|name| {
            let (name, behind) = name.split_at(name.find('[').unwrap_or(name.len()));
            let is_fine = json_path(&format!("$.{name}")).is_ok();
            if is_fine { format!(".{name}{behind}") } else { format!("['{name}']{behind}") }
        });
        let near = format!("${}", quoted.collect::<String>());
        let is_path = json_path(&near).is_ok() && !near.contains("['']");
        return Some(if is_path { format!("{message}; did you mean `{near}`?") } else { message });
    }
    if text.starts_with('$') {
        return Some(message);
    }
    let near = format!("$.{text}");
    let hint = json_path(&near).map_or(String::new(), |_| format!("; did you mean `{near}`?"));
    Some(format!("`{}` is no JSONPath (RFC 9535): it begins with `$`{hint}", bounded(text, 120)))
}

fn refers(text: &str) -> bool {
    references(text).next().is_some()
}

fn holds_reference(value: &Value) -> bool {
    match value {
        Value::String(text) => refers(text),
        Value::Array(items) => items.iter().any(holds_reference),
        Value::Object(members) => members.values().any(holds_reference),
        _ => false,
    }
}
