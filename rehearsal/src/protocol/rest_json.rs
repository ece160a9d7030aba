//! REST JSON, as Lambda speaks it: method and path name the operation, labels and query parameters are members of the
//! input, and an invocation's payload is the body itself. Knows nothing of functions beyond their routes.

use super::error::{ACCESS_DENIED, THROTTLING};
use super::{AwsError, ProtocolError, Response, Service, aws_json, query, text};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, Method};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

/// A Lambda path, split and decoded.
pub(super) struct Route {
    version: String,
    segments: Vec<String>,
}

/// The route, if `path` is one of Lambda's: a date, `functions`, and more.
pub(super) fn route(path: &str) -> Option<Route> {
    let mut segments = path
        .trim_start_matches('/')
        .trim_end_matches('/')
        .split('/')
        .map(|segment| percent_decode_str(segment).decode_utf8_lossy().into_owned());
    let version = segments.next()?;
    let dated = version.len() == 10 && version.chars().all(|letter| letter.is_ascii_digit() || letter == '-');
    (dated && segments.next()? == "functions").then(|| Route { version, segments: segments.collect() })
}

/// Reads labels, query parameters, headers and body into one input.
///
/// A function may be named by its ARN or by part of it, as in the API; the label is passed on as it came. The payload
/// of an invocation is `Payload`, a JSON value; one that is not JSON is `PayloadBase64`, so that a JSON string and a
/// broken payload cannot be confused. Without a body there is neither.
pub(super) fn decode(
    method: &Method,
    route: &Route,
    query: &str,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<(Service, String, Value), ProtocolError> {
    let segments: Vec<&str> = route.segments.iter().map(String::as_str).collect();
    let parameters: Vec<(String, String)> = query::pairs(query).collect();
    let listing = parameters.iter().any(|(name, _)| name == "List");
    let (operation, labels): (&str, Vec<(&str, &str)>) =
        match (method.as_str(), route.version.as_str(), segments.as_slice()) {
            ("POST", "2015-03-31", [function, "invocations"]) => ("Invoke", vec![("FunctionName", function)]),
            ("GET", "2015-03-31", [function]) => ("GetFunction", vec![("FunctionName", function)]),
            ("GET", "2015-03-31", [function, "configuration"]) => {
                ("GetFunctionConfiguration", vec![("FunctionName", function)])
            }
            ("GET", "2015-03-31", [function, "versions"]) => {
                ("ListVersionsByFunction", vec![("FunctionName", function)])
            }
            ("GET", "2015-03-31", [function, "aliases"]) => ("ListAliases", vec![("FunctionName", function)]),
            ("GET", "2015-03-31", [function, "aliases", name]) => {
                ("GetAlias", vec![("FunctionName", function), ("Name", name)])
            }
            ("PUT", "2015-03-31", [function, "aliases", name]) => {
                ("UpdateAlias", vec![("FunctionName", function), ("Name", name)])
            }
            ("GET", "2019-09-30", [function, "provisioned-concurrency"]) if !listing => {
                ("GetProvisionedConcurrencyConfig", vec![("FunctionName", function)])
            }
            (method, version, segments) => {
                return Err(ProtocolError::UnknownOperation {
                    service: Service::Lambda,
                    route: format!("{method} /{version}/functions/{}", segments.join("/")),
                });
            }
        };

    let mut input = Map::new();
    for (name, value) in labels {
        input.insert(name.to_owned(), value.into());
    }
    for (name, value) in parameters {
        let number = (name == "MaxItems").then(|| value.parse::<i64>().ok()).flatten();
        input.insert(name, number.map_or_else(|| value.into(), Value::from));
    }
    if operation == "Invoke" {
        for (header, member) in [
            ("x-amz-invocation-type", "InvocationType"),
            ("x-amz-log-type", "LogType"),
            ("x-amz-client-context", "ClientContext"),
        ] {
            if let Some(value) = text(headers, header) {
                input.insert(member.to_owned(), value.into());
            }
        }
        match serde_json::from_slice::<Value>(body) {
            Ok(payload) => input.insert("Payload".to_owned(), payload),
            Err(_) if body.is_empty() => None,
            Err(_) => input.insert("PayloadBase64".to_owned(), STANDARD.encode(body).into()),
        };
    } else if let Value::Object(members) = aws_json::object(Service::Lambda, operation, body)? {
        input.extend(members);
    }
    Ok((Service::Lambda, operation.to_owned(), Value::Object(input)))
}

/// An output. That of `Invoke` is spread over status, headers and body.
pub(super) fn success(operation: &str, output: &Value) -> Response {
    let json = ("content-type", "application/json".to_owned());
    if operation != "Invoke" {
        let body = if output.is_null() { "{}".to_owned() } else { output.to_string() };
        return Response { status: 200, headers: vec![json], body: body.into_bytes() };
    }
    let mut headers = vec![json];
    for (member, header) in [
        ("FunctionError", "x-amz-function-error"),
        ("ExecutedVersion", "x-amz-executed-version"),
        ("LogResult", "x-amz-log-result"),
    ] {
        if let Some(value) = output.get(member).and_then(Value::as_str) {
            headers.push((header, value.to_owned()));
        }
    }
    let status = output.get("StatusCode").and_then(Value::as_u64).and_then(|code| u16::try_from(code).ok());
    let raw = output.get("PayloadBase64").and_then(Value::as_str).and_then(|text| STANDARD.decode(text).ok());
    let body =
        raw.unwrap_or_else(|| output.get("Payload").map(|json| json.to_string().into_bytes()).unwrap_or_default());
    Response { status: status.unwrap_or(200), headers, body }
}

/// An error, with the status that Lambda's model gives to its code.
pub(super) fn failure(error: &AwsError) -> Response {
    let (code, status) = match error.code.as_str() {
        THROTTLING => ("TooManyRequestsException", 429),
        code @ ACCESS_DENIED => (code, 403),
        code @ ("ResourceNotFoundException" | "ProvisionedConcurrencyConfigNotFoundException") => (code, 404),
        code @ "ResourceConflictException" => (code, 409),
        code @ "PreconditionFailedException" => (code, 412),
        code @ "TooManyRequestsException" => (code, 429),
        code => (code, error.status),
    };
    let mut body = Map::new();
    body.insert("Type".to_owned(), if status < 500 { "User" } else { "Service" }.into());
    body.insert("Message".to_owned(), error.message.clone().into());
    body.extend(error.members.iter().cloned());
    Response {
        status,
        headers: vec![("content-type", "application/json".to_owned()), ("x-amzn-errortype", code.to_owned())],
        body: Value::Object(body).to_string().into_bytes(),
    }
}
