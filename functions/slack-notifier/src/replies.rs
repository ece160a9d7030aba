//! What Greenlight's own events say, as replies in a deployment's thread. Pure; knows nothing of what else is known of the
//! deployment.

use domain::events::{Decision, HookVerdict, RollbackDecision, TrafficRestored};
use domain::hook::{Finding, Outcome, Verdict};
use domain::time::spoken;
use std::time::Duration;

use crate::blocks::{Message, Mrkdwn};
use crate::observed::observed;
use crate::said;
use crate::thread::{Reply, linked};

/// The function that answers in the place of a hook that did not.
const WATCHDOG: &str = "hook-watchdog";

/// A span in seconds, spoken; what is no span reads as zero.
fn seconds(number: f64) -> String {
    spoken(Duration::try_from_secs_f64(number).unwrap_or_default())
}

/// One finding that was not simply as expected.
fn finding(finding: &Finding) -> Mrkdwn {
    let sign = match finding.outcome {
        Outcome::Pass => ":white_check_mark:",
        Outcome::Degraded => ":warning:",
        Outcome::Inconclusive => ":grey_question:",
        Outcome::Fail => ":x:",
    };
    let mut line = said!("{} {}", Mrkdwn::trusted(sign.to_owned()), Mrkdwn::code(&finding.name));
    if !finding.expected.is_empty() {
        line = said!("{} expected {},", line, finding.expected);
    }
    line = match finding.observed.as_str() {
        "" => said!("{} {}", line, finding.outcome.word()),
        observed => said!("{} observed {}", line, observed),
    };
    if !finding.target.is_empty() {
        line = said!("{} ({})", line, finding.place());
    }
    if finding.tries > 1 {
        line = said!("{} after {} tries", line, finding.tries.to_string());
    }
    line
}

/// What a hook answered, with every finding that was not simply as expected.
pub fn verdict(verdict: &HookVerdict, of_rollback: bool) -> Reply {
    let event = match &verdict.lifecycle_event {
        Some(event) => event,
        // The watchdog speaks for a hook that cannot; its own name would mislead.
        None if verdict.hook == WATCHDOG => "a hook",
        None => &verdict.hook,
    };
    let of = if of_rollback { " of the rollback" } else { "" };
    // How long the watchdog took says nothing of the hook.
    let took = match verdict.hook.as_str() {
        WATCHDOG => String::new(),
        _ => format!(" in {}", spoken(Duration::from_millis(verdict.duration_ms))),
    };
    let failed = verdict.verdict == Verdict::Failed;
    let (sign, word) = match (failed, &verdict.skipped) {
        (true, _) => (":x:", "failed"),
        (false, Some(_)) => (":warning:", "skipped"),
        (false, None) => (":white_check_mark:", "passed"),
    };
    let unusual: Vec<&Finding> = verdict.findings.iter().filter(|f| f.outcome != Outcome::Pass).collect();
    let first = said!("{} *{}*{} {}{}", sign, event, of, word, took);
    // Where one finding decided, the reason is that finding, which stands below.
    // What is left of a text that begins with such a finding: a remark, or nothing.
    let behind =
        |text: &str| unusual.iter().find_map(|finding| text.strip_prefix(&finding.sentence()).map(str::to_owned));
    let told = match verdict.reason.split_once("; the first: ") {
        Some((reason, rest)) => behind(rest).map(|remark| format!("{reason}{remark}")),
        None => behind(&verdict.reason).map(|remark| remark.trim_start_matches(". ").to_owned()),
    };
    let reason = told.as_ref().unwrap_or(&verdict.reason);
    let mut lines = vec![if reason.is_empty() { said!("{}:", first) } else { said!("{}: {}", first, reason) }];
    lines.extend(unusual.into_iter().map(finding));
    if !verdict.reported {
        lines.push(said!(
            ":warning: CodeDeploy could not be told of this in time; `hook-watchdog` tells it in the hook's place."
        ));
    }
    Reply {
        key: format!("verdict/{}/{}", verdict.lifecycle_event.as_deref().unwrap_or("unknown"), verdict.hook),
        message: Message { fallback: format!("{event}{of} {word}: {}", verdict.reason), lines, ..Message::default() },
        important: failed || !verdict.reported || verdict.skipped.is_some(),
        in_headline: false,
    }
}

/// What an alarm led to, with its data points, the reason and the next step.
pub fn decision(decision: &RollbackDecision) -> Reply {
    let (sign, what) = match decision.decision {
        Decision::StopAndRollBack => (":octagonal_sign:", "stops the deployment and rolls it back"),
        Decision::RedeployPrevious => (":rewind:", "takes the version back that was good before"),
        Decision::Alert => (":bell:", "is to be looked at"),
        Decision::Ignore => (":mute:", "changes nothing"),
    };
    let alarm = &decision.alarm;
    let mut lines = vec![
        said!("{} *Alarm {} {}.* {}", sign, Mrkdwn::code(&alarm.name), what, decision.reason),
        said!("*Observed:* {}", observed(alarm)),
    ];
    if let Some(metric) = &alarm.metric {
        lines.push(said!("*Watches:* {}", metric));
    }
    if !decision.next_step.is_empty() {
        lines.push(said!("*Next:* {}", decision.next_step));
    }
    Reply {
        key: format!("decision/{}/{:?}", alarm.name, decision.decision),
        message: Message {
            fallback: format!("Alarm {} {what}: {}", alarm.name, decision.reason),
            lines,
            ..Message::default()
        },
        important: decision.decision != Decision::Ignore,
        in_headline: false,
    }
}

/// The same as a message of its own, for an alarm that concerns no deployment.
pub fn decision_alone(told: &RollbackDecision, region: &str) -> Message {
    let reply = decision(told).message;
    let mut context = Vec::new();
    for name in [&told.service, &told.environment].into_iter().flatten() {
        context.push(said!("{}", name));
    }
    if let Some(group) = &told.group {
        context.push(said!("{}", group.to_string()));
    }
    if let Some(id) = &told.deployment_id {
        context.push(linked(region, &id.0));
    }
    Message { context, ..reply }
}

/// How the rollback went, in seconds.
pub fn restored(restored: &TrafficRestored) -> Reply {
    let took = match restored.seconds_since_alarm {
        Some(number) => format!("{} after the alarm", seconds(number)),
        None => format!("{} after Greenlight heard of the alarm", seconds(restored.seconds_since_event)),
    };
    let name = Mrkdwn::code(&restored.alarm);
    let (key, fallback, first) = if restored.restored {
        let text = format!("All traffic is back on the old version, {took}.");
        ("restored", text.clone(), said!(":leftwards_arrow_with_hook: *{}* Alarm {}.", text, name))
    } else {
        let text = format!("The traffic is not back on the old version, {took}.");
        (
            "not-restored",
            text.clone(),
            said!(
                ":rotating_light: *{}* Alarm {}. Act now: open the deployment and move the traffic by hand.",
                text,
                name
            ),
        )
    };
    let lines = vec![first, said!("*Observed:* {}", restored.observed)];
    Reply {
        key: key.to_owned(),
        message: Message { fallback, lines, ..Message::default() },
        important: true,
        in_headline: false,
    }
}

#[cfg(test)]
mod tests;
