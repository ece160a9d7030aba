//! A check's request, put together: the URL, the headers and the body, with every reference replaced. Pure: knows nothing of
//! how it is sent.
//!
//! A value from outside never decides which host is asked: it is encoded as one part of a path, or must lead to the base
//! URL's own host.

use std::collections::BTreeMap;

use domain::config::{Check, Method, Request};
use http::header::{CONTENT_TYPE, HeaderValue};
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, percent_encode, utf8_percent_encode};

use crate::answer::header_name;
use crate::mask::Mask;
use crate::template::{Scope, Unable, plain, references, render, render_value, sole_reference};

/// What is sent, and how a finding names it.
#[derive(Clone, Debug)]
pub(crate) enum Prepared {
    /// By HTTP.
    Http { request: Box<http::Request<Vec<u8>>>, shown: String },
    /// An invocation of a Lambda version.
    Invoke { payload: Vec<u8> },
}

/// RFC 3986's unreserved characters stay; everything else in a value is encoded.
pub(crate) const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// What must not stand in a URL as it is; `%` stays, as the configuration may hold what is already encoded.
const NOT_IN_A_URL: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'\\').add(b'^').add(b'`').add(b'{').add(b'|').add(b'}');
/// What the URL standard leaves as it is in `application/x-www-form-urlencoded`.
const FORM: &AsciiSet = &NON_ALPHANUMERIC.remove(b'*').remove(b'-').remove(b'.').remove(b'_');

/// Puts a check's request together.
pub(crate) fn prepare(check: &Check, base: &Result<String, String>, scope: Scope<'_>) -> Result<Prepared, Unable> {
    match check.request().map_err(Unable::Wrong)? {
        Request::Invoke(invoke) => {
            if check.json.is_some() || check.body.is_some() || !check.form.is_empty() || !check.headers.is_empty() {
                return Err(Unable::Wrong(
                    "an invocation takes its `payload` alone; move what is in `json`, `body`, `form` or `headers` there".to_owned(),
                ));
            }
            Ok(Prepared::Invoke { payload: render_value(&invoke.payload, scope)?.to_string().into_bytes() })
        }
        Request::WebSocket { .. } | Request::GrpcHealth(_) => {
            Err(Unable::Wrong("Greenlight cannot ask this yet".to_owned()))
        }
        Request::Http { method, path } => {
            let address = address(base, path, scope)?;
            let (body, content_type) = body(check, scope)?;
            let mut request = http::Request::new(body);
            *request.method_mut() = verb(method);
            *request.uri_mut() = address
                .url
                .parse()
                .map_err(|error| Unable::Wrong(format!("`{}` is no URL: {error}", address.shown)))?;
            if let Some(content_type) = content_type {
                request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
            }
            for (name, value) in &check.headers {
                let name = header_name(name).map_err(Unable::Wrong)?;
                let value = HeaderValue::from_str(&plain(value, scope)?).map_err(|_| {
                    Unable::Wrong(format!("the value of the header `{name}` has characters that no header may have"))
                })?;
                request.headers_mut().insert(name, value);
            }
            Ok(Prepared::Http { request: Box::new(request), shown: format!("{} {}", method.as_str(), address.shown) })
        }
    }
}

/// How a request is named before, or without, being put together: nothing is replaced yet.
pub(crate) fn named(check: &Check, base: &Result<String, String>, version: Result<String, String>) -> String {
    match check.request() {
        Ok(Request::Http { method, path }) if has_scheme(path) => {
            format!("{} {}", method.as_str(), without_secrets(path))
        }
        Ok(Request::Http { method, path }) => {
            let base = base.as_deref().map(|base| without_secrets(base.trim_end_matches('/'))).unwrap_or_default();
            format!("{} {base}{path}", method.as_str())
        }
        Ok(Request::Invoke(_)) => version.map_or_else(|_| "invoke".to_owned(), |version| format!("invoke {version}")),
        Ok(Request::WebSocket { path }) => path.to_owned(),
        Ok(Request::GrpcHealth(health)) => health.service.clone(),
        Err(_) => String::new(),
    }
}

struct Address {
    url: String,
    /// The same without credentials, and with references in the query left as they were written: values there tend to be tokens.
    shown: String,
}

/// Whether a path is a whole URL.
pub(crate) fn has_scheme(path: &str) -> bool {
    path.starts_with("http://") || path.starts_with("https://")
}

fn address(base: &Result<String, String>, path: &str, scope: Scope<'_>) -> Result<Address, Unable> {
    let path = path.trim();
    let (origin, rest) = if has_scheme(path) {
        let after_scheme = path.find("://").map_or(0, |at| at + 3);
        let end = path
            .get(after_scheme..)
            .and_then(|rest| rest.find(['/', '?', '#']))
            .map_or(path.len(), |at| at + after_scheme);
        let (origin, rest) = path.split_at(end);
        if references(origin).next().is_some() {
            return Err(Unable::Wrong(format!("`{origin}` takes its host from a reference; write the host itself")));
        }
        (origin.to_owned(), rest)
    } else {
        let base = base.as_ref().map_err(|why| Unable::CannotTell(why.clone()))?;
        (base.trim().trim_end_matches('/').to_owned(), path)
    };
    let component = |value: &str| utf8_percent_encode(value, COMPONENT).to_string();
    let rendered = if sole_reference(rest).is_some() {
        below(&origin, &plain(rest, scope)?, scope.variables.mask())?
    } else {
        let rendered = rooted(&render(rest, scope, component)?);
        if dot_segments(&rendered) > dot_segments(rest) {
            return Err(Unable::Wrong(format!(
                "a value in `{rest}` makes a part of the path `.` or `..`, which would lead elsewhere on the host"
            )));
        }
        rendered
    };
    let shown = match rest.split_once('?') {
        Some((head, query)) => format!("{}?{query}", rooted(&render(head, scope, component)?)),
        None => rendered.split('?').next().unwrap_or_default().to_owned(),
    };
    let tidy = |text: &str| utf8_percent_encode(text, NOT_IN_A_URL).to_string();
    Ok(Address {
        url: format!("{}{}", tidy(&origin), tidy(&rendered)),
        shown: format!("{}{shown}", without_secrets(&origin)),
    })
}

/// How many parts of a path are `.` or `..`, which a client takes out (RFC 3986, 5.2.4).
fn dot_segments(path: &str) -> usize {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    path.split('/')
        .filter(|segment| matches!(segment.replace("%2E", ".").replace("%2e", ".").as_str(), "." | ".."))
        .count()
}

/// Everything after the host begins with a slash; without it, `@other.example` would make another host of it.
fn rooted(rest: &str) -> String {
    match rest.chars().next() {
        Some('/' | '?') => rest.to_owned(),
        _ => format!("/{rest}"),
    }
}

/// A captured path or URL, such as the one in a `location` header: it is followed on the same host only.
fn below(origin: &str, value: &str, mask: &Mask) -> Result<String, Unable> {
    let same_host = value.strip_prefix(origin).filter(|rest| rest.is_empty() || rest.starts_with(['/', '?', '#']));
    match same_host {
        Some(rest) => Ok(rooted(rest)),
        None if value.contains("://") || value.starts_with("//") => Err(Unable::Wrong(format!(
            "`{}` leads to another host than `{}`; a value from an answer is only followed on the same host",
            mask.outside(value, 120),
            without_secrets(origin)
        ))),
        None => Ok(rooted(value)),
    }
}

/// The URL without the user and the password that may stand before its host.
pub fn without_secrets(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let host = authority.rsplit('@').next().unwrap_or(authority);
    format!("{scheme}://{host}{path}")
}

fn body(check: &Check, scope: Scope<'_>) -> Result<(Vec<u8>, Option<&'static str>), Unable> {
    match (&check.json, &check.body, check.form.is_empty()) {
        (None, None, true) => Ok((Vec::new(), None)),
        (Some(json), None, true) => Ok((render_value(json, scope)?.to_string().into_bytes(), Some("application/json"))),
        (None, Some(body), true) => Ok((plain(body, scope)?.into_bytes(), None)),
        (None, None, false) => Ok((form(&check.form, scope)?.into_bytes(), Some("application/x-www-form-urlencoded"))),
        _ => Err(Unable::Wrong("a request has one body; give one of `json`, `body` and `form`".to_owned())),
    }
}

fn form(fields: &BTreeMap<String, String>, scope: Scope<'_>) -> Result<String, Unable> {
    let encode = |text: &str| percent_encode(text.as_bytes(), FORM).to_string().replace("%20", "+");
    let pairs: Vec<String> = fields
        .iter()
        .map(|(name, value)| Ok(format!("{}={}", encode(name), encode(&plain(value, scope)?))))
        .collect::<Result<_, Unable>>()?;
    Ok(pairs.join("&"))
}

fn verb(method: Method) -> http::Method {
    match method {
        Method::Get => http::Method::GET,
        Method::Post => http::Method::POST,
        Method::Put => http::Method::PUT,
        Method::Patch => http::Method::PATCH,
        Method::Delete => http::Method::DELETE,
        Method::Head => http::Method::HEAD,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::variables::Variables;

    fn prepared(check: Value, base: &str) -> Result<Prepared, Unable> {
        let mut check: Check = serde_json::from_value(check).unwrap();
        check.name = "c".to_owned();
        let captured = BTreeMap::from([
            ("id".to_owned(), json!("../a b/@x?y")),
            ("next".to_owned(), json!("/orders/7?full=1")),
            ("home".to_owned(), json!("http://host:81/orders/7")),
            ("evil".to_owned(), json!("http://host:8123/steal")),
            ("at".to_owned(), json!("@evil.example/")),
            ("broken".to_owned(), json!("a\r\nx: y")),
            ("up".to_owned(), json!("..")),
            ("n".to_owned(), json!(7)),
        ]);
        let (variables, promised) = (Variables::new(), BTreeMap::new());
        prepare(&check, &Ok(base.to_owned()), Scope { variables: &variables, captured: &captured, promised: &promised })
    }

    #[track_caller]
    fn check_url(path: &str, expected_url: &str, expected_shown: &str) {
        let Prepared::Http { request, shown } =
            prepared(json!({ "name": "c", "get": path }), "http://user:pw@host:81/v1/").unwrap()
        else {
            panic!("not HTTP")
        };
        assert_eq!(request.uri().to_string(), expected_url);
        assert_eq!(shown, format!("GET {expected_shown}"));
    }

    #[test]
    fn a_path_goes_below_the_base_and_values_are_one_part_of_it() {
        check_url("/health", "http://user:pw@host:81/v1/health", "http://host:81/v1/health");
        check_url("health", "http://user:pw@host:81/v1/health", "http://host:81/v1/health");
        check_url("/a b/ü?q=c d", "http://user:pw@host:81/v1/a%20b/%C3%BC?q=c%20d", "http://host:81/v1/a b/ü?q=c d");
        check_url(
            "/o/{{ id }}/x",
            "http://user:pw@host:81/v1/o/..%2Fa%20b%2F%40x%3Fy/x",
            "http://host:81/v1/o/..%2Fa%20b%2F%40x%3Fy/x",
        );
        check_url("/o?token={{ n }}", "http://user:pw@host:81/v1/o?token=7", "http://host:81/v1/o?token={{ n }}");
        check_url("{{ at }}", "http://user:pw@host:81/v1/@evil.example/", "http://host:81/v1/@evil.example/");
        check_url("https://other.example/x?y=1", "https://other.example/x?y=1", "https://other.example/x?y=1");
    }

    #[test]
    fn a_captured_address_is_followed_on_the_same_host_only() {
        let of = |path: &str, base: &str| match prepared(json!({ "name": "c", "get": path }), base) {
            Ok(Prepared::Http { request, .. }) => request.uri().to_string(),
            other => format!("{other:?}"),
        };
        assert_eq!(of("{{ next }}", "http://host:81"), "http://host:81/orders/7?full=1");
        assert_eq!(of("{{ home }}", "http://host:81"), "http://host:81/orders/7");
        assert!(of("{{ evil }}", "http://host:81").contains("leads to another host than `http://host:81`"));
        assert!(of("http://{{ n }}.example/", "http://host").contains("takes its host from a reference"));
    }

    #[test]
    fn bodies_carry_their_content_type_and_values_of_their_own_type() {
        let cases = [
            (json!({ "json": { "id": "{{ n }}" } }), r#"{"id":7}"#, Some("application/json")),
            (
                json!({ "form": { "a b": "c&d=é", "n": "{{ n }}" } }),
                "a+b=c%26d%3D%C3%A9&n=7",
                Some("application/x-www-form-urlencoded"),
            ),
            (json!({ "body": "id={{ n }}" }), "id=7", None),
            (
                json!({ "json": 1, "headers": { "Content-Type": "application/vnd.x+json" } }),
                "1",
                Some("application/vnd.x+json"),
            ),
        ];
        for (mut check, expected, content_type) in cases {
            check["name"] = json!("c");
            check["post"] = json!("/");
            let Prepared::Http { request, .. } = prepared(check, "http://h").unwrap() else { panic!("not HTTP") };
            assert_eq!(String::from_utf8(request.body().clone()).unwrap(), expected);
            assert_eq!(request.headers().get("content-type").map(|value| value.to_str().unwrap()), content_type);
        }
    }

    #[test]
    fn a_request_that_cannot_be_sent_says_why() {
        let cases = [
            (json!({ "post": "/", "json": 1, "body": "x" }), "give one of `json`, `body` and `form`"),
            (
                json!({ "get": "/", "headers": { "x": "{{ broken }}" } }),
                "the header `x` has characters that no header may have",
            ),
            (json!({ "invoke": { "payload": 1 }, "json": 1 }), "an invocation takes its `payload` alone"),
            (json!({ "get": "/orders/{{ up }}" }), "makes a part of the path `.` or `..`"),
            (json!({}), "has 0 requests"),
        ];
        for (mut check, expected) in cases {
            check["name"] = json!("c");
            let Err(Unable::Wrong(why)) = prepared(check, "http://h") else { panic!("taken: {expected}") };
            assert!(why.contains(expected), "{why}");
        }
    }
}
