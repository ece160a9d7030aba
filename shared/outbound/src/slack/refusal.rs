//! What Slack's error codes mean for what was sent, and what to do about them: the codes of `chat.postMessage`, `chat.update`,
//! `conversations.history`, `conversations.replies` (Slack's pages on the methods) and of incoming webhooks ("Handling errors" on their page).
//! Knows nothing of requests.

use domain::ports::{PortError, Unsent};

use crate::retry::{permanent, transient};

/// Where a message goes to, in words for whoever mends it.
const CHANNEL: &str =
    "check the channel's id (`C…`) in `slack.channel`; into a private channel the bot must be invited";
const TOKEN: &str = "put a valid bot token (`xoxb-…`) into the secret that `slack.token` names";
const ADMINISTRATOR: &str = "ask an administrator of the Slack workspace";
const MESSAGE: &str = "this one message is not taken as it is";

/// What a refusal does to what was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Means {
    NotTaken,
    Unanswered,
    Unfit,
    Gone,
    Closed,
}

/// The code's meaning and its remedy.
fn meaning(code: &str) -> (Means, &'static str) {
    use Means::{Closed, Gone, NotTaken, Unanswered, Unfit};
    match code {
        "ratelimited" | "rate_limited" | "message_limit_exceeded" => (NotTaken, "Slack takes more in a while"),
        // The body arrived truncated, or the workspace or channel is being moved: by Slack's words nothing was done.
        "request_timeout" => (NotTaken, "the request did not reach Slack whole"),
        "team_added_to_org" | "org_login_required" | "external_channel_migrating" | "streaming_state_conflict" => {
            (NotTaken, "Slack is moving the workspace or the channel, or is busy with the message; it passes")
        }
        // "It's possible some aspect of the operation succeeded before the error was raised."
        "internal_error" | "fatal_error" => (Unanswered, "it may have been done all the same"),
        "service_unavailable" | "update_failed" | "rollup_error" => {
            (Unanswered, "Slack does not say whether it was done")
        }
        "message_not_found" | "thread_not_found" => (Gone, "somebody deleted the message"),
        "cant_update_message"
        | "edit_window_closed"
        | "cant_broadcast_message"
        | "no_dual_broadcast_content_update" => {
            (Unfit, "only the bot's own messages can be updated, while the workspace allows it")
        }
        "msg_too_long"
        | "msg_blocks_too_long"
        | "no_text"
        | "block_mismatch"
        | "restricted_action_non_threadable_channel"
        | "restricted_action_thread_locked"
        | "cannot_reply_to_message"
        | "attachment_payload_limit_exceeded"
        | "as_user_not_supported"
        | "markdown_text_conflict"
        | "json_not_object"
        | "missing_post_type"
        | "metadata_too_large"
        | "missing_text_or_fallback_or_attachments" => (Unfit, MESSAGE),
        "channel_not_found" | "team_not_found" | "no_permission" => (Closed, CHANNEL),
        "not_in_channel" => {
            (Closed, "invite the bot to the channel (`/invite`), or give it the scope `chat:write.public`")
        }
        "is_archived" | "channel_is_archived" | "is_inactive" => {
            (Closed, "unarchive the channel, or name another in `slack.channel`")
        }
        "invalid_auth" | "not_authed" | "token_expired" | "account_inactive" => (Closed, TOKEN),
        "token_revoked" => {
            (Closed, "install the Slack app again and put its new bot token into the secret that `slack.token` names")
        }
        "not_allowed_token_type" | "metadata_must_be_sent_from_app" => {
            (Closed, "use the bot token (`xoxb-…`) of a Slack app of your own, not one of a user or of a legacy bot")
        }
        "missing_scope" => (Closed, "give the Slack app the scope `chat:write` and install it again"),
        "restricted_action"
        | "restricted_action_read_only_channel"
        | "restricted_action_thread_only_channel"
        | "ekm_access_denied"
        | "access_denied"
        | "accesslimited"
        | "enterprise_is_restricted"
        | "team_access_not_granted"
        | "two_factor_setup_required"
        | "action_prohibited"
        | "posting_to_general_channel_denied" => (Closed, ADMINISTRATOR),
        "no_service" | "no_service_id" | "no_team" | "team_disabled" | "no_active_hooks" | "invalid_token"
        | "user_not_found" => {
            (Closed, "make a new incoming webhook and put its URL into the secret that `slack.webhook` names")
        }
        // What Slack adds later: a code that speaks of the message is about the message. Of another nobody can tell, and while the channel is
        // held to be closed nothing is lost.
        other if ABOUT_MESSAGES.iter().any(|start| other.starts_with(start)) => (Unfit, MESSAGE),
        _ => (Closed, "Slack's page on the method explains the code"),
    }
}

/// How the codes begin that are about one message or one request: `invalid_blocks`, `invalid_metadata_format`, `too_many_attachments`, …
const ABOUT_MESSAGES: [&str; 7] =
    ["invalid_", "msg_", "message_", "metadata_", "too_many_", "slack_connect_", "duplicate_"];

/// Slack's refusal, with what to do about it; `said` is what Slack said of it besides.
pub(super) fn refusal(what: &str, code: &str, said: &str) -> Unsent {
    let (means, remedy) = meaning(code);
    let detail = format!("Slack answered `{code}`{said}; {remedy}");
    match means {
        Means::NotTaken => Unsent::NotTaken(transient(what, detail, None)),
        Means::Unanswered => Unsent::Unanswered(transient(what, detail, None)),
        Means::Unfit => Unsent::Unfit(permanent(what, detail)),
        Means::Gone => Unsent::Gone(PortError::NotFound { what: "the Slack message".to_owned(), detail }),
        Means::Closed => Unsent::Closed(permanent(what, detail)),
    }
}

/// Slack's refusal to let the bot look.
pub(super) fn unseen(what: &str, code: &str, said: &str) -> Unsent {
    let remedy = match code {
        "missing_scope" => {
            "give the Slack app the scope `channels:history`, for private channels `groups:history`, and install it again: until then what \
             may have been posted is posted again"
        }
        "not_in_channel" => {
            "invite the bot to the channel (`/invite`): until then what may have been posted is posted again"
        }
        _ => return refusal(what, code, said),
    };
    Unsent::Closed(permanent(what, format!("Slack answered `{code}`{said}; {remedy}")))
}

#[cfg(test)]
mod tests;
