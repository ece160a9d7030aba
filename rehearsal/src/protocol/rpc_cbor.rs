//! Smithy RPC v2 with CBOR, as CloudWatch speaks it: `POST /service/{service}/operation/{operation}`.
//!
//! Knows nothing of metrics or alarms, but for the names of the members whose type JSON cannot show: those that have
//! to be written as double or as timestamp even when the number is whole. The SDK's decoder takes nothing else.

use super::error::{ACCESS_DENIED, THROTTLING};
use super::{AwsError, ProtocolError, Response, Service, text};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ciborium::Value as Cbor;
use http::HeaderMap;
use serde_json::{Map, Number, Value};

/// The name of CloudWatch's service shape, which the path carries.
const CLOUDWATCH: &str = "GraniteServiceVersion20100801";
const PROTOCOL: (&str, &str) = ("smithy-protocol", "rpc-v2-cbor");
/// The CBOR tag of an epoch time.
const EPOCH: u64 = 1;

/// Members that are timestamps, in whatever operation of CloudWatch they appear; a list has the kind of its elements.
const TIMESTAMPS: [&str; 8] = [
    "AlarmConfigurationUpdatedTimestamp",
    "EndTime",
    "LastModified",
    "StartTime",
    "StateTransitionedTimestamp",
    "StateUpdatedTimestamp",
    "Timestamp",
    "Timestamps",
];

/// Members that are doubles; a list or a map has the kind of its elements.
const DOUBLES: [&str; 10] = [
    "AggregateValue",
    "Average",
    "Counts",
    "ExtendedStatistics",
    "Maximum",
    "Minimum",
    "SampleCount",
    "Sum",
    "Threshold",
    "Values",
];

/// Reads what follows `/service/` in the path, and the body; an empty body is an empty input.
pub(super) fn decode(rest: &str, headers: &HeaderMap, body: &[u8]) -> Result<(Service, String, Value), ProtocolError> {
    let operation = match rest.split_once("/operation/") {
        Some((CLOUDWATCH, operation)) if !operation.is_empty() && !operation.contains('/') => operation,
        _ => return Err(ProtocolError::UnknownService { target: format!("/service/{rest}") }),
    };
    let unreadable = |problem: String| ProtocolError::Body {
        service: Service::CloudWatch,
        operation: operation.to_owned(),
        format: "CBOR",
        problem,
    };
    if text(headers, PROTOCOL.0) != Some(PROTOCOL.1) {
        return Err(unreadable(format!("the header `{}: {}` is missing", PROTOCOL.0, PROTOCOL.1)));
    }
    if body.is_empty() {
        return Ok((Service::CloudWatch, operation.to_owned(), Value::Object(Map::new())));
    }
    let mut unread = body;
    let cbor: Cbor = ciborium::from_reader(&mut unread).map_err(|error| unreadable(error.to_string()))?;
    if !unread.is_empty() {
        return Err(unreadable(format!("{} bytes follow the input", unread.len())));
    }
    let input = to_json(cbor).map_err(unreadable)?;
    if !input.is_object() {
        return Err(unreadable("the input has to be a map".to_owned()));
    }
    Ok((Service::CloudWatch, operation.to_owned(), input))
}

/// CBOR to JSON. NaN and the infinities, which JSON lacks, become strings, so that the service can refuse them.
fn to_json(cbor: Cbor) -> Result<Value, String> {
    Ok(match cbor {
        Cbor::Null => Value::Null,
        Cbor::Bool(flag) => Value::Bool(flag),
        Cbor::Text(text) => Value::String(text),
        Cbor::Bytes(bytes) => Value::String(STANDARD.encode(bytes)),
        Cbor::Float(number) => Number::from_f64(number).map_or_else(|| number.to_string().into(), Value::Number),
        Cbor::Integer(number) => match i128::from(number) {
            whole if i64::try_from(whole).is_ok() => Value::from(whole as i64),
            whole => Value::from(u64::try_from(whole).map_err(|_| format!("`{whole}` is out of range"))?),
        },
        Cbor::Tag(EPOCH, seconds) => to_json(*seconds)?,
        Cbor::Tag(tag, _) => return Err(format!("the CBOR tag {tag} is not used by CloudWatch")),
        Cbor::Array(elements) => Value::Array(elements.into_iter().map(to_json).collect::<Result<_, _>>()?),
        Cbor::Map(entries) => {
            let mut object = Map::new();
            for (key, value) in entries {
                let key = key.into_text().map_err(|_| "a map has a key that is not text".to_owned())?;
                object.insert(key, to_json(value)?);
            }
            Value::Object(object)
        }
        _ => return Err("it has a kind of value that this reader does not know".to_owned()),
    })
}

/// An output; `null` counts as an empty one.
pub(super) fn success(output: &Value) -> Response {
    let mut body = Vec::new();
    match output {
        Value::Null => write_head(&mut body, MAP, 0),
        output => write(&mut body, output, Kind::Plain),
    }
    Response { status: 200, headers: headers(), body }
}

/// An error.
///
/// CloudWatch is "query compatible": the header `x-amzn-query-error` carries the code of its older protocol, and that
/// is the code the SDK goes by. `__type` would hold the shape's name; here it repeats the code.
pub(super) fn failure(error: &AwsError) -> Response {
    let code = match error.code.as_str() {
        ACCESS_DENIED => "AccessDenied",
        THROTTLING => "Throttling",
        code => code,
    };
    let side = if error.status < 500 { "Sender" } else { "Receiver" };
    let status = if error.code == ACCESS_DENIED { 403 } else { error.status };
    let mut body = Vec::new();
    let fields = serde_json::json!({"__type": format!("com.amazonaws.cloudwatch#{code}"), "message": error.message});
    write(&mut body, &fields, Kind::Plain);
    let mut headers = headers();
    headers.push(("x-amzn-query-error", format!("{code};{side}")));
    Response { status, headers, body }
}

fn headers() -> Vec<(&'static str, String)> {
    vec![("content-type", "application/cbor".to_owned()), (PROTOCOL.0, PROTOCOL.1.to_owned())]
}

/// How a number is to be written.
#[derive(Clone, Copy)]
enum Kind {
    Plain,
    Double,
    Timestamp,
}

fn kind_of(member: &str) -> Kind {
    if TIMESTAMPS.contains(&member) {
        Kind::Timestamp
    } else if DOUBLES.contains(&member) {
        Kind::Double
    } else {
        Kind::Plain
    }
}

// Major types of RFC 8949.
const UNSIGNED: u8 = 0;
const NEGATIVE: u8 = 1;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const TAG: u8 = 6;

/// Writes by hand because `ciborium` shrinks a double to the shortest float that holds it, and one form per type is
/// easier to compare with what AWS sends.
fn write(out: &mut Vec<u8>, value: &Value, kind: Kind) {
    match value {
        Value::Null => out.push(0xf6),
        Value::Bool(flag) => out.push(if *flag { 0xf5 } else { 0xf4 }),
        Value::String(text) => write_text(out, text),
        Value::Number(number) => write_number(out, number, kind),
        Value::Array(elements) => {
            write_head(out, ARRAY, elements.len() as u64);
            for element in elements {
                // The elements of `MetricAlarms` are plain objects, those of `Values` doubles.
                write(out, element, kind);
            }
        }
        Value::Object(members) => {
            // An absent member is left out: not every member of a shape may be null.
            let present = || members.iter().filter(|(_, member)| !member.is_null());
            write_head(out, MAP, present().count() as u64);
            for (name, member) in present() {
                write_text(out, name);
                // A map such as `ExtendedStatistics` hands its own kind down; its keys are not member names.
                write(out, member, if matches!(kind, Kind::Plain) { kind_of(name) } else { kind });
            }
        }
    }
}

fn write_text(out: &mut Vec<u8>, text: &str) {
    write_head(out, TEXT, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

fn write_number(out: &mut Vec<u8>, number: &Number, kind: Kind) {
    let whole = matches!(kind, Kind::Plain).then(|| (number.as_u64(), number.as_i64()));
    match whole {
        Some((Some(unsigned), _)) => write_head(out, UNSIGNED, unsigned),
        Some((None, Some(signed))) => write_head(out, NEGATIVE, !signed as u64),
        _ => {
            let mut double = number.as_f64().unwrap_or_default();
            if matches!(kind, Kind::Timestamp) {
                write_head(out, TAG, EPOCH);
                double = readable(double);
            }
            out.push(0xfb);
            out.extend_from_slice(&double.to_be_bytes());
        }
    }
}

/// The SDK cuts a timestamp off after the millisecond. The double nearest to .985 may lie just below it and would come
/// out as .984, so that half a microsecond is added to what is not a whole second.
fn readable(seconds: f64) -> f64 {
    if seconds.fract() == 0.0 { seconds } else { seconds + 0.000_000_5 }
}

/// A major type with its argument, in the shortest form.
fn write_head(out: &mut Vec<u8>, major: u8, argument: u64) {
    let major = major << 5;
    if argument < 24 {
        out.push(major | argument as u8);
    } else if let Ok(byte) = u8::try_from(argument) {
        out.extend_from_slice(&[major | 0x18, byte]);
    } else if let Ok(short) = u16::try_from(argument) {
        out.push(major | 0x19);
        out.extend_from_slice(&short.to_be_bytes());
    } else if let Ok(word) = u32::try_from(argument) {
        out.push(major | 0x1a);
        out.extend_from_slice(&word.to_be_bytes());
    } else {
        out.push(major | 0x1b);
        out.extend_from_slice(&argument.to_be_bytes());
    }
}
