//! A WebSocket (RFC 6455), opened by the one HTTP client, so that it takes the same ways and trusts the same authorities as every request.
//! Knows nothing of what is said on it.

use std::time::Duration;

use clock::{Clock, RequestInFlight};
use domain::text::bounded;
use futures_util::{SinkExt, StreamExt};
use http::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE};
use http::{HeaderMap, HeaderValue};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::{CapacityError, Error};
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Message, protocol::frame::coding::CloseCode};

use crate::client::{LONGEST_BODY, Whole};
use crate::{Certificate, HttpClient, HttpError, HttpResponse};

/// How long the other side may take to take its leave. Nothing depends on it any more.
const LEAVE: Duration = Duration::from_secs(1);
/// The buffers of a connection that a message or two go over.
const BUFFER: usize = 8 << 10;

/// What came of asking for a WebSocket.
#[derive(Debug)]
pub enum Opened {
    /// It is open.
    Open(Box<WebSocket>),
    /// The server gave another answer than 101.
    Refused(Box<HttpResponse>),
}

/// An open WebSocket. Dropped without [`WebSocket::close`], the connection just ends.
#[derive(Debug)]
pub struct WebSocket {
    stream: WebSocketStream<reqwest::Upgraded>,
    clock: Clock,
    in_flight: RequestInFlight,
    /// The headers of the answer that opened it.
    pub headers: HeaderMap,
    /// The address that answered, when it is known.
    pub peer: Option<std::net::SocketAddr>,
    /// The server's certificate.
    pub certificate: Certificate,
}

/// What the other side said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// A whole message, text or binary.
    Message(Vec<u8>),
    /// It ended the conversation: in words, with the code and the reason that it gave.
    Closed(String),
}

impl HttpClient {
    /// Asks for a WebSocket: a GET of an `http://` or `https://` URL. Sets no time limit; the whole conversation is to have one.
    ///
    /// # Errors
    /// When there is no whole answer. That the server refuses is no error.
    pub async fn open_websocket(&self, request: http::Request<()>) -> Result<Opened, HttpError> {
        let started = self.clock().now();
        let in_flight = self.clock().request();
        let key = generate_key();
        let mut request = request.map(|()| Vec::new());
        let headers = request.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        let value = HeaderValue::from_str(&key).map_err(|error| HttpError::Malformed(error.to_string()))?;
        headers.insert(SEC_WEBSOCKET_KEY, value);
        let begun = self.execute(self.http1()?, request, &in_flight).await?;
        if begun.response.status() != reqwest::StatusCode::SWITCHING_PROTOCOLS {
            let Whole { head, body, trailers } = self.whole(begun).await?;
            let elapsed = self.clock().now().since(started);
            return Ok(Opened::Refused(Box::new(head.response(body, trailers, elapsed))));
        }
        let head = crate::client::Head::of(&begun);
        let accepted = head.headers.get(SEC_WEBSOCKET_ACCEPT).map(HeaderValue::as_bytes);
        if accepted != Some(derive_accept_key(key.as_bytes()).as_bytes()) {
            return Err(HttpError::Broken(
                "the server switched protocols without the `Sec-WebSocket-Accept` that belongs to the question, so it does not speak WebSocket"
                    .to_owned(),
            ));
        }
        let is_direct = begun.is_direct;
        let upgraded = begun.response.upgrade().await.map_err(|error| self.classify(&error, is_direct))?;
        let config = WebSocketConfig::default()
            .max_message_size(Some(LONGEST_BODY))
            .max_frame_size(Some(LONGEST_BODY))
            .read_buffer_size(BUFFER)
            .write_buffer_size(BUFFER);
        let stream = WebSocketStream::from_raw_socket(upgraded, Role::Client, Some(config)).await;
        let clock = self.clock().clone();
        let (headers, peer, certificate) = (head.headers, head.peer, head.certificate);
        Ok(Opened::Open(Box::new(WebSocket { stream, clock, in_flight, headers, peer, certificate })))
    }
}

impl WebSocket {
    /// Sends a text.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn send(&mut self, text: String) -> Result<(), HttpError> {
        self.stream.send(Message::text(text)).await.map_err(broken)
    }

    /// Waits for the next message. Pings are answered on the way.
    ///
    /// # Errors
    /// When the connection is broken, or the message is longer than is ever read.
    pub async fn next(&mut self) -> Result<Heard, HttpError> {
        loop {
            match self.stream.next().await {
                Some(Ok(Message::Text(text))) => return Ok(Heard::Message(text.as_bytes().to_vec())),
                Some(Ok(Message::Binary(bytes))) => return Ok(Heard::Message(bytes.to_vec())),
                Some(Ok(Message::Close(frame))) => return Ok(Heard::Closed(spoken(frame.as_ref()))),
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Some(Err(Error::ConnectionClosed)) | None => return Ok(Heard::Closed("without a word".to_owned())),
                Some(Err(error)) => return Err(broken(error)),
            }
        }
    }

    /// Takes its leave and waits a moment for the other side to do so too.
    pub async fn close(self) {
        let Self { mut stream, clock, in_flight, .. } = self;
        // What was waited for so far may have been a message that never came; in a rehearsal this is another question, and time stands
        // still until it is answered.
        drop(in_flight);
        let _leaving = clock.request();
        let frame = CloseFrame { code: CloseCode::Normal, reason: "".into() };
        let leave = async {
            if stream.close(Some(frame)).await.is_ok() {
                while let Some(Ok(_)) = stream.next().await {}
            }
        };
        // Whoever does not answer is left standing.
        let _ = clock.timeout(LEAVE, leave).await;
    }
}

fn spoken(frame: Option<&CloseFrame>) -> String {
    match frame {
        None => "without a code".to_owned(),
        Some(frame) if frame.reason.is_empty() => format!("with code {}", u16::from(frame.code)),
        Some(frame) => format!("with code {}, `{}`", u16::from(frame.code), bounded(&frame.reason, 120)),
    }
}

fn broken(error: Error) -> HttpError {
    match error {
        Error::Capacity(CapacityError::MessageTooLong { .. }) => HttpError::TooLong,
        Error::Io(error) => HttpError::Broken(error.to_string()),
        other => HttpError::Broken(other.to_string()),
    }
}
