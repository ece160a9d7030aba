//! The codes that Slack documents, and what each means for what was sent.

use super::*;

fn means(unsent: &Unsent) -> &'static str {
    match unsent {
        Unsent::NotTaken(_) => "not taken",
        Unsent::Unanswered(_) => "unanswered",
        Unsent::Unfit(_) => "unfit",
        Unsent::Gone(_) => "gone",
        Unsent::Closed(_) => "closed",
    }
}

/// From the tables "Errors" of `chat.postMessage` and `chat.update`; behind `|` those of incoming webhooks.
const DOCUMENTED: [(&str, &str); 5] = [
    (
        "not taken",
        "ratelimited rate_limited message_limit_exceeded request_timeout team_added_to_org org_login_required external_channel_migrating \
         streaming_state_conflict",
    ),
    ("unanswered", "internal_error fatal_error service_unavailable update_failed | rollup_error"),
    (
        "unfit",
        "msg_too_long msg_blocks_too_long no_text invalid_blocks invalid_blocks_format invalid_attachments block_mismatch \
         too_many_attachments too_many_contact_cards metadata_too_large invalid_metadata_format invalid_metadata_schema invalid_arguments \
         invalid_arg_name invalid_array_arg invalid_charset invalid_form_data invalid_post_type missing_post_type \
         slack_connect_file_link_sharing_blocked duplicate_message_not_found cannot_reply_to_message attachment_payload_limit_exceeded \
         restricted_action_non_threadable_channel restricted_action_thread_locked as_user_not_supported markdown_text_conflict \
         cant_update_message edit_window_closed cant_broadcast_message no_dual_broadcast_content_update | invalid_payload \
         missing_text_or_fallback_or_attachments",
    ),
    ("gone", "message_not_found thread_not_found"),
    (
        "closed",
        "channel_not_found not_in_channel is_archived is_inactive team_not_found no_permission invalid_auth not_authed account_inactive \
         token_revoked token_expired not_allowed_token_type missing_scope restricted_action restricted_action_read_only_channel \
         restricted_action_thread_only_channel ekm_access_denied access_denied accesslimited enterprise_is_restricted \
         team_access_not_granted two_factor_setup_required method_deprecated deprecated_endpoint metadata_must_be_sent_from_app | no_service \
         no_team team_disabled invalid_token user_not_found action_prohibited channel_is_archived no_active_hooks \
         posting_to_general_channel_denied",
    ),
];

#[test]
fn every_documented_code_means_what_slack_says_of_it() {
    let mut seen = 0;
    for (expected, codes) in DOCUMENTED {
        for code in codes.split_whitespace().filter(|code| *code != "|") {
            let unsent = refusal("posting to Slack", code, "");
            assert_eq!(means(&unsent), expected, "{code}");
            assert!(unsent.to_string().contains(&format!("`{code}`; ")), "{unsent}");
            assert_eq!(unsent.error().is_transient(), matches!(expected, "not taken" | "unanswered"), "{code}");
            seen += 1;
        }
    }
    assert!(seen > 70, "{seen}");
}

#[test]
fn a_code_that_nobody_knows_loses_no_message() {
    assert_eq!(means(&refusal("posting to Slack", "new_policy_of_slack", "")), "closed");
    assert_eq!(means(&refusal("posting to Slack", "invalid_new_block", "")), "unfit");
}

#[test]
fn who_may_not_look_is_told_which_scope_that_takes() {
    let error = unseen("looking for a Slack message", "missing_scope", " (needed: `channels:history`)");
    assert_eq!(
        error.to_string(),
        "looking for a Slack message failed: Slack answered `missing_scope` (needed: `channels:history`); give the Slack app the scope \
         `channels:history`, for private channels `groups:history`, and install it again: until then what may have been posted is posted again"
    );
    assert_eq!(means(&unseen("looking for a Slack message", "ratelimited", "")), "not taken");
}
