//! A WebSocket (RFC 6455), opened by the one HTTP client, so that it takes the same ways and trusts the same authorities as every request.
//! Knows nothing of what is said on it.

use clock::RequestInFlight;
use domain::text::bounded;
use futures_util::{FutureExt, SinkExt, StreamExt};
use http::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE};
use http::{HeaderMap, HeaderValue};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::{CapacityError, Error};
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Message, protocol::frame::coding::CloseCode};

use crate::{Certificate, HttpClient, HttpError, HttpResponse};

/// The longest message in either direction, in bytes: API Gateway carries no more than 128 KB (its quotas), and as many conversations as
/// there are checks may go on at once.
pub(crate) const LONGEST_MESSAGE: usize = 1 << 20;
/// How many messages of a conversation are looked at, and how many bytes of them. Whoever talks more is not waited for.
const MESSAGES: usize = 10_000;
const BYTES: usize = 16 << 20;
/// How many pings and pongs are taken; one each second would be a lively server already.
const PINGS: usize = 1_000;
/// What may wait to be sent besides a message: answers to pings, for a server that does not read them.
const UNSENT: usize = 64 << 10;
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
    /// Keeps a rehearsal's time from moving on while the conversation lasts.
    _in_flight: RequestInFlight,
    messages: usize,
    bytes: usize,
    pings: usize,
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
            let whole = self.whole(begun, LONGEST_MESSAGE).await?;
            return Ok(Opened::Refused(Box::new(whole.response(self.clock().now().since(started)))));
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
            .max_message_size(Some(LONGEST_MESSAGE))
            .max_frame_size(Some(LONGEST_MESSAGE))
            .read_buffer_size(BUFFER)
            .write_buffer_size(BUFFER)
            .max_write_buffer_size(LONGEST_MESSAGE + UNSENT);
        let stream = WebSocketStream::from_raw_socket(upgraded, Role::Client, Some(config)).await;
        let (headers, peer, certificate) = (head.headers, head.peer, head.certificate);
        let (messages, bytes, pings) = (0, 0, 0);
        Ok(Opened::Open(Box::new(WebSocket {
            stream,
            _in_flight: in_flight,
            messages,
            bytes,
            pings,
            headers,
            peer,
            certificate,
        })))
    }
}

impl WebSocket {
    /// Sends a text.
    ///
    /// # Errors
    /// When the connection is broken, or the text is longer than any message may be.
    pub async fn send(&mut self, text: String) -> Result<(), HttpError> {
        if text.len() > LONGEST_MESSAGE {
            let most = LONGEST_MESSAGE >> 20;
            return Err(HttpError::Malformed(format!("the message is longer than {most} MiB")));
        }
        self.stream.send(Message::text(text)).await.map_err(broken)
    }

    /// Waits for the next message. Pings are answered on the way.
    ///
    /// # Errors
    /// When the connection is broken, the message is longer than is ever read, or there is no end of messages or pings.
    pub async fn next(&mut self) -> Result<Heard, HttpError> {
        loop {
            match self.stream.next().await {
                Some(Ok(Message::Text(text))) => return self.message(text.as_bytes()),
                Some(Ok(Message::Binary(bytes))) => return self.message(&bytes),
                Some(Ok(Message::Close(frame))) => return Ok(Heard::Closed(spoken(frame.as_ref()))),
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {
                    self.pings += 1;
                    if self.pings > PINGS {
                        return Err(HttpError::Broken(format!("more than {PINGS} pings came in one conversation")));
                    }
                }
                Some(Err(Error::ConnectionClosed)) | None => return Ok(Heard::Closed("without a word".to_owned())),
                Some(Err(error)) => return Err(broken(error)),
            }
        }
    }

    fn message(&mut self, bytes: &[u8]) -> Result<Heard, HttpError> {
        self.messages += 1;
        self.bytes += bytes.len();
        if self.messages > MESSAGES || self.bytes > BYTES {
            return Err(HttpError::Broken(format!(
                "more than {MESSAGES} messages, or {} MiB of them, came in one conversation",
                BYTES >> 20
            )));
        }
        Ok(Heard::Message(bytes.to_vec()))
    }

    /// Takes its leave. What the other side has to say to that is not waited for: nothing depends on it any more, and what depends on the
    /// check would wait with it.
    pub fn close(mut self) {
        let frame = CloseFrame { code: CloseCode::Normal, reason: "".into() };
        // A frame of four bytes goes out at once, or the connection is stuck anyway.
        let _ = self.stream.close(Some(frame)).now_or_never();
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
        Error::Capacity(CapacityError::MessageTooLong { .. }) => HttpError::TooLong(LONGEST_MESSAGE),
        Error::Io(error) => HttpError::Broken(error.to_string()),
        other => HttpError::Broken(other.to_string()),
    }
}
