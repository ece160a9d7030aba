//! Opens what the configuration names, Slack, PagerDuty and tickets, for the time that one invocation has. Knows nothing of what is said
//! there.

#![allow(async_fn_in_trait, reason = "the functions run on one thread, so no future needs to be Send")]

use domain::config::{PagerDuty, SecretRef, Slack, Ticket};
use domain::ports::{Address, Chat, Pager, PortError, PostedMessage, Secrets, Tickets, Unsent};
use domain::time::Timestamp;
use outbound::{HttpClient, pagerduty, slack, ticket};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Where people are told.
pub trait Sinks {
    /// The chat.
    type Chat: Chat;
    /// The pager.
    type Pager: Pager;
    /// Whoever keeps tickets.
    type Tickets: Tickets;
    /// The chat that the configuration names, usable until `until`.
    async fn chat(&self, slack: &Slack, until: Timestamp) -> Result<Self::Chat, PortError>;
    /// The pager that the configuration names, usable until `until`.
    async fn pager(&self, pagerduty: &PagerDuty, until: Timestamp) -> Result<Self::Pager, PortError>;
    /// Whoever keeps the tickets that the configuration asks for, usable until `until`.
    async fn tickets(&self, ticket: &Ticket, until: Timestamp) -> Result<Self::Tickets, PortError>;
    /// A digest of what a sink is reached by: where, and with which secret. `afresh` reads the secret anew.
    async fn fingerprint(&self, place: &str, secret: Option<&SecretRef>, afresh: bool) -> Result<String, PortError>;
}

/// The vendors' own services.
#[derive(Debug)]
pub struct Vendors<S> {
    /// Where token, webhook and routing key come from.
    pub secrets: S,
    /// The one HTTP client.
    pub http: HttpClient,
    /// Slack's base URL.
    pub slack_url: String,
    /// PagerDuty's base URL, where it is not that of the configured region.
    pub pagerduty_url: Option<String>,
}

/// Slack, by bot or by webhook.
#[derive(Debug)]
pub enum SlackSender {
    /// A bot with a token.
    Bot(slack::Bot),
    /// An incoming webhook.
    Webhook(slack::Webhook),
}

impl Chat for SlackSender {
    async fn post(&self, to: &Address<'_>, message: &Value, mark: &str) -> Result<PostedMessage, Unsent> {
        match self {
            SlackSender::Bot(bot) => bot.post(to, message, mark).await,
            SlackSender::Webhook(webhook) => webhook.post(to, message, mark).await,
        }
    }

    async fn find(&self, to: &Address<'_>, mark: &str, since: Timestamp) -> Result<Option<PostedMessage>, PortError> {
        match self {
            SlackSender::Bot(bot) => bot.find(to, mark, since).await,
            SlackSender::Webhook(webhook) => webhook.find(to, mark, since).await,
        }
    }

    async fn update(&self, message: &PostedMessage, content: &Value) -> Result<(), Unsent> {
        match self {
            SlackSender::Bot(bot) => bot.update(message, content).await,
            SlackSender::Webhook(webhook) => webhook.update(message, content).await,
        }
    }
}

impl<S: Secrets> Vendors<S> {
    async fn reveal(&self, reference: &SecretRef) -> Result<SecretString, PortError> {
        self.secrets.reveal(reference).await.map(SecretString::from)
    }
}

impl<S: Secrets> Sinks for Vendors<S> {
    type Chat = SlackSender;
    type Pager = pagerduty::PagerDuty;
    type Tickets = ticket::Desk;

    async fn chat(&self, slack: &Slack, until: Timestamp) -> Result<SlackSender, PortError> {
        let http = self.http.clone();
        match (&slack.token, &slack.webhook) {
            (Some(token), _) => {
                let token = self.reveal(token).await?;
                Ok(SlackSender::Bot(slack::Bot::new(http, &self.slack_url, &token, until)))
            }
            (None, Some(url)) => Ok(SlackSender::Webhook(slack::Webhook::new(http, &self.reveal(url).await?, until))),
            (None, None) => Err(PortError::Permanent {
                what: "reaching Slack".to_owned(),
                detail: "the configuration names neither `slack.token` nor `slack.webhook`".to_owned(),
            }),
        }
    }

    async fn pager(&self, pagerduty: &PagerDuty, until: Timestamp) -> Result<pagerduty::PagerDuty, PortError> {
        let key = self.reveal(&pagerduty.routing_key).await?;
        let url = self.pagerduty_url.as_deref().unwrap_or_else(|| pagerduty::url_of(pagerduty.region));
        Ok(pagerduty::PagerDuty::new(self.http.clone(), url, &key, until))
    }

    async fn tickets(&self, ticket: &Ticket, until: Timestamp) -> Result<ticket::Desk, PortError> {
        let authorization = match &ticket.authorization {
            Some(reference) => Some(self.reveal(reference).await?),
            None => None,
        };
        ticket::Desk::new(self.http.clone(), &ticket.url, &ticket.headers, authorization.as_ref(), until)
    }

    async fn fingerprint(&self, place: &str, secret: Option<&SecretRef>, afresh: bool) -> Result<String, PortError> {
        let mut digest = Sha256::new();
        for part in [self.slack_url.as_str(), self.pagerduty_url.as_deref().unwrap_or_default(), place] {
            digest.update(part.as_bytes());
            digest.update([0]);
        }
        if let Some(reference) = secret {
            if afresh {
                self.secrets.forget(reference).await;
            }
            digest.update(self.reveal(reference).await?.expose_secret().as_bytes());
        }
        // Enough to tell one token from the next, and too little to tell the token.
        let bytes = digest.finalize();
        let number = bytes.iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        Ok(format!("{number:016x}"))
    }
}
