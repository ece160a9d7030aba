//! What leaves the process by HTTP and is not AWS: the one HTTP client, which the SDK is carried over too, and the senders for Slack,
//! PagerDuty and tickets. Knows nothing of what is decided, only of how it is said.

mod client;
pub mod pagerduty;
mod retry;
mod room;
pub mod slack;
pub mod ticket;
mod tls;
#[cfg(test)]
mod vendor;
mod websocket;

pub use client::{HttpClient, HttpError, HttpResponse, LONGEST_BODY, SSL_CERT_FILE};
pub use room::Held;
pub use tls::Certificate;
pub use websocket::{Heard, Opened, WebSocket};
