//! PagerDuty's Events API v2: events that page and events that only tell of a change. Knows nothing of what is worth a page; an event is a JSON
//! object without the routing key.

use std::fmt;

use domain::config::PagerDutyRegion;
use domain::ports::{Pager, Unsent};
use domain::time::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use crate::retry::{Again, Line, permanent, post};
use crate::{HttpClient, HttpResponse};

/// PagerDuty's events host.
pub const DEFAULT_URL: &str = "https://events.pagerduty.com";
/// The same for accounts in the EU ("Service Regions", PagerDuty's documentation).
pub const EU_URL: &str = "https://events.eu.pagerduty.com";

/// The events host of a region.
pub fn url_of(region: PagerDutyRegion) -> &'static str {
    match region {
        PagerDutyRegion::Us => DEFAULT_URL,
        PagerDutyRegion::Eu => EU_URL,
    }
}

/// A PagerDuty service integration.
pub struct PagerDuty {
    line: Line,
    base: String,
}

impl fmt::Debug for PagerDuty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PagerDuty").field("base", &self.base).finish_non_exhaustive()
    }
}

impl PagerDuty {
    /// An integration that tries until `until` and no longer; `base` is [`url_of`] the account's region unless it is overridden.
    pub fn new(http: HttpClient, base: &str, routing_key: &SecretString, until: Timestamp) -> Self {
        Self { line: Line::new(http, routing_key, until), base: base.trim_end_matches('/').to_owned() }
    }

    async fn enqueue(&self, what: &str, path: &str, event: &Value, again: Again) -> Result<(), Unsent> {
        let mut body = event.clone();
        let Some(keys) = body.as_object_mut() else {
            return Err(Unsent::Unfit(permanent(what, "the event is not a JSON object")));
        };
        keys.insert("routing_key".to_owned(), json!(self.line.secret.expose_secret()));
        let request = post(what, &format!("{}{path}", self.base), &body)?;
        self.line.send(what, &request, again, |response| self.judge(what, response)).await
    }

    /// 202 is the documented answer, 400 says what is wrong in `errors` ("Response Codes & Retry Logic", Events API v2 overview).
    fn judge(&self, what: &str, response: &HttpResponse) -> Result<(), Unsent> {
        if let Some(unsent) = self.line.refused_for_now(what, response) {
            return Err(unsent);
        }
        let told = |hint: &str| permanent(what, format!("{}; {hint}", self.line.answer(response)));
        match response.status {
            // Any other success has accepted the event too.
            200..=299 => Ok(()),
            400 | 413 if !is_about_the_key(&response.body) => {
                Err(Unsent::Unfit(told("PagerDuty does not take this one event as it is")))
            }
            _ => Err(Unsent::Closed(told(
                "check the integration key (Events API v2) in the secret that `pagerduty.routing_key` names, and `pagerduty.region`",
            ))),
        }
    }
}

/// Whether PagerDuty complains about the routing key and not about the event: `Invalid routing key`, `Length of 'routing_key' is incorrect
/// (should be 32 characters)`, `'routing_key' is missing or blank`; of the older API, `Service key is the wrong length`.
fn is_about_the_key(body: &[u8]) -> bool {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    let errors = answer.get("errors").and_then(Value::as_array);
    let message = answer.get("message").and_then(Value::as_str);
    let mut complaints = errors.into_iter().flatten().filter_map(Value::as_str).chain(message);
    complaints.any(|complaint| {
        let complaint = complaint.to_lowercase().replace('_', " ");
        ["routing key", "service key", "integration key"].iter().any(|key| complaint.contains(key))
    })
}

impl Pager for PagerDuty {
    async fn send(&self, event: &Value) -> Result<(), Unsent> {
        // The key of the event makes a repetition harmless: "Alert De-Duplication", Events API v2. Without one each makes its own incident.
        let has_key = event.get("dedup_key").and_then(Value::as_str).is_some_and(|key| !key.is_empty());
        let again = if has_key { Again::Unanswered } else { Again::NotTaken };
        self.enqueue("sending an event to PagerDuty", "/v2/enqueue", event, again).await
    }

    async fn change(&self, event: &Value) -> Result<(), Unsent> {
        self.enqueue("sending a change event to PagerDuty", "/v2/change/enqueue", event, Again::NotTaken).await
    }
}

#[cfg(test)]
mod tests;
