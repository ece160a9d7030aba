//! What the sample application says on a WebSocket, and the gRPC health of its services. Knows nothing of sockets.
//!
//! A WebSocket stays one request in the eyes of the process that opened it, so virtual time must know when that process waits for a message
//! and when it deals with one. Whoever reads its side of a WebSocket answers a ping only after all that was said before it (RFC 6455 §5.5.2), so
//! the driver sends one after the opening and after each message: the answer to it means that the process waits again.

pub(crate) mod grpc;

use std::time::Duration;

use serde_json::{Value, json};

use super::{Effect, Happening, HttpAnswer, HttpAsked, SandboxId, Token, World};
use crate::scenario::Talk;

/// The shortest time that saying something takes.
const TICK: Duration = Duration::from_millis(1);

/// The process that asked and its number of the request.
pub(crate) type Asker = (Option<SandboxId>, Option<u64>);

/// An open WebSocket.
pub(crate) struct Socket {
    asker: Asker,
    script: Talk,
    latency: Duration,
}

/// What a driver tells of a WebSocket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spoken {
    /// The other side has said this.
    Said(Vec<u8>),
    /// The other side has dealt with everything so far, and listens.
    Listens,
    /// The other side has left.
    Left,
}

/// Whether a request asks for a WebSocket (RFC 6455 §4.2.1).
pub(crate) fn wants_a_websocket(asked: &HttpAsked) -> bool {
    asked.headers.get("upgrade").is_some_and(|to| to.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

impl World {
    pub(crate) fn open_websocket(
        &mut self,
        token: Token,
        asker: Asker,
        path: &str,
        script: Option<Talk>,
        usual: Duration,
    ) {
        let script = match script {
            Some(script) => script,
            None if path == "/ws" => Talk::default(),
            None => return self.answer(token, HttpAnswer::json(404, &json!({ "error": "not found" })), usual),
        };
        let latency = script.latency.map_or(usual, |span| span.0).max(TICK);
        if let Some(status) = script.refuse {
            return self.answer(token, HttpAnswer::json(status, &json!({ "error": "no WebSocket here" })), latency);
        }
        if let Some(greeting) = &script.greeting {
            // Before the reply to what the other side says as soon as it can.
            self.schedule(latency * 2, Happening::Say(token, text_of(greeting)));
        }
        self.sockets.insert(token, Socket { asker, script, latency });
        let open = HttpAnswer { status: 101, ..HttpAnswer::default() };
        self.answer(token, open, latency);
    }

    /// Something has come of a WebSocket.
    pub fn spoken(&mut self, token: Token, spoken: Spoken) {
        match spoken {
            Spoken::Said(message) => self.said(token, &message),
            Spoken::Listens => self.listens(token),
            Spoken::Left => {
                self.sockets.remove(&token);
                self.fleet.answered(token);
            }
        }
    }

    fn said(&mut self, token: Token, message: &[u8]) {
        let Some(socket) = self.sockets.get(&token).filter(|socket| !socket.script.silent) else { return };
        let usual = || {
            let text = String::from_utf8_lossy(message).into_owned();
            json!({ "echo": serde_json::from_str(&text).unwrap_or(Value::String(text)) })
        };
        let reply = socket.script.reply.clone().unwrap_or_else(usual);
        let latency = socket.latency;
        self.schedule(latency, Happening::Say(token, text_of(&reply)));
    }

    fn listens(&mut self, token: Token) {
        if let Some((Some(sandbox), request)) = self.sockets.get(&token).map(|socket| socket.asker) {
            self.hold(sandbox, request, token);
        }
    }

    pub(crate) fn say_now(&mut self, token: Token, text: String) {
        if self.sockets.contains_key(&token) && self.fleet.answered(token) {
            self.effects.push(Effect::Say(token, text));
        }
    }
}

/// A text as it stands, anything else as JSON.
fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
