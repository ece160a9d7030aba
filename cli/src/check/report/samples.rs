//! For tests only: a run in which everything happened that can, with texts that no format takes as they are.

use std::time::Duration;

use domain::hook::{Conclusion, Finding, Outcome};
use domain::time::Timestamp;

use crate::check::Ran;

pub(crate) fn ran() -> Ran {
    let plain = |name: &str, outcome: Outcome, observed: &str| Finding::fact(name, outcome, "", observed, "");
    let findings = vec![
        Finding { tries: 1, duration_ms: Some(12), ..plain("health", Outcome::Pass, "") },
        Finding {
            expected: "$.sha = \"3f9c\"".to_owned(),
            target: "GET https://test.example.com/version".to_owned(),
            peer: Some("10.0.1.7:443".to_owned()),
            tries: 3,
            duration_ms: Some(1200),
            ..plain("build | a `odd` <name>", Outcome::Fail, "status 500, body `<b>\n& \u{1}|`")
        },
        Finding {
            tries: 2,
            duration_ms: Some(40),
            ..plain("warm-up", Outcome::Degraded, "status 200 at try 2; the try before: status 503")
        },
        plain("overflow", Outcome::Inconclusive, "not run: it needs `build`, which did not pass"),
        plain("answers", Outcome::Degraded, "not run"),
    ];
    Ran {
        service: "orchestrator".to_owned(),
        environment: "production".to_owned(),
        block: "before_allow_traffic",
        base: Some("https://test.example.com".to_owned()),
        conclusion: Conclusion::from_findings(findings),
        skipped: [4].into(),
        started: Timestamp::parse("2026-03-03T10:07:08.912Z").expect("a time"),
        took: Duration::from_secs(2),
    }
}
