//! Where people are told, as a function meets it: Slack, PagerDuty and whoever keeps tickets; and the order in which they were told. Knows
//! nothing of what is said.

pub(super) mod faults;
mod pagerduty;
mod slack;
#[cfg(test)]
mod tests;
mod ticket;

use std::time::Duration;

use serde_json::Value;

pub(crate) use faults::methods;
pub use pagerduty::{Change, Page};
pub use slack::SlackMessage;
pub use ticket::PostedTicket;
use ticket::hosts as ticket_hosts;

use super::{HttpAnswer, HttpAsked, Record, Token, World};

/// How long each of them takes in virtual time.
const LATENCY: Duration = Duration::from_millis(120);

/// One thing that people were told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Item {
    Message(usize),
    Page(usize),
    Change(usize),
    Ticket(usize),
}

/// One thing that people were told, with all that is known of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Told<'a> {
    /// A message in Slack, as it stands in the end.
    Message(&'a SlackMessage),
    /// An event at PagerDuty.
    Page(&'a Page),
    /// A change event at PagerDuty.
    Change(&'a Change),
    /// A ticket.
    Ticket(&'a PostedTicket),
}

#[derive(Debug, Default)]
pub(crate) struct Vendors {
    slack: slack::Slack,
    pages: Vec<Page>,
    changes: Vec<Change>,
    tickets: Vec<PostedTicket>,
    told: Vec<Item>,
}

/// Which of them is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Vendor {
    /// By its Web API, or by an incoming webhook.
    Slack {
        by_webhook: bool,
    },
    PagerDuty,
    Tickets,
}

impl World {
    /// Who answers at a host, if it is one of those that people are told by.
    pub(crate) fn vendor_at(&self, authority: &str) -> Option<Vendor> {
        match authority {
            "slack.rehearsal:80" => Some(Vendor::Slack { by_webhook: false }),
            "hooks.slack.rehearsal:80" => Some(Vendor::Slack { by_webhook: true }),
            "pagerduty.rehearsal:80" | "eu.pagerduty.rehearsal:80" => Some(Vendor::PagerDuty),
            _ => {
                let ticket = self.config.ticket.as_ref()?;
                ticket_hosts(ticket).iter().any(|host| host == authority).then_some(Vendor::Tickets)
            }
        }
    }

    /// A request to one of them: what the scenario says goes wrong, and what they make of it.
    pub(crate) fn ask_vendor(&mut self, vendor: Vendor, caller: &str, token: Token, asked: &HttpAsked) {
        let asking = faults::Asking::of(vendor, asked);
        let fault = self.vendor_strikes(vendor, &asking);
        if let Some(fault) = fault.as_ref().filter(|fault| !fault.taken) {
            return self.misbehave(vendor, fault, token);
        }
        let answer = match vendor {
            Vendor::Slack { by_webhook: false } => self.slack(caller, asked),
            Vendor::Slack { by_webhook: true } => self.slack_webhook(caller, asked),
            Vendor::PagerDuty => self.pagerduty(caller, asked),
            Vendor::Tickets => self.tickets(caller, asked),
        };
        match fault {
            Some(fault) => self.misbehave(vendor, &fault, token),
            None => self.answer(token, answer, LATENCY),
        }
    }
}

impl<'a> Record<'a> {
    /// The messages in Slack, in order.
    pub fn slack(self) -> &'a [SlackMessage] {
        &self.world.vendors.slack.messages
    }
    /// Everybody whom a message of Slack ever mentioned so that it pings them: `S…`, `U…`, `here`, `channel`, `everyone`.
    pub fn mentioned(self) -> &'a std::collections::BTreeSet<String> {
        &self.world.vendors.slack.mentioned
    }
    /// Whom the configuration names to be pinged.
    pub fn may_be_mentioned(self) -> Vec<&'a str> {
        let config = &self.world.config;
        let fleet = config.slack.iter().filter_map(|slack| slack.mention.as_deref());
        let services = config.services.iter().filter_map(|service| service.slack.mention.as_deref());
        fleet.chain(services).collect()
    }
    /// The events at PagerDuty.
    pub fn pages(self) -> &'a [Page] {
        &self.world.vendors.pages
    }
    /// The change events at PagerDuty.
    pub fn changes(self) -> &'a [Change] {
        &self.world.vendors.changes
    }
    /// The tickets.
    pub fn tickets(self) -> &'a [PostedTicket] {
        &self.world.vendors.tickets
    }
    /// Everything that people were told, in the order in which they were.
    pub fn told(self) -> Vec<Told<'a>> {
        let vendors = &self.world.vendors;
        let told = |item: &Item| match *item {
            Item::Message(at) => vendors.slack.messages.get(at).map(Told::Message),
            Item::Page(at) => vendors.pages.get(at).map(Told::Page),
            Item::Change(at) => vendors.changes.get(at).map(Told::Change),
            Item::Ticket(at) => vendors.tickets.get(at).map(Told::Ticket),
        };
        vendors.told.iter().filter_map(told).collect()
    }
}

/// The JSON of a request; null where it is none.
fn body_of(asked: &HttpAsked) -> Value {
    serde_json::from_slice(&asked.body).unwrap_or_default()
}

/// A string in a body; empty where there is none.
fn text<'a>(body: &'a Value, pointer: &str) -> &'a str {
    body.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The path of a request, without its query.
fn path_of(asked: &HttpAsked) -> &str {
    asked.path.split('?').next().unwrap_or_default()
}

/// The parameters of a request's query, decoded.
fn query_of(asked: &HttpAsked) -> Vec<(String, String)> {
    form(asked.path.split_once('?').map_or("", |(_, query)| query))
}

/// `a=b&c=d`, decoded.
fn form(text: &str) -> Vec<(String, String)> {
    let decoded = |part: &str| {
        let spaced = part.replace('+', " ");
        percent_encoding::percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
    };
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(key, value)| (decoded(key), decoded(value)))
        .collect()
}

fn header<'a>(asked: &'a HttpAsked, name: &str) -> &'a str {
    asked.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}
