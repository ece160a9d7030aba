//! How Slack, PagerDuty and the keeper of tickets misbehave when the scenario says so. Knows nothing of what they do when they behave.

use serde_json::json;

use super::{HttpAsked, LATENCY, Token, Vendor, World, path_of, slack};
use crate::scenario::{Fault, VendorFault};
use crate::timeline::{Tone, Who};
use crate::world::HttpAnswer;

/// What a gateway in front of a vendor answers in its place.
const GARBAGE: &str =
    "<!DOCTYPE html>\n<html><head><title>Just a moment...</title></head><body>Checking your browser</body></html>";

/// The methods that a vendor's fault may be limited to.
pub(crate) fn methods(fault: &Fault) -> &'static [&'static str] {
    match fault {
        Fault::Slack(_) => {
            &["chat.postMessage", "chat.update", "conversations.history", "conversations.replies", "webhook"]
        }
        Fault::Pagerduty(_) => &["enqueue", "change"],
        _ => &["open", "find"],
    }
}

/// What is asked of a vendor, as far as a fault may be limited to it.
#[derive(Debug)]
pub(super) struct Asking {
    method: String,
    channel: String,
    is_reply: bool,
}

impl Asking {
    pub(super) fn of(vendor: Vendor, asked: &HttpAsked) -> Self {
        let last = path_of(asked).rsplit('/').next().unwrap_or_default();
        match vendor {
            Vendor::Slack { by_webhook: false } => {
                let arguments = slack::Arguments::of(asked);
                Self {
                    method: last.to_owned(),
                    channel: arguments.text("channel"),
                    is_reply: !arguments.text("thread_ts").is_empty(),
                }
            }
            Vendor::Slack { by_webhook: true } => Self::plain("webhook"),
            Vendor::PagerDuty if path_of(asked).ends_with("/change/enqueue") => Self::plain("change"),
            Vendor::PagerDuty => Self::plain("enqueue"),
            Vendor::Tickets if asked.method == http::Method::GET => Self::plain("find"),
            Vendor::Tickets => Self::plain("open"),
        }
    }

    fn plain(method: &str) -> Self {
        Self { method: method.to_owned(), channel: String::new(), is_reply: false }
    }

    /// Whether a fault that is limited to something concerns this.
    fn is_meant_by(&self, fault: &VendorFault) -> bool {
        let needs_scope = |scope: &str| match scope.strip_suffix(":history") {
            Some(_) => self.method.starts_with("conversations."),
            None => self.method.starts_with("chat."),
        };
        fault.method.as_ref().is_none_or(|method| *method == self.method)
            && fault.channel.as_ref().is_none_or(|channel| *channel == self.channel)
            && fault.reply.is_none_or(|reply| reply == self.is_reply && self.method == "chat.postMessage")
            && fault.missing_scope.as_deref().is_none_or(needs_scope)
    }
}

impl Vendor {
    fn who(self) -> Who {
        match self {
            Vendor::Slack { .. } => Who::Slack,
            Vendor::PagerDuty => Who::PagerDuty,
            Vendor::Tickets => Who::Tickets,
        }
    }

    fn has(self, fault: &Fault) -> Option<&VendorFault> {
        match (self, fault) {
            (Vendor::Slack { .. }, Fault::Slack(fault))
            | (Vendor::PagerDuty, Fault::Pagerduty(fault))
            | (Vendor::Tickets, Fault::Ticket(fault)) => Some(fault),
            _ => None,
        }
    }
}

impl World {
    /// The fault that strikes what is asked of a vendor, if one does.
    pub(super) fn vendor_strikes(&mut self, vendor: Vendor, asking: &Asking) -> Option<VendorFault> {
        let elapsed = self.elapsed();
        self.faults.iter_mut().find_map(|planned| {
            let fault = vendor.has(&planned.fault)?;
            let is_time =
                fault.from.is_none_or(|from| elapsed >= from.0) && fault.until.is_none_or(|until| elapsed < until.0);
            if !is_time || !asking.is_meant_by(fault) || (fault.times.is_some() && planned.left == 0) {
                return None;
            }
            let fault = fault.clone();
            planned.left = planned.left.saturating_sub(1);
            planned.struck = true;
            Some(fault)
        })
    }

    /// Answers as the fault says, or does not.
    pub(super) fn misbehave(&mut self, vendor: Vendor, fault: &VendorFault, token: Token) {
        let taken = if fault.taken { ", although it has taken effect" } else { "" };
        let (what, answer) = match fault {
            VendorFault { silence: true, .. } => ("gives no answer".to_owned(), None),
            VendorFault { hang_up: true, .. } => {
                ("hangs up without an answer".to_owned(), Some(HttpAnswer::text(HttpAnswer::HANG_UP, "")))
            }
            VendorFault { garbage: true, .. } => {
                let mut answer = HttpAnswer::text(200, GARBAGE);
                answer.headers = vec![("content-type".to_owned(), "text/html; charset=utf-8".to_owned())];
                ("answers 200 with a web page".to_owned(), Some(answer))
            }
            VendorFault { missing_scope: Some(scope), .. } => {
                let body = json!({ "ok": false, "error": "missing_scope", "needed": scope, "provided": "chat:write" });
                (format!("answers `missing_scope`: {scope}"), Some(HttpAnswer::json(200, &body)))
            }
            VendorFault { error: Some(code), .. } => {
                let answer = match vendor {
                    Vendor::Slack { by_webhook: true } => slack::webhook_error(code),
                    _ => HttpAnswer::json(200, &json!({ "ok": false, "error": code })),
                };
                (format!("answers `{code}`"), Some(answer))
            }
            fault => {
                let status = fault.status.unwrap_or(500);
                let body = match (vendor, status) {
                    (Vendor::Slack { by_webhook: false }, 429) => r#"{"ok":false,"error":"ratelimited"}"#,
                    (Vendor::Slack { by_webhook: true }, 429) => "rate_limited",
                    _ => "",
                };
                let mut answer = HttpAnswer::text(status, body);
                answer.headers.extend(fault.retry_after.map(|seconds| ("retry-after".to_owned(), seconds.to_string())));
                (format!("answers {status}"), Some(answer))
            }
        };
        self.tell(vendor.who(), Tone::Warning, format!("{what}{taken}"));
        // Without an answer whoever asked waits until it gives up.
        if let Some(answer) = answer {
            self.answer(token, answer, LATENCY);
        }
    }
}
