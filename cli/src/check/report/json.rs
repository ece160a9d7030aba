//! The report as one JSON document, its findings as in a `Hook Verdict` event. Knows nothing of files.

use domain::hook::Verdict;
use serde_json::json;

use crate::check::Ran;

/// The document, with a line break at its end.
pub(super) fn document(ran: &[Ran]) -> String {
    let verdict = |good: bool| if good { Verdict::Succeeded } else { Verdict::Failed };
    let blocks: Vec<_> = ran
        .iter()
        .map(|ran| {
            json!({
                "service": ran.service,
                "environment": ran.environment,
                "block": ran.block,
                "base_url": ran.base,
                "verdict": ran.conclusion.verdict,
                "reason": ran.conclusion.reason,
                "findings": ran.conclusion.findings,
                "not_run": ran.findings().filter(|(_, skipped)| *skipped).map(|(finding, _)| &finding.name).collect::<Vec<_>>(),
                "at": ran.started,
                "duration_ms": u64::try_from(ran.took.as_millis()).unwrap_or(u64::MAX),
            })
        })
        .collect();
    let good = ran.iter().all(|ran| ran.conclusion.verdict == Verdict::Succeeded);
    format!("{:#}\n", json!({ "verdict": verdict(good), "blocks": blocks }))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::check::report::samples::ran;

    #[test]
    fn the_document_has_every_finding_in_the_words_of_the_event() {
        let document: Value = serde_json::from_str(&document(&[ran()])).unwrap();
        assert_eq!(document["verdict"], "Failed");
        let block = &document["blocks"][0];
        assert_eq!((&block["service"], &block["block"]), (&json!("orchestrator"), &json!("before_allow_traffic")));
        assert_eq!(block["findings"][0], json!({ "name": "health", "outcome": "pass", "tries": 1, "duration_ms": 12 }));
        assert_eq!(block["findings"][1]["peer"], "10.0.1.7:443");
        assert_eq!(block["not_run"], json!(["answers"]));
        assert_eq!(block["duration_ms"], 2000);
    }
}
