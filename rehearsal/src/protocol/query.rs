//! AWS Query: a form goes in, XML comes out. Elastic Load Balancing speaks it.
//! Knows nothing of load balancers, but for the names of the members that are not text.

use super::error::{ACCESS_DENIED, THROTTLING};
use super::{AwsError, ProtocolError, Response, Service};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use time::OffsetDateTime;
use time::macros::format_description;

/// The content type of a Query request.
pub(super) const CONTENT_TYPE: &str = "application/x-www-form-urlencoded";
/// The API version that belongs to Elastic Load Balancing, version 2.
const ELB_VERSION: &str = "2015-12-01";
const NAMESPACE: &str = "http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/";

/// Input members that are numbers; everything in a form is text.
const NUMBERS: [&str; 3] = ["PageSize", "Port", "Priority"];
/// Input members that are lists: an empty list is sent as the bare name.
const LISTS: [&str; 8] =
    ["Include", "ListenerArns", "LoadBalancerArns", "Names", "ResourceArns", "RuleArns", "TargetGroupArns", "Targets"];
/// Output members that are timestamps.
const TIMESTAMPS: [&str; 1] = ["CreatedTime"];

/// Key and value of each pair of a form or a query string, decoded.
pub(super) fn pairs(form: &str) -> impl Iterator<Item = (String, String)> + '_ {
    let plain = |part: &str| percent_decode_str(&part.replace('+', " ")).decode_utf8_lossy().into_owned();
    form.split('&').filter(|pair| !pair.is_empty()).map(move |pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (plain(key), plain(value))
    })
}

/// What a form's dotted names describe.
enum Node {
    Leaf(String),
    Branch(BTreeMap<String, Node>),
}

/// Reads the form; `Action` and `Version` say what it is.
pub(super) fn decode(body: &[u8]) -> Result<(Service, String, Value), ProtocolError> {
    let unreadable = |operation: &str, problem: String| ProtocolError::Body {
        service: Service::Elb,
        operation: operation.to_owned(),
        format: "a form",
        problem,
    };
    let form = std::str::from_utf8(body).map_err(|error| unreadable("?", error.to_string()))?;
    let (mut action, mut version, mut members) = (None, None, Node::Branch(BTreeMap::new()));
    for (key, value) in pairs(form) {
        match key.as_str() {
            "Action" => action = Some(value),
            "Version" => version = Some(value),
            _ => {
                let path: Vec<&str> = key.split('.').collect();
                place(&mut members, &path, value)
                    .map_err(|()| unreadable("?", format!("`{key}` is both a value and a structure")))?;
            }
        }
    }
    let action = action.filter(|name| !name.is_empty()).ok_or_else(|| unreadable("?", "no `Action`".to_owned()))?;
    match version.as_deref() {
        Some(ELB_VERSION) => {}
        version => {
            let version = version.unwrap_or_default();
            return Err(ProtocolError::UnknownService { target: format!("Action={action}&Version={version}") });
        }
    }
    let input = match members {
        Node::Branch(members) => object(members),
        Node::Leaf(_) => Err("a parameter has no name".to_owned()),
    };
    let input = input.map_err(|problem| unreadable(&action, problem))?;
    Ok((Service::Elb, action, input))
}

fn place(node: &mut Node, path: &[&str], value: String) -> Result<(), ()> {
    match (path.split_first(), node) {
        (None, node) => match node {
            Node::Branch(children) if children.is_empty() => *node = Node::Leaf(value),
            _ => return Err(()),
        },
        (Some((step, rest)), Node::Branch(children)) => {
            let child = children.entry((*step).to_owned()).or_insert_with(|| Node::Branch(BTreeMap::new()));
            place(child, rest, value)?;
        }
        (Some(_), Node::Leaf(_)) => return Err(()),
    }
    Ok(())
}

fn to_json(name: &str, node: Node) -> Result<Value, String> {
    match node {
        Node::Leaf(text) if text.is_empty() && LISTS.contains(&name) => Ok(Value::Array(Vec::new())),
        Node::Leaf(text) if NUMBERS.contains(&name) => {
            text.parse::<i64>().map(Value::from).map_err(|_| format!("`{name}` is `{text}`, but has to be a number"))
        }
        Node::Leaf(text) => Ok(Value::String(text)),
        Node::Branch(mut children) => {
            if children.len() == 1
                && let Some(members) = children.remove("member")
            {
                return list(name, members);
            }
            object(children)
        }
    }
}

fn object(members: BTreeMap<String, Node>) -> Result<Value, String> {
    let mut object = Map::new();
    for (name, node) in members {
        let value = to_json(&name, node)?;
        object.insert(name, value);
    }
    Ok(Value::Object(object))
}

/// `Targets.member.1.Id=…`: the numbers give the order.
fn list(name: &str, members: Node) -> Result<Value, String> {
    let Node::Branch(members) = members else { return Err(format!("`{name}.member` lacks a number")) };
    let mut numbered = BTreeMap::new();
    for (index, node) in members {
        let place: u32 = index.parse().map_err(|_| format!("`{name}.member.{index}` is not a numbered element"))?;
        numbered.insert(place, to_json("", node)?);
    }
    Ok(Value::Array(numbered.into_values().collect()))
}

/// An output as `<XResponse><XResult>…`.
pub(super) fn success(operation: &str, output: &Value) -> Response {
    let mut result = String::new();
    element(&mut result, &format!("{operation}Result"), output);
    let xml = format!(
        "<{operation}Response xmlns=\"{NAMESPACE}\">{result}<ResponseMetadata><RequestId>rehearsal</RequestId>\
         </ResponseMetadata></{operation}Response>"
    );
    response(200, xml)
}

/// An error as `<ErrorResponse><Error>…`.
pub(super) fn failure(error: &AwsError) -> Response {
    let (code, status) = match error.code.as_str() {
        ACCESS_DENIED => ("AccessDenied", 403),
        THROTTLING => ("Throttling", error.status),
        code => (code, error.status),
    };
    let side = if status < 500 { "Sender" } else { "Receiver" };
    let mut xml = format!("<ErrorResponse xmlns=\"{NAMESPACE}\"><Error><Type>{side}</Type><Code>");
    escape(&mut xml, code);
    xml.push_str("</Code><Message>");
    escape(&mut xml, &error.message);
    xml.push_str("</Message></Error><RequestId>rehearsal</RequestId></ErrorResponse>");
    response(status, xml)
}

fn response(status: u16, xml: String) -> Response {
    Response { status, headers: vec![("content-type", "text/xml".to_owned())], body: xml.into_bytes() }
}

fn element(xml: &mut String, name: &str, value: &Value) {
    xml.extend(["<", name, ">"]);
    content(xml, name, value);
    xml.extend(["</", name, ">"]);
}

/// What stands between the tags of member `name`.
fn content(xml: &mut String, name: &str, value: &Value) {
    match value {
        Value::Null => {}
        Value::Bool(flag) => xml.push_str(if *flag { "true" } else { "false" }),
        Value::Number(number) if TIMESTAMPS.contains(&name) => match iso8601(number.as_f64().unwrap_or_default()) {
            Some(text) => xml.push_str(&text),
            None => xml.push_str(&number.to_string()),
        },
        Value::Number(number) => xml.push_str(&number.to_string()),
        Value::String(text) => escape(xml, text),
        Value::Array(elements) => {
            for value in elements {
                element(xml, "member", value);
            }
        }
        Value::Object(members) => {
            // An absent member has no tag at all: an empty tag would read as an empty text.
            for (name, member) in members.iter().filter(|(_, member)| !member.is_null()) {
                element(xml, name, member);
            }
        }
    }
}

fn iso8601(seconds: f64) -> Option<String> {
    let form = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
    let nanos = (seconds * 1000.0).round() as i128 * 1_000_000;
    OffsetDateTime::from_unix_timestamp_nanos(nanos).ok()?.format(&form).ok()
}

fn escape(xml: &mut String, text: &str) {
    for letter in text.chars() {
        match letter {
            '&' => xml.push_str("&amp;"),
            '<' => xml.push_str("&lt;"),
            '>' => xml.push_str("&gt;"),
            '"' => xml.push_str("&quot;"),
            '\r' => xml.push_str("&#xD;"),
            letter => xml.push(letter),
        }
    }
}
