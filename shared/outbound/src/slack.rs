//! Slack: a bot that posts, replies in threads and updates its messages (Web API), and an incoming webhook, which can only post.
//! Knows nothing of what the messages say; a message is a JSON object with `text` and `blocks`.

use std::fmt;

use domain::ports::{Address, Chat, PortError, PostedMessage, Unsent};
use domain::time::Timestamp;
use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use crate::retry::{Line, permanent, post, transient, unsent};
use crate::{HttpClient, HttpResponse};

/// Slack's Web API.
pub const DEFAULT_URL: &str = "https://slack.com/api";

/// The errors that Slack reports with HTTP 200 and that pass by themselves (Slack's page on `chat.postMessage`). After `internal_error`
/// and `fatal_error` the message may be there all the same: a message twice is better than none.
const PASSING: [&str; 6] =
    ["ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable", "request_timeout"];

/// A bot: posts and updates by `chat.postMessage` and `chat.update`.
pub struct Bot {
    line: Line,
    base: String,
}

/// An incoming webhook: posts to its one channel. It knows no threads, and Slack does not say which message it made.
pub struct Webhook {
    line: Line,
}

impl fmt::Debug for Bot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bot").field("base", &self.base).finish_non_exhaustive()
    }
}

impl fmt::Debug for Webhook {
    /// The URL is the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook").finish_non_exhaustive()
    }
}

impl Bot {
    /// A bot that tries until `until` and no longer; `base` is [`DEFAULT_URL`] unless it is overridden.
    pub fn new(http: HttpClient, base: &str, token: &SecretString, until: Timestamp) -> Self {
        Self { line: Line::new(http, token, until), base: base.trim_end_matches('/').to_owned() }
    }

    async fn call(&self, what: &str, method: &str, body: &Value) -> Result<Value, PortError> {
        let mut request = post(what, &format!("{}/{method}", self.base), body)?;
        let bearer = format!("Bearer {}", self.line.secret.expose_secret());
        let mut bearer = HeaderValue::from_str(&bearer).map_err(|_| {
            permanent(what, "the bot token holds characters that no token has; check the secret's value (`xoxb-…`)")
        })?;
        bearer.set_sensitive(true);
        request.headers_mut().insert(http::header::AUTHORIZATION, bearer);
        self.line.send(what, &request, |response| self.judge(what, response)).await
    }

    fn judge(&self, what: &str, response: &HttpResponse) -> Result<Value, PortError> {
        if let Some(error) = self.line.refused_for_now(what, response) {
            return Err(error);
        }
        if response.status != 200 {
            let detail = format!("{}; check `SLACK_API_URL` if it is set", self.line.answer(response));
            return Err(permanent(what, detail));
        }
        let garbage =
            || transient(what, format!("the answer is none of Slack's: {}", self.line.answer(response)), None);
        let answer: Value = serde_json::from_slice(&response.body).map_err(|_| garbage())?;
        match answer.get("ok").and_then(Value::as_bool) {
            Some(true) => Ok(answer),
            Some(false) => Err(refusal(what, answer.get("error").and_then(Value::as_str).unwrap_or("no error code"))),
            None => Err(garbage()),
        }
    }
}

/// Slack's error code as ours, with what to do about it.
fn refusal(what: &str, code: &str) -> PortError {
    if PASSING.contains(&code) {
        return transient(what, format!("Slack answered `{code}`"), None);
    }
    let remedy = match code {
        "channel_not_found" => "check `slack.channel` (the channel's id, `C…`); a private channel must invite the bot",
        "not_in_channel" => "invite the bot to the channel (`/invite`), or give it the scope `chat:write.public`",
        "is_archived" => "unarchive the channel, or name another in `slack.channel`",
        "invalid_auth" | "not_authed" | "token_expired" | "account_inactive" => {
            "put a valid bot token (`xoxb-…`) into the secret that `slack.token` names"
        }
        "token_revoked" => {
            "install the Slack app again and put its new bot token into the secret that `slack.token` names"
        }
        "missing_scope" => "give the Slack app the scope `chat:write` and install it again",
        "cant_update_message" | "edit_window_closed" => {
            "only the bot's own messages can be updated, while the workspace allows it"
        }
        "message_not_found" => {
            return PortError::NotFound {
                what: "the Slack message".to_owned(),
                detail: format!("Slack answered `{code}`"),
            };
        }
        _ => "Slack's page on the method explains the code",
    };
    permanent(what, format!("Slack answered `{code}`; {remedy}"))
}

/// The message's `text` and `blocks` with further keys.
fn with(message: &Value, further: Value) -> Value {
    let mut body = message.as_object().cloned().unwrap_or_default();
    if let Value::Object(further) = further {
        body.extend(further);
    }
    Value::Object(body)
}

impl Chat for Bot {
    async fn post(&self, to: &Address<'_>, message: &Value, _mark: &str) -> Result<PostedMessage, Unsent> {
        let what = "posting to Slack";
        let channel = to.channel;
        let mut body = with(message, json!({"channel": channel, "unfurl_links": false, "unfurl_media": false}));
        if let Some(thread) = to.thread {
            body = with(&body, json!({"thread_ts": thread}));
        }
        let answer = self.call(what, "chat.postMessage", &body).await.map_err(unsent)?;
        let text = |key: &str| answer.get(key).and_then(Value::as_str).map(str::to_owned);
        match text("ts") {
            Some(ts) => Ok(PostedMessage { channel: text("channel").unwrap_or_else(|| channel.to_owned()), ts }),
            // It was posted: trying again would post it twice.
            None => Err(unsent(permanent(what, "Slack posted the message but did not say under which `ts`"))),
        }
    }

    async fn find(&self, _: &Address<'_>, _: &str, _: Timestamp) -> Result<Option<PostedMessage>, PortError> {
        Err(permanent("looking for a Slack message", "the bot does not look"))
    }

    async fn update(&self, message: &PostedMessage, content: &Value) -> Result<(), Unsent> {
        let body = with(content, json!({"channel": message.channel, "ts": message.ts}));
        self.call("updating a Slack message", "chat.update", &body).await.map(drop).map_err(unsent)
    }
}

impl Webhook {
    /// A webhook that tries until `until` and no longer.
    pub fn new(http: HttpClient, url: &SecretString, until: Timestamp) -> Self {
        Self { line: Line::new(http, url, until) }
    }
}

impl Chat for Webhook {
    /// Posts to the webhook's own channel; the address is of no use to it. The answer's `ts` is empty.
    async fn post(&self, to: &Address<'_>, message: &Value, _mark: &str) -> Result<PostedMessage, Unsent> {
        let what = "posting to the Slack webhook";
        let request = post(what, self.line.secret.expose_secret(), message).map_err(unsent)?;
        let judge = |response: &HttpResponse| {
            if let Some(error) = self.line.refused_for_now(what, response) {
                return Err(error);
            }
            let body = String::from_utf8_lossy(&response.body);
            match (response.status, body.trim()) {
                (200, "ok") => Ok(()),
                (200, _) => {
                    Err(transient(what, format!("the answer is none of Slack's: {}", self.line.answer(response)), None))
                }
                _ => Err(permanent(
                    what,
                    format!(
                        "{}; check the webhook in the secret that `slack.webhook` names",
                        self.line.answer(response)
                    ),
                )),
            }
        };
        self.line.send(what, &request, judge).await.map_err(unsent)?;
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

#[cfg(test)]
mod tests;
