//! What the alarms of a run led to, at a glance: each decision and each return of the traffic in one line. Pure; knows nothing of how it is
//! painted.

use std::time::Duration;

use domain::events::{Decision, RollbackDecision, TrafficRestored};
use domain::text::bounded;
use domain::time::{Timestamp, spoken};
use serde::Deserialize;
use serde_json::Value;

use crate::timeline::Tone;

/// An alarm storm is told in so many lines.
const MOST: usize = 20;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When.
    pub at: Timestamp,
    /// How it is to be taken.
    pub tone: Tone,
    /// What, in one sentence.
    pub what: String,
}

/// The lines for Greenlight's own events, in the order in which these were published; and how many there are besides.
pub fn lines(notices: &[Value]) -> (Vec<Line>, usize) {
    let mut lines: Vec<Line> = notices.iter().filter_map(line).collect();
    let besides = lines.len().saturating_sub(MOST);
    lines.truncate(MOST);
    (lines, besides)
}

fn line(notice: &Value) -> Option<Line> {
    let detail = notice.get("detail")?;
    match notice.get("detail-type")?.as_str()? {
        "Rollback Decision" => RollbackDecision::deserialize(detail).ok().map(|decision| decided(&decision)),
        "Traffic Restored" => TrafficRestored::deserialize(detail).ok().map(|restored| returned(&restored)),
        _ => None,
    }
}

/// A number without the noise of its last digits.
fn number(value: f64) -> String {
    ((value * 100.0).round() / 100.0).to_string()
}

fn decided(decision: &RollbackDecision) -> Line {
    let alarm = &decision.alarm;
    let points: Vec<String> = alarm.datapoints.iter().take(3).map(|point| number(*point)).collect();
    let seen = match (points.is_empty(), alarm.threshold) {
        (true, _) => String::new(),
        (false, None) => format!(" ({})", points.join(", ")),
        (false, Some(threshold)) => format!(" ({}; threshold {})", points.join(", "), number(threshold)),
    };
    let of = decision.service.as_deref().map(|service| format!(" of {service}")).unwrap_or_default();
    let during = decision.deployment_id.as_ref().map(|id| format!(" during {id}{of}")).unwrap_or_default();
    let deployment = decision.deployment_id.as_ref().map_or_else(|| "nothing".to_owned(), |id| format!("{id}{of}"));
    let back = decision.restores.as_ref().map(|it| format!(", back to {}", it.spoken())).unwrap_or_default();
    let by = decision.rollback_deployment_id.as_ref().map(|id| format!(" by {id}")).unwrap_or_default();
    let (tone, does) = match decision.decision {
        Decision::StopAndRollBack => (Tone::Warning, format!("rolls back {deployment}{back}{by}")),
        Decision::RedeployPrevious => {
            (Tone::Warning, format!("takes back {deployment}, which had succeeded{back}{by}"))
        }
        Decision::Alert | Decision::Ignore if decision.page => (Tone::Bad, format!("is left to a person{during}")),
        Decision::Alert => (Tone::Warning, format!("is told{during} and stops nothing")),
        Decision::Ignore if decision.resolves => (Tone::Good, "is OK again".to_owned()),
        Decision::Ignore => (Tone::Plain, "changes nothing".to_owned()),
    };
    Line { at: decision.at, tone, what: format!("{}{seen} {does}", alarm.name) }
}

fn returned(restored: &TrafficRestored) -> Line {
    let of = restored.service.as_deref().map(|service| format!(" of {service}")).unwrap_or_default();
    let (seconds, since) = match restored.seconds_since_alarm {
        Some(seconds) => (seconds, "the alarm"),
        None => (restored.seconds_since_event, "the alarm was heard of"),
    };
    let took = spoken(Duration::try_from_secs_f64(seconds).unwrap_or_default());
    let (tone, what) = if restored.restored {
        (Tone::Good, format!("all traffic{of} is back on the old version, {took} after {since}"))
    } else {
        let seen = bounded(&restored.observed, 200);
        (Tone::Bad, format!("the traffic{of} is not back on the old version, {took} after {since}: {seen}"))
    };
    Line { at: restored.at, tone, what }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(name: &str) -> Value {
        let path = format!("{}/../events/slack-notifier/{name}.json", env!("CARGO_MANIFEST_DIR"));
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    }

    #[test]
    fn each_decision_and_each_return_is_one_line() {
        let names = [
            "hook-verdict-failed",
            "rollback-decision",
            "traffic-not-restored",
            "traffic-restored",
            "rollback-decision-late",
            "rollback-decision-page",
            "rollback-decision-alert",
            "rollback-decision-over",
        ];
        let (lines, besides) = lines(&names.map(sample));
        let told: Vec<String> = lines.iter().map(|line| format!("{:?} {}", line.tone, line.what)).collect();
        assert_eq!(
            told,
            [
                "Warning orchestrator-http-5xx (37.5, 34.62; threshold 1) rolls back d-SAMPLE001 of orchestrator",
                "Bad the traffic of orchestrator is not back on the old version, 2 min 1 s after the alarm: after 2 min, the rollback `d-SAMPLE003` is `InProgress`; 10 % of production traffic is on the new version",
                "Good all traffic of orchestrator is back on the old version, 31.5 s after the alarm",
                "Warning orchestrator-http-5xx (12.5, 9; threshold 1) takes back d-SAMPLE001 of orchestrator, which had succeeded, back to orchestrator:41 (91c0d4e7) by d-SAMPLE004",
                "Bad orchestrator-http-5xx (37.5, 34.62; threshold 1) is left to a person during d-SAMPLE001 of orchestrator",
                "Warning orchestrator-error-log-5x (9.5, 7.25; threshold 5) is told during d-SAMPLE001 of orchestrator and stops nothing",
                "Good orchestrator-error-log-5x is OK again",
            ]
        );
        assert_eq!(besides, 0);
    }

    #[test]
    fn a_storm_is_cut() {
        let storm = vec![sample("rollback-decision-alert"); 1_000];
        let (lines, besides) = lines(&storm);
        assert_eq!((lines.len(), besides), (20, 980));
    }
}
