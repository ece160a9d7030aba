//! What a hook is asked and what it answers: the event, the findings and the verdict. Knows nothing of who asks: CodeDeploy's
//! callback and ECS's own deployment hooks are adapters around it.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::deployment::DeploymentId;
use crate::time::spoken;

/// CodeDeploy's hook payload. It says neither which lifecycle event is running nor which version is to be tested
/// (CodeDeploy user guide, "AppSpec hooks section"). Unknown keys are ignored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookEvent {
    /// The deployment.
    #[serde(rename = "DeploymentId")]
    pub deployment: DeploymentId,
    /// An opaque token that the answer must carry.
    #[serde(rename = "LifecycleEventHookExecutionId")]
    pub execution: String,
}

/// What CodeDeploy accepts as an answer: "only Succeeded and Failed can be passed successfully" (CodeDeploy API reference).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// Go on.
    Succeeded,
    /// Stop, and roll back when the group says so.
    Failed,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Verdict::Succeeded => "Succeeded",
            Verdict::Failed => "Failed",
        })
    }
}

/// How one check or one required fact came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// As expected at the first try.
    Pass,
    /// As expected after a retry, or a check of severity `warn` that failed.
    Degraded,
    /// It could not be told; the hook fails all the same, since silence is no proof.
    Inconclusive,
    /// Not as expected.
    Fail,
}

impl Outcome {
    /// `pass`, `degraded`, `inconclusive`, `fail`.
    pub fn word(self) -> &'static str {
        match self {
            Outcome::Pass => "pass",
            Outcome::Degraded => "degraded",
            Outcome::Inconclusive => "inconclusive",
            Outcome::Fail => "fail",
        }
    }

    /// Whether the deployment may go on with this.
    pub fn is_acceptable(self) -> bool {
        matches!(self, Outcome::Pass | Outcome::Degraded)
    }
}

/// What was looked at and what was seen: one line of a verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// The check's name, or the required fact's key.
    pub name: String,
    /// How it came out.
    pub outcome: Outcome,
    /// What was expected, in words: `status 200`.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub expected: String,
    /// What was observed, bounded: `status 500, body "…"`.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub observed: String,
    /// Where it was looked at: `GET http://…/health`, `task set ecs-svc/…`.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub target: String,
    /// The address that answered, `10.0.1.7:8443`, where one did.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub peer: Option<String>,
    /// How many tries it took; zero where there is nothing to try.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub tries: u32,
    /// How long the deciding try took, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub duration_ms: Option<u64>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl Finding {
    /// A finding about a fact that was read, not tried.
    pub fn fact(
        name: &str,
        outcome: Outcome,
        expected: impl Into<String>,
        observed: impl Into<String>,
        target: impl Into<String>,
    ) -> Self {
        Self {
            name: name.to_owned(),
            outcome,
            expected: expected.into(),
            observed: observed.into(),
            target: target.into(),
            peer: None,
            tries: 0,
            duration_ms: None,
        }
    }

    /// The finding as it counts where a failure must not decide; `what` says why: `a warning`, `a dry run`. A good one stays as it is.
    pub fn softened(mut self, what: &str) -> Self {
        if !self.outcome.is_acceptable() {
            self.observed = format!("{} ({what}: {}, but not decisive)", self.observed, self.outcome.word());
            self.outcome = Outcome::Degraded;
        }
        self
    }

    /// Where it was looked at, and who answered: `GET https://host/health at 10.0.1.7:443`. Empty when there is no such place.
    pub fn place(&self) -> String {
        match &self.peer {
            Some(peer) => format!("{} at {peer}", self.target),
            None => self.target.clone(),
        }
    }

    /// How long the deciding try took, and which one it was: `took 41 ms`, `try 3 took 41 ms`. Empty for what was not tried.
    pub fn effort(&self) -> String {
        let took = self.duration_ms.map(|ms| format!("took {}", spoken(Duration::from_millis(ms))));
        match (self.tries, took) {
            (0 | 1, took) => took.unwrap_or_default(),
            (tries, Some(took)) => format!("try {tries} {took}"),
            (tries, None) => format!("{tries} tries"),
        }
    }

    /// The finding as one sentence for a log, a timeline or a message.
    pub fn sentence(&self) -> String {
        let mut text = format!("`{}` {}", self.name, self.outcome.word());
        if !self.expected.is_empty() {
            text.push_str(&format!(": expected {}", self.expected));
        }
        if !self.observed.is_empty() {
            let glue = if self.expected.is_empty() { ": " } else { ", observed " };
            text.push_str(glue);
            text.push_str(&self.observed);
        }
        let circumstances = [self.place(), self.effort()].into_iter().filter(|part| !part.is_empty());
        let circumstances = circumstances.collect::<Vec<_>>().join("; ");
        if !circumstances.is_empty() {
            text.push_str(&format!(" ({circumstances})"));
        }
        text
    }
}

/// What a hook concluded and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Conclusion {
    /// The answer for CodeDeploy.
    pub verdict: Verdict,
    /// One sentence that a person reads first.
    pub reason: String,
    /// Every fact and check that was looked at.
    pub findings: Vec<Finding>,
    /// Why a person asked to let the deployment through unchecked, when one did: the emergency lane.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub skipped: Option<String>,
}

impl Conclusion {
    /// A conclusion without findings: the hook could not or need not look.
    pub fn bare(verdict: Verdict, reason: impl Into<String>) -> Self {
        Self { verdict, reason: reason.into(), findings: Vec::new(), skipped: None }
    }

    /// The verdict that the findings add up to: the worst of them decides.
    pub fn from_findings(findings: Vec<Finding>) -> Self {
        let bad: Vec<&Finding> = findings.iter().filter(|finding| !finding.outcome.is_acceptable()).collect();
        let total = findings.len();
        let worst = bad.iter().find(|finding| finding.outcome == Outcome::Fail).or(bad.first());
        match worst {
            None => {
                let degraded = findings.iter().filter(|finding| finding.outcome == Outcome::Degraded).count();
                let reason = match degraded {
                    0 if total == 1 => "the 1 check passed".to_owned(),
                    0 => format!("all {total} checks passed"),
                    _ => format!("{} passed, {degraded} of them degraded", crate::text::count(total, "check")),
                };
                Self { verdict: Verdict::Succeeded, reason, findings, skipped: None }
            }
            Some(first) => {
                let failed = bad.iter().filter(|finding| finding.outcome == Outcome::Fail).count();
                // What was never sent has not failed.
                let numbers = match (failed, bad.len() - failed) {
                    (0, untold) => format!("{untold} of {total} checks could not be told"),
                    (failed, 0) => format!("{failed} of {total} checks failed"),
                    (failed, untold) => format!("{failed} of {total} checks failed, {untold} could not be told"),
                };
                let reason = match bad.len() {
                    1 => first.sentence(),
                    _ => format!("{numbers}; the first: {}", first.sentence()),
                };
                Self { verdict: Verdict::Failed, reason, findings, skipped: None }
            }
        }
    }
}

/// How much time a hook has: the invocation's deadline shared out between the checks and the answer.
///
/// Reporting comes first in the order of importance and last in time, so what it was measured to cost is kept free: in general
/// ([`REPORT_RESERVE`]), and by this very invocation, whose calls to CodeDeploy may show that it has a bad hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// For gathering facts and running checks.
    pub checks: Duration,
    /// Kept free for the answer, its retries included.
    pub reserve: Duration,
}

/// What reporting to CodeDeploy may cost: two throttled tries and one that succeeds take 1.2 to 2.2 s with the SDK's default
/// retries (measured on the Rust client), so twice the longest that was seen, and room for the event that explains.
pub const REPORT_RESERVE: Duration = Duration::from_secs(5);

/// The most that is kept free. CodeDeploy that is slower than this allows for is a case for the watchdog.
pub const LONGEST_RESERVE: Duration = Duration::from_secs(15);

/// So many times as long as the slowest call to CodeDeploy is kept free for the report: it may be throttled twice, waited for between,
/// and succeed at the third try.
const CALLS_PER_REPORT: u32 = 4;

impl Budget {
    /// Shares out what is left until the deadline. Where less than twice the reserve is left, half of it goes to each.
    pub fn from_remaining(remaining: Duration) -> Self {
        Self::from_measured(remaining, Duration::ZERO)
    }

    /// The same, when the slowest call to CodeDeploy so far took `slowest`, the SDK's own retries included.
    pub fn from_measured(remaining: Duration, slowest: Duration) -> Self {
        let wanted = slowest.saturating_mul(CALLS_PER_REPORT).clamp(REPORT_RESERVE, LONGEST_RESERVE);
        let reserve = wanted.min(remaining / 2);
        Self { checks: remaining.saturating_sub(reserve), reserve }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(name: &str, outcome: Outcome) -> Finding {
        Finding::fact(name, outcome, "x", "y", "")
    }

    #[test]
    fn the_worst_finding_decides_and_inconclusive_is_not_good_enough() {
        let cases: [(&[Outcome], Verdict); 5] = [
            (&[], Verdict::Succeeded),
            (&[Outcome::Pass, Outcome::Pass], Verdict::Succeeded),
            (&[Outcome::Pass, Outcome::Degraded], Verdict::Succeeded),
            (&[Outcome::Pass, Outcome::Inconclusive], Verdict::Failed),
            (&[Outcome::Fail, Outcome::Pass], Verdict::Failed),
        ];
        for (outcomes, expected) in cases {
            let findings = outcomes.iter().map(|outcome| finding("check", *outcome)).collect();
            assert_eq!(Conclusion::from_findings(findings).verdict, expected, "{outcomes:?}");
        }
    }

    #[test]
    fn the_numbers_tell_what_failed_from_what_could_not_be_told() {
        use Outcome::{Degraded, Fail, Inconclusive, Pass};
        let cases: [(&[Outcome], &str); 6] = [
            (&[Pass], "the 1 check passed"),
            (&[Pass, Pass], "all 2 checks passed"),
            (&[Pass, Degraded], "2 checks passed, 1 of them degraded"),
            (
                &[Inconclusive, Inconclusive, Fail, Pass],
                "1 of 4 checks failed, 2 could not be told; the first: `2` fail: ",
            ),
            (&[Fail, Fail, Pass], "2 of 3 checks failed; the first: `0` fail: "),
            (&[Inconclusive, Inconclusive], "2 of 2 checks could not be told; the first: `0` inconclusive: "),
        ];
        for (outcomes, expected) in cases {
            let findings =
                outcomes.iter().enumerate().map(|(at, outcome)| finding(&at.to_string(), *outcome)).collect();
            let reason = Conclusion::from_findings(findings).reason;
            assert!(reason.starts_with(expected), "{reason}");
        }
    }

    #[test]
    fn a_sentence_says_all_that_was_seen_and_where_and_how_long_it_took() {
        let check = |peer: Option<&str>, tries: u32, duration_ms: Option<u64>| {
            let fact = Finding::fact("health", Outcome::Fail, "status 200", "status 500", "GET http://h/health");
            Finding { peer: peer.map(str::to_owned), tries, duration_ms, ..fact }.sentence()
        };
        let cases = [
            (check(None, 0, None), "(GET http://h/health)"),
            (check(None, 1, Some(41)), "(GET http://h/health; took 41 ms)"),
            (check(Some("10.0.1.7:80"), 3, Some(1500)), "(GET http://h/health at 10.0.1.7:80; try 3 took 1.5 s)"),
            (check(None, 2, None), "(GET http://h/health; 2 tries)"),
        ];
        for (sentence, end) in cases {
            assert_eq!(sentence, format!("`health` fail: expected status 200, observed status 500 {end}"));
        }
    }

    #[test]
    fn reporting_always_has_room() {
        for seconds in [0, 1, 4, 10, 120, 900] {
            let remaining = Duration::from_secs(seconds);
            let budget = Budget::from_remaining(remaining);
            assert_eq!(budget.checks + budget.reserve, remaining);
            assert!(budget.reserve >= (remaining / 2).min(REPORT_RESERVE));
        }
    }

    #[test]
    fn a_slow_codedeploy_is_given_more_room_for_the_report_and_a_fast_one_no_less() {
        let reserve = |remaining, slowest_ms| {
            let slowest = Duration::from_millis(slowest_ms);
            Budget::from_measured(Duration::from_secs(remaining), slowest).reserve
        };
        assert_eq!(reserve(300, 40), REPORT_RESERVE);
        assert_eq!(reserve(300, 2500), Duration::from_secs(10));
        assert_eq!(reserve(300, 20_000), LONGEST_RESERVE);
        assert_eq!(reserve(20, 20_000), Duration::from_secs(10));
    }

    #[test]
    fn an_unknown_key_in_the_hook_payload_is_ignored() {
        let event: HookEvent = serde_json::from_str(
            r#"{"DeploymentId":"d-1","LifecycleEventHookExecutionId":"abc","Combined":"d-1:abc"}"#,
        )
        .unwrap();
        assert_eq!(event.deployment.0, "d-1");
    }
}
