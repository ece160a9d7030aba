//! The one HTTP client: built when first needed, ring and the bundled roots for TLS, one connection pool, every request under a
//! time limit on the [`Clock`]. Knows nothing of what is asked or answered.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use clock::{Clock, REQUEST_HEADER};
use domain::text::root_cause;
use http::{HeaderMap, HeaderValue};

/// An HTTP client. Cheap to clone; all clones share one connection pool.
#[derive(Clone, Debug)]
pub struct HttpClient {
    clock: Clock,
    client: Arc<OnceLock<reqwest::Client>>,
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct HttpResponse {
    /// The status, 200.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
    /// From the request's start to the body's end.
    pub elapsed: Duration,
    /// The address that answered, when it is known.
    pub peer: Option<std::net::SocketAddr>,
}

/// Why there is no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum HttpError {
    /// The URL, a header or the body cannot be sent.
    #[error("the request cannot be sent: {0}")]
    Malformed(String),
    /// No answer within the limit.
    #[error("no answer within {}", domain::time::spoken(*.0))]
    Timeout(Duration),
    /// No connection: the name does not resolve, nobody listens, TLS fails.
    #[error("no connection: {0}")]
    Connect(String),
    /// The connection broke before the answer was whole.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// The answer is longer than is ever read.
    #[error("the answer is longer than {} MiB", LONGEST_BODY >> 20)]
    TooLong,
}

/// The longest body that is read, in bytes: what a Lambda function may answer (6 MB, Lambda quotas) and what is said around it.
/// Without a limit, whoever is asked could use up the function's memory.
const LONGEST_BODY: usize = 8 << 20;

/// A client that is used for hours, as AWS keeps an execution environment alive, must not hold on to connections that the other side has
/// given up: load balancers close idle ones after 60 s by default.
const IDLE_CONNECTION: Duration = Duration::from_secs(50);

impl HttpClient {
    /// A client on this clock. Nothing is built before the first request.
    pub fn new(clock: Clock) -> Self {
        Self { clock, client: Arc::new(OnceLock::new()) }
    }

    /// The clock that its time limits run on.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Sends a request and reads the whole answer, within `limit`.
    ///
    /// # Errors
    /// When there is no whole answer; a status of 500 is an answer.
    pub async fn send(&self, request: http::Request<Vec<u8>>, limit: Duration) -> Result<HttpResponse, HttpError> {
        let started = self.clock.now();
        let in_flight = self.clock.request();
        let mut request =
            reqwest::Request::try_from(request).map_err(|error| HttpError::Malformed(root_cause(&error)))?;
        if let Some(id) = in_flight.id() {
            request.headers_mut().insert(REQUEST_HEADER, HeaderValue::from(id));
        }
        let exchange = async {
            let mut response = self.client()?.execute(request).await.map_err(|error| classify(&error))?;
            let (status, headers, peer) =
                (response.status().as_u16(), response.headers().clone(), response.remote_addr());
            let mut body = Vec::new();
            while let Some(chunk) = response.chunk().await.map_err(|error| classify(&error))? {
                if body.len() + chunk.len() > LONGEST_BODY {
                    return Err(HttpError::TooLong);
                }
                body.extend_from_slice(&chunk);
            }
            Ok((status, headers, peer, body))
        };
        let outcome = self.clock.timeout(limit, exchange).await.map_err(|_| HttpError::Timeout(limit))?;
        drop(in_flight);
        let (status, headers, peer, body) = outcome?;
        Ok(HttpResponse { status, headers, body, elapsed: self.clock.now().since(started), peer })
    }

    fn client(&self) -> Result<&reqwest::Client, HttpError> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| HttpError::Malformed(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let built = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .user_agent(concat!("greenlight/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .pool_idle_timeout(IDLE_CONNECTION)
            .build()
            .map_err(|error| HttpError::Malformed(root_cause(&error)))?;
        Ok(self.client.get_or_init(|| built))
    }
}

fn classify(error: &reqwest::Error) -> HttpError {
    let cause = root_cause(error);
    if error.is_connect() {
        HttpError::Connect(cause)
    } else if error.is_builder() {
        HttpError::Malformed(cause)
    } else {
        HttpError::Broken(cause)
    }
}

#[cfg(test)]
mod tests {
    use testkit::http::{Reply, Server};

    use super::*;

    #[test]
    fn an_answer_is_read_as_a_whole_or_not_at_all() {
        testkit::run(async {
            let server = Server::start(|seen| {
                let length = if seen.path == "/endless" { LONGEST_BODY + 1 } else { LONGEST_BODY };
                Reply::new(200, &"x".repeat(length))
            });
            let (server, http) = (server.await, HttpClient::new(Clock::system()));
            let get = |path: &str| http::Request::get(format!("{}{path}", server.url)).body(Vec::new()).unwrap();
            let limit = Duration::from_secs(20);
            assert_eq!(http.send(get("/long"), limit).await.unwrap().body.len(), LONGEST_BODY);
            let error = http.send(get("/endless"), limit).await.unwrap_err();
            assert_eq!(error.to_string(), "the answer is longer than 8 MiB");
        });
    }
}
