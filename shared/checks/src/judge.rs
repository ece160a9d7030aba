//! Holds an answer against what is expected of it, takes from it what is captured, and puts both into words, never in the way of a time limit.
//! Knows nothing of how the answer was got or of tries.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use domain::config::Capture;
use domain::hook::Outcome;
use serde_json::Value;

use crate::answer::{Answer, LONGEST_JSON, SEARCHED, SMALL, source_of};
use crate::aside::Aside;
use crate::expect::{Expectation, Judgement, Unmet};
use crate::mask::Mask;

/// What a check wants of its answer.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) expectation: Expectation,
    pub(crate) captures: BTreeMap<String, Capture>,
    pub(crate) mask: Mask,
}

/// What one answer came to.
#[derive(Clone, Debug)]
pub(crate) struct Judged {
    pub(crate) outcome: Outcome,
    pub(crate) expected: String,
    pub(crate) observed: String,
    pub(crate) captured: BTreeMap<String, Value>,
}

/// Judges answers by what is wanted, and long ones aside.
#[derive(Clone, Debug)]
pub(crate) struct Judge {
    pub(crate) wanted: Arc<Wanted>,
    pub(crate) aside: Aside,
}

/// Up to this many bytes of an answer are judged where it stands: a thread would take longer.
const AT_ONCE: usize = 4 << 10;

impl Judge {
    /// Judges.
    ///
    /// # Errors
    /// A sentence that says why it cannot be told whether the answer is as expected.
    pub(crate) async fn judge(&self, answer: Answer) -> Result<Judged, String> {
        self.look(answer, Wanted::judge).await.map(|(judged, _)| judged)
    }

    /// Whether a message is the one that is waited for.
    ///
    /// # Errors
    /// As [`Judge::judge`].
    pub(crate) async fn is_it(&self, message: Answer) -> Result<(bool, Answer), String> {
        self.look(message, |wanted, message| wanted.expectation.is_met_by(message)).await
    }

    async fn look<T: Send + 'static>(
        &self,
        mut answer: Answer,
        look: impl FnOnce(&Wanted, &Answer) -> T + Send + 'static,
    ) -> Result<(T, Answer), String> {
        if answer.body.len() <= AT_ONCE {
            let seen = look(&self.wanted, &answer);
            return Ok((seen, answer));
        }
        let weight = if self.wanted.reads_json() { answer.body.len().clamp(SMALL, LONGEST_JSON) } else { SMALL };
        let (wanted, length) = (Arc::clone(&self.wanted), answer.length);
        let work = move || {
            let seen = look(&wanted, &answer);
            // Read, JSON takes up many times its length, and its place is given away now.
            answer.parsed = OnceLock::new();
            (seen, answer)
        };
        let judged = self.aside.run(u32::try_from(weight).unwrap_or(u32::MAX), work).await;
        judged.map_err(|why| {
            format!("an answer of {length} bytes that could not be held against what is expected of it: {why}")
        })
    }
}

impl Wanted {
    fn reads_json(&self) -> bool {
        self.expectation.reads_json() || self.captures.values().any(|capture| matches!(capture, Capture::JsonPath(_)))
    }

    /// How much of a body is needed, in bytes.
    pub(crate) fn needed(&self) -> usize {
        let captured = self.captures.values().map(|capture| match capture {
            Capture::JsonPath(_) => LONGEST_JSON,
            Capture::Regex { .. } => SEARCHED,
            Capture::Header { .. } => SMALL,
        });
        captured.fold(self.expectation.needed(), usize::max)
    }

    /// Whether something is wanted that only a message can bring.
    pub(crate) fn needs_a_message(&self) -> bool {
        let takes_some = self.captures.values().any(|capture| !matches!(capture, Capture::Header { .. }));
        takes_some || self.expectation.wants_a_message()
    }

    pub(crate) fn judge(&self, answer: &Answer) -> Judged {
        let mut judgement = self.expectation.judge(answer);
        let mut captured = BTreeMap::new();
        for (name, capture) in &self.captures {
            match answer.take(capture) {
                Ok(value) => drop(captured.insert(name.clone(), value)),
                Err(why) => judgement.unmet.push(uncaptured(name, capture, why)),
            }
        }
        let (outcome, expected, observed) = self.told(&judgement, answer);
        Judged { outcome, expected, observed, captured }
    }

    fn told(&self, judgement: &Judgement, answer: &Answer) -> (Outcome, String, String) {
        let join = |unmet: &[Unmet], part: fn(&Unmet) -> &str| unmet.iter().map(part).collect::<Vec<_>>().join(", ");
        let (outcome, list) = match (judgement.unmet.as_slice(), judgement.untold.as_slice()) {
            ([], []) => {
                let of_status = || answer.status.map(|status| format!("status {status}"));
                let seen = answer.called.clone().or_else(of_status).unwrap_or_else(|| "an answer".to_owned());
                return (Outcome::Pass, self.expectation.spoken(), seen);
            }
            ([], untold) => (Outcome::Inconclusive, untold),
            (unmet, _) => (Outcome::Fail, unmet),
        };
        let mut observed = join(list, |unmet| &unmet.observed);
        if judgement.show_body {
            observed.push_str(", ");
            observed.push_str(&answer.excerpt(&self.mask));
        }
        (outcome, join(list, |unmet| &unmet.expected), observed)
    }
}

fn uncaptured(name: &str, capture: &Capture, why: String) -> Unmet {
    Unmet { expected: format!("{} for `{name}`", source_of(capture)), observed: why }
}
