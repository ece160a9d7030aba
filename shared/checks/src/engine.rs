//! Runs a suite of checks: independent ones at once, dependent ones in order, clean-ups last, all of it within a budget. What
//! may start when is `plan`'s to say.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use domain::config::{Check, Request};
use domain::hook::{Finding, Outcome};
use domain::time::spoken;
use futures_util::future::{Either, select};
use futures_util::stream::{FuturesUnordered, StreamExt};
use outbound::HttpClient;
use serde_json::Value;

use crate::answer::LONGEST_JSON;
use crate::aside::Aside;
use crate::expect::Expectation;
use crate::invoke::Invoke;
use crate::judge::{Judge, Wanted};
use crate::mask::Mask;
use crate::observe::{Event, Watcher};
use crate::plan::{Next, State, Step, WAITS_FOR_ITSELF, next, plan, promises};
use crate::request::{Prepared, has_scheme, named, prepare};
use crate::template::{Scope, Unable};
use crate::trial::{Ended, Progress, Trial, cancelled, not_sent, softened};
use crate::variables::Variables;

/// How many requests are in flight at most. A block of checks, some fifty of them, is to take no longer than its slowest; far
/// more at once would be a load test of the new version, and more than a small server's backlog holds.
const AT_ONCE: usize = 64;

/// The most that is kept of the budget for clean-ups, where there are any.
const KEPT_FOR_CLEAN_UP: Duration = Duration::from_secs(10);

/// What is to be checked.
#[derive(Clone, Debug)]
pub struct Suite<'a> {
    /// The checks, in the configuration's order.
    pub checks: &'a [Check],
    /// The base URL that paths go below; or why there is none and what to do about it.
    pub base: Result<String, String>,
    /// What `{{ name }}` may refer to, captured values aside.
    pub variables: Variables,
}

/// Runs the checks and tells of each how it came out, in the configuration's order. Takes no longer than `budget`: a check
/// that has not finished by then is cancelled and inconclusive.
pub async fn run(suite: &Suite<'_>, http: &HttpClient, invoker: &impl Invoke, budget: Duration) -> Vec<Finding> {
    watched(suite, http, invoker, budget, &()).await
}

/// The same, with somebody who hears how it goes on and may end it early: what has not finished by then is cancelled and
/// inconclusive, and the clean-ups still run.
pub async fn watched(
    suite: &Suite<'_>,
    http: &HttpClient,
    invoker: &impl Invoke,
    budget: Duration,
    watcher: &impl Watcher,
) -> Vec<Finding> {
    let mut run = Run::new(suite, invoker.target(), watcher, http);
    let cleans_up = run.steps.iter().any(|step| step.late);
    let kept = if cleans_up { KEPT_FOR_CLEAN_UP.min(budget / 4) } else { Duration::ZERO };
    let started = http.clock().now();
    let over = format!("not finished within the budget of {}", spoken(budget));
    run.phase(http, invoker, false, budget.saturating_sub(kept), &over).await;
    let spent = http.clock().now().since(started);
    run.phase(http, invoker, true, budget.saturating_sub(spent), &over).await;
    run.findings()
}

struct Run<'a, W> {
    suite: &'a Suite<'a>,
    watcher: &'a W,
    version: Result<String, String>,
    variables: Variables,
    steps: Vec<Step>,
    states: Vec<State>,
    ended: Vec<Option<Ended>>,
    progress: Vec<RefCell<Progress>>,
    promised: BTreeMap<String, String>,
    captured: BTreeMap<String, Value>,
    aside: Aside,
}

impl<'a, W: Watcher> Run<'a, W> {
    fn new(suite: &'a Suite<'a>, version: Result<String, String>, watcher: &'a W, http: &HttpClient) -> Self {
        let count = suite.checks.len();
        let mut variables = suite.variables.clone();
        suite.base.iter().for_each(|base| variables.hide_credentials_of(base));
        for check in suite.checks {
            match check.request() {
                Ok(Request::Http { path, .. } | Request::WebSocket { path }) if has_scheme(path) => {
                    variables.hide_credentials_of(path);
                }
                Ok(Request::GrpcHealth(health)) => {
                    health.url.iter().for_each(|url| variables.hide_credentials_of(url));
                }
                _ => {}
            }
        }
        Self {
            suite,
            watcher,
            version,
            variables,
            steps: plan(suite.checks),
            states: vec![State::Waiting; count],
            ended: vec![None; count],
            progress: vec![RefCell::default(); count],
            promised: promises(suite.checks),
            captured: BTreeMap::new(),
            // JSON takes up many times its length once it is read: no more at once than the longest.
            aside: Aside::new(http.clock().clone(), LONGEST_JSON as u32),
        }
    }

    /// Runs the checks of one phase until all have ended or the limit is reached; what still runs then is dropped.
    async fn phase(&mut self, http: &HttpClient, invoker: &impl Invoke, late: bool, limit: Duration, over: &str) {
        if self.steps.iter().all(|step| step.late != late) {
            return;
        }
        let (progress, watcher) = (self.progress.clone(), self.watcher);
        let mut running = FuturesUnordered::new();
        let stop = async {
            // Clean-ups are what is left to do when somebody has ended the run.
            if late { std::future::pending().await } else { watcher.stop().await }
        };
        let (deadline, stop) = (pin!(http.clock().sleep(limit)), pin!(stop));
        let mut end = select(deadline, stop);
        loop {
            while running.len() < AT_ONCE
                && let Some((index, trial)) = self.startable(late)
            {
                let progress = &progress;
                watcher.hear(Event::Begun { index });
                running.push(async move {
                    let fallback = RefCell::default();
                    let retrying = |tried, observed: &str, pause| {
                        watcher.hear(Event::Retrying { index, tried, observed, pause });
                    };
                    let progress = progress.get(index).unwrap_or(&fallback);
                    (index, trial.run(http, invoker, progress, retrying).await)
                });
            }
            if running.is_empty() {
                break;
            }
            match select(running.next(), &mut end).await {
                Either::Left((Some((index, ended)), _)) => self.end(index, ended),
                Either::Left((None, _)) => break,
                Either::Right((which, _)) => {
                    drop(running);
                    self.progress = progress;
                    let why = if matches!(which, Either::Left(_)) { over } else { "the run was stopped" };
                    self.give_up(late, |check, target, progress, mask| cancelled(check, target, progress, why, mask));
                    return;
                }
            }
        }
        let circular = || Unable::Wrong(WAITS_FOR_ITSELF.to_owned());
        self.give_up(late, |check, target, _, mask| not_sent(check, target, circular(), mask));
    }

    /// The next check that can be started; those that never can be are ended on the way.
    fn startable(&mut self, late: bool) -> Option<(usize, Trial<'a>)> {
        loop {
            let mut anything_ended = false;
            for (index, check) in self.suite.checks.iter().enumerate() {
                if self.states.get(index) != Some(&State::Waiting)
                    || self.steps.get(index).is_none_or(|step| step.late != late)
                {
                    continue;
                }
                let why = match next(&self.steps, &self.states, self.suite.checks, index) {
                    Next::Wait => continue,
                    Next::GiveUp(why) => why,
                    Next::Start => match self.trial(check) {
                        Ok(trial) => {
                            self.set(index, State::Running);
                            return Some((index, trial));
                        }
                        Err(why) => why,
                    },
                };
                let ended = not_sent(check, &self.target(check), why, self.variables.mask());
                self.end(index, ended);
                anything_ended = true;
            }
            if !anything_ended {
                return None;
            }
        }
    }

    fn trial(&self, check: &'a Check) -> Result<Trial<'a>, Unable> {
        let scope = Scope { variables: &self.variables, captured: &self.captured, promised: &self.promised };
        let prepared = prepare(check, &self.suite.base, scope)?;
        let target = match &prepared {
            Prepared::Http { shown, .. } | Prepared::WebSocket { shown, .. } | Prepared::GrpcHealth { shown, .. } => {
                self.shown(shown)
            }
            Prepared::Invoke { .. } => format!("invoke {}", self.version.clone().map_err(Unable::CannotTell)?),
        };
        let expectation = Expectation::read(&check.expect, scope, prepared.kind())?;
        let mask = self.variables.mask().clone();
        let wanted = Arc::new(Wanted { expectation, captures: check.capture.clone(), mask: mask.clone() });
        let judge = Judge { wanted, aside: self.aside.clone() };
        Ok(Trial { check, prepared, judge, target, mask })
    }

    fn target(&self, check: &Check) -> String {
        self.shown(&named(check, &self.suite.base, self.version.clone()))
    }

    /// A target without what must not be seen. What is written into a query tends to be a token.
    fn shown(&self, target: &str) -> String {
        let mask = self.variables.mask();
        match target.split_once('?') {
            Some((path, query)) => format!("{}?{}", mask.said(path), mask.said(&mask.outside(query, target.len()))),
            None => mask.said(target),
        }
    }

    fn set(&mut self, index: usize, state: State) {
        if let Some(slot) = self.states.get_mut(index) {
            *slot = state;
        }
    }

    fn end(&mut self, index: usize, mut ended: Ended) {
        // Softened only after this is decided: a warning has not passed in the eyes of a check that needs it.
        let passed = matches!(ended.finding.outcome, Outcome::Pass | Outcome::Degraded);
        self.set(index, if passed { State::Passed } else { State::NotPassed });
        if let Some(check) = self.suite.checks.get(index) {
            self.variables.hide_captured(check, &ended.captured);
            ended.finding = softened(check, ended.finding);
        }
        self.captured.extend(std::mem::take(&mut ended.captured));
        self.watcher.hear(Event::Ended { index, finding: &ended.finding });
        if let Some(slot) = self.ended.get_mut(index) {
            *slot = Some(ended);
        }
    }

    /// One finding for each check. None is ever left out: what nobody has told anything of has not passed.
    fn findings(mut self) -> Vec<Finding> {
        let why = || Unable::CannotTell("it was neither run nor cancelled; this is a defect in Greenlight".to_owned());
        for (index, check) in self.suite.checks.iter().enumerate() {
            if self.ended.get(index).is_none_or(Option::is_none) {
                let ended = not_sent(check, &self.target(check), why(), self.variables.mask());
                self.end(index, ended);
            }
        }
        self.ended.into_iter().flatten().map(|ended| ended.finding).collect()
    }

    /// Ends what has not ended in a phase.
    fn give_up(&mut self, late: bool, as_what: impl Fn(&Check, &str, &Progress, &Mask) -> Ended) {
        for (index, check) in self.suite.checks.iter().enumerate() {
            let open = matches!(self.states.get(index), Some(State::Waiting | State::Running));
            if !open || self.steps.get(index).is_none_or(|step| step.late != late) {
                continue;
            }
            let progress = self.progress.get(index).map(|progress| progress.borrow().clone()).unwrap_or_default();
            let ended = as_what(check, &self.target(check), &progress, self.variables.mask());
            self.end(index, ended);
        }
    }
}

#[cfg(test)]
mod tests;
