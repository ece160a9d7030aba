//! Tickets by HTTP: whoever takes JSON by POST and answers JSON. Knows nothing of what a ticket says or of who keeps it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use domain::ports::{PortError, Tickets, Unsent};
use domain::text::{bounded, without_secrets};
use domain::time::Timestamp;
use http::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, LOCATION};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use crate::retry::{Again, Line, get, permanent, post, retry_after, transient};
use crate::{HttpClient, HttpResponse};

/// Hosts that nothing leaves the machine for: there plain HTTP shows the credentials to nobody.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// Where tickets are kept.
pub struct Desk {
    line: Line,
    url: String,
    headers: HeaderMap,
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").field("url", &without_secrets(&self.url)).finish_non_exhaustive()
    }
}

impl Desk {
    /// A desk that is tried until `until` and no longer. `authorization` is the whole value of the header `Authorization`.
    ///
    /// # Errors
    /// When a header's name or value can be none.
    pub fn new(
        http: HttpClient,
        url: &str,
        headers: &BTreeMap<String, String>,
        authorization: Option<&SecretString>,
        until: Timestamp,
    ) -> Result<Self, PortError> {
        let what = "preparing to open a ticket";
        let none = SecretString::from(String::new());
        let line = Line::new(http, authorization.unwrap_or(&none), until);
        let mut all = HeaderMap::new();
        all.insert(ACCEPT, HeaderValue::from_static("application/json"));
        for (name, value) in headers {
            let wrong =
                |part| permanent(what, format!("the {part} of the header `{name}` in `ticket.headers` can be none"));
            let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong("name"))?;
            all.insert(key, HeaderValue::from_str(value).map_err(|_| wrong("value"))?);
        }
        if authorization.is_some() {
            let mut value = HeaderValue::from_str(line.secret.expose_secret()).map_err(|_| {
                let wrong = "the secret that `ticket.authorization` names holds characters that no header has";
                permanent(what, wrong)
            })?;
            value.set_sensitive(true);
            all.insert(AUTHORIZATION, value);
        }
        Ok(Self { line, url: url.to_owned(), headers: all })
    }

    /// The URL as it is asked. Credentials go over TLS alone; a rehearsal plays `https` over plain HTTP, as it does for the checks' endpoints.
    fn address<'a>(&self, what: &str, url: &'a str) -> Result<Cow<'a, str>, Unsent> {
        if let Some(rest) = url.strip_prefix("https://") {
            let is_rehearsal = self.line.http.clock().is_virtual();
            return Ok(if is_rehearsal { Cow::Owned(format!("http://{rest}")) } else { Cow::Borrowed(url) });
        }
        let host = url.strip_prefix("http://").and_then(|rest| rest.split(['/', '?', '#']).next()).unwrap_or_default();
        let is_port = |port: &str| port.chars().all(|c| c.is_ascii_digit());
        let name = host.rsplit_once(':').filter(|(_, port)| is_port(port)).map_or(host, |(name, _)| name);
        if LOOPBACK.contains(&name) {
            return Ok(Cow::Borrowed(url));
        }
        let detail = format!("`{}` does not begin with `https://`", bounded(&without_secrets(url), 120));
        Err(Unsent::Closed(permanent(what, detail)))
    }

    fn with_headers(&self, mut request: http::Request<Vec<u8>>) -> http::Request<Vec<u8>> {
        for (name, value) in &self.headers {
            request.headers_mut().insert(name, value.clone());
        }
        request
    }

    /// What an answer means. GitHub tells its limits with 403, too ("Rate limits for the REST API").
    fn judge(&self, what: &str, response: &HttpResponse) -> Result<Value, Unsent> {
        if let Some(unsent) = self.line.refused_for_now(what, response) {
            return Err(unsent);
        }
        let answer = || self.line.answer(response);
        let after = retry_after(&response.headers);
        let used_up = response.headers.get("x-ratelimit-remaining").is_some_and(|left| left == "0");
        let told = |hint: &str| permanent(what, format!("{}; {hint}", answer()));
        match response.status {
            // What is no JSON has taken it as well; there is no link then.
            200..=299 => Ok(serde_json::from_slice(&response.body).unwrap_or_default()),
            403 if after.is_some() || used_up => Err(Unsent::NotTaken(transient(what, answer(), after))),
            408 => Err(Unsent::Unanswered(transient(what, answer(), after))),
            400 | 409 | 413 | 415 | 422 => Err(Unsent::Unfit(told("check `ticket.body` and `ticket.headers`"))),
            300..=399 => {
                let to = response.headers.get(LOCATION).and_then(|to| to.to_str().ok()).unwrap_or("nowhere");
                let to = bounded(&self.line.without_secret(&without_secrets(to)), 200);
                Err(Unsent::Closed(told(&format!("it leads to `{to}`; write the address itself"))))
            }
            _ => Err(Unsent::Closed(told(
                "check the address, and the secret that `ticket.authorization` names: whether it is valid and may open tickets there",
            ))),
        }
    }
}

impl Tickets for Desk {
    async fn open(&self, body: &Value) -> Result<Value, Unsent> {
        let what = "opening a ticket";
        let request = self.with_headers(post(what, &self.address(what, &self.url)?, body)?);
        self.line.send(what, &request, Again::NotTaken, |response| self.judge(what, response)).await
    }

    async fn ask(&self, url: &str) -> Result<Value, PortError> {
        let what = "looking for a ticket";
        let request = self.with_headers(get(what, &self.address(what, url)?)?);
        self.line.read(what, &request, |response| self.judge(what, response)).await
    }
}

#[cfg(test)]
mod tests;
