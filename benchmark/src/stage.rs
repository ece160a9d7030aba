//! What the functions under measurement talk to: AWS, Slack and the application that is checked, behind one HTTPS address. AWS is the
//! rehearsal's, without its virtual waiting: every call is answered as soon as it is understood.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use domain::config::Config;
use domain::time::Timestamp;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rehearsal::scenario::Scenario;
use rehearsal::template::Template;
use rehearsal::world::{Effect, HttpAnswer, HttpAsked, Token, World};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// How long the application takes to answer `/slow`.
pub(crate) const SLOW: Duration = Duration::from_millis(100);

/// When things happened during an invocation.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Marks {
    /// The application got its first request.
    pub(crate) first_check: Option<Instant>,
    /// The application gave its last answer.
    pub(crate) last_check: Option<Instant>,
    /// CodeDeploy got the verdict.
    pub(crate) verdict: Option<Instant>,
    /// CodeDeploy was asked to stop a deployment.
    pub(crate) stop: Option<Instant>,
}

/// The stage, and the world behind it.
pub(crate) struct Stage {
    pub(crate) address: SocketAddr,
    /// The authority that signed the stage's certificate, as a PEM file.
    pub(crate) authority: PathBuf,
    template: Arc<Template>,
    config: Config,
    inner: Mutex<Inner>,
}

struct Inner {
    world: World,
    token: Token,
    marks: Marks,
}

impl Stage {
    /// Opens the stage on a port of its own; the certificate's authority is written into `folder`.
    pub(crate) async fn open(
        template: Arc<Template>,
        config: Config,
        folder: &std::path::Path,
    ) -> anyhow::Result<Arc<Self>> {
        let key = rcgen::KeyPair::generate()?;
        let certificate = rcgen::CertificateParams::new(vec!["localhost".to_owned()])?.self_signed(&key)?;
        let authority = folder.join("authority.pem");
        std::fs::write(&authority, certificate.pem())
            .with_context(|| format!("could not write `{}`", authority.display()))?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let tls = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)?;
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("could not listen on loopback")?;
        let address = listener.local_addr()?;
        let world = world(&template, &config);
        let inner = Mutex::new(Inner { world, token: 0, marks: Marks::default() });
        let stage = Arc::new(Self { address, authority, template, config, inner });
        let serving = Arc::clone(&stage);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                tokio::spawn(connection(Arc::clone(&serving), acceptor.clone(), stream));
            }
        });
        Ok(stage)
    }

    /// The stage's URL.
    pub(crate) fn url(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }

    /// A new world, in which the deployment waits for the hook again, and no marks.
    pub(crate) fn reset(&self) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.world = world(&self.template, &self.config);
        inner.marks = Marks::default();
    }

    /// What happened since the last reset.
    pub(crate) fn marks(&self) -> Marks {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).marks
    }

    /// The calls to AWS since the last reset, `codedeploy:GetDeployment`, in order.
    pub(crate) fn calls(&self) -> Vec<String> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let calls = inner.world.record().calls().iter();
        calls.map(|call| format!("{}:{} {}", call.service, call.operation, call.outcome)).collect()
    }

    fn answer(&self, mut asked: HttpAsked) -> HttpAnswer {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let inner = &mut *inner;
        let asks_for = |operation: &str| {
            let target = asked.headers.get("x-amz-target");
            target.is_some_and(|target| target.as_bytes().ends_with(operation.as_bytes()))
        };
        let is_stop = asks_for("StopDeployment");
        if asks_for("PutLifecycleEventHookExecutionStatus") {
            inner.marks.verdict = Some(now());
        }
        if is_stop {
            inner.marks.stop = Some(now());
        }
        inner.token += 1;
        let token = inner.token;
        match asked.path.strip_prefix("/slack").map(str::to_owned) {
            Some(path) => {
                asked.path = path;
                asked.host = Some("slack.rehearsal".to_owned());
                inner.world.web_request(None, None, token, asked);
            }
            None => inner.world.aws_request(None, token, &asked),
        }
        loop {
            for effect in inner.world.take_effects() {
                if let Effect::Answer(answered, answer) = effect
                    && answered == token
                {
                    if is_stop {
                        roll_back(&mut inner.world);
                    }
                    return answer;
                }
            }
            if !inner.world.step() {
                return HttpAnswer::text(500, "the stage has no answer");
            }
        }
    }

    fn mark(&self, mark: impl FnOnce(&mut Marks)) {
        mark(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner).marks);
    }
}

/// For how long the new version has been there when its hook is called: its targets have passed their health checks.
const UP_FOR: Duration = Duration::from_mins(1);

/// How long a rollback takes at the most.
const ROLLBACK: Duration = Duration::from_mins(2);

/// Lets the stopped deployment's rollback happen at once: what is measured is how soon it was stopped.
fn roll_back(world: &mut World) {
    let until = world.now().plus(ROLLBACK);
    while world.next_at().is_some_and(|next| next <= until) && world.step() {}
}

/// A world in which the sample deployments wait for their hook.
fn world(template: &Arc<Template>, config: &Config) -> World {
    let now = epoch();
    let mut world = World::starting_at(now.minus(UP_FOR), Arc::clone(template), config.clone(), Scenario::for_serve());
    world.open_for_samples();
    world.set_now(now);
    world
}

async fn connection(stage: Arc<Stage>, acceptor: TlsAcceptor, stream: TcpStream) {
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let service = service_fn(move |request| pass(Arc::clone(&stage), request));
    // A process that is ended hangs up; that is no concern of the stage.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn pass(stage: Arc<Stage>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes().to_vec()).unwrap_or_default();
    let path = head.uri.path_and_query().map_or_else(|| "/".to_owned(), |path| path.as_str().to_owned());
    let answer = match path.as_str() {
        "/health" | "/slow" => {
            let arrived = now();
            stage.mark(|marks| {
                marks.first_check.get_or_insert(arrived);
            });
            if path == "/slow" {
                pause(SLOW).await;
            }
            stage.mark(|marks| marks.last_check = Some(now()));
            HttpAnswer::json(200, &serde_json::json!({ "status": "ok" }))
        }
        _ => stage.answer(HttpAsked { method: head.method, host: None, path, headers: head.headers, body }),
    };
    let mut response = Response::builder().status(answer.status);
    for (name, value) in &answer.headers {
        response = response.header(name, value);
    }
    Ok(response.body(Full::new(Bytes::from(answer.body))).unwrap_or_default())
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "the stage answers in real time")]
pub(crate) async fn pause(span: Duration) {
    tokio::time::sleep(span).await;
}

#[expect(clippy::disallowed_methods, reason = "the functions live in real time, and so does their world")]
pub(crate) fn epoch() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or_default())
}
