//! The `ticket` section: what `{{ … }}` in it may name, and what its types cannot rule out. Pure; knows nothing of what is filled in.

use super::path::Path;
use super::review::not_a_base_url;
use super::service::Service;
use super::tell::{Ticket, TicketSearch};
use crate::text::{bounded, nearest, without_credentials};

/// What is filled in for `{{ … }}`; a link may name parts of what was answered besides, `answer.…`.
pub const TICKET_NAMES: [&str; 22] = [
    "title",
    "service",
    "environment",
    "what",
    "cause",
    "production",
    "to_do",
    "who",
    "started",
    "ended",
    "alarm",
    "hook",
    "revision",
    "git_sha",
    "application",
    "deployment_group",
    "region",
    "deployment.id",
    "deployment.url",
    "rollback.id",
    "rollback.url",
    "duration",
];

/// The beginning of the names of what was answered.
pub const ANSWER: &str = "answer.";

/// A piece of a text with `{{ … }}` in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Text that stays as it is.
    Text(&'a str),
    /// The name between the braces.
    Name(&'a str),
}

/// Takes a text apart.
///
/// # Errors
/// In words, when braces are opened and not closed.
pub fn pieces(text: &str) -> Result<Vec<Piece<'_>>, String> {
    let (mut pieces, mut rest) = (Vec::new(), text);
    while let Some((before, opened)) = rest.split_once("{{") {
        let Some((name, after)) = opened.split_once("}}") else {
            return Err("`{{` is opened here and not closed; write `{{ name }}`".to_owned());
        };
        if !before.is_empty() {
            pieces.push(Piece::Text(before));
        }
        pieces.push(Piece::Name(name.trim()));
        rest = after;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    Ok(pieces)
}

/// What may be named in a text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Known {
    /// What is known of the deployment.
    Deployment,
    /// That and what was answered.
    Answer,
}

/// A place in the section and what is wrong there.
type Wrong = (Path, String);

/// Everything about the section that does not fit together.
pub(super) fn review_ticket(ticket: &Ticket, services: &[Service], at: &Path) -> Vec<Wrong> {
    let mut wrong = Vec::new();
    let url = at.key("url");
    wrong.extend(not_an_address(&ticket.url, false).map(|message| (url, message)));
    for (name, value) in &ticket.headers {
        let here = at.key("headers").key(name);
        wrong.extend(not_a_header(name, value).map(|message| (here, message)));
    }
    review_body(ticket, at, &mut wrong);
    if let Some(link) = &ticket.link {
        wrong.extend(not_a_link(link, false).map(|message| (at.key("link"), message)));
    }
    if let Some(TicketSearch { url, link }) = &ticket.find {
        let here = at.key("find");
        wrong.extend(not_an_address(url, true).map(|message| (here.key("url"), message)));
        wrong.extend(not_a_link(link, true).map(|message| (here.key("link"), message)));
    }
    review_environments(ticket, services, at, &mut wrong);
    wrong
}

fn review_body(ticket: &Ticket, at: &Path, wrong: &mut Vec<Wrong>) {
    let here = at.key("body");
    if !ticket.body.is_object() {
        let message = "`body` needs a map of keys and values: the JSON object that is posted";
        wrong.push((here, message.to_owned()));
        return;
    }
    texts(&ticket.body, &here, wrong);
}

/// Looks at every text of the body; keys are posted as they stand.
fn texts(value: &serde_json::Value, at: &Path, wrong: &mut Vec<Wrong>) {
    use serde_json::Value;
    match value {
        Value::String(text) => wrong.extend(unknown(text, Known::Deployment).map(|message| (at.clone(), message))),
        Value::Array(entries) => {
            for (index, entry) in entries.iter().enumerate() {
                texts(entry, &at.entry(index), wrong);
            }
        }
        Value::Object(members) => {
            for (key, member) in members {
                let here = at.key(key);
                if key.contains("{{") {
                    let message = "a key is posted as it stands; `{{ … }}` is replaced in texts only";
                    wrong.push((here.clone(), message.to_owned()));
                }
                texts(member, &here, wrong);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The first name in a text that nothing is filled in for.
fn unknown(text: &str, known: Known) -> Option<String> {
    let pieces = match pieces(text) {
        Ok(pieces) => pieces,
        Err(message) => return Some(message),
    };
    pieces.into_iter().find_map(|piece| match piece {
        Piece::Name(name) if !TICKET_NAMES.contains(&name) => not_a_name(name, known),
        _ => None,
    })
}

fn not_a_name(name: &str, known: Known) -> Option<String> {
    let path = name.strip_prefix(ANSWER).or((name == "answer").then_some(""));
    match (path, known) {
        (Some(path), Known::Answer) if path.split('.').all(|step| !step.is_empty()) => return None,
        (Some(_), Known::Answer) => {
            return Some(format!(
                "`{}` names no part of what is answered; write `{{{{ answer.number }}}}`, or `{{{{ answer.issues.0.key }}}}` for a list's first entry",
                bounded(name, 60)
            ));
        }
        (Some(_), Known::Deployment) => {
            return Some("nothing is answered yet when this is filled in; `{{ answer.… }}` is for links".to_owned());
        }
        (None, _) => {}
    }
    let name = bounded(name, 60);
    Some(match nearest(&name, TICKET_NAMES) {
        Some(near) => format!("nothing is filled in for `{name}`; did you mean `{{{{ {near} }}}}`?"),
        None => format!("nothing is filled in for `{name}`; there are {}", TICKET_NAMES.join(", ")),
    })
}

/// What is wrong with an address that is asked; only that of a search has references in it, behind its host.
fn not_an_address(url: &str, is_search: bool) -> Option<String> {
    let shown = bounded(&without_credentials(url), 120);
    let Some(rest) = url.strip_prefix("https://") else {
        if url.starts_with("http://") {
            return Some(format!("`{shown}` is not encrypted; write `https://`: credentials go along"));
        }
        return Some(
            not_a_base_url(url).unwrap_or_else(|| format!("`{shown}` is not a URL; write `https://` and the host")),
        );
    };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if host.contains("{{") {
        return Some(format!("the host of `{shown}` holds a reference; write the host itself"));
    }
    if host.contains('@') {
        return Some(format!(
            "`{shown}` holds credentials; take them out and give the header's value by reference in `authorization`"
        ));
    }
    if let Some(message) = not_a_base_url(&format!("https://{host}")) {
        return Some(message);
    }
    let pieces = match pieces(url) {
        Ok(pieces) => pieces,
        Err(message) => return Some(message),
    };
    let text = |piece: &Piece<'_>| matches!(piece, Piece::Text(text) if text.contains(char::is_whitespace));
    if pieces.iter().any(text) {
        return Some(format!("`{shown}` has a blank in it; write `%20`"));
    }
    let has_name = pieces.iter().any(|piece| matches!(piece, Piece::Name(_)));
    match (is_search, has_name) {
        (false, true) => Some(format!("`{shown}` holds a reference; tickets are posted to the address as it stands")),
        (true, false) => {
            Some(format!("`{shown}` finds the same for every deployment; name one, such as `{{{{ deployment.id }}}}`"))
        }
        (false, false) => None,
        (true, true) => unknown(url, Known::Deployment),
    }
}

/// What is wrong with a link that is made from an answer.
fn not_a_link(link: &str, is_search: bool) -> Option<String> {
    let shown = bounded(&without_credentials(link), 120);
    let pieces = match pieces(link) {
        Ok(pieces) => pieces,
        Err(message) => return Some(message),
    };
    let is_of_answer = |piece: &Piece<'_>| matches!(piece, Piece::Name(name) if name.starts_with(ANSWER));
    if let Some(Piece::Text(text)) = pieces.first() {
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let Some(rest) = rest else {
            return Some(format!(
                "`{shown}` is no link; begin with `https://`, or with the part of the answer that is one"
            ));
        };
        if pieces.len() > 1 && !rest.contains('/') {
            return Some(format!("the host of `{shown}` holds a reference; write the host itself"));
        }
    }
    if pieces.iter().any(|piece| matches!(piece, Piece::Text(text) if text.contains(char::is_whitespace))) {
        return Some(format!("`{shown}` has a blank in it; write `%20`"));
    }
    if is_search && !pieces.iter().any(is_of_answer) {
        let message =
            "a search whose link takes nothing from its answer always finds something; write `{{ answer.… }}` into it";
        return Some(message.to_owned());
    }
    unknown(link, Known::Answer)
}

/// What is wrong with a further header. Names are RFC 9110's `token`; the sender itself writes some.
fn not_a_header(name: &str, value: &str) -> Option<String> {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    let shown = bounded(name, 60);
    if name.is_empty() || !name.chars().all(is_token) {
        return Some(format!("`{shown}` is no header's name: letters, digits and `-`"));
    }
    if name.eq_ignore_ascii_case("authorization") {
        return Some(
            "this header is a secret; take it out and give its value by reference in `authorization`".to_owned(),
        );
    }
    if ["content-length", "host", "connection", "transfer-encoding"].iter().any(|own| name.eq_ignore_ascii_case(own)) {
        return Some(format!("`{shown}` is written by whoever sends the request; take it out"));
    }
    if value.contains("{{") {
        return Some(format!("the value of `{shown}` holds a reference; a header is sent as it stands"));
    }
    let wrong = value.chars().find(|c| !matches!(c, ' '..='~'))?;
    Some(format!("the value of `{shown}` has a {wrong:?} in it, which no header has"))
}

/// An environment that is written wrongly has no tickets, and nobody would notice.
fn review_environments(ticket: &Ticket, services: &[Service], at: &Path, wrong: &mut Vec<Wrong>) {
    let Some(environments) = &ticket.environments else { return };
    let here = at.key("environments");
    if environments.is_empty() {
        let message = "no environment's deployments become tickets; name one, or leave `environments` out for all";
        wrong.push((here, message.to_owned()));
        return;
    }
    let known: Vec<&str> = services.iter().map(|service| service.environment.as_str()).collect();
    for (index, environment) in environments.iter().enumerate() {
        // What is guarded by a tag on its alarm has an environment that stands nowhere here: only what looks like a slip is one.
        if known.contains(&environment.as_str()) {
            continue;
        }
        if let Some(near) = nearest(environment, known.iter().copied()) {
            let message =
                format!("no service has the environment `{}`; did you mean `{near}`?", bounded(environment, 60));
            wrong.push((here.entry(index), message));
        }
    }
}

#[cfg(test)]
mod tests;
