//! The sockets: one for HTTP (the Runtime API, the AWS endpoint and the proxy to everything else) and one for the virtual clock. Knows
//! nothing of what is asked or answered.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use base64::Engine;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};

use super::{Input, Reply, RunError, Told, io, socket};
use crate::world::{HttpAnswer, HttpAsked, SandboxId};

async fn listen(port: u16) -> Result<(TcpListener, SocketAddr), RunError> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .await
        .map_err(io(format!("could not listen on 127.0.0.1:{port}; `serve --port` takes another one")))?;
    let address = listener.local_addr().map_err(io("could not read the address that was listened on"))?;
    Ok((listener, address))
}

/// A door that requests come in by, closed on drop.
pub(super) struct Door {
    pub(super) address: SocketAddr,
    listening: tokio::task::AbortHandle,
}

impl Drop for Door {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// Opens a door: the Runtime API of one sandbox, or (without one) the door to everything else.
pub(super) async fn serve_http(
    port: u16,
    runtime_of: Option<SandboxId>,
    inputs: mpsc::UnboundedSender<Input>,
) -> Result<Door, RunError> {
    let (listener, address) = listen(port).await?;
    let listening = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let inputs = inputs.clone();
            let _ = stream.set_nodelay(true);
            tokio::spawn(async move {
                let service = service_fn(move |request| pass(request, runtime_of, inputs.clone()));
                // HTTP/1.1 or, as gRPC wants it, HTTP/2. A client that hangs up in the middle is its own affair.
                let mut door = auto::Builder::new(TokioExecutor::new());
                // The real date beside virtual time would look like a wrong clock to the SDKs, which try refused calls again then.
                door.http1().auto_date_header(false);
                door.http2().auto_date_header(false);
                let _ = door.serve_connection_with_upgrades(TokioIo::new(stream), service).await;
            });
        }
    });
    Ok(Door { address, listening: listening.abort_handle() })
}

async fn pass(
    mut request: Request<Incoming>,
    runtime_of: Option<SandboxId>,
    inputs: mpsc::UnboundedSender<Input>,
) -> Result<Response<Whole>, HungUp> {
    let upgrade = hyper::upgrade::on(&mut request);
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes().to_vec()).unwrap_or_default();
    let asked = HttpAsked {
        method: head.method,
        host: head.uri.authority().map(|authority| authority.as_str().to_owned()),
        path: head.uri.path_and_query().map_or_else(|| "/".to_owned(), |path| path.as_str().to_owned()),
        headers: head.headers.clone(),
        body,
    };
    let (sender, answer) = oneshot::channel();
    let gone = || Reply { answer: HttpAnswer::text(503, "the rehearsal has ended"), line: None };
    let Reply { answer, line } = match inputs.send(Input::Http { asked, runtime_of, answer: sender }) {
        Ok(()) => answer.await.unwrap_or_else(|_| gone()),
        Err(_) => gone(),
    };
    if answer.status == HttpAnswer::HANG_UP {
        return Err(HungUp);
    }
    let mut response = Response::builder().status(answer.status);
    for (name, value) in &answer.headers {
        response = response.header(name, value);
    }
    if let Some(line) = line {
        for (name, value) in socket::opening(&head.headers) {
            response = response.header(name, value);
        }
        tokio::spawn(socket::carry(upgrade, line, inputs));
    }
    let trailers = answer.trailers.iter().filter_map(|(name, value)| Some((name.parse().ok()?, value.parse().ok()?)));
    Ok(response.body(whole(answer.body, trailers.collect())).unwrap_or_else(|_| {
        let text = b"the rehearsal made an answer that HTTP does not allow";
        let mut broken = Response::new(whole(text.to_vec(), HeaderMap::new()));
        *broken.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
        broken
    }))
}

/// The connection is to be closed without an answer, which is done by failing.
#[derive(Debug, thiserror::Error)]
#[error("the answer is that there is none")]
struct HungUp;

/// A body and what comes after it.
type Whole = http_body_util::Either<Full<Bytes>, StreamBody<Frames>>;
type Frames = futures_util::stream::Iter<std::vec::IntoIter<Result<Frame<Bytes>, Infallible>>>;

fn whole(body: Vec<u8>, trailers: HeaderMap) -> Whole {
    if trailers.is_empty() {
        return Whole::Left(Full::new(Bytes::from(body)));
    }
    let frames = vec![Ok(Frame::data(Bytes::from(body))), Ok(Frame::trailers(trailers))];
    Whole::Right(StreamBody::new(futures_util::stream::iter(frames)))
}

/// The sandbox that a proxied request comes from: the user name of its proxy credentials, which are taken off the request.
pub(super) fn proxy_user(headers: &mut HeaderMap) -> Option<SandboxId> {
    let value = headers.remove("proxy-authorization")?;
    let encoded = value.to_str().ok()?.strip_prefix("Basic ")?.to_owned();
    let decoded = base64::engine::general_purpose::STANDARD.decode(encoded).ok()?;
    String::from_utf8(decoded).ok()?.split(':').next()?.parse().ok()
}

/// Serves the virtual clock; the protocol is described in the `clock` crate.
pub(super) async fn serve_clock(
    now: Arc<AtomicI64>,
    inputs: mpsc::UnboundedSender<Input>,
) -> Result<SocketAddr, RunError> {
    let (listener, address) = listen(0).await?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            tokio::spawn(clock_connection(stream, Arc::clone(&now), inputs.clone()));
        }
    });
    Ok(address)
}

async fn clock_connection(stream: TcpStream, now: Arc<AtomicI64>, inputs: mpsc::UnboundedSender<Input>) {
    let (reading, mut writing) = stream.into_split();
    let mut lines = BufReader::new(reading).lines();
    let Ok(Some(hello)) = lines.next_line().await else { return };
    let Some((kind, id)) = hello.split_once(' ').and_then(|(kind, id)| Some((kind, id.parse::<SandboxId>().ok()?)))
    else {
        return;
    };
    if kind == "now" {
        while let Ok(Some(_)) = lines.next_line().await {
            let answer = format!("{}\n", now.load(Ordering::SeqCst));
            if writing.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
        return;
    }
    let (sender, mut told) = mpsc::unbounded_channel::<Told>();
    let _ = inputs.send(Input::PaceOpened(id, sender));
    tokio::spawn(async move {
        while let Some(told) = told.recv().await {
            let line = match told {
                Told::Wake(wait) => format!("wake {wait}\n"),
                Told::Panic(wait) => format!("panic {wait}\n"),
            };
            if writing.write_all(line.as_bytes()).await.is_err() {
                return;
            }
        }
    });
    while let Ok(Some(line)) = lines.next_line().await {
        let _ = inputs.send(Input::Pace(id, line));
    }
}
