//! Slack: a bot that posts, replies in threads, updates its messages and looks for them (Web API), and an incoming webhook, which can only
//! post. Knows nothing of what the messages say; a message is a JSON object with `text` and `blocks`.

mod bot;
mod refusal;
mod webhook;

pub use bot::Bot;
pub use webhook::Webhook;

/// Slack's Web API.
pub const DEFAULT_URL: &str = "https://slack.com/api";

#[cfg(test)]
mod tests;
