//! One process under measurement: started against a Runtime API of its own, given its invocations, timed from outside, and ended.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::sync::{Semaphore, mpsc};

use crate::stage::{Marks, Stage, now, pause};

/// How long a process may take for all of its invocations.
const LIMIT: Duration = Duration::from_mins(1);

/// What is started.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) name: String,
    pub(crate) command: PathBuf,
    pub(crate) arguments: Vec<String>,
    pub(crate) environment: BTreeMap<String, String>,
    /// What each invocation gets.
    pub(crate) event: Value,
}

/// What one start of a process came to.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    /// From the start to the first request for an invocation.
    pub(crate) init: Duration,
    /// From the start to the first answer.
    pub(crate) cold: Duration,
    /// Of each further invocation, from handing it out to its answer.
    pub(crate) warm: Vec<Duration>,
    /// What the stage saw during each invocation, the cold one first, and when that had been handed out.
    pub(crate) marks: Vec<(Instant, Marks)>,
    /// The most memory that the process had, in bytes; only on Linux.
    pub(crate) peak: Option<u64>,
    /// The first answer.
    pub(crate) answer: String,
    /// The calls to AWS of the first invocation.
    pub(crate) calls: Vec<String>,
}

enum Told {
    /// It asked for an invocation, and got it a while later.
    Next {
        asked: Instant,
        handed: Instant,
    },
    Answer {
        at: Instant,
        body: Vec<u8>,
    },
}

/// The Runtime API's side of the process.
struct Door {
    event: Bytes,
    told: mpsc::UnboundedSender<Told>,
    /// One permit for each invocation that may begin: not before the stage has been reset for it.
    ready: Semaphore,
}

/// Starts the program, has it answer `1 + warm` invocations, and ends it.
pub(crate) async fn measure(program: &Program, stage: &Stage, warm: u32) -> anyhow::Result<Sample> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("could not listen on loopback")?;
    let address = listener.local_addr()?;
    let (told, mut news) = mpsc::unbounded_channel();
    let event = Bytes::from(program.event.to_string());
    let door = Arc::new(Door { event, told, ready: Semaphore::new(1) });
    let admission = Arc::clone(&door);
    let listening = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            let door = Arc::clone(&door);
            tokio::spawn(async move {
                let service = service_fn(move |request| pass(Arc::clone(&door), request));
                let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    stage.reset();
    let started = now();
    let mut child = Command::new(&program.command)
        .args(&program.arguments)
        .env_clear()
        .envs(&program.environment)
        .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("could not start `{}`", program.command.display()))?;
    let outcome = tokio::select! {
        outcome = watch(&mut news, stage, started, warm, &admission.ready) => outcome,
        status = child.wait() => bail!("`{}` ended by itself: {}", program.name, status?),
        () = pause(LIMIT) => bail!("`{}` did not answer within {} s", program.name, LIMIT.as_secs()),
    };
    let mut sample = outcome.with_context(|| format!("while measuring `{}`", program.name))?;
    sample.peak = child.id().and_then(peak_of);
    let _ = child.kill().await;
    listening.abort();
    Ok(sample)
}

async fn watch(
    news: &mut mpsc::UnboundedReceiver<Told>,
    stage: &Stage,
    started: Instant,
    warm: u32,
    ready: &Semaphore,
) -> anyhow::Result<Sample> {
    let mut sample = Sample {
        init: Duration::ZERO,
        cold: Duration::ZERO,
        warm: Vec::new(),
        marks: Vec::new(),
        peak: None,
        answer: String::new(),
        calls: Vec::new(),
    };
    for number in 0..=warm {
        let Some(Told::Next { asked, handed }) = news.recv().await else {
            bail!("it answered what it had not been asked")
        };
        let Some(Told::Answer { at: answered, body }) = news.recv().await else {
            bail!("it asked for an invocation without having answered the one before")
        };
        if number == 0 {
            sample.init = asked.duration_since(started);
            sample.cold = answered.duration_since(started);
            sample.answer = String::from_utf8_lossy(&body).into_owned();
            sample.calls = stage.calls();
        } else {
            sample.warm.push(answered.duration_since(handed));
        }
        sample.marks.push((handed, stage.marks()));
        stage.reset();
        if number < warm {
            ready.add_permits(1);
        }
    }
    Ok(sample)
}

async fn pass(door: Arc<Door>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let arrived = now();
    let is_next = request.method() == Method::GET && request.uri().path().ends_with("/invocation/next");
    if is_next {
        // After its last invocation a process waits here, as one that Lambda has frozen, until it is ended.
        if let Ok(permit) = door.ready.acquire().await {
            permit.forget();
        }
        let _ = door.told.send(Told::Next { asked: arrived, handed: now() });
        let response = Response::builder()
            .header("content-type", "application/json")
            .header("lambda-runtime-aws-request-id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd")
            .header("lambda-runtime-deadline-ms", deadline())
            .header("lambda-runtime-invoked-function-arn", "arn:aws:lambda:eu-west-1:123456789012:function:measured")
            .header("lambda-runtime-trace-id", "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=0")
            .body(Full::new(door.event.clone()));
        return Ok(response.unwrap_or_default());
    }
    let body = request.into_body().collect().await.map(|body| body.to_bytes().to_vec()).unwrap_or_default();
    let _ = door.told.send(Told::Answer { at: arrived, body });
    let mut response = Response::new(Full::new(Bytes::from_static(b"{\"status\":\"OK\"}")));
    *response.status_mut() = http::StatusCode::ACCEPTED;
    Ok(response)
}

#[expect(clippy::disallowed_methods, reason = "the functions live in real time")]
fn deadline() -> String {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    (since + Duration::from_mins(5)).as_millis().to_string()
}

/// The peak of a process's resident memory, in bytes.
fn peak_of(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib * 1024)
}
