//! What becomes a ticket, and what stands in it: the configured JSON with the names in it filled in, and the links that are made from an answer.
//! Pure; knows nothing of whom a ticket is posted to.

use std::collections::BTreeMap;

use domain::config::{ANSWER, Piece, Ticket, TicketSearch, pieces};
use domain::deployment::{DeploymentId, Revision};
use domain::secrets::without_tokens;
use domain::text::{bounded, visible};
use domain::time::{Timestamp, spoken};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::blocks::{Message, Mrkdwn};
use crate::glance::glance;
use crate::page::elsewhere;
use crate::rolling::Rolling;
use crate::said;
use crate::story::{Ending, Story};
use crate::thread::{Reply, cause_in_short, console_url, named};

/// What one name may bring into a ticket, in characters.
const VALUE: usize = 2000;
/// A ticket's title: GitHub takes 256 characters, Jira 255.
const TITLE: usize = 200;
/// A link's length, in characters: what fits into a field of a message.
const LINK: usize = 500;
/// All but RFC 3986's unreserved characters.
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The key of the reply that tells of the ticket.
pub(crate) const TICKET: &str = "ticket";

/// A deployment that becomes a ticket, and what is filled in of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Case {
    /// Whose ticket it is.
    pub(crate) deployment: DeploymentId,
    environment: Option<String>,
    service: String,
    values: BTreeMap<&'static str, String>,
}

fn git_sha(revision: &Revision) -> String {
    revision.git_sha.clone().unwrap_or_default()
}

fn moment(at: Option<Timestamp>) -> String {
    at.map(|at| at.to_string()).unwrap_or_default()
}

impl Case {
    /// The case of a deployment that did not go well by itself: not one that a person stopped, and not what was a rollback. `None` while that is
    /// not known.
    pub(crate) fn of(story: &Story) -> Option<Self> {
        let is_one = match story.ending()? {
            Ending::FailedInHook | Ending::StoppedByAlarm | Ending::TimedOut | Ending::Otherwise => true,
            Ending::Succeeded => story.is_taken_back(),
            Ending::StoppedByPerson => false,
        };
        if !is_one || story.restores {
            return None;
        }
        let glance = glance(story);
        let name = named(story);
        let url = |id: &DeploymentId| console_url(&story.region, &id.0).unwrap_or_default();
        let rollback = story.rollback.as_ref().map(|rollback| &rollback.id);
        let values = [
            ("title", bounded(&format!("{name} {}", glance.what), TITLE)),
            ("what", glance.what),
            ("cause", cause_in_short(story)),
            ("production", glance.production),
            ("to_do", elsewhere(&glance.action)),
            ("who", story.who.clone()),
            ("started", moment(story.started)),
            ("ended", moment(story.ended)),
            ("duration", story.started.zip(story.ended).map_or_else(String::new, |(from, to)| spoken(to.since(from)))),
            ("alarm", story.alarm.as_ref().map(|alarm| alarm.name.clone()).unwrap_or_default()),
            ("hook", story.failed_hook.as_ref().map(|hook| hook.event.clone()).unwrap_or_default()),
            ("revision", story.revision.spoken()),
            ("git_sha", git_sha(&story.revision)),
            ("application", story.group.application.clone()),
            ("deployment_group", story.group.deployment_group.clone()),
            ("region", story.region.clone()),
            ("deployment.url", url(&story.deployment)),
            ("rollback.id", rollback.map(ToString::to_string).unwrap_or_default()),
            ("rollback.url", rollback.map(url).unwrap_or_default()),
        ];
        Some(Self::with(&story.deployment, &story.service, story.environment.as_ref(), values))
    }

    /// The same of an ECS service's own deployment, of which is heard only when an alarm takes it back.
    pub(crate) fn of_rolling(story: &Rolling, region: &str) -> Option<Self> {
        let alarm = story.alarm.as_ref()?;
        let service = story.service.clone().unwrap_or_else(|| story.ecs.to_string());
        let values = [
            ("title", bounded(&format!("{} {}", story.named(), story.what()), TITLE)),
            ("what", story.what().to_owned()),
            ("cause", story.cause()),
            ("production", story.production()),
            ("to_do", elsewhere(story.to_do())),
            ("alarm", alarm.name.clone()),
            ("revision", story.revision.spoken()),
            ("git_sha", git_sha(&story.revision)),
            ("application", story.ecs.cluster.clone()),
            ("deployment_group", story.ecs.service.clone()),
            ("region", region.to_owned()),
            ("rollback.id", story.rollback.as_ref().map(ToString::to_string).unwrap_or_default()),
        ];
        Some(Self::with(&story.deployment, &service, story.environment.as_ref(), values))
    }

    fn with(
        deployment: &DeploymentId,
        service: &str,
        environment: Option<&String>,
        values: impl IntoIterator<Item = (&'static str, String)>,
    ) -> Self {
        let own = [
            ("deployment.id", deployment.0.clone()),
            ("service", service.to_owned()),
            ("environment", environment.cloned().unwrap_or_default()),
        ];
        // On one line, so that no value can begin a line of its own: in Markdown that would be a heading, a list or the end of a block.
        let tidy =
            |(name, value): (&'static str, String)| (name, without_tokens(&bounded(visible(&value).trim(), VALUE)));
        Self {
            deployment: deployment.clone(),
            environment: environment.cloned(),
            service: service.to_owned(),
            values: own.into_iter().chain(values).map(tidy).collect(),
        }
    }

    /// Whether the configuration wants a ticket of it.
    pub(crate) fn is_wanted(&self, ticket: &Ticket) -> bool {
        let Some(environments) = &ticket.environments else { return true };
        self.environment.as_ref().is_some_and(|environment| environments.contains(environment))
    }

    /// What is posted: each text of the configured JSON with its names replaced, so that no value can end the text that it stands in.
    pub(crate) fn body(&self, ticket: &Ticket) -> Value {
        self.filled(&ticket.body)
    }

    fn filled(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(text)),
            Value::Array(entries) => entries.iter().map(|entry| self.filled(entry)).collect(),
            Value::Object(members) => {
                Value::Object(members.iter().map(|(key, member)| (key.clone(), self.filled(member))).collect())
            }
            other => other.clone(),
        }
    }

    /// A text with its names replaced; what is not known is empty. The configuration was reviewed: what is no name stays as it stands.
    fn text(&self, text: &str) -> String {
        let Ok(pieces) = pieces(text) else { return text.to_owned() };
        let said = |piece: &Piece<'_>| match piece {
            Piece::Text(text) => (*text).to_owned(),
            Piece::Name(name) => self.values.get(name).cloned().unwrap_or_default(),
        };
        pieces.iter().map(said).collect()
    }

    /// The address of the search, each value in it percent-encoded.
    pub(crate) fn search(&self, find: &TicketSearch) -> Option<String> {
        self.url(&find.url, &Value::Null)
    }

    /// The link that an answer gives; `None` where it lacks a part, or what comes of it is no link.
    pub(crate) fn link(&self, link: &str, answer: &Value) -> Option<String> {
        self.url(link, answer)
    }

    /// A URL. A part of the answer at its very beginning is a URL already; all other values are encoded, so that none gives it another host.
    fn url(&self, template: &str, answer: &Value) -> Option<String> {
        let mut url = String::new();
        for piece in pieces(template).ok()? {
            match piece {
                Piece::Text(text) => url.push_str(text),
                Piece::Name(name) => {
                    let value = match name.strip_prefix(ANSWER) {
                        Some(path) => part(answer, path)?,
                        None => self.values.get(name).cloned().unwrap_or_default(),
                    };
                    if url.is_empty() && name.starts_with(ANSWER) {
                        url.push_str(&value);
                    } else {
                        url.extend(utf8_percent_encode(&value, COMPONENT));
                    }
                }
            }
        }
        is_link(&url).then_some(url)
    }

    /// The reply that tells of the ticket.
    pub(crate) fn reply(&self, at: Timestamp, opened: &Opened) -> Reply {
        let (fallback, line) = match opened {
            Opened::At(url) => {
                (format!("{}: a ticket is open.", self.service), said!(":ticket: Ticket: {}", Mrkdwn::link(url, url)))
            }
            Opened::Somewhere => (
                format!("{}: a ticket is open.", self.service),
                said!(":ticket: A ticket is open. Where is not known: the answer to it holds no link."),
            ),
            Opened::Refused(why) => (
                format!("{}: no ticket could be opened.", self.service),
                said!(":warning: *No ticket was opened.* Open one by hand, and mend the section `ticket`: {}", why),
            ),
        };
        let message = Message { fallback, lines: vec![line], ..Message::default() };
        Reply { key: TICKET.to_owned(), at, message, important: true, in_headline: false, alarming: false }
    }
}

/// What became of a ticket.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Opened {
    /// It stands there.
    At(String),
    /// It is open, and nobody said where.
    Somewhere,
    /// It was refused as it is; why.
    Refused(String),
}

/// A part of an answer, as text: `items.0.html_url`. Not of a whole map or list, and not what is `null`.
fn part(answer: &Value, path: &str) -> Option<String> {
    let step = |value: &'_ Value, step: &str| match value {
        Value::Array(entries) => entries.get(step.parse::<usize>().ok()?).cloned(),
        other => other.get(step).cloned(),
    };
    match path.split('.').try_fold(answer.clone(), |value, one| step(&value, one))? {
        Value::String(text) if !text.is_empty() => Some(text),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Whether a text is a link that people can be sent to.
fn is_link(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let wrong = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | '|' | '"' | '`' | '\\');
    rest.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '['))
        && !text.contains(wrong)
        && text.chars().count() <= LINK
}

#[cfg(test)]
mod tests;
