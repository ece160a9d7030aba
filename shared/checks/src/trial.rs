//! One check, tried until it passes or its tries are spent. Knows nothing of other checks.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use clock::Clock;
use domain::config::{Check, Retries, Severity};
use domain::hook::{Finding, Outcome};
use domain::ports::PortError;
use domain::text::bounded;
use outbound::{HttpClient, HttpError};
use serde_json::Value;

use crate::answer::Answer;
use crate::invoke::Invoke;
use crate::judge::{Judge, Judged};
use crate::mask::Mask;
use crate::probe::{Conversation, by_grpc, by_websocket};
use crate::request::Prepared;
use crate::template::Unable;

/// The time for one try when the check does not say.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);
/// The first pause between two tries when the check does not say; each later one is twice as long.
const PAUSE: Duration = Duration::from_secs(1);
/// How much of an expectation or an observation a finding holds, in characters: the body's 300 and what is said around them.
const TEXT: usize = 700;

/// How much of what was asked a finding names, in characters: a captured value may be part of its path.
const TARGET: usize = 300;

/// How far a running check has come, for the case that it is cancelled.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress {
    /// Tries begun.
    tries: u32,
    /// What the last try that ended saw.
    last: Option<String>,
    /// What the tries that ended captured; of a name the last value.
    captured: BTreeMap<String, Value>,
}

/// How a check ended, before its severity softens it.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    pub(crate) finding: Finding,
    /// What was captured, whether the check passed or not: a clean-up needs the id of what failed half-way, too.
    pub(crate) captured: BTreeMap<String, Value>,
}

/// A check that is ready to be sent.
pub(crate) struct Trial<'a> {
    pub(crate) check: &'a Check,
    pub(crate) prepared: Prepared,
    pub(crate) judge: Judge,
    /// What the finding is about, masked.
    pub(crate) target: String,
    /// What must not be seen of what is said.
    pub(crate) mask: Mask,
}

/// What one try came to.
struct Try {
    outcome: Outcome,
    expected: String,
    observed: String,
    elapsed: Duration,
    /// Who answered, when it is known.
    peer: Option<String>,
    /// Whether another try could come out differently.
    worth_repeating: bool,
    captured: BTreeMap<String, Value>,
}

impl Try {
    fn of(judged: Judged, elapsed: Duration, peer: Option<String>) -> Self {
        let Judged { outcome, expected, observed, captured } = judged;
        Self { outcome, expected, observed, elapsed, peer, worth_repeating: outcome == Outcome::Fail, captured }
    }
}

impl Progress {
    /// Takes note of a try that has ended; what the try before it saw, and all that is captured so far.
    fn ended(&mut self, one: &mut Try) -> (Option<String>, BTreeMap<String, Value>) {
        self.captured.append(&mut one.captured);
        (self.last.replace(one.observed.clone()), self.captured.clone())
    }
}

impl Trial<'_> {
    /// Tries, and tries again as often as the check says, with a growing pause. `retrying` hears of each try that another
    /// follows: its number, what it saw, and the pause.
    pub(crate) async fn run(
        &self,
        http: &HttpClient,
        invoker: &impl Invoke,
        progress: &RefCell<Progress>,
        retrying: impl Fn(u32, &str, Duration),
    ) -> Ended {
        let (tries, mut pause) = match self.check.retries {
            None => (1, PAUSE),
            Some(Retries::Times(times)) => (times.saturating_add(1), PAUSE),
            Some(Retries::Paced { times, backoff }) => (times.saturating_add(1), backoff.0),
        };
        let mut number = 1;
        loop {
            progress.borrow_mut().tries = number;
            let mut one = self.once(http, invoker).await;
            let (before, captured) = progress.borrow_mut().ended(&mut one);
            if one.outcome.is_acceptable() || number >= tries || !one.worth_repeating {
                one.captured = captured;
                return self.ended(one, number, before);
            }
            retrying(number, &bounded(&one.observed, TEXT), pause);
            http.clock().sleep(pause).await;
            pause = pause.saturating_mul(2);
            number += 1;
        }
    }

    fn ended(&self, one: Try, tries: u32, before: Option<String>) -> Ended {
        let (outcome, observed) = match (one.outcome, before) {
            (Outcome::Pass, Some(before)) => (
                Outcome::Degraded,
                format!("{} at try {tries}; the try before: {}", one.observed, bounded(&before, 200)),
            ),
            (outcome, _) => (outcome, one.observed),
        };
        let finding = Finding {
            name: self.check.name.clone(),
            outcome,
            expected: bounded(&one.expected, TEXT),
            observed: bounded(&observed, TEXT),
            target: bounded(&self.target, TARGET),
            peer: one.peer,
            tries,
            duration_ms: Some(u64::try_from(one.elapsed.as_millis()).unwrap_or(u64::MAX)),
        };
        Ended { finding, captured: one.captured }
    }

    async fn once(&self, http: &HttpClient, invoker: &impl Invoke) -> Try {
        let limit = self.check.timeout.map_or(TIMEOUT, |span| span.0);
        let started = http.clock().now();
        let wanted = &self.judge.wanted;
        let answer = match &self.prepared {
            Prepared::Http { request, .. } => {
                by_http(http, http::Request::clone(request), wanted.needed(), limit).await
            }
            Prepared::WebSocket { request, message, .. } => {
                let conversation = Conversation {
                    request: http::Request::clone(request),
                    message: message.clone(),
                    waits: wanted.needs_a_message(),
                };
                by_websocket(http, conversation, &self.judge, limit, &self.mask).await
            }
            Prepared::GrpcHealth { request, service, .. } => {
                by_grpc(http, http::Request::clone(request), service, limit, &self.mask).await
            }
            Prepared::Invoke { payload } => by_invocation(http.clock(), invoker, payload, limit).await,
        };
        let judged = match answer {
            Ok(answer) => {
                let (elapsed, peer) = (answer.elapsed, answer.peer.map(|peer| peer.to_string()));
                let judged = self.judge.judge(answer).await;
                judged.map(|judged| Try::of(judged, elapsed, peer)).map_err(unjudged)
            }
            Err(no_answer) => Err(no_answer),
        };
        let mut one = match judged {
            Ok(one) => one,
            Err((outcome, why, worth_repeating)) => Try {
                outcome,
                expected: wanted.expectation.spoken(),
                observed: why,
                elapsed: http.clock().now().since(started),
                peer: None,
                worth_repeating,
                captured: BTreeMap::new(),
            },
        };
        // Whatever words it came in: from here on nobody sees a known secret.
        let mask = self.mask.with_captured(self.check, &one.captured);
        one.expected = mask.said(&one.expected);
        one.observed = mask.said(&one.observed);
        one
    }
}

/// Why there is no answer: the outcome, the reason, and whether another try could come out differently.
pub(crate) type NoAnswer = (Outcome, String, bool);

pub(crate) fn unanswered(error: &HttpError) -> NoAnswer {
    (Outcome::Fail, error.to_string(), !matches!(error, HttpError::Malformed(_) | HttpError::TooLong(_)))
}

/// An answer came, and whether it is as expected cannot be told; so it would be the next time.
pub(crate) fn unjudged(why: String) -> NoAnswer {
    (Outcome::Inconclusive, why, false)
}

async fn by_http(
    http: &HttpClient,
    request: http::Request<Vec<u8>>,
    needed: usize,
    limit: Duration,
) -> Result<Answer, NoAnswer> {
    let response = http.send_keeping(request, needed, limit).await.map_err(|error| unanswered(&error))?;
    Ok(Answer::of(response, http.clock()))
}

async fn by_invocation(
    clock: &Clock,
    invoker: &impl Invoke,
    payload: &[u8],
    limit: Duration,
) -> Result<Answer, NoAnswer> {
    let started = clock.now();
    match clock.timeout(limit, invoker.invoke(payload)).await {
        Ok(Ok(invoked)) => Ok(Answer {
            length: invoked.payload.len(),
            body: invoked.payload.into_bytes(),
            elapsed: clock.now().since(started),
            function_error: invoked.function_error,
            ..Answer::default()
        }),
        // That the version could not be asked says nothing about how it would have answered.
        Ok(Err(error)) => Err((Outcome::Inconclusive, error.to_string(), matches!(error, PortError::Transient { .. }))),
        Err(_) => Err((Outcome::Fail, HttpError::Timeout(limit).to_string(), true)),
    }
}

/// The finding of a check that was never sent. `target` is masked already.
pub(crate) fn not_sent(check: &Check, target: &str, why: Unable, mask: &Mask) -> Ended {
    let (outcome, observed) = match why {
        Unable::Wrong(why) => (Outcome::Fail, why),
        Unable::CannotTell(why) => (Outcome::Inconclusive, why),
    };
    let finding = Finding {
        name: check.name.clone(),
        outcome,
        expected: String::new(),
        observed: bounded(&mask.said(&observed), TEXT),
        target: bounded(target, TARGET),
        peer: None,
        tries: 0,
        duration_ms: None,
    };
    Ended { finding, captured: BTreeMap::new() }
}

/// The finding of a check that was cancelled; `why` says by what.
pub(crate) fn cancelled(check: &Check, target: &str, progress: &Progress, why: &str, mask: &Mask) -> Ended {
    let how_far = match (progress.tries, &progress.last) {
        (0, _) => "not begun".to_owned(),
        (tries, None) => format!("cancelled during try {tries}"),
        (tries, Some(last)) => format!("cancelled at try {tries}, the last answer was: {last}"),
    };
    let mut ended = not_sent(check, target, Unable::CannotTell(format!("{why}; {how_far}")), mask);
    ended.finding.tries = progress.tries;
    ended.captured.clone_from(&progress.captured);
    ended
}

/// The finding as the check's severity lets it count.
pub(crate) fn softened(check: &Check, finding: Finding) -> Finding {
    match (check.dry_run, check.severity) {
        (true, _) => finding.softened("a dry run"),
        (false, Severity::Warn) => finding.softened("a warning"),
        (false, Severity::Fail) => finding,
    }
}
