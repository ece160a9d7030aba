//! How a sender tries again: a few times, with growing pauses that no two senders share, never beyond the time that the invocation has left.
//! What may have been taken is not sent again here unless that is harmless. Knows nothing of what is sent, only of what became of it.

use std::time::Duration;

use domain::ports::{PortError, Unsent};
use domain::text::bounded;
use domain::time::{Timestamp, spoken};
use http::HeaderMap;
use secrecy::{ExposeSecret, SecretString};

use crate::{HttpClient, HttpError, HttpResponse, LONGEST_BODY};

/// The time for one request: a vendor that needs longer is as good as down.
const REQUEST_LIMIT: Duration = Duration::from_secs(5);
/// More tries than these would eat the time of what else is to be told; Lambda itself retries the whole event later.
const TRIES: u32 = 3;
/// The first pause; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// How much of a vendor's answer is repeated in an error, in characters.
const QUOTED: usize = 200;
/// How much of an answer is looked at to quote from, in bytes.
const QUOTED_FROM: usize = 4 << 10;
/// How much of an answer to something that was sent is kept, in bytes. Slack repeats the message in it; nobody answers more.
pub(crate) const KEPT: usize = 256 << 10;
/// Parts of a secret that are shorter say nothing of it, and would mask words of the language.
const SHORTEST_MASKED: usize = 8;

/// A way to one vendor: the client, the secret that must not show up in any text, and the time until which to try.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) http: HttpClient,
    pub(crate) secret: SecretString,
    pub(crate) until: Timestamp,
    pub(crate) first_pause: Duration,
    pub(crate) request_limit: Duration,
}

/// What may be sent a second time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Again {
    /// What was certainly not taken. Whether the rest is there has to be looked up first.
    NotTaken,
    /// What may have been taken, too: a second time changes nothing.
    Unanswered,
}

impl Line {
    pub(crate) fn new(http: HttpClient, secret: &SecretString, until: Timestamp) -> Self {
        // Secrets that were pasted often end in a line break.
        let secret = SecretString::from(secret.expose_secret().trim());
        Self { http, secret, until, first_pause: FIRST_PAUSE, request_limit: REQUEST_LIMIT }
    }

    /// Sends until `judge` is content, what it says must not be sent again, the tries are used up or the time is.
    pub(crate) async fn send<T>(
        &self,
        what: &str,
        request: &http::Request<Vec<u8>>,
        again: Again,
        judge: impl Fn(&HttpResponse) -> Result<T, Unsent>,
    ) -> Result<T, Unsent> {
        self.send_keeping(what, request, again, KEPT, judge).await
    }

    /// The same for something that is read: a second time is harmless, and the answer may be long.
    pub(crate) async fn read<T>(
        &self,
        what: &str,
        request: &http::Request<Vec<u8>>,
        judge: impl Fn(&HttpResponse) -> Result<T, Unsent>,
    ) -> Result<T, PortError> {
        Ok(self.send_keeping(what, request, Again::Unanswered, LONGEST_BODY, judge).await?)
    }

    async fn send_keeping<T>(
        &self,
        what: &str,
        request: &http::Request<Vec<u8>>,
        again: Again,
        keep: usize,
        judge: impl Fn(&HttpResponse) -> Result<T, Unsent>,
    ) -> Result<T, Unsent> {
        let clock = self.http.clock();
        let mut pause = self.first_pause;
        let mut tried = 0;
        loop {
            tried += 1;
            let left = self.until.since(clock.now());
            if left.is_zero() {
                return Err(Unsent::NotTaken(transient(what, "no time is left in this invocation", None)));
            }
            let outcome = match self.http.send_keeping(request.clone(), keep, self.request_limit.min(left)).await {
                Ok(response) => judge(&response),
                Err(error) => Err(self.unanswered(what, &error)),
            };
            let may_go_again = match &outcome {
                Err(Unsent::NotTaken(_)) => true,
                Err(Unsent::Unanswered(_)) => again == Again::Unanswered,
                _ => false,
            };
            let error = match outcome {
                Err(error) if may_go_again && tried < TRIES => error,
                done => return done,
            };
            let now = clock.now();
            let chance = |span| share(span, request.body(), tried, now);
            let wait = match error.error() {
                // Never sooner than was asked for.
                PortError::Transient { retry_after: Some(asked), .. } => {
                    let asked = (*asked).max(self.first_pause);
                    asked + chance(self.first_pause / 2).min(self.until.since(now.plus(asked)) / 2)
                }
                _ => pause / 2 + chance(pause / 2),
            };
            // A pause that leaves no time for the try after it is not worth waiting for: Lambda's own retry comes later.
            if now.plus(wait) >= self.until {
                return Err(error);
            }
            tracing::info!(
                attempt = tried,
                pause_ms = wait.as_millis() as u64,
                "{error}; trying again in {}",
                spoken(wait)
            );
            clock.sleep(wait).await;
            pause *= 2;
        }
    }

    fn unanswered(&self, what: &str, error: &HttpError) -> Unsent {
        let detail = self.without_secret(&error.to_string());
        match error {
            HttpError::Malformed(_) => {
                Unsent::Closed(permanent(what, format!("{detail}; check the URL and the secret's value")))
            }
            HttpError::Connect(_) => Unsent::NotTaken(transient(what, detail, None)),
            HttpError::Timeout(_) | HttpError::Broken(_) | HttpError::TooLong(_) => {
                Unsent::Unanswered(transient(what, detail, None))
            }
        }
    }

    /// What the answer's status alone decides: whoever is busy has taken nothing, whoever is broken may have.
    pub(crate) fn refused_for_now(&self, what: &str, response: &HttpResponse) -> Option<Unsent> {
        let error = || transient(what, self.answer(response), retry_after(&response.headers));
        match response.status {
            429 => Some(Unsent::NotTaken(error())),
            500.. => Some(Unsent::Unanswered(error())),
            _ => None,
        }
    }

    /// The answer in words: its status and the beginning of its body.
    pub(crate) fn answer(&self, response: &HttpResponse) -> String {
        format!("HTTP {}, body {}", response.status, self.body(response))
    }

    /// The beginning of the answer's body, in back-ticks.
    pub(crate) fn body(&self, response: &HttpResponse) -> String {
        let beginning = response.body.get(..QUOTED_FROM).unwrap_or(&response.body);
        let text = self.without_secret(String::from_utf8_lossy(beginning).trim());
        format!("`{}`", bounded(&text, QUOTED))
    }

    /// A vendor may repeat what it was sent: all of the secret, or a part that opens the door as well, such as the token of `Bearer …` or a
    /// webhook's path.
    pub(crate) fn without_secret(&self, text: &str) -> String {
        let secret = self.secret.expose_secret();
        let path = secret.split_once("://").and_then(|(_, rest)| rest.find('/').and_then(|at| rest.get(at..)));
        let parts: Vec<&str> = match path {
            Some(path) => path.rsplit('/').take(1).chain([path]).collect(),
            None => secret.split_whitespace().collect(),
        };
        let mut parts: Vec<&str> = parts.into_iter().filter(|part| part.len() >= SHORTEST_MASKED).collect();
        parts.push(secret);
        // What is contained in another is masked after it.
        parts.sort_by_key(|part| std::cmp::Reverse(part.len()));
        let mut text = text.to_owned();
        for part in parts.into_iter().filter(|part| !part.is_empty()) {
            text = text.replace(part, "[secret]");
        }
        text
    }
}

/// A share of a span, from nothing to nearly all of it: FNV-1a of what is sent, of the time and of the try. So two who were refused in the same
/// instant do not come again in the same instant, and a rehearsal takes the same course every time.
fn share(span: Duration, sent: &[u8], tried: u32, now: Timestamp) -> Duration {
    let add = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    let bytes = now.0.to_le_bytes().into_iter().chain(tried.to_le_bytes());
    let hash = bytes.fold(sent.iter().fold(0xcbf2_9ce4_8422_2325, add), |hash, byte| add(hash, &byte));
    // The lowest bits of FNV are the weakest.
    span * u32::try_from((hash >> 32) % 1000).unwrap_or_default() / 1000
}

/// `Retry-After` in seconds; its other form, a date, is not used by any of the vendors.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(http::header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

pub(crate) fn transient(what: &str, detail: impl Into<String>, retry_after: Option<Duration>) -> PortError {
    PortError::Transient { what: what.to_owned(), detail: detail.into(), retry_after }
}

pub(crate) fn permanent(what: &str, detail: impl Into<String>) -> PortError {
    PortError::Permanent { what: what.to_owned(), detail: detail.into() }
}

/// A POST of a JSON body.
pub(crate) fn post(what: &str, url: &str, body: &serde_json::Value) -> Result<http::Request<Vec<u8>>, Unsent> {
    http::Request::post(url)
        .header(http::header::CONTENT_TYPE, "application/json; charset=utf-8")
        .body(body.to_string().into_bytes())
        .map_err(|error| unusable(what, &error))
}

/// A GET.
pub(crate) fn get(what: &str, url: &str) -> Result<http::Request<Vec<u8>>, Unsent> {
    http::Request::get(url).body(Vec::new()).map_err(|error| unusable(what, &error))
}

/// The error's text does not repeat the URL, which may be a secret.
fn unusable(what: &str, error: &http::Error) -> Unsent {
    Unsent::Closed(permanent(what, format!("the URL cannot be used: {error}; check the configured URL or webhook")))
}

#[cfg(test)]
mod tests;
