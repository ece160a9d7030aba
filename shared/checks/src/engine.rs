//! Runs a suite of checks: independent ones at once, dependent ones in order, clean-ups last, all of it within a budget. What
//! may start when is `plan`'s to say.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::pin::pin;
use std::time::Duration;

use domain::config::Check;
use domain::hook::{Finding, Outcome};
use futures_util::future::{Either, select};
use futures_util::stream::{FuturesUnordered, StreamExt};
use outbound::HttpClient;
use serde_json::Value;

use crate::expect::Expectation;
use crate::invoke::Invoke;
use crate::plan::{Next, State, Step, WAITS_FOR_ITSELF, next, plan, promises};
use crate::request::{Prepared, named, prepare};
use crate::template::{Scope, Unable, Variables};
use crate::trial::{Ended, Progress, Trial, cancelled, not_sent, softened};

/// How many requests are in flight at most: enough for any block of checks, too few to be a load test.
const AT_ONCE: usize = 16;

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
    let mut run = Run::new(suite, invoker.target());
    let cleans_up = run.steps.iter().any(|step| step.late);
    let kept = if cleans_up { KEPT_FOR_CLEAN_UP.min(budget / 4) } else { Duration::ZERO };
    let started = http.clock().now();
    run.phase(http, invoker, false, budget.saturating_sub(kept)).await;
    let spent = http.clock().now().since(started);
    run.phase(http, invoker, true, budget.saturating_sub(spent)).await;
    run.findings(budget)
}

struct Run<'a> {
    suite: &'a Suite<'a>,
    version: Result<String, String>,
    steps: Vec<Step>,
    states: Vec<State>,
    ended: Vec<Option<Ended>>,
    progress: Vec<RefCell<Progress>>,
    promised: BTreeMap<String, String>,
    captured: BTreeMap<String, Value>,
}

impl<'a> Run<'a> {
    fn new(suite: &'a Suite<'a>, version: Result<String, String>) -> Self {
        let count = suite.checks.len();
        Self {
            suite,
            version,
            steps: plan(suite.checks),
            states: vec![State::Waiting; count],
            ended: vec![None; count],
            progress: vec![RefCell::default(); count],
            promised: promises(suite.checks),
            captured: BTreeMap::new(),
        }
    }

    /// Runs the checks of one phase until all have ended or the limit is reached; what still runs then is dropped.
    async fn phase(&mut self, http: &HttpClient, invoker: &impl Invoke, late: bool, limit: Duration) {
        if self.steps.iter().all(|step| step.late != late) {
            return;
        }
        let progress = self.progress.clone();
        let mut running = FuturesUnordered::new();
        let mut deadline = pin!(http.clock().sleep(limit));
        loop {
            while running.len() < AT_ONCE
                && let Some((index, trial)) = self.startable(late)
            {
                let progress = &progress;
                running.push(async move {
                    let fallback = RefCell::default();
                    let ended = trial.run(http, invoker, progress.get(index).unwrap_or(&fallback)).await;
                    (index, ended)
                });
            }
            if running.is_empty() {
                break;
            }
            match select(running.next(), deadline.as_mut()).await {
                Either::Left((Some((index, ended)), _)) => self.end(index, ended),
                Either::Left((None, _)) => break,
                Either::Right(((), _)) => {
                    drop(running);
                    self.progress = progress;
                    self.give_up_on(late, None);
                    return;
                }
            }
        }
        self.give_up_on(late, Some(WAITS_FOR_ITSELF));
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
                let target = self.target(check);
                self.end(index, not_sent(check, &target, why));
                anything_ended = true;
            }
            if !anything_ended {
                return None;
            }
        }
    }

    fn trial(&self, check: &'a Check) -> Result<Trial<'a>, Unable> {
        let scope = Scope { variables: &self.suite.variables, captured: &self.captured, promised: &self.promised };
        let prepared = prepare(check, &self.suite.base, scope)?;
        let target = match &prepared {
            Prepared::Http { shown, .. } | Prepared::WebSocket { shown, .. } | Prepared::GrpcHealth { shown, .. } => {
                shown.clone()
            }
            Prepared::Invoke { .. } => format!("invoke {}", self.version.clone().map_err(Unable::CannotTell)?),
        };
        let expectation = Expectation::read(&check.expect, scope, prepared.kind())?;
        Ok(Trial { check, prepared, expectation, target })
    }

    fn target(&self, check: &Check) -> String {
        named(check, &self.suite.base, self.version.clone())
    }

    fn set(&mut self, index: usize, state: State) {
        if let Some(slot) = self.states.get_mut(index) {
            *slot = state;
        }
    }

    fn end(&mut self, index: usize, ended: Ended) {
        let passed = matches!(ended.finding.outcome, Outcome::Pass | Outcome::Degraded);
        self.set(index, if passed { State::Passed } else { State::NotPassed });
        self.captured.extend(ended.captured.clone());
        if let Some(slot) = self.ended.get_mut(index) {
            *slot = Some(ended);
        }
    }

    /// Closes what has not ended in a phase: for the given reason, or else because its time is up, which `findings` tells.
    fn give_up_on(&mut self, late: bool, why: Option<&str>) {
        for (index, check) in self.suite.checks.iter().enumerate() {
            let open = matches!(self.states.get(index), Some(State::Waiting | State::Running));
            if !open || self.steps.get(index).is_none_or(|step| step.late != late) {
                continue;
            }
            match why {
                Some(why) => {
                    let target = self.target(check);
                    self.end(index, not_sent(check, &target, Unable::Wrong(why.to_owned())));
                }
                None => self.set(index, State::NotPassed),
            }
        }
    }

    fn findings(mut self, budget: Duration) -> Vec<Finding> {
        let mut findings = Vec::with_capacity(self.ended.len());
        for ((check, ended), progress) in
            self.suite.checks.iter().zip(std::mem::take(&mut self.ended)).zip(&self.progress)
        {
            let ended = ended.unwrap_or_else(|| cancelled(check, &self.target(check), &progress.borrow(), budget));
            findings.push(softened(check, ended.finding));
        }
        findings
    }
}

#[cfg(test)]
mod tests;
