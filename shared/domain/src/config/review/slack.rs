//! What the types cannot rule out of `slack`, of the fleet and of one service. Pure.

use crate::config::load::Remark;
use crate::config::path::Path;
use crate::config::service::{Config, Service};
use crate::config::tell::Slack;
use crate::text::bounded;

/// How much of a wrong value an error repeats.
const REPEATED: usize = 60;

/// The fleet's own section.
pub(super) fn review(slack: &Slack, at: &Path, remarks: &mut Vec<Remark>) {
    match (&slack.token, &slack.channel, &slack.webhook) {
        (Some(_), Some(channel), None) => review_channel(channel, at, remarks),
        (None, None, Some(_)) => {}
        (Some(_), None, None) => {
            let message = "`token` needs a `channel`: the channel's id, such as `C0DEPLOYS`";
            remarks.push(Remark::new(at.clone(), message));
        }
        (None, Some(_), None) => {
            remarks.push(Remark::new(at.clone(), "`channel` needs a `token`: a reference to a bot token"));
        }
        _ => remarks.push(Remark::new(at.clone(), "give either `token` and `channel`, or `webhook`")),
    }
    review_mention(slack.mention.as_deref(), at, remarks);
}

/// What one service has of its own.
pub(super) fn review_service(config: &Config, service: &Service, at: &Path, remarks: &mut Vec<Remark>) {
    let (own, at) = (&service.slack, at.key("slack"));
    if let Some(channel) = &own.channel {
        review_channel(channel, &at, remarks);
        if config.slack.as_ref().is_some_and(|slack| slack.webhook.is_some()) {
            let message = "a webhook posts to its own channel only; for a channel of its own the service needs `slack.token` in place of \
                           `slack.webhook`";
            remarks.push(Remark::new(at.key("channel"), message));
        }
    }
    review_mention(own.mention.as_deref(), &at, remarks);
}

/// Slack takes a channel's name in some places, and not in those that answer with the message's place.
fn review_channel(channel: &str, at: &Path, remarks: &mut Vec<Remark>) {
    let is_id = channel.starts_with(['C', 'G', 'D']) && is_plain(channel);
    if !is_id {
        let shown = bounded(channel, REPEATED);
        let message = if channel.starts_with('#') {
            format!("`{shown}` is a channel's name; write its id, such as `C0DEPLOYS`")
        } else {
            format!(
                "`{shown}` is no channel's id; write one such as `C0DEPLOYS` (Slack shows it at the end of the channel's details)"
            )
        };
        remarks.push(Remark::new(at.key("channel"), message));
    }
}

fn review_mention(mention: Option<&str>, at: &Path, remarks: &mut Vec<Remark>) {
    let Some(mention) = mention else { return };
    let is_id = mention.starts_with(['S', 'U', 'W']) && is_plain(mention);
    if !is_id && !["here", "channel"].contains(&mention) {
        let message = format!(
            "`{}` is nobody who can be mentioned; write a user group's id (`S…`), a user's (`U…`), `here` or `channel`",
            bounded(mention, REPEATED)
        );
        remarks.push(Remark::new(at.key("mention"), message));
    }
}

/// Whether a text is of the letters and digits that Slack's ids have.
fn is_plain(id: &str) -> bool {
    id.len() > 1 && id.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit())
}
