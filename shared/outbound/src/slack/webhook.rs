//! An incoming webhook: posts to its one channel. It knows no threads, and Slack does not say which message it made.

use std::fmt;

use domain::ports::{Address, Chat, PortError, PostedMessage, Unsent};
use domain::time::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::refusal::refusal;
use crate::retry::{Again, Line, permanent, post, transient};
use crate::{HttpClient, HttpResponse};

/// An incoming webhook.
pub struct Webhook {
    pub(super) line: Line,
}

impl fmt::Debug for Webhook {
    /// The URL is the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook").finish_non_exhaustive()
    }
}

impl Webhook {
    /// A webhook that tries until `until` and no longer.
    pub fn new(http: HttpClient, url: &SecretString, until: Timestamp) -> Self {
        Self { line: Line::new(http, url, until) }
    }

    /// A webhook answers `ok`, or a status and a code as plain text ("Handling errors" on Slack's page on incoming webhooks).
    fn judge(&self, what: &str, response: &HttpResponse) -> Result<(), Unsent> {
        if let Some(unsent) = self.line.refused_for_now(what, response) {
            return Err(unsent);
        }
        let body = String::from_utf8_lossy(&response.body);
        let code = body.trim();
        let told = |unsent: fn(PortError) -> Unsent, hint: &str| {
            unsent(permanent(what, format!("{}; {hint}", self.line.answer(response))))
        };
        let check = "check the webhook in the secret that `slack.webhook` names";
        match response.status {
            200 if code == "ok" => Ok(()),
            200 => {
                let detail = format!("the answer is none of Slack's: {}", self.line.answer(response));
                Err(Unsent::Unanswered(transient(what, detail, None)))
            }
            // A code in small letters tells more than the status; anything else is no code of Slack's.
            400 | 403 | 404 | 410 if is_code(code) => match (refusal(what, code, ""), response.status) {
                (unsent @ (Unsent::NotTaken(_) | Unsent::Closed(_)), _) => Err(unsent),
                (_, 400) => Err(told(Unsent::Unfit, "this one message is not taken as it is")),
                (_, _) => Err(told(Unsent::Closed, check)),
            },
            400 => Err(told(Unsent::Unfit, "this one message is not taken as it is")),
            _ => Err(told(Unsent::Closed, check)),
        }
    }
}

fn is_code(text: &str) -> bool {
    (1..=60).contains(&text.len()) && text.chars().all(|c| c.is_ascii_lowercase() || c == '_')
}

impl Chat for Webhook {
    /// Posts to the webhook's own channel; the address is of no use to it. The answer's `ts` is empty.
    async fn post(&self, to: &Address<'_>, message: &Value, _mark: &str) -> Result<PostedMessage, Unsent> {
        let what = "posting to the Slack webhook";
        let request = post(what, self.line.secret.expose_secret(), message)?;
        self.line.send(what, &request, Again::NotTaken, |response| self.judge(what, response)).await?;
        Ok(PostedMessage { channel: to.channel.to_owned(), ts: String::new() })
    }

    /// A webhook cannot read.
    async fn find(&self, _: &Address<'_>, _: &str, _: Timestamp) -> Result<Option<PostedMessage>, PortError> {
        Err(permanent("looking for a Slack message", "a webhook cannot read what stands in its channel"))
    }

    /// A webhook cannot change what it has posted.
    async fn update(&self, _message: &PostedMessage, _content: &Value) -> Result<(), Unsent> {
        Ok(())
    }
}
