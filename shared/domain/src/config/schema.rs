//! The configuration's JSON Schema, made from its types, for editors. Where a type alone says too little (a span is more than a text,
//! a check asks exactly one thing) the rest is added here. Knows nothing of files.

use std::borrow::Cow;

use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use super::check::REQUEST_WORDS;
use super::service::Config;
use super::tell::SecretRef;
use crate::time::Span;

/// The schema of `greenlight.yaml`, draft 7: the one that every editor's YAML extension knows.
pub fn schema() -> Value {
    let settings = SchemaSettings::draft07().with_transform(RecursiveTransform(tidy));
    let mut schema = settings.into_generator().into_root_schema_for::<Config>();
    schema.insert("title".to_owned(), json!("The configuration of Greenlight"));
    schema.to_value()
}

/// Takes out what helps nobody: defaults that are nothing or whole blocks, and the sizes of Rust's numbers.
fn tidy(schema: &mut Schema) {
    if schema.get("default").is_some_and(|default| default.is_null() || default.is_array() || default.is_object()) {
        schema.remove("default");
    }
    if schema.get("format").and_then(Value::as_str).is_some_and(|format| format.starts_with("uint")) {
        schema.remove("format");
        if schema.get("maximum").is_some_and(|most| *most == json!(u16::MAX)) {
            schema.remove("maximum");
        }
    }
}

/// A check asks exactly one thing, has at most one body, and an invocation has its payload alone.
pub(super) fn check(schema: &mut Schema) {
    let required = |keys: &[&str]| json!({ "required": keys });
    if let Some(properties) = schema.get_mut("properties") {
        for word in REQUEST_WORDS {
            if let Some(property) = properties.get_mut(word) {
                without_null(property);
            }
        }
    }
    let one_of: Vec<Value> = REQUEST_WORDS.iter().map(|word| required(&[word])).collect();
    let bodies = [required(&["json", "body"]), required(&["json", "form"]), required(&["body", "form"])];
    let beside =
        |keys: &[&str]| json!({ "not": { "anyOf": keys.iter().map(|key| required(&[key])).collect::<Vec<_>>() } });
    let not_expected = |keys: &[&str]| json!({ "properties": { "expect": beside(keys) } });
    let of = |word: &str, rules: Vec<Value>| json!({ "if": required(&[word]), "then": { "allOf": rules } });
    schema.insert("oneOf".to_owned(), json!(one_of));
    schema.insert("not".to_owned(), json!({ "anyOf": bodies }));
    schema.insert(
        "allOf".to_owned(),
        json!([
            of(
                "invoke",
                vec![beside(&["headers", "json", "body", "form"]), not_expected(&["status", "headers", "certificate"])]
            ),
            of("websocket", vec![beside(&["form"])]),
            of("grpc_health", vec![beside(&["json", "body", "form"]), not_expected(&["status", "headers"])]),
            of("head", vec![not_expected(&["body", "json"])]),
        ]),
    );
}

/// A bot token with its channel, or a webhook alone.
pub(super) fn slack(schema: &mut Schema) {
    let others = json!({ "anyOf": [{ "required": ["token"] }, { "required": ["channel"] }] });
    let webhook = json!({ "required": ["webhook"] });
    let forms =
        json!([{ "required": ["token", "channel"], "not": webhook }, { "required": ["webhook"], "not": others }]);
    schema.insert("oneOf".to_owned(), forms);
}

/// What is posted as a ticket is a JSON object.
pub(super) fn ticket(schema: &mut Schema) {
    if let Some(Value::Object(body)) = schema.get_mut("properties").and_then(|properties| properties.get_mut("body")) {
        body.insert("type".to_owned(), json!("object"));
    } else if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        properties.insert("body".to_owned(), json!({ "type": "object" }));
    }
}

/// A header's name that is none of a secret, which is given by reference.
pub(super) fn ticket_header() -> Value {
    let mut name = header_name();
    if let Value::Object(name) = &mut name {
        name.insert("not".to_owned(), json!({ "pattern": "^[Aa][Uu][Tt][Hh][Oo][Rr][Ii][Zz][Aa][Tt][Ii][Oo][Nn]$" }));
    }
    name
}

/// A service is deployed by CodeDeploy or by ECS itself, which has no hooks.
pub(super) fn service(schema: &mut Schema) {
    let required = |keys: &[&str]| json!({ "required": keys });
    if let Some(properties) = schema.get_mut("properties") {
        for word in ["codedeploy", "ecs"] {
            if let Some(property) = properties.get_mut(word) {
                without_null(property);
            }
        }
    }
    let hooks =
        json!(["before_allow_traffic", "after_allow_traffic", "endpoints"].map(|block| json!({ "required": [block] })));
    schema.insert("oneOf".to_owned(), json!([required(&["codedeploy"]), required(&["ecs"])]));
    schema.insert("if".to_owned(), required(&["ecs"]));
    schema.insert("then".to_owned(), json!({ "not": { "anyOf": hooks } }));
}

fn without_null(property: &mut Value) {
    if let Some(types) = property.get_mut("type")
        && let Some(only) = types.as_array().and_then(|types| types.iter().find(|one| **one != json!("null"))).cloned()
    {
        *types = only;
    }
    if let Some(Value::Array(forms)) = property.get_mut("anyOf") {
        forms.retain(|form| *form != json!({ "type": "null" }));
    }
}

/// An alarm's name: no ARN, and no blank at its ends.
pub(super) fn alarm_name(schema: &mut Schema) {
    schema.insert("pattern".to_owned(), json!(r"^\S(.*\S)?$"));
    schema.insert("not".to_owned(), json!({ "pattern": "^arn:" }));
}

/// RFC 9110's `token`.
pub(super) fn header_name() -> Value {
    json!({ "pattern": "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$" })
}

impl JsonSchema for Span {
    fn schema_name() -> Cow<'static, str> {
        "Span".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A span of time: a whole number and a unit, such as `300ms`, `3s`, `2m`, `1h` or `14d`.",
            "type": "string",
            "pattern": "^[0-9]+(ms|s|m|h|d)$",
            "examples": ["500ms", "10s", "2m"],
        })
    }
}

impl JsonSchema for SecretRef {
    fn schema_name() -> Cow<'static, str> {
        "SecretRef".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Where a secret is to be found, never the secret itself: `secret:<name>#<key>` is a key of a Secrets \
                            Manager secret, `env:<NAME>` an environment variable.",
            "type": "string",
            "pattern": "^(env:.+|secret:[^#]+#.+)$",
            "examples": ["secret:greenlight#slack_bot_token", "env:SLACK_TOKEN"],
        })
    }
}

/// `true`, `false` or `warn`.
pub(super) struct Requirement;

impl JsonSchema for Requirement {
    fn schema_name() -> Cow<'static, str> {
        "Requirement".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "`true`: it must hold. `warn`: where it does not, the verdict is only degraded. `false`: not looked at.",
            "enum": [true, false, "warn"],
        })
    }
}

/// What is expected of a value: the value itself, or a matcher.
pub(super) struct Wanted;

impl JsonSchema for Wanted {
    fn schema_name() -> Cow<'static, str> {
        "Wanted".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let matcher = generator.subschema_for::<Matcher>();
        json_schema!({
            "description": "The value itself, or a matcher such as `{ gte: 1 }`. A map is always a matcher; a literal one is written `{ eq: { … } }`.",
            "anyOf": [{ "type": ["string", "number", "boolean", "array", "null"] }, matcher],
        })
    }
}

struct Matcher;

impl JsonSchema for Matcher {
    fn schema_name() -> Cow<'static, str> {
        "Matcher".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let again = generator.subschema_for::<Matcher>();
        let reference = json!({ "type": "string", "pattern": r"\{\{" });
        let ordered = |description: &str| json!({ "description": description, "type": ["number", "string"] });
        json_schema!({
            "description": "A matcher: each of its words must hold.",
            "type": "object",
            "additionalProperties": false,
            "minProperties": 1,
            "properties": {
                "gte": ordered("At least."),
                "gt": ordered("Above."),
                "lte": ordered("At most."),
                "lt": ordered("Below."),
                "eq": { "description": "Equal; any value, a map too." },
                "ne": { "description": "Not equal." },
                "matches": { "description": "Matches this regular expression somewhere.", "type": "string", "minLength": 1 },
                "contains": { "description": "A text with this part, a list with this element, a map with this key.", "not": { "const": "" } },
                "exists": { "description": "Is there, or is not.", "anyOf": [{ "type": "boolean" }, reference] },
                "length": {
                    "description": "The length of a text, a list or a map.",
                    "anyOf": [{ "type": "integer", "minimum": 0 }, reference, again],
                },
            },
        })
    }
}
