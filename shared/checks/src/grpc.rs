//! The gRPC health checking protocol (grpc.health.v1, <https://github.com/grpc/grpc/blob/master/doc/health-checking.md>), its two messages
//! and what its answers mean. Pure: knows nothing of how they travel.
//!
//! The messages are a text and a number, so they are written and read here by hand, after Protocol Buffers' encoding
//! (<https://protobuf.dev/programming-guides/encoding/>) and gRPC's framing (<https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>).

use domain::text::bounded;
use http::HeaderMap;
use outbound::HttpResponse;
use percent_encoding::percent_decode_str;

use crate::answer::line_of;
use crate::mask::Mask;

/// The method that is called.
pub(crate) const CHECK: &str = "/grpc.health.v1.Health/Check";
/// The status of a service that takes requests.
pub(crate) const SERVING: &str = "SERVING";

/// `HealthCheckResponse.ServingStatus`, by its numbers.
const SERVING_STATUSES: [&str; 4] = ["UNKNOWN", SERVING, "NOT_SERVING", "SERVICE_UNKNOWN"];
/// gRPC's status codes, by their numbers (doc/statuscodes.md there).
const CODES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// The question about a service, or with an empty name about the server as a whole: `HealthCheckRequest { string service = 1; }`, framed.
pub(crate) fn question(service: &str) -> Vec<u8> {
    let mut message = Vec::new();
    // proto3 leaves out what is empty.
    if !service.is_empty() {
        message.push(1 << 3 | 2);
        varint(service.len() as u64, &mut message);
        message.extend_from_slice(service.as_bytes());
    }
    let mut frame = vec![0];
    frame.extend_from_slice(&u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes());
    frame.extend(message);
    frame
}

fn varint(mut value: u64, to: &mut Vec<u8>) {
    while value >= 0x80 {
        to.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    to.push(value as u8);
}

/// The status that a server gives, such as `SERVING`; or a sentence that says why there is none.
pub(crate) fn status_in(response: &HttpResponse, service: &str, mask: &Mask) -> Result<String, String> {
    let not_grpc = |what: &str| {
        let kind = header(&response.headers, "content-type").unwrap_or_else(|| "none".to_owned());
        let body = match line_of(&response.body, mask) {
            _ if response.body.is_empty() => "an empty body".to_owned(),
            Some(line) => format!("body `{line}`"),
            None => format!("a body of {} bytes that are not text", response.length),
        };
        format!(
            "an answer that is not gRPC, {what}: HTTP status {}, content-type `{}`, {body}",
            response.status,
            bounded(&kind, 80)
        )
    };
    if response.status != 200 {
        return Err(not_grpc("which has the HTTP status 200"));
    }
    if !header(&response.headers, "content-type").is_some_and(|kind| is_grpc(&kind)) {
        return Err(not_grpc("which has the content-type `application/grpc`"));
    }
    // An answer without a message has its trailers in place of its headers ("Trailers-Only").
    let told_in = match (header(&response.trailers, "grpc-status"), response.body.is_empty()) {
        (None, true) => &response.headers,
        _ => &response.trailers,
    };
    let text = |name: &str| header(told_in, name);
    let Some(code) = text("grpc-status") else {
        return Err(not_grpc("which ends with a `grpc-status`"));
    };
    if code == "0" {
        return serving_status(&response.body).ok_or_else(|| {
            not_grpc("although its `grpc-status` is 0: such an answer is one `grpc.health.v1.HealthCheckResponse`")
        });
    }
    let said = text("grpc-message").map(|message| percent_decode_str(&message).decode_utf8_lossy().into_owned());
    let said =
        said.filter(|said| !said.is_empty()).map(|said| format!(", `{}`", bounded(&said, 200))).unwrap_or_default();
    let name = code.parse::<usize>().ok().and_then(|code| CODES.get(code)).copied().unwrap_or("no known code");
    let told = format!("(grpc-status {} {name}{said})", bounded(&code, 20));
    Err(match (code.as_str(), service) {
        ("5", "") => format!("the server knows nothing of its own health {told}"),
        ("5", service) => format!("the server does not know the service `{service}` {told}"),
        ("12", _) => format!("the server has no health service, `grpc.health.v1.Health` {told}"),
        _ => format!("an error in place of a status {told}"),
    })
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

/// `application/grpc`, also with `+proto` and the like or with parameters; `application/grpc-web` is another protocol.
fn is_grpc(content_type: &str) -> bool {
    let rest = content_type.trim().strip_prefix("application/grpc");
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['+', ';', ' ']))
}

/// `HealthCheckResponse { ServingStatus status = 1; }` out of the one frame that the body is; `None` when it is something else.
fn serving_status(body: &[u8]) -> Option<String> {
    // One byte says whether it is compressed, which nobody was asked to do, four how long it is.
    let (&[compressed, a, b, c, d], message) = body.split_first_chunk::<5>()?;
    let length = u32::from_be_bytes([a, b, c, d]) as usize;
    let mut rest = Some(message).filter(|message| compressed == 0 && message.len() == length)?;
    // What proto3 leaves out is the first of the names.
    let mut status = 0;
    while !rest.is_empty() {
        let (tag, after) = read_varint(rest)?;
        rest = match tag & 7 {
            0 => {
                let (value, after) = read_varint(after)?;
                if tag >> 3 == 1 {
                    status = value;
                }
                after
            }
            1 => after.get(8..)?,
            2 => {
                let (length, after) = read_varint(after)?;
                after.get(usize::try_from(length).ok()?..)?
            }
            5 => after.get(4..)?,
            _ => return None,
        };
    }
    let named = usize::try_from(status).ok().and_then(|status| SERVING_STATUSES.get(status));
    Some(named.map_or_else(|| status.to_string(), |name| (*name).to_owned()))
}

fn read_varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0;
    for (at, byte) in bytes.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f).checked_shl(7 * at as u32)?;
        if byte & 0x80 == 0 {
            return Some((value, bytes.get(at + 1..)?));
        }
    }
    None
}

/// A status other than `SERVING` in words.
pub(crate) fn spoken_health(status: &str) -> String {
    match status {
        "NOT_SERVING" => "NOT_SERVING: the server knows the service and says that it takes no requests".to_owned(),
        "UNKNOWN" => "UNKNOWN: the server has not said yet how the service is".to_owned(),
        "SERVICE_UNKNOWN" => "SERVICE_UNKNOWN: the server does not know the service".to_owned(),
        other => format!("the status {other}, which the protocol does not have"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use outbound::Certificate;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    fn answer(
        body: &[u8],
        head: &[(&'static str, &'static str)],
        trailers: &[(&'static str, &'static str)],
    ) -> HttpResponse {
        HttpResponse {
            status: 200,
            headers: headers(&[&[("content-type", "application/grpc")], head].concat()),
            body: body.to_vec(),
            length: body.len(),
            held: outbound::Held::default(),
            trailers: headers(trailers),
            elapsed: Duration::ZERO,
            peer: None,
            certificate: Certificate::Absent,
        }
    }

    #[test]
    fn the_question_is_as_the_specification_frames_it() {
        // Field 1, length-delimited, is the tag 0x0a (the encoding guide's own example of a string is field 2, 0x12 0x07 `testing`).
        assert_eq!(question(""), [0, 0, 0, 0, 0]);
        assert_eq!(question("testing"), b"\x00\x00\x00\x00\x09\x0a\x07testing");
        // The guide's example of a varint of two bytes: 150 is 0x96 0x01.
        let long = question(&"x".repeat(150));
        assert_eq!(&long[..8], [0, 0, 0, 0, 153, 0x0a, 0x96, 0x01]);
    }

    #[test]
    fn an_answer_is_read_from_its_message_and_its_trailers() {
        let ok: &[(&str, &str)] = &[("grpc-status", "0")];
        let cases: [(&[u8], Option<&str>); 9] = [
            (&[0, 0, 0, 0, 2, 0x08, 1], Some("SERVING")),
            (&[0, 0, 0, 0, 2, 0x08, 2], Some("NOT_SERVING")),
            (&[0, 0, 0, 0, 2, 0x08, 3], Some("SERVICE_UNKNOWN")),
            (&[0, 0, 0, 0, 0], Some("UNKNOWN")),
            // Fields of a later version are passed over, of every wire type.
            (
                &[0, 0, 0, 0, 20, 0x12, 1, b'x', 0x19, 1, 2, 3, 4, 5, 6, 7, 8, 0x25, 1, 2, 3, 4, 0x08, 0x96, 0x01][..],
                Some("150"),
            ),
            (
                &[0, 0, 0, 0, 21, 0x12, 1, b'x', 0x19, 1, 2, 3, 4, 5, 6, 7, 8, 0x25, 1, 2, 3, 4, 0x28, 9, 0x08, 1],
                Some("SERVING"),
            ),
            (&[1, 0, 0, 0, 2, 0x08, 1], None),
            (&[0, 0, 0, 0, 9, 0x08, 1], None),
            (&[0, 0, 0, 0, 3, 0x08, 0x80, 0x80], None),
        ];
        for (body, expected) in cases {
            assert_eq!(status_in(&answer(body, &[], ok), "a", &Mask::default()).ok().as_deref(), expected, "{body:?}");
        }
    }

    #[test]
    fn an_error_says_what_it_means() {
        type Headers = &'static [(&'static str, &'static str)];
        let cases: [(Headers, Headers, &str); 5] = [
            (
                &[("grpc-status", "5"), ("grpc-message", "unknown%20service")],
                &[],
                "the server does not know the service `chat.v1.Orchestrator` (grpc-status 5 NOT_FOUND, `unknown service`)",
            ),
            (
                &[],
                &[("grpc-status", "5")],
                "does not know the service `chat.v1.Orchestrator` (grpc-status 5 NOT_FOUND)",
            ),
            (
                &[],
                &[("grpc-status", "12")],
                "the server has no health service, `grpc.health.v1.Health` (grpc-status 12 ",
            ),
            (&[], &[("grpc-status", "14")], "an error in place of a status (grpc-status 14 UNAVAILABLE)"),
            (&[], &[("grpc-status", "99")], "(grpc-status 99 no known code)"),
        ];
        for (head, trailers, expected) in cases {
            let why = status_in(&answer(&[], head, trailers), "chat.v1.Orchestrator", &Mask::default()).unwrap_err();
            assert!(why.contains(expected), "{why}");
        }
    }

    #[test]
    fn what_is_not_grpc_is_told_as_what_it_is() {
        let serving = [0, 0, 0, 0, 2, 0x08, 1];
        let ok: &[(&'static str, &'static str)] = &[("grpc-status", "0")];
        let of = |response: &HttpResponse| status_in(response, "a", &Mask::default());
        let whole = || answer(&serving, &[], ok);
        assert_eq!(of(&whole()).as_deref(), Ok("SERVING"));
        let typed = |kind: &str| {
            let mut response = whole();
            response.headers.insert("content-type", kind.parse().unwrap());
            response
        };
        for kind in ["application/grpc+proto", "application/grpc;charset=utf-8"] {
            assert_eq!(of(&typed(kind)).as_deref(), Ok("SERVING"), "{kind}");
        }
        let text = |response: HttpResponse, body: &str| HttpResponse { body: body.as_bytes().to_vec(), ..response };
        let cases = [
            (
                text(HttpResponse { status: 502, ..typed("text/html") }, "<h1>Bad  Gateway</h1>"),
                "which has the HTTP status 200: HTTP status 502, content-type `text/html`, body `<h1>Bad Gateway</h1>`",
            ),
            (HttpResponse { status: 500, ..whole() }, "which has the HTTP status 200: HTTP status 500, "),
            (
                typed("text/html"),
                "which has the content-type `application/grpc`: HTTP status 200, content-type `text/html`, ",
            ),
            (typed("application/grpc-web"), "content-type `application/grpc-web`"),
            // A status in the headers belongs to an answer without a message.
            (answer(&serving, ok, &[]), "which ends with a `grpc-status`"),
            (answer(&serving, &[], &[]), "which ends with a `grpc-status`"),
            (answer(&[&serving[..], b"GARBAGE"].concat(), &[], ok), "although its `grpc-status` is 0"),
            (answer(&[serving, serving].concat(), &[], ok), "although its `grpc-status` is 0"),
            (answer(&[], ok, &[]), "although its `grpc-status` is 0"),
        ];
        for (response, expected) in cases {
            let why = of(&response).unwrap_err();
            assert!(why.starts_with("an answer that is not gRPC, ") && why.contains(expected), "{why}");
        }
    }
}
