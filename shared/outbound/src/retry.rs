//! How a sender tries again: a few times, with a growing pause, never beyond the time that the invocation has left. Knows nothing
//! of what is sent, only of which errors may pass.

use std::time::Duration;

use domain::ports::{PortError, Unsent};
use domain::text::bounded;
use domain::time::{Timestamp, spoken};
use http::HeaderMap;
use secrecy::{ExposeSecret, SecretString};

use crate::{HttpClient, HttpError, HttpResponse};

/// The time for one request: a vendor that needs longer is as good as down.
const REQUEST_LIMIT: Duration = Duration::from_secs(5);
/// More tries than these would eat the time of what else is to be told; Lambda itself retries the whole event later.
const TRIES: u32 = 3;
/// The first pause; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// How much of a vendor's answer is repeated in an error.
const QUOTED: usize = 200;

/// A way to one vendor: the client, the secret that must not show up in any text, and the time until which to try.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) http: HttpClient,
    pub(crate) secret: SecretString,
    pub(crate) until: Timestamp,
    pub(crate) first_pause: Duration,
}

impl Line {
    pub(crate) fn new(http: HttpClient, secret: &SecretString, until: Timestamp) -> Self {
        // Secrets that were pasted often end in a line break.
        let secret = SecretString::from(secret.expose_secret().trim());
        Self { http, secret, until, first_pause: FIRST_PAUSE }
    }

    /// Sends until `judge` is content, the error is one that will not pass, the tries are used up or the time is.
    pub(crate) async fn send<T>(
        &self,
        what: &str,
        request: &http::Request<Vec<u8>>,
        judge: impl Fn(&HttpResponse) -> Result<T, PortError>,
    ) -> Result<T, PortError> {
        let clock = self.http.clock();
        let mut pause = self.first_pause;
        let mut tried = 0;
        loop {
            tried += 1;
            let left = self.until.since(clock.now());
            if left.is_zero() {
                return Err(transient(what, "no time is left in this invocation", None));
            }
            let outcome = match self.http.send(request.clone(), REQUEST_LIMIT.min(left)).await {
                Ok(response) => judge(&response),
                Err(error) => Err(self.unanswered(what, &error)),
            };
            let error = match outcome {
                Err(error) if error.is_transient() && tried < TRIES => error,
                done => return done,
            };
            let wait = match &error {
                PortError::Transient { retry_after: Some(asked), .. } => (*asked).max(self.first_pause),
                _ => pause,
            };
            // A pause that leaves no time for the try after it is not worth waiting for: Lambda's own retry comes later.
            if clock.now().plus(wait) >= self.until {
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

    fn unanswered(&self, what: &str, error: &HttpError) -> PortError {
        let detail = self.without_secret(&error.to_string());
        match error {
            HttpError::Malformed(_) => permanent(what, format!("{detail}; check the base URL and the secret's value")),
            HttpError::Timeout(_) | HttpError::Connect(_) | HttpError::Broken(_) | HttpError::TooLong(_) => {
                transient(what, detail, None)
            }
        }
    }

    /// What the answer's status alone decides: busy and broken servers may recover.
    pub(crate) fn refused_for_now(&self, what: &str, response: &HttpResponse) -> Option<PortError> {
        (response.status == 429 || response.status >= 500)
            .then(|| transient(what, self.answer(response), retry_after(&response.headers)))
    }

    /// The answer in words: its status and the beginning of its body.
    pub(crate) fn answer(&self, response: &HttpResponse) -> String {
        format!("HTTP {}, body {}", response.status, self.body(response))
    }

    /// The beginning of the answer's body, in back-ticks.
    pub(crate) fn body(&self, response: &HttpResponse) -> String {
        let text = self.without_secret(String::from_utf8_lossy(&response.body).trim());
        format!("`{}`", bounded(&text, QUOTED))
    }

    /// A vendor may repeat what it was sent.
    fn without_secret(&self, text: &str) -> String {
        match self.secret.expose_secret() {
            "" => text.to_owned(),
            secret => text.replace(secret, "[secret]"),
        }
    }
}

/// `Retry-After` in seconds; its other form, a date, is not used by either vendor.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
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
pub(crate) fn post(what: &str, url: &str, body: &serde_json::Value) -> Result<http::Request<Vec<u8>>, PortError> {
    // The error's text does not repeat the URL, which may be a secret.
    http::Request::post(url)
        .header(http::header::CONTENT_TYPE, "application/json; charset=utf-8")
        .body(body.to_string().into_bytes())
        .map_err(|error| {
            permanent(what, format!("the URL cannot be used: {error}; check the configured base URL or webhook"))
        })
}

/// What became of something that could not be sent, by its error.
pub(crate) fn unsent(error: PortError) -> Unsent {
    match error {
        PortError::Transient { .. } => Unsent::NotTaken(error),
        PortError::NotFound { .. } => Unsent::Gone(error),
        PortError::Denied { .. } | PortError::Permanent { .. } => Unsent::Closed(error),
    }
}
