//! The one HTTP client: built when first needed, ring and the bundled roots for TLS, one connection pool, every request under a
//! time limit on the [`Clock`]. Knows nothing of what is asked or answered.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use clock::{Clock, REQUEST_HEADER};
use domain::text::root_cause;
use http::{HeaderMap, HeaderValue};
use hyper_util::client::proxy::matcher::Matcher;
use percent_encoding::percent_decode_str;

/// An HTTP client. Cheap to clone; all clones share one connection pool.
#[derive(Clone, Debug)]
pub struct HttpClient {
    clock: Clock,
    client: Arc<OnceLock<Built>>,
}

#[derive(Debug)]
struct Built {
    client: reqwest::Client,
    /// Which URLs go through a proxy: the rules of `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` that the client itself keeps.
    proxies: Matcher,
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
    /// The address that answered, when it is known: behind an HTTP proxy it is not.
    pub peer: Option<SocketAddr>,
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
        let uri = request.uri().clone();
        let mut request =
            reqwest::Request::try_from(request).map_err(|error| HttpError::Malformed(root_cause(&error)))?;
        if let Some(id) = in_flight.id() {
            request.headers_mut().insert(REQUEST_HEADER, HeaderValue::from(id));
        }
        let exchange = async {
            let Built { client, proxies } = self.client()?;
            let is_direct = proxies.intercept(&uri).is_none();
            let request = authorized(client, request)?;
            let mut response = client.execute(request).await.map_err(|error| classify(&error, is_direct))?;
            let peer = response.remote_addr().filter(|_| is_direct);
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            let mut body = Vec::new();
            while let Some(chunk) = response.chunk().await.map_err(|error| classify(&error, is_direct))? {
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

    fn client(&self) -> Result<&Built, HttpError> {
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
        Ok(self.client.get_or_init(|| Built { client: built, proxies: Matcher::from_env() }))
    }
}

/// A request whose URL carries a user and a password, with these as Basic authentication (RFC 7617) unless it brings its own.
fn authorized(client: &reqwest::Client, mut request: reqwest::Request) -> Result<reqwest::Request, HttpError> {
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let (user, password) = (decoded(request.url().username()), request.url().password().map(decoded));
    if user.is_empty() && password.is_none() {
        return Ok(request);
    }
    // A URL that has credentials can also lose them.
    let _ = request.url_mut().set_username("");
    let _ = request.url_mut().set_password(None);
    if request.headers().contains_key(http::header::AUTHORIZATION) {
        return Ok(request);
    }
    let builder = reqwest::RequestBuilder::from_parts(client.clone(), request).basic_auth(user, password);
    builder.build().map_err(|error| HttpError::Malformed(root_cause(&error)))
}

fn classify(error: &reqwest::Error, is_direct: bool) -> HttpError {
    let cause = root_cause(error);
    if error.is_connect() {
        // The address of a proxy would only mislead.
        match refused_at(error).filter(|_| is_direct) {
            Some(address) => HttpError::Connect(format!("{cause} at {address}")),
            None => HttpError::Connect(cause),
        }
    } else if error.is_builder() {
        HttpError::Malformed(cause)
    } else {
        HttpError::Broken(cause)
    }
}

/// The address that a connection was tried to. The connector's error carries it and shows it in its debug form alone.
fn refused_at(error: &reqwest::Error) -> Option<SocketAddr> {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if error.is::<std::io::Error>() {
            return None;
        }
        let told = format!("{error:?}");
        let mut words = told.split([' ', ',', '(', ')']);
        if let Some(address) = words.find_map(|word| word.parse().ok()) {
            return Some(address);
        }
        cause = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use testkit::http::{Reply, Server};

    use super::*;

    #[test]
    fn who_answered_or_refused_is_told() {
        testkit::run(async {
            let (server, http) = (Server::start(|_| Reply::new(200, "")).await, HttpClient::new(Clock::system()));
            let get = |url: &str| http::Request::get(url).body(Vec::new()).unwrap();
            let limit = Duration::from_secs(20);
            let answer = http.send(get(&server.url), limit).await.unwrap();
            assert_eq!(answer.peer.map(|peer| format!("http://{peer}")), Some(server.url));
            let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
            let refused = http.send(get(&format!("http://{closed}")), limit).await.unwrap_err().to_string();
            assert!(refused.starts_with("no connection: ") && refused.ends_with(&format!(" at {closed}")), "{refused}");
            // RFC 6761: a name below `invalid` never resolves.
            let unknown = http.send(get("http://name.invalid"), limit).await.unwrap_err().to_string();
            assert!(unknown.starts_with("no connection: ") && !unknown.contains(" at "), "{unknown}");
        });
    }

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
