//! A keeper of tickets on the host that the configuration names: it takes JSON, says where the ticket is, and can be asked. It stands for GitHub's
//! issues, Jira and the like, and has what their answers have in common.

use domain::config::{SecretRef, Ticket};
use domain::text::bounded;
use domain::time::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use super::{HttpAnswer, HttpAsked, Item, World, header, path_of, query_of};
use crate::timeline::{Tone, Who};

/// A ticket as it was posted.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PostedTicket {
    /// When it arrived.
    pub at: Timestamp,
    /// Its number, from 1.
    pub number: usize,
    /// Where it was posted: the host and the path.
    pub to: String,
    /// What was posted.
    pub body: Value,
}

impl PostedTicket {
    /// The key that it got: `TICKET-1`.
    pub fn key(&self) -> String {
        format!("TICKET-{}", self.number)
    }

    fn shown(&self) -> Value {
        let host = self.to.split('/').next().unwrap_or_default();
        json!({
            "id": self.number, "number": self.number, "key": self.key(), "html_url": format!("https://{host}/{}", self.key()),
        })
    }

    /// Everything that stands in it, as text.
    pub fn visible(&self) -> String {
        let mut lines = Vec::new();
        texts(&self.body, &mut lines);
        lines.join("\n")
    }
}

fn texts<'a>(value: &'a Value, lines: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => lines.push(text),
        Value::Array(items) => items.iter().for_each(|item| texts(item, lines)),
        Value::Object(map) => map.values().for_each(|item| texts(item, lines)),
        _ => {}
    }
}

/// The hosts, each with its port, that a configuration posts tickets to and looks for them at. What is reached by `https` is played over plain HTTP.
pub(crate) fn hosts(ticket: &Ticket) -> Vec<String> {
    let urls = std::iter::once(&ticket.url).chain(ticket.find.as_ref().map(|find| &find.url));
    let authority = |url: &String| {
        let rest = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
        let host = rest.split(['/', '?']).next().unwrap_or_default();
        if host.contains(':') { host.to_owned() } else { format!("{host}:80") }
    };
    urls.map(authority).collect()
}

impl World {
    pub(super) fn tickets(&mut self, caller: &str, asked: &HttpAsked) -> HttpAnswer {
        let authorization = self.config.ticket.as_ref().and_then(|ticket| ticket.authorization.as_ref());
        let expected = authorization.map(|reference| match reference {
            SecretRef::SecretsManager { key, .. } => super::super::aws::secret(key),
            SecretRef::Environment(_) => String::new(),
        });
        if expected.is_some_and(|expected| header(asked, "authorization") != expected) {
            return HttpAnswer::json(401, &json!({ "message": "Bad credentials" }));
        }
        if asked.method == http::Method::GET {
            return self.find_tickets(asked);
        }
        if asked.method != http::Method::POST {
            return HttpAnswer::json(405, &json!({ "message": "Method not allowed" }));
        }
        let body = match serde_json::from_slice(&asked.body) {
            Ok(Value::Object(body)) if header(asked, "content-type").starts_with("application/json") => {
                Value::Object(body)
            }
            _ => return HttpAnswer::json(400, &json!({ "message": "Problems parsing JSON" })),
        };
        let ticket = PostedTicket {
            at: self.now,
            number: self.vendors.tickets.len() + 1,
            to: format!("{}{}", asked.host.as_deref().unwrap_or_default(), path_of(asked)),
            body,
        };
        let what =
            format!("opens {}: {}", ticket.key(), bounded(ticket.visible().lines().next().unwrap_or_default(), 160));
        self.tell(Who::Function(caller.to_owned()), Tone::Warning, what);
        let answer = HttpAnswer::json(201, &ticket.shown());
        self.vendors.told.push(Item::Ticket(self.vendors.tickets.len()));
        self.vendors.tickets.push(ticket);
        answer
    }

    /// One ticket by its key at the end of the path, or those that hold what every parameter of the query asks for, the newest first.
    fn find_tickets(&self, asked: &HttpAsked) -> HttpAnswer {
        let key = path_of(asked).rsplit('/').next().unwrap_or_default();
        if key.starts_with("TICKET-") {
            return match self.vendors.tickets.iter().find(|ticket| ticket.key() == key) {
                Some(ticket) => HttpAnswer::json(200, &ticket.shown()),
                None => HttpAnswer::json(404, &json!({ "message": "Not Found" })),
            };
        }
        let query = query_of(asked);
        let fits = |visible: &str| query.iter().flat_map(|(_, value)| sought(value)).all(|text| visible.contains(text));
        let found: Vec<Value> = self
            .vendors
            .tickets
            .iter()
            .rev()
            .filter(|ticket| fits(&ticket.visible()))
            .map(PostedTicket::shown)
            .collect();
        HttpAnswer::json(200, &json!({ "total_count": found.len(), "items": found }))
    }
}

/// What a parameter asks for: what stands in quotation marks (`repo:a/b "d-1" in:body`, `text ~ "d-1"`), or else all of it.
fn sought(value: &str) -> Vec<&str> {
    let quoted: Vec<&str> = value.split('"').skip(1).step_by(2).collect();
    if quoted.is_empty() { vec![value] } else { quoted }
}
