//! A bot: posts, replies, updates and looks for what it has posted. Knows nothing of what the messages say.

use std::fmt;
use std::time::Duration;

use domain::ports::{Address, Chat, PortError, PostedMessage, Unsent};
use domain::text::bounded;
use domain::time::Timestamp;
use http::HeaderValue;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::refusal::{refusal, unseen};
use crate::retry::{Again, Line, get, permanent, post, transient};
use crate::{HttpClient, HttpResponse};

/// The type of the metadata that marks Greenlight's messages (Slack's page "Message metadata").
const EVENT_TYPE: &str = "greenlight";
/// So many messages are asked for at once; Slack advises no more than 200.
const PAGE: usize = 200;
/// So many pages are read: a channel in which a thousand messages were posted since is not searched to its end. The two methods may be called
/// fifty times in a minute and more by a workspace's own app (Slack's page "Rate limits"; an app that is sold outside of its marketplace, once).
const PAGES: usize = 5;
/// How far Slack's clock may be behind ours.
const SKEW: Duration = Duration::from_mins(1);
/// How much is repeated of what Slack says of a refusal, in characters.
const SAID: usize = 300;

/// A bot: posts, updates and looks by `chat.postMessage`, `chat.update`, `conversations.history` and `conversations.replies`.
pub struct Bot {
    pub(super) line: Line,
    base: String,
}

impl fmt::Debug for Bot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bot").field("base", &self.base).finish_non_exhaustive()
    }
}

impl Bot {
    /// A bot that tries until `until` and no longer; `base` is [`super::DEFAULT_URL`] unless it is overridden.
    pub fn new(http: HttpClient, base: &str, token: &SecretString, until: Timestamp) -> Self {
        Self { line: Line::new(http, token, until), base: base.trim_end_matches('/').to_owned() }
    }

    fn sign(&self, what: &str, request: &mut http::Request<Vec<u8>>) -> Result<(), Unsent> {
        let bearer = format!("Bearer {}", self.line.secret.expose_secret());
        let mut bearer = HeaderValue::from_str(&bearer).map_err(|_| {
            let wrong = "the bot token holds characters that no token has; check the secret's value (`xoxb-…`)";
            Unsent::Closed(permanent(what, wrong))
        })?;
        bearer.set_sensitive(true);
        request.headers_mut().insert(http::header::AUTHORIZATION, bearer);
        Ok(())
    }

    async fn call(&self, what: &str, method: &str, body: &Value, again: Again) -> Result<Value, Unsent> {
        let mut request = post(what, &format!("{}/{method}", self.base), body)?;
        self.sign(what, &mut request)?;
        self.line.send(what, &request, again, |response| self.judge(what, response, refusal)).await
    }

    fn judge(
        &self,
        what: &str,
        response: &HttpResponse,
        refused: fn(&str, &str, &str) -> Unsent,
    ) -> Result<Value, Unsent> {
        if let Some(unsent) = self.line.refused_for_now(what, response) {
            return Err(unsent);
        }
        if response.status != 200 {
            let detail = format!("{}; check `SLACK_API_URL` if it is set", self.line.answer(response));
            return Err(Unsent::Closed(permanent(what, detail)));
        }
        let garbage = || {
            let detail = format!("the answer is none of Slack's: {}", self.line.answer(response));
            Unsent::Unanswered(transient(what, detail, None))
        };
        let answer: Value = serde_json::from_slice(&response.body).map_err(|_| garbage())?;
        match answer.get("ok").and_then(Value::as_bool) {
            Some(true) => Ok(answer),
            Some(false) => {
                let code = answer.get("error").and_then(Value::as_str).unwrap_or("no error code");
                Err(refused(what, &self.line.without_secret(&bounded(code, SAID)), &self.said(&answer)))
            }
            None => Err(garbage()),
        }
    }

    /// What Slack says of a refusal besides its code: which block is wrong and why, which scope is missing.
    fn said(&self, answer: &Value) -> String {
        let mut said = String::new();
        if let Some(needed) = answer.get("needed").and_then(Value::as_str) {
            said = format!(" (needed: `{needed}`)");
        }
        let messages = answer.pointer("/response_metadata/messages").and_then(Value::as_array);
        let messages: Vec<&str> = messages.into_iter().flatten().filter_map(Value::as_str).collect();
        if !messages.is_empty() {
            said.push_str(&format!(" ({})", messages.join("; ")));
        }
        bounded(&self.line.without_secret(&said), SAID)
    }

    /// One page of a channel's messages, or of a thread's.
    async fn page(&self, what: &str, to: &Address<'_>, oldest: &str, cursor: &str) -> Result<Value, PortError> {
        let limit = PAGE.to_string();
        let (method, thread) = match to.thread {
            Some(thread) => ("conversations.replies", Some(("ts", thread))),
            None => ("conversations.history", None),
        };
        let given = [("channel", to.channel), ("oldest", oldest), ("limit", &limit), ("include_all_metadata", "true")];
        let more = (!cursor.is_empty()).then_some(("cursor", cursor));
        let encoded = |(key, value): (&str, &str)| format!("{key}={}", utf8_percent_encode(value, NON_ALPHANUMERIC));
        let query: Vec<String> = given.into_iter().chain(thread).chain(more).map(encoded).collect();
        let mut request = get(what, &format!("{}/{method}?{}", self.base, query.join("&")))?;
        self.sign(what, &mut request)?;
        self.line.read(what, &request, |response| self.judge(what, response, unseen)).await
    }
}

/// The message's `text` and `blocks` with further keys.
fn with(message: &Value, further: Value) -> Value {
    let mut body = message.as_object().cloned().unwrap_or_default();
    if let Value::Object(further) = further {
        body.extend(further);
    }
    Value::Object(body)
}

/// The message with this mark among those of a page.
fn marked<'a>(page: &'a Value, mark: &str) -> Option<&'a str> {
    let messages = page.get("messages").and_then(Value::as_array)?;
    let is_it = |message: &&Value| {
        let text = |pointer: &str| message.pointer(pointer).and_then(Value::as_str);
        text("/metadata/event_type") == Some(EVENT_TYPE) && text("/metadata/event_payload/key") == Some(mark)
    };
    messages.iter().find(is_it)?.get("ts")?.as_str()
}

impl Chat for Bot {
    async fn post(&self, to: &Address<'_>, message: &Value, mark: &str) -> Result<PostedMessage, Unsent> {
        let what = "posting to Slack";
        let metadata = json!({"event_type": EVENT_TYPE, "event_payload": {"key": mark}});
        let further =
            json!({"channel": to.channel, "unfurl_links": false, "unfurl_media": false, "metadata": metadata});
        let mut body = with(message, further);
        if let Some(thread) = to.thread {
            body = with(&body, json!({"thread_ts": thread, "reply_broadcast": to.broadcast}));
        }
        let answer = self.call(what, "chat.postMessage", &body, Again::NotTaken).await?;
        let text = |key: &str| answer.get(key).and_then(Value::as_str).map(str::to_owned);
        let Some(ts) = text("ts") else {
            // It is there, and looking for it tells where.
            let detail = "Slack posted the message but did not say under which `ts`";
            return Err(Unsent::Unanswered(transient(what, detail, None)));
        };
        Ok(PostedMessage { channel: text("channel").unwrap_or_else(|| to.channel.to_owned()), ts })
    }

    async fn find(&self, to: &Address<'_>, mark: &str, since: Timestamp) -> Result<Option<PostedMessage>, PortError> {
        let what = "looking for a Slack message";
        let since = since.minus(SKEW).0.max(0);
        let oldest = format!("{}.{:03}000", since / 1000, since % 1000);
        let mut cursor = String::new();
        for _ in 0..PAGES {
            let page = self.page(what, to, &oldest, &cursor).await?;
            if let Some(ts) = marked(&page, mark) {
                return Ok(Some(PostedMessage { channel: to.channel.to_owned(), ts: ts.to_owned() }));
            }
            let next = page.pointer("/response_metadata/next_cursor").and_then(Value::as_str).unwrap_or_default();
            if next.is_empty() {
                return Ok(None);
            }
            next.clone_into(&mut cursor);
        }
        let detail = format!("it is not among the {} messages that were looked at, and there are more", PAGE * PAGES);
        Err(permanent(what, detail))
    }

    async fn update(&self, message: &PostedMessage, content: &Value) -> Result<(), Unsent> {
        // Unlike `chat.postMessage`, this method looks for links and names in the text by itself unless it is told not to.
        let body = with(content, json!({"channel": message.channel, "ts": message.ts, "parse": "none"}));
        self.call("updating a Slack message", "chat.update", &body, Again::Unanswered).await.map(drop)
    }
}
