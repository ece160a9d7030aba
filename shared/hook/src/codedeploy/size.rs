//! Makes a verdict fit into one event: an event that is too large is refused as a whole, and then nobody learns why. Pure.

use domain::events::HookVerdict;
use domain::hook::{Finding, Outcome};
use domain::text::{bounded, count};

/// The most that a verdict's JSON text may take, in bytes. `PutEvents` takes 256 KB, source and detail-type included (EventBridge user
/// guide, "Calculating PutEvents event entry size"); AWS has raised limits of this kind since, and the smaller one is safe. What is
/// left over is for the envelope, with which the event is handed to a function.
pub const LARGEST: usize = 240 * 1024;

/// To how many characters a finding's texts are shortened, one step after the other.
const STEPS: [usize; 4] = [200, 80, 30, 0];

/// The verdict in at most [`LARGEST`] bytes. What passed is shortened first, then what only half did, then the rest; if there are so many
/// findings that their names alone are too much, they are left out in the same order, from the end, and the reason says so.
pub fn fitting(mut verdict: HookVerdict) -> HookVerdict {
    let orders: [fn(Outcome) -> bool; 3] = [
        |outcome| outcome == Outcome::Pass,
        |outcome| outcome == Outcome::Degraded,
        |outcome| !outcome.is_acceptable(),
    ];
    for of_this_kind in orders {
        for limit in STEPS {
            if size(&verdict) <= LARGEST {
                return verdict;
            }
            for finding in verdict.findings.iter_mut().filter(|finding| of_this_kind(finding.outcome)) {
                shorten(finding, limit);
            }
        }
    }
    let total = verdict.findings.len();
    for of_this_kind in orders {
        while size(&verdict) > LARGEST && verdict.findings.iter().any(|finding| of_this_kind(finding.outcome)) {
            // A quarter at a time: measuring costs as much as writing the event.
            let those = verdict.findings.iter().filter(|finding| of_this_kind(finding.outcome)).count();
            let mut kept = those - those.div_ceil(4);
            verdict.findings.retain(|finding| {
                let stays = !of_this_kind(finding.outcome) || kept > 0;
                kept -= usize::from(of_this_kind(finding.outcome) && stays);
                stays
            });
        }
    }
    let left_out = total - verdict.findings.len();
    if left_out > 0 {
        verdict
            .reason
            .push_str(&format!(". {} left out here, as the event would be too large", count(left_out, "finding")));
    }
    verdict
}

/// The event's detail as it is sent. What cannot be written is not sent either, so it does not matter here.
fn size(verdict: &HookVerdict) -> usize {
    serde_json::to_string(verdict).map_or(0, |text| text.len())
}

fn shorten(finding: &mut Finding, limit: usize) {
    for text in [&mut finding.expected, &mut finding.observed, &mut finding.target] {
        *text = if limit == 0 { String::new() } else { bounded(text, limit) };
    }
}

#[cfg(test)]
mod tests {
    use domain::hook::{Conclusion, Verdict};
    use domain::time::Timestamp;

    use super::*;

    fn verdict(findings: Vec<Finding>) -> HookVerdict {
        let Conclusion { reason, findings, .. } = Conclusion::from_findings(findings);
        HookVerdict {
            deployment_id: domain::deployment::DeploymentId("d-1".to_owned()),
            group: None,
            service: None,
            environment: None,
            lifecycle_event: None,
            hook: "after-allow-traffic".to_owned(),
            verdict: Verdict::Failed,
            reported: true,
            reason: bounded(&reason, 1500),
            findings,
            skipped: None,
            revision: domain::deployment::Revision::default(),
            log: None,
            duration_ms: 1,
            at: Timestamp(0),
        }
    }

    /// As large as a check's finding may be, in characters of two bytes.
    fn large(number: usize, outcome: Outcome) -> Finding {
        Finding::fact(&format!("check {number}"), outcome, "é".repeat(700), "ü".repeat(700), "ö".repeat(300))
    }

    fn every_tenth_fails(number: usize) -> Outcome {
        if number.is_multiple_of(10) { Outcome::Fail } else { Outcome::Pass }
    }

    #[test]
    fn what_fits_is_left_as_it_is() {
        let usual = verdict((0..50).map(|number| large(number, every_tenth_fails(number))).collect());
        assert!(size(&usual) > 170_000, "{}", size(&usual));
        assert_eq!(fitting(usual.clone()), usual);
    }

    #[test]
    fn what_passed_is_shortened_before_what_failed() {
        let told = fitting(verdict((0..200).map(|number| large(number, every_tenth_fails(number))).collect()));
        assert!(size(&told) <= LARGEST);
        assert_eq!(told.findings.len(), 200);
        for (number, finding) in told.findings.iter().enumerate() {
            let (seen, outcome) = (finding.observed.chars().count(), every_tenth_fails(number));
            assert_eq!(seen == 700, outcome == Outcome::Fail, "{number}: {seen}");
        }
    }

    #[test]
    fn findings_beyond_number_are_left_out_and_that_is_said() {
        let told = fitting(verdict((0..20_000).map(|number| large(number, every_tenth_fails(number))).collect()));
        assert!(size(&told) <= LARGEST, "{}", size(&told));
        assert!(told.reason.contains(" findings left out here, as the event would be too large"), "{}", told.reason);
        let failed = told.findings.iter().filter(|finding| finding.outcome == Outcome::Fail).count();
        assert_eq!(failed, 2000, "what failed is left out last");
    }
}
