//! The sample application's `grpc.health.v1.Health/Check`, after <https://github.com/grpc/grpc/blob/master/doc/health-checking.md>. Knows nothing
//! of HTTP/2.

use std::collections::BTreeMap;

use crate::scenario::GrpcHealth;
use crate::world::HttpAnswer;

pub(crate) const CHECK: &str = "/grpc.health.v1.Health/Check";
/// The one service that the sample application has.
const SERVICE: &str = "chat.v1.Orchestrator";

/// The answer to a framed `HealthCheckRequest`.
pub(crate) fn health(asked: &[u8], scripted: &BTreeMap<String, GrpcHealth>) -> HttpAnswer {
    let service = service_in(asked).unwrap_or_default();
    let usual = if service.is_empty() || service == SERVICE { GrpcHealth::Serving } else { GrpcHealth::NotFound };
    let status = match scripted.get(&service).copied().unwrap_or(usual) {
        GrpcHealth::Unknown => 0,
        GrpcHealth::Serving => 1,
        GrpcHealth::NotServing => 2,
        GrpcHealth::NotFound => return without_message("5", "unknown service"),
        GrpcHealth::Unimplemented => return without_message("12", "unknown service grpc.health.v1.Health"),
    };
    HttpAnswer {
        status: 200,
        headers: vec![kind()],
        body: vec![0, 0, 0, 0, 2, 0x08, status],
        trailers: vec![("grpc-status".to_owned(), "0".to_owned())],
    }
}

fn kind() -> (String, String) {
    ("content-type".to_owned(), "application/grpc".to_owned())
}

/// An error travels in the headers alone ("Trailers-Only").
fn without_message(code: &str, message: &str) -> HttpAnswer {
    let headers = vec![
        kind(),
        ("grpc-status".to_owned(), code.to_owned()),
        ("grpc-message".to_owned(), message.replace(' ', "%20")),
    ];
    HttpAnswer { status: 200, headers, ..HttpAnswer::default() }
}

/// The name in the request's only field, which is field 1, a text.
fn service_in(framed: &[u8]) -> Option<String> {
    let (tag, rest) = framed.get(5..)?.split_first()?;
    // A length of two bytes does for a name of 16,000.
    let (low, rest) = rest.split_first().filter(|_| *tag == 0x0a)?;
    let (length, rest) = if *low < 0x80 {
        (usize::from(*low), rest)
    } else {
        let (high, rest) = rest.split_first()?;
        (usize::from(low & 0x7f) | usize::from(*high) << 7, rest)
    };
    String::from_utf8(rest.get(..length)?.to_vec()).ok()
}
