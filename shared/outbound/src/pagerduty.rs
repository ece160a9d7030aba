//! PagerDuty's Events API v2. Knows nothing of what is worth a page; an event is a JSON object with `event_action`, `dedup_key` and
//! `payload`.

use std::fmt;

use domain::ports::{Pager, PortError, Unsent};
use domain::time::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use crate::retry::{Line, permanent, post, unsent};
use crate::{HttpClient, HttpResponse};

/// PagerDuty's events host; accounts in the EU override it.
pub const DEFAULT_URL: &str = "https://events.pagerduty.com";

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
    /// An integration that tries until `until` and no longer; `base` is [`DEFAULT_URL`] unless it is overridden.
    pub fn new(http: HttpClient, base: &str, routing_key: &SecretString, until: Timestamp) -> Self {
        Self { line: Line::new(http, routing_key, until), base: base.trim_end_matches('/').to_owned() }
    }
}

impl PagerDuty {
    async fn enqueue(&self, what: &str, path: &str, event: &Value) -> Result<(), PortError> {
        let mut body = event.clone();
        let Some(keys) = body.as_object_mut() else {
            return Err(permanent(what, "the event is not a JSON object"));
        };
        keys.insert("routing_key".to_owned(), json!(self.line.secret.expose_secret()));
        let request = post(what, &format!("{}{path}", self.base), &body)?;
        let judge = |response: &HttpResponse| match self.line.refused_for_now(what, response) {
            Some(error) => Err(error),
            // 202 is the documented answer; any other success has accepted the event too.
            None if (200..300).contains(&response.status) => Ok(()),
            None => Err(permanent(
                what,
                format!(
                    "{}; check the integration key in the secret that `pagerduty.routing_key` names",
                    self.line.answer(response)
                ),
            )),
        };
        self.line.send(what, &request, judge).await
    }
}

impl Pager for PagerDuty {
    async fn send(&self, event: &Value) -> Result<(), Unsent> {
        self.enqueue("sending an event to PagerDuty", "/v2/enqueue", event).await.map_err(unsent)
    }

    async fn change(&self, event: &Value) -> Result<(), Unsent> {
        self.enqueue("sending a change event to PagerDuty", "/v2/change/enqueue", event).await.map_err(unsent)
    }
}

#[cfg(test)]
mod tests;
