//! The one HTTP client: built when first needed, ring for TLS, one connection pool, every request under a time limit on the [`Clock`].
//! HTTP/1.1 for everything but gRPC, which HTTP/2 is made for. Knows nothing of what is asked or answered.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use clock::{Clock, REQUEST_HEADER, RequestInFlight};
use domain::text::root_cause;
use http::{HeaderMap, HeaderValue};
use http_body_util::BodyExt;
use hyper_util::client::proxy::matcher::Matcher;

use crate::room::{Held, Room};
use crate::tls::{Authorities, Certificate};

/// The environment variable that names a PEM file of authorities to be trusted besides the bundled ones, as OpenSSL knows it.
pub const SSL_CERT_FILE: &str = "SSL_CERT_FILE";

/// An HTTP client. Cheap to clone; all clones share one connection pool.
#[derive(Clone, Debug)]
pub struct HttpClient {
    clock: Clock,
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// The file that [`SSL_CERT_FILE`] names.
    file: Option<String>,
    authorities: OnceLock<Authorities>,
    http1: OnceLock<reqwest::Client>,
    http2: OnceLock<reqwest::Client>,
    /// Which URLs go through a proxy: the rules of `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` that the client itself keeps.
    proxies: OnceLock<Matcher>,
    /// What all bodies in flight may take up together.
    room: Room,
}

/// An answer that has come to its end.
#[derive(Clone, Debug)]
pub struct HttpResponse {
    /// The status, 200.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, as far as it was to be kept.
    pub body: Vec<u8>,
    /// How long the body was, in bytes.
    pub length: usize,
    /// The body's place among all that are in memory at once; whoever takes the body along takes this along, too.
    pub held: Held,
    /// What came after the body; gRPC puts its status there.
    pub trailers: HeaderMap,
    /// From the request's start to the body's end.
    pub elapsed: Duration,
    /// The address that answered, when it is known: behind an HTTP proxy it is not.
    pub peer: Option<SocketAddr>,
    /// The server's certificate.
    pub certificate: Certificate,
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
    #[error("the answer is longer than {} MiB", .0 >> 20)]
    TooLong(usize),
}

/// The longest body that is read, in bytes: what a Lambda function may answer (6 MB, Lambda quotas) and what is said around it.
/// Without a limit, whoever is asked could use up the function's memory.
pub const LONGEST_BODY: usize = 8 << 20;

/// A body up to this size is read without a place of its own: as many as are ever in flight at once come to 4 MiB.
const SMALL_BODY: usize = 64 << 10;

/// A client that is used for hours, as AWS keeps an execution environment alive, must not hold on to connections that the other side has
/// given up: load balancers close idle ones after 60 s by default.
const IDLE_CONNECTION: Duration = Duration::from_secs(50);

impl HttpClient {
    /// A client on this clock. Nothing is built before the first request.
    pub fn new(clock: Clock) -> Self {
        Self { clock, inner: Arc::default() }
    }

    /// A client that trusts the authorities in a PEM file, too: the value of [`SSL_CERT_FILE`], if there is one. The file is read when first
    /// needed; one that cannot be read takes nothing away, and is told where a server's certificate would have needed it.
    #[must_use]
    pub fn trusting(self, file: Option<&str>) -> Self {
        let inner = Inner { file: file.map(str::to_owned), ..Inner::default() };
        Self { clock: self.clock, inner: Arc::new(inner) }
    }

    /// The clock that its time limits run on.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Sends a request by HTTP/1.1 and reads the whole answer, within `limit`.
    ///
    /// # Errors
    /// When there is no whole answer; a status of 500 is an answer.
    pub async fn send(&self, request: http::Request<Vec<u8>>, limit: Duration) -> Result<HttpResponse, HttpError> {
        self.exchange(self.http1(), request, LONGEST_BODY, limit).await
    }

    /// The same, keeping no more than the body's first `keep` bytes. The rest is read and counted, so that the time is that of the whole
    /// answer, and let go.
    ///
    /// # Errors
    /// As [`HttpClient::send`].
    pub async fn send_keeping(
        &self,
        request: http::Request<Vec<u8>>,
        keep: usize,
        limit: Duration,
    ) -> Result<HttpResponse, HttpError> {
        self.exchange(self.http1(), request, keep, limit).await
    }

    /// The same by HTTP/2, on a connection of its own: over TLS where the URL is `https://`, else from the first byte on, as is agreed on with
    /// a server of gRPC ("prior knowledge", RFC 9113 §3.3).
    ///
    /// # Errors
    /// As [`HttpClient::send`]; also when the server does not speak HTTP/2.
    pub async fn send_http2(
        &self,
        request: http::Request<Vec<u8>>,
        limit: Duration,
    ) -> Result<HttpResponse, HttpError> {
        self.exchange(self.http2(), request, LONGEST_BODY, limit).await
    }

    async fn exchange(
        &self,
        client: Result<&reqwest::Client, HttpError>,
        request: http::Request<Vec<u8>>,
        keep: usize,
        limit: Duration,
    ) -> Result<HttpResponse, HttpError> {
        let started = self.clock.now();
        let in_flight = self.clock.request();
        let exchange = async {
            let begun = self.execute(client?, request, &in_flight).await?;
            self.whole(begun, keep).await
        };
        let outcome = self.clock.timeout(limit, exchange).await.map_err(|_| HttpError::Timeout(limit))?;
        drop(in_flight);
        Ok(outcome?.response(self.clock.now().since(started)))
    }

    /// Sends a request and waits for the head of the answer.
    pub(crate) async fn execute(
        &self,
        client: &reqwest::Client,
        request: http::Request<Vec<u8>>,
        in_flight: &RequestInFlight,
    ) -> Result<Begun, HttpError> {
        let is_direct = self.inner.proxies.get_or_init(Matcher::from_env).intercept(request.uri()).is_none();
        let mut request =
            reqwest::Request::try_from(request).map_err(|error| HttpError::Malformed(root_cause(&error)))?;
        if let Some(id) = in_flight.id() {
            request.headers_mut().insert(REQUEST_HEADER, HeaderValue::from(id));
        }
        let response = client.execute(request).await.map_err(|error| self.classify(&error, is_direct))?;
        Ok(Begun { response, is_direct })
    }

    /// Reads an answer to its end and keeps its first `keep` bytes.
    pub(crate) async fn whole(&self, begun: Begun, keep: usize) -> Result<Whole, HttpError> {
        let (head, is_direct) = (Head::of(&begun), begun.is_direct);
        let told = begun.response.content_length().and_then(|length| usize::try_from(length).ok());
        let most = told.map_or(keep, |told| told.min(keep));
        let mut stream = http::Response::<reqwest::Body>::from(begun.response).into_body();
        let (mut body, mut length, mut held, mut trailers) = (Vec::new(), 0, Held::default(), HeaderMap::new());
        while let Some(frame) = stream.frame().await {
            match frame.map_err(|error| self.classify(&error, is_direct))?.into_data() {
                Ok(chunk) if length + chunk.len() > LONGEST_BODY => return Err(HttpError::TooLong(LONGEST_BODY)),
                Ok(chunk) => {
                    length += chunk.len();
                    let wanted = chunk.get(..keep.saturating_sub(body.len())).unwrap_or(&chunk);
                    // A small body needs no place. A larger one takes all that it may come to need at once: two that each hold a part and
                    // wait for more would wait for each other.
                    if held.is_none() && body.len() + wanted.len() > SMALL_BODY {
                        held = self.inner.room.take(most).await;
                        body.reserve_exact(most.saturating_sub(body.len()));
                    }
                    body.extend_from_slice(wanted);
                }
                Err(frame) => trailers.extend(frame.into_trailers().unwrap_or_default()),
            }
        }
        Ok(Whole { head, body, length, held, trailers })
    }

    pub(crate) fn http1(&self) -> Result<&reqwest::Client, HttpError> {
        self.client(&self.inner.http1, None, |builder| builder.http1_only().pool_idle_timeout(IDLE_CONNECTION))
    }

    fn http2(&self) -> Result<&reqwest::Client, HttpError> {
        // A connection that is kept would be one that Lambda freezes with the process, and a dead one is not told from a slow one.
        self.client(&self.inner.http2, Some(b"h2"), |builder| builder.http2_prior_knowledge().pool_max_idle_per_host(0))
    }

    fn client<'a>(
        &self,
        kept: &'a OnceLock<reqwest::Client>,
        alpn: Option<&[u8]>,
        version: impl FnOnce(reqwest::ClientBuilder) -> reqwest::ClientBuilder,
    ) -> Result<&'a reqwest::Client, HttpError> {
        if let Some(client) = kept.get() {
            return Ok(client);
        }
        let tls = self.authorities().tls(alpn).map_err(|error| HttpError::Malformed(error.to_string()))?;
        let builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .tls_info(true)
            .user_agent(concat!("greenlight/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none());
        let built = version(builder).build().map_err(|error| HttpError::Malformed(root_cause(&error)))?;
        Ok(kept.get_or_init(|| built))
    }

    fn authorities(&self) -> &Authorities {
        self.inner.authorities.get_or_init(|| Authorities::read(self.inner.file.as_deref()))
    }

    pub(crate) fn classify(&self, error: &reqwest::Error, is_direct: bool) -> HttpError {
        let of_tls = self.authorities().why(error);
        if error.is_connect() || of_tls.is_some() {
            // The address of a proxy would only mislead.
            let at = refused_at(error).filter(|_| is_direct);
            let cause = || match at {
                Some(address) => format!("{} at {address}", root_cause(error)),
                None => root_cause(error),
            };
            HttpError::Connect(of_tls.unwrap_or_else(cause))
        } else if error.is_builder() {
            HttpError::Malformed(root_cause(error))
        } else {
            HttpError::Broken(root_cause(error))
        }
    }
}

/// An answer whose head has come.
#[derive(Debug)]
pub(crate) struct Begun {
    pub(crate) response: reqwest::Response,
    /// Whether it came without a proxy.
    pub(crate) is_direct: bool,
}

/// What is known of an answer before its body.
#[derive(Debug)]
pub(crate) struct Head {
    status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) certificate: Certificate,
}

/// An answer that has been read to its end.
#[derive(Debug)]
pub(crate) struct Whole {
    head: Head,
    body: Vec<u8>,
    length: usize,
    held: Held,
    trailers: HeaderMap,
}

impl Whole {
    pub(crate) fn response(self, elapsed: Duration) -> HttpResponse {
        let Self { head: Head { status, headers, peer, certificate }, body, length, held, trailers } = self;
        HttpResponse { status, headers, body, length, held, trailers, elapsed, peer, certificate }
    }
}

impl Head {
    pub(crate) fn of(begun: &Begun) -> Self {
        let Begun { response, is_direct } = begun;
        Self {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            peer: response.remote_addr().filter(|_| *is_direct),
            certificate: Certificate::of(response.extensions()),
        }
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
    #[test]
    fn of_a_body_no_more_is_kept_than_is_asked_for() {
        testkit::run(async {
            let server = Server::start(|_| Reply::new(200, &"x".repeat(3 << 20))).await;
            let request = http::Request::get(&server.url).body(Vec::new()).unwrap();
            let http = HttpClient::new(Clock::system());
            let answer = http.send_keeping(request, 100_000, Duration::from_secs(20)).await.unwrap();
            assert_eq!((answer.body.len(), answer.length), (100_000, 3 << 20));
            assert!(answer.body.capacity() <= 100_000, "{}", answer.body.capacity());
        });
    }

    #[test]
    fn all_bodies_in_memory_share_one_room_and_small_ones_need_none() {
        testkit::run(async {
            let server =
                Server::start(|seen| Reply::new(200, &"x".repeat(seen.path.trim_start_matches('/').parse().unwrap())));
            let (server, http) = (server.await, HttpClient::new(Clock::system()));
            let get = async |length: usize, limit: u64| {
                let request = http::Request::get(format!("{}/{length}", server.url)).body(Vec::new()).unwrap();
                http.send(request, Duration::from_millis(limit)).await
            };
            let mut kept = Vec::new();
            for _ in 0..4 {
                kept.push(get(LONGEST_BODY, 20_000).await.unwrap());
            }
            let full = get(LONGEST_BODY, 300).await;
            assert!(matches!(full, Err(HttpError::Timeout(_))), "{full:?}");
            assert_eq!(get(SMALL_BODY, 20_000).await.unwrap().body.len(), SMALL_BODY);
            kept.pop();
            assert_eq!(get(LONGEST_BODY, 20_000).await.unwrap().body.len(), LONGEST_BODY);
        });
    }
}
