//! A check's request, put together: the URL, the headers and the body, with every reference replaced. Pure: knows nothing of
//! how it is sent.
//!
//! A value from outside never decides which host is asked: it is encoded as one part of a path, or must lead to the base
//! URL's own host.

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use domain::config::{Check, Method, Request};
use domain::text::{without_credentials, without_secrets};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, TE};
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, percent_decode_str, percent_encode, utf8_percent_encode};

use crate::answer::header_name;
use crate::grpc;
use crate::mask::Mask;
use crate::template::{Scope, Unable, empty_references, plain, references, render, render_value, sole_reference};

/// What is sent, and how a finding names it.
#[derive(Clone, Debug)]
pub(crate) enum Prepared {
    /// By HTTP.
    Http { request: Box<http::Request<Vec<u8>>>, shown: String },
    /// A WebSocket, and the message that is sent once it is open.
    WebSocket { request: Box<http::Request<()>>, message: Option<String>, shown: String },
    /// A question to a gRPC server's health service, of a service or of the server as a whole.
    GrpcHealth { request: Box<http::Request<Vec<u8>>>, service: String, shown: String },
    /// An invocation of a Lambda version.
    Invoke { payload: Vec<u8> },
}

/// What kind of answer there will be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One of HTTP.
    Http,
    /// Messages.
    WebSocket,
    /// A status of gRPC's health service.
    GrpcHealth,
    /// A payload.
    Invocation,
}

impl Prepared {
    /// What kind of answer there will be.
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Prepared::Http { .. } => Kind::Http,
            Prepared::WebSocket { .. } => Kind::WebSocket,
            Prepared::GrpcHealth { .. } => Kind::GrpcHealth,
            Prepared::Invoke { .. } => Kind::Invocation,
        }
    }
}

/// RFC 3986's unreserved characters stay; everything else in a value is encoded.
pub(crate) const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// What must not stand in a URL as it is; `%` stays, as the configuration may hold what is already encoded.
const NOT_IN_A_URL: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'\\').add(b'^').add(b'`').add(b'{').add(b'|').add(b'}');
/// What the URL standard leaves as it is in `application/x-www-form-urlencoded`.
const FORM: &AsciiSet = &NON_ALPHANUMERIC.remove(b'*').remove(b'-').remove(b'.').remove(b'_');

/// What stands beside a request that has no use for it: the key, and what to do instead.
pub(crate) fn useless(check: &Check, request: Request<'_>) -> Vec<(&'static str, String)> {
    let (kind, taken, instead): (_, &[&str], _) = match request {
        Request::Http { .. } => ("", &["headers", "json", "body", "form"], ""),
        Request::WebSocket { .. } => ("`websocket`", &["headers", "json", "body"], "; send it as `body` or `json`"),
        Request::Invoke(_) => ("`invoke`", &[], "; move what is in it into `payload`"),
        Request::GrpcHealth(_) => ("`grpc_health`", &["headers"], "; it sends the name of the `service` alone"),
    };
    let given = bodies(check).into_iter().chain((!check.headers.is_empty()).then_some("headers"));
    let useless = given.filter(|key| !taken.contains(key));
    useless.map(|key| (key, format!("`{key}` means nothing to {kind}{instead}"))).collect()
}

/// The keys of a body that are given.
pub(crate) fn bodies(check: &Check) -> Vec<&'static str> {
    let bodies = [("json", check.json.is_some()), ("body", check.body.is_some()), ("form", !check.form.is_empty())];
    bodies.into_iter().filter(|(_, is_given)| *is_given).map(|(key, _)| key).collect()
}

/// Puts a check's request together.
pub(crate) fn prepare(check: &Check, base: &Result<String, String>, scope: Scope<'_>) -> Result<Prepared, Unable> {
    let asked = check.request().map_err(Unable::Wrong)?;
    if let Some((_, why)) = useless(check, asked).into_iter().next() {
        return Err(Unable::Wrong(why));
    }
    match asked {
        Request::Invoke(invoke) => {
            Ok(Prepared::Invoke { payload: render_value(&invoke.payload, scope)?.to_string().into_bytes() })
        }
        Request::WebSocket { path } => {
            let address = address(base, path, scope)?;
            let (message, _) = body(check, scope)?;
            let message =
                (check.json.is_some() || check.body.is_some()).then(|| String::from_utf8_lossy(&message).into_owned());
            let shown = format!("websocket {}", with_scheme(&address.shown, ["wss://", "ws://"]));
            Ok(Prepared::WebSocket { request: Box::new(request(check, &address, (), scope)?), message, shown })
        }
        Request::GrpcHealth(health) => {
            let path = match health.url.as_deref().map(|url| url.trim().trim_end_matches('/')) {
                None => grpc::CHECK.to_owned(),
                Some(url) if has_scheme(url) => format!("{url}{}", grpc::CHECK),
                Some(url) => {
                    return Err(Unable::Wrong(format!(
                        "`{}` is no URL of a gRPC server; write `https://`, or `http://` for HTTP/2 without TLS, and the host",
                        without_credentials(url)
                    )));
                }
            };
            let address = address(base, &path, scope)?;
            let service = plain(&health.service, scope)?;
            let mut request = request(check, &address, grpc::question(&service), scope)?;
            *request.method_mut() = http::Method::POST;
            request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
            request.headers_mut().insert(TE, HeaderValue::from_static("trailers"));
            let shown = grpc_named(&service, address.shown.trim_end_matches(grpc::CHECK));
            Ok(Prepared::GrpcHealth { request: Box::new(request), service, shown })
        }
        Request::Http { method, path } => {
            let address = address(base, path, scope)?;
            let (body, content_type) = body(check, scope)?;
            let mut request = request(check, &address, body, scope)?;
            *request.method_mut() = verb(method);
            if let (Some(content_type), false) = (content_type, request.headers().contains_key(CONTENT_TYPE)) {
                request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
            }
            Ok(Prepared::Http { request: Box::new(request), shown: format!("{} {}", method.as_str(), address.shown) })
        }
    }
}

/// A GET with the check's own headers.
fn request<B>(check: &Check, address: &Address, body: B, scope: Scope<'_>) -> Result<http::Request<B>, Unable> {
    let mut request = http::Request::new(body);
    let url = with_scheme(&address.url, ["https://", "http://"]);
    // The client does not take them from a URL that is put together elsewhere.
    if let Some(credentials) = credentials(&url) {
        request.headers_mut().insert(AUTHORIZATION, credentials);
    }
    *request.uri_mut() = without_secrets(&url)
        .parse()
        .map_err(|error| Unable::Wrong(format!("`{}` is no URL: {error}", address.shown)))?;
    for (name, value) in &check.headers {
        let name = header_name(name).map_err(Unable::Wrong)?;
        let value = HeaderValue::from_str(&plain(value, scope)?).map_err(|_| {
            Unable::Wrong(format!("the value of the header `{name}` has characters that no header may have"))
        })?;
        request.headers_mut().insert(name, value);
    }
    Ok(request)
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
        Ok(Request::WebSocket { path }) if has_scheme(path) => {
            format!("websocket {}", with_scheme(&without_secrets(path), ["wss://", "ws://"]))
        }
        Ok(Request::WebSocket { path }) => {
            let base = base.as_deref().map(|base| without_secrets(base.trim_end_matches('/'))).unwrap_or_default();
            format!("websocket {}{path}", with_scheme(&base, ["wss://", "ws://"]))
        }
        Ok(Request::GrpcHealth(health)) => {
            let base = health.url.as_deref().or(base.as_deref().ok()).map(without_secrets).unwrap_or_default();
            grpc_named(&health.service, base.trim_end_matches('/'))
        }
        Err(_) => String::new(),
    }
}

struct Address {
    url: String,
    /// The same without credentials, and with references in the query left as they were written: values there tend to be tokens.
    shown: String,
}

/// The schemes of a URL: with TLS, without it. Those of a WebSocket (RFC 6455 §3) lead to the same places as those of HTTP.
const SCHEMES: [[&str; 2]; 2] = [["https://", "http://"], ["wss://", "ws://"]];

/// Whether a path is a whole URL.
pub(crate) fn has_scheme(path: &str) -> bool {
    SCHEMES.iter().flatten().any(|scheme| path.starts_with(scheme))
}

/// The URL with another pair of schemes.
fn with_scheme(url: &str, wanted: [&str; 2]) -> String {
    let other = SCHEMES
        .iter()
        .flat_map(|pair| pair.iter().zip(wanted))
        .find_map(|(scheme, wanted)| url.strip_prefix(scheme).map(|rest| format!("{wanted}{rest}")));
    other.unwrap_or_else(|| url.to_owned())
}

fn grpc_named(service: &str, server: &str) -> String {
    if service.is_empty() {
        format!("gRPC health of {server}")
    } else {
        format!("gRPC health of `{service}` at {server}")
    }
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
            return Err(Unable::Wrong(format!(
                "`{}` takes its host from a reference; write the host itself",
                without_credentials(origin)
            )));
        }
        (origin.to_owned(), rest)
    } else {
        let base = base.as_ref().map_err(|why| Unable::CannotTell(why.clone()))?;
        (base.trim().trim_end_matches('/').to_owned(), path)
    };
    // `DELETE /orders/{{ id }}` must not become `DELETE /orders/`.
    let without_query = rest.split(['?', '#']).next().unwrap_or_default();
    if let Some(name) = empty_references(without_query, scope)?.first() {
        return Err(Unable::Wrong(format!(
            "the value of `{{{{ {name} }}}}` is empty, so that `{without_query}` would lead elsewhere"
        )));
    }
    let component = |value: &str| utf8_percent_encode(value, COMPONENT).to_string();
    let (origin, rendered) = if sole_reference(rest).is_some() {
        below(&origin, &plain(rest, scope)?, scope.variables.mask())?
    } else {
        let rendered = rooted(&render(rest, scope, component)?);
        if dot_segments(&rendered) > dot_segments(rest) {
            return Err(Unable::Wrong(format!(
                "a value in `{rest}` makes a part of the path `.` or `..`, which would lead elsewhere on the host"
            )));
        }
        (origin.as_str(), rendered)
    };
    let shown = match rest.split_once('?') {
        Some((head, query)) => format!("{}?{query}", rooted(&render(head, scope, component)?)),
        None => rendered.split('?').next().unwrap_or_default().to_owned(),
    };
    let tidy = |text: &str| utf8_percent_encode(text, NOT_IN_A_URL).to_string();
    Ok(Address {
        url: format!("{}{}", tidy(origin), tidy(&rendered)),
        shown: format!("{}{shown}", without_secrets(origin)),
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

/// A captured path or URL, such as the one in a `location` header: what it goes below, and the path. It is followed on the same host only.
fn below<'o>(origin: &'o str, value: &str, mask: &Mask) -> Result<(&'o str, String), Unable> {
    let scheme = |url: &str| url.split_once("://").map(|(scheme, _)| scheme.to_owned());
    let is_scheme = |scheme: &String| scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    let url = match scheme(value).filter(is_scheme) {
        Some(_) => value.to_owned(),
        // RFC 3986, 4.2: the scheme is the one that the answer came by.
        None if value.starts_with("//") => format!("{}:{value}", scheme(origin).unwrap_or_default()),
        None if value.starts_with('/') => return Ok((root(origin), value.to_owned())),
        None => return Ok((origin, rooted(value))),
    };
    if host(&url).is_some() && host(&url) == host(origin) {
        // By the origin's own words, its user and password among them.
        return Ok((root(origin), rooted(url.get(root(&url).len()..).unwrap_or_default())));
    }
    Err(Unable::Wrong(format!(
        "`{}` leads to another host, port or scheme than `{}`; a value from an answer is only followed on the same host",
        mask.outside(value, 120),
        without_secrets(origin)
    )))
}

/// A URL up to the end of its host and port.
fn root(url: &str) -> &str {
    let start = url.find("://").map_or(0, |at| at + 3);
    let rest = url.get(start..).unwrap_or_default();
    let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
    url.get(..start + end).unwrap_or(url)
}

/// Whether a URL has TLS, its host and its port, as they are compared: in small letters, the port as the scheme implies it (RFC 3986, 6.2).
fn host(url: &str) -> Option<(bool, String, u16)> {
    let (scheme, authority) = root(url).split_once("://")?;
    let (tls, implied) = match scheme.to_ascii_lowercase().as_str() {
        "https" | "wss" => (true, 443),
        "http" | "ws" => (false, 80),
        _ => return None,
    };
    let host = authority.rsplit('@').next()?;
    // An IPv6 address stands in brackets, with colons of its own.
    let (name, port) =
        host.split_at(host.rfind(']').map_or_else(|| host.find(':').unwrap_or(host.len()), |end| end + 1));
    let port = match port.strip_prefix(':') {
        None | Some("") => implied,
        Some(port) => port.parse().ok()?,
    };
    (!name.is_empty()).then(|| (tls, name.to_ascii_lowercase(), port))
}

/// The user and the password that stand before a URL's host, as a header says them (RFC 7617).
fn credentials(url: &str) -> Option<HeaderValue> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let (credentials, _) = authority.rsplit_once('@')?;
    let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
    let plain = |text: &str| percent_decode_str(text).collect::<Vec<u8>>();
    let encoded = BASE64_STANDARD.encode([plain(user), plain(password)].join(&b':'));
    let mut value = HeaderValue::try_from(format!("Basic {encoded}")).ok()?;
    value.set_sensitive(true);
    Some(value)
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
mod tests;
