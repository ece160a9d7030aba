//! A WebSocket that a process has opened: what is said on it, both ways. Knows nothing of what it means.

use http::{HeaderMap, HeaderValue};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::{Bytes, Message};

use futures_util::{SinkExt, StreamExt};

use super::Input;
use crate::world::{Spoken, Token};

/// What is to be said on one WebSocket.
pub(crate) struct Line {
    token: Token,
    sayings: mpsc::UnboundedReceiver<String>,
}

/// A line and the end that it is spoken into.
pub(super) fn line(token: Token) -> (mpsc::UnboundedSender<String>, Line) {
    let (sender, sayings) = mpsc::unbounded_channel();
    (sender, Line { token, sayings })
}

/// The headers of the answer that opens a WebSocket (RFC 6455 §4.2.2).
pub(super) fn opening(asked: &HeaderMap) -> Vec<(&'static str, String)> {
    let key = asked.get("sec-websocket-key").map(HeaderValue::as_bytes).unwrap_or_default();
    vec![
        ("connection", "Upgrade".to_owned()),
        ("upgrade", "websocket".to_owned()),
        ("sec-websocket-accept", derive_accept_key(key)),
    ]
}

/// Carries what is said to the world and back, until one side has left. The ping behind each message is what `world::talk` is about.
pub(super) async fn carry(upgrade: OnUpgrade, mut line: Line, inputs: mpsc::UnboundedSender<Input>) {
    let tell = |spoken| {
        let _ = inputs.send(Input::Spoken(line.token, spoken));
    };
    if let Ok(upgraded) = upgrade.await {
        let mut socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
        let mut is_up = socket.send(ping()).await.is_ok();
        while is_up {
            tokio::select! {
                saying = line.sayings.recv() => is_up = match saying {
                    Some(text) => socket.feed(Message::text(text)).await.is_ok() && socket.send(ping()).await.is_ok(),
                    None => false,
                },
                heard = socket.next() => match heard {
                    Some(Ok(Message::Text(text))) => tell(Spoken::Said(text.as_bytes().to_vec())),
                    Some(Ok(Message::Binary(bytes))) => tell(Spoken::Said(bytes.to_vec())),
                    Some(Ok(Message::Pong(_))) => tell(Spoken::Listens),
                    // The farewell is answered by the library while the rest is read.
                    Some(Ok(Message::Close(_) | Message::Ping(_) | Message::Frame(_))) => {}
                    Some(Err(_)) | None => is_up = false,
                },
            }
        }
    }
    tell(Spoken::Left);
}

fn ping() -> Message {
    Message::Ping(Bytes::new())
}
