//! The conversations that are more than a request and its answer: a WebSocket, and a gRPC server's health. Knows nothing of what is
//! expected, but for asking whether a message is the one that is waited for.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use domain::hook::Outcome;
use domain::text::count;
use domain::time::spoken;
use http::Request;
use outbound::{Heard, HttpClient, HttpError, Opened, WebSocket};
use serde_json::json;

use crate::answer::{Answer, SMALL, Seal, line_of};
use crate::grpc::status_in;
use crate::judge::Judge;
use crate::mask::Mask;
use crate::trial::{NoAnswer, unanswered, unjudged};

/// A WebSocket to be opened.
pub(crate) struct Conversation {
    pub(crate) request: Request<()>,
    /// What is said once it is open.
    pub(crate) message: Option<String>,
    /// Whether a message is waited for.
    pub(crate) waits: bool,
}

/// What has been heard so far, for the case that the time is up.
#[derive(Default)]
struct SoFar {
    is_open: bool,
    messages: usize,
    /// The beginning of the last one, and how long it was in bytes.
    last: Vec<u8>,
    length: usize,
}

impl SoFar {
    fn spoken(&self, mask: &Mask) -> String {
        match (self.messages, line_of(&self.last, mask)) {
            (0, _) => "no message came".to_owned(),
            (messages, Some(last)) => format!("{} came, the last: `{last}`", count(messages, "message")),
            (messages, None) => {
                format!("{} came, the last of {} bytes that are not text", count(messages, "message"), self.length)
            }
        }
    }
}

/// Opens a WebSocket, says what is to be said, and listens until a message is the one that `judge` waits for; all of it within `limit`.
pub(crate) async fn by_websocket(
    http: &HttpClient,
    conversation: Conversation,
    judge: &Judge,
    limit: Duration,
    mask: &Mask,
) -> Result<Answer, NoAnswer> {
    let (mut socket, mut so_far) = (None, SoFar::default());
    let talk = converse(http, conversation, judge, &mut socket, &mut so_far, mask);
    let outcome = http.clock().timeout(limit, talk).await;
    if let Some(socket) = socket {
        socket.close();
    }
    outcome.unwrap_or_else(|_| {
        let within = spoken(limit);
        let why = match so_far {
            SoFar { is_open: false, .. } => HttpError::Timeout(limit).to_string(),
            SoFar { messages: 0, .. } => format!("open, but no message came within {within}"),
            so_far => format!("open, but no message as expected within {within}; {}", so_far.spoken(mask)),
        };
        Err((Outcome::Fail, why, true))
    })
}

async fn converse(
    http: &HttpClient,
    conversation: Conversation,
    judge: &Judge,
    kept: &mut Option<WebSocket>,
    so_far: &mut SoFar,
    mask: &Mask,
) -> Result<Answer, NoAnswer> {
    let clock = http.clock();
    let started = clock.now();
    let socket = match http.open_websocket(conversation.request).await.map_err(|error| unanswered(&error))? {
        Opened::Open(socket) => kept.insert(*socket),
        Opened::Refused(response) => {
            return Ok(Answer::of(*response, clock));
        }
    };
    so_far.is_open = true;
    if let Some(message) = conversation.message {
        socket.send(message).await.map_err(|error| unanswered(&error))?;
    }
    let seal = Seal::of(socket.certificate.clone(), clock);
    let (headers, peer) = (socket.headers.clone(), socket.peer);
    let answer = |body: Vec<u8>, called: String| Answer {
        status: Some(101),
        headers: headers.clone(),
        length: body.len(),
        body,
        seal: seal.clone(),
        elapsed: clock.now().since(started),
        called: Some(called),
        peer,
        ..Answer::default()
    };
    if !conversation.waits {
        return Ok(answer(Vec::new(), "open".to_owned()));
    }
    loop {
        match socket.next().await.map_err(|error| unanswered(&error))? {
            Heard::Message(message) => {
                so_far.messages += 1;
                so_far.length = message.len();
                so_far.last = message.get(..SMALL).unwrap_or(&message).to_vec();
                let answer = answer(message, format!("message {}", so_far.messages));
                let (is_it, answer) = judge.is_it(answer).await.map_err(unjudged)?;
                if is_it {
                    return Ok(answer);
                }
                breath().await;
            }
            Heard::Closed(how) => {
                let why = format!(
                    "the server closed the WebSocket {how}, before the message that was expected; {}",
                    so_far.spoken(mask)
                );
                return Err((Outcome::Fail, why, true));
            }
        }
    }
}

/// Asks a gRPC server how a service is.
pub(crate) async fn by_grpc(
    http: &HttpClient,
    request: Request<Vec<u8>>,
    service: &str,
    limit: Duration,
    mask: &Mask,
) -> Result<Answer, NoAnswer> {
    let response = http.send_http2(request, limit).await.map_err(|error| {
        let (outcome, why, worth_repeating) = unanswered(&error);
        let hint = match error {
            HttpError::Broken(_) => "; a gRPC server is asked by HTTP/2, which may not be what is spoken there",
            _ => "",
        };
        (outcome, format!("{why}{hint}"), worth_repeating)
    })?;
    let status = status_in(&response, service, mask).map_err(|why| (Outcome::Fail, why, true))?;
    let body = json!({ "status": status }).to_string().into_bytes();
    Ok(Answer {
        length: body.len(),
        body,
        seal: Seal::of(response.certificate, http.clock()),
        elapsed: response.elapsed,
        called: Some(status),
        peer: response.peer,
        ..Answer::default()
    })
}

/// Lets the others have a turn: one who never stops talking leaves them and the time limits none.
async fn breath() {
    let mut taken = false;
    poll_fn(|context| {
        if std::mem::replace(&mut taken, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[cfg(test)]
mod tests;
