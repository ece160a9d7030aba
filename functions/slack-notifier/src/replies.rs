//! What Greenlight's own events say, as replies in a deployment's thread. Pure; knows nothing of what else is known of the
//! deployment.

use domain::deployment::Revision;
use domain::events::{Decision, HookVerdict, RollbackDecision, TrafficRestored};
use domain::hook::{Finding, Outcome, Verdict};
use domain::secrets::shown;
use domain::text::count;
use domain::time::{Timestamp, spoken};
use std::time::Duration;

use crate::blocks::{Message, Mrkdwn, outside};
use crate::links::log_url;
use crate::observed::observed;
use crate::said;
use crate::story::{REMEMBERED, Restored};
use crate::thread::{Reply, linked};
use crate::watch::changed;

/// So many findings are told; the function's log has them all.
const FINDINGS: usize = 15;
/// Where there are more than so many, each is told in short.
const IN_FULL: usize = 5;
/// How much of a finding's text is told in short.
const IN_SHORT: usize = 200;

/// The function that answers in the place of a hook that did not.
const WATCHDOG: &str = "hook-watchdog";

/// A span in seconds, spoken; what is no span reads as zero.
fn seconds(number: f64) -> String {
    spoken(Duration::try_from_secs_f64(number).unwrap_or_default())
}

/// One finding that was not simply as expected; `limit` bounds each of its texts.
fn finding(finding: &Finding, limit: usize) -> Mrkdwn {
    // Masked before it is cut: half a secret is found by nobody afterwards.
    let text = |text: &str| shown(text, limit);
    let sign = match finding.outcome {
        Outcome::Pass => ":white_check_mark:",
        Outcome::Degraded => ":warning:",
        Outcome::Inconclusive => ":grey_question:",
        Outcome::Fail => ":x:",
    };
    let mut line = said!("{} {}", Mrkdwn::trusted(sign.to_owned()), Mrkdwn::code(&finding.name));
    if !finding.expected.is_empty() {
        line = said!("{} expected {},", line, text(&finding.expected));
    }
    line = match finding.observed.as_str() {
        "" => said!("{} {}", line, finding.outcome.word()),
        observed => said!("{} observed {}", line, text(observed)),
    };
    if !finding.target.is_empty() {
        line = said!("{} ({})", line, text(&finding.place()));
    }
    if finding.tries > 1 {
        line = said!("{} after {} tries", line, finding.tries.to_string());
    }
    line
}

/// How bad a finding is: what failed is told first.
fn weight(finding: &Finding) -> u8 {
    match finding.outcome {
        Outcome::Fail => 0,
        Outcome::Inconclusive => 1,
        Outcome::Degraded => 2,
        Outcome::Pass => 3,
    }
}

/// A hook is told of when it has answered CodeDeploy, which may have ended the deployment by then: so much earlier one that passed may stand.
const ANSWERING: Duration = Duration::from_secs(1);

/// What a hook answered, with the findings that were not simply as expected, and where its log is.
pub fn verdict(verdict: &HookVerdict, of_rollback: bool, region: &str) -> Reply {
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
    let mut unusual: Vec<&Finding> = verdict.findings.iter().filter(|f| f.outcome != Outcome::Pass).collect();
    unusual.sort_by_key(|finding| weight(finding));
    let first = said!("{} *{}*{} {}{}", Mrkdwn::trusted(sign.to_owned()), event, of, word, took);
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
    let is_plain = !failed && unusual.is_empty() && verdict.reported;
    let limit = if unusual.len() > IN_FULL { IN_SHORT } else { REMEMBERED };
    let left_out = unusual.len().saturating_sub(FINDINGS);
    lines.extend(unusual.into_iter().take(FINDINGS).map(|one| finding(one, limit)));
    if left_out > 0 {
        lines.push(said!("… and {}: see the hook's log.", count(left_out, "more finding")));
    }
    if !verdict.reported {
        lines.push(said!(
            ":warning: CodeDeploy could not be told of this in time; `hook-watchdog` tells it in the hook's place."
        ));
    }
    let log = verdict
        .log
        .as_ref()
        .filter(|_| !is_plain)
        .and_then(|log| log_url(region, log))
        .map(|url| Mrkdwn::link(&url, "Log of the hook"));
    let took = Duration::from_millis(verdict.duration_ms);
    Reply {
        // An ending stands below a hook that failed by itself; one that went well, below the hook that let it through.
        at: if failed { verdict.at } else { verdict.at.minus(took.min(ANSWERING)) },
        // The ending that it leads to is; one piece of bad news is shouted once.
        alarming: false,
        key: format!("verdict/{}/{}", verdict.lifecycle_event.as_deref().unwrap_or("unknown"), verdict.hook),
        message: Message {
            fallback: format!("{}{of} {word}: {}", outside(event), outside(&verdict.reason)),
            lines,
            context: log.into_iter().collect(),
            ..Message::default()
        },
        important: failed || !verdict.reported || verdict.skipped.is_some(),
        in_headline: false,
    }
}

/// A next step, to stand behind "Act now: ".
pub(crate) fn at_once(next_step: &str) -> &str {
    next_step.strip_prefix("now: ").unwrap_or(next_step)
}

/// What a decision does, completing "Alarm … ".
fn does(decision: &RollbackDecision) -> (&'static str, &'static str) {
    match decision.decision {
        Decision::StopAndRollBack if decision.ecs.is_some() => (":octagonal_sign:", "rolls the service back"),
        Decision::StopAndRollBack => (":octagonal_sign:", "stops the deployment and rolls it back"),
        Decision::RedeployPrevious => (":rewind:", "takes back what had succeeded"),
        Decision::Alert | Decision::Ignore if decision.page => (":rotating_light:", "needs a person now"),
        Decision::Alert => (":bell:", "is to be looked at"),
        Decision::Ignore => (":mute:", "changes nothing"),
    }
}

/// Whether the decision itself is the bad news. A stop leads to an ending, which is; what had succeeded has its ending behind it, and of what ECS itself
/// deploys no ending is told.
fn is_news(decision: &RollbackDecision) -> bool {
    match decision.decision {
        Decision::RedeployPrevious => true,
        Decision::StopAndRollBack => decision.ecs.is_some(),
        Decision::Alert | Decision::Ignore => false,
    }
}

/// The deployment that a decision is about, what it deploys and what comes back.
fn concerned(decision: &RollbackDecision, region: &str) -> Option<Mrkdwn> {
    let id = decision.deployment_id.as_ref()?;
    let mut line = said!("*Deployment:* {}", linked(region, &id.0));
    if decision.revision != Revision::default() {
        line = said!("{} of {}", line, decision.revision.spoken());
    }
    match (&decision.restores, &decision.rollback_deployment_id) {
        (Some(revision), Some(by)) => {
            line = said!("{}, goes back to {} by {}", line, revision.spoken(), linked(region, &by.0));
        }
        (Some(revision), None) => line = said!("{}, goes back to {}", line, revision.spoken()),
        (None, Some(by)) => line = said!("{}, rolled back by {}", line, linked(region, &by.0)),
        (None, None) => {}
    }
    Some(line)
}

/// What an alarm led to: all that the event tells, from the data points to the next step.
pub fn decision(decision: &RollbackDecision, region: &str) -> Reply {
    let (sign, what) = does(decision);
    let alarm = &decision.alarm;
    let first = said!(
        "{} *Alarm {} {}.* {}",
        Mrkdwn::trusted(sign.to_owned()),
        Mrkdwn::code(&alarm.name),
        what,
        decision.reason
    );
    let mut lines = vec![first, said!("*Observed:* {}", observed(alarm))];
    if let Some(metric) = &alarm.metric {
        lines.push(said!("*Watches:* {}", metric));
    }
    if let Some(at) = alarm.changed_at {
        lines.push(said!("*Since:* {} UTC", at.time_of_day()));
    }
    lines.extend(concerned(decision, region));
    if !decision.next_step.is_empty() {
        lines.push(if decision.page {
            said!("*Act now:* {}", at_once(&decision.next_step))
        } else {
            said!("*Next:* {}", decision.next_step)
        });
    }
    Reply {
        // An alarm that is OK in between and red again is told again.
        at: decision.at,
        alarming: decision.page || is_news(decision),
        key: format!("decision/{}/{:?}/{}", alarm.name, decision.decision, changed(decision)),
        message: Message {
            fallback: format!("Alarm {} {what}: {}", outside(&alarm.name), outside(&decision.reason)),
            lines,
            ..Message::default()
        },
        important: decision.decision != Decision::Ignore || decision.page,
        in_headline: false,
    }
}

/// The same as a message of its own, for an alarm that has no thread to be told in; `over` is when it was OK again.
pub fn decision_alone(told: &RollbackDecision, region: &str, over: Option<Timestamp>) -> Message {
    let mut message = decision(told, region).message;
    if let Some(over) = over {
        message = over_of(&told.alarm.name, Some(changed(told)), over, message);
    }
    for name in [&told.service, &told.environment].into_iter().flatten() {
        message.context.push(said!("{}", name));
    }
    let place = [told.group.as_ref().map(ToString::to_string), told.ecs.as_ref().map(ToString::to_string)];
    message.context.extend(place.iter().flatten().map(|place| said!("{}", place)));
    message
}

/// What a message says when the alarm is OK again: that first, and below it what it was.
fn over_of(name: &str, red: Option<Timestamp>, over: Timestamp, was: Message) -> Message {
    let after = red.map(|red| format!(", {} after it went to ALARM", spoken(over.since(red)))).unwrap_or_default();
    let mut lines = vec![said!(":white_check_mark: *Alarm {} is OK again{}.*", Mrkdwn::code(name), after)];
    lines.extend(was.lines);
    Message { fallback: format!("Alarm {} is OK again{after}.", outside(name)), lines, ..was }
}

/// The reply that an alarm is OK again; `red` is when it went to ALARM, where that is remembered.
pub fn over(decision: &RollbackDecision, red: Option<Timestamp>) -> Reply {
    let over = changed(decision);
    let mut message = over_of(&decision.alarm.name, red, over, Message::default());
    if !matches!(decision.next_step.as_str(), "" | "nothing") {
        message.lines.push(said!("*Next:* {}", decision.next_step));
    }
    Reply {
        key: format!("over/{}/{over}", decision.alarm.name),
        at: over,
        message,
        important: true,
        in_headline: false,
        alarming: false,
    }
}

/// The same where the alarm's end ends nothing: what is still to be done.
pub fn not_over(reply: Reply, to_do: &str) -> Reply {
    let mut message = reply.message;
    // What is open stands in the place of the next step, which may be that there is none.
    message.lines.truncate(1);
    message.lines.push(said!("*Still open:* {}", to_do));
    Reply { message, ..reply }
}

/// The reply that a "Traffic Restored" asks for, given what is known by now: that the traffic is not back is not told any more when it is.
/// `to_do` is what somebody must do when it is not.
pub fn way_back(event: &TrafficRestored, known: Option<&Restored>, to_do: &str) -> Option<Reply> {
    if !event.restored && known.is_some_and(|known| known.complete) {
        tracing::info!(deployment.id = %event.deployment_id, "it is not told that the traffic was not back: it is by now");
        return None;
    }
    Some(restored(event, known.is_some_and(|known| known.was_late), to_do))
}

/// How fast it was, where it is told already that the old version is back.
pub fn took(restored: &TrafficRestored) -> Reply {
    let text = if let Some(number) = restored.seconds_since_alarm {
        format!("It took {} from the alarm until all of the traffic was back.", seconds(number))
    } else {
        let took = seconds(restored.seconds_since_event);
        format!("It took {took} until all of the traffic was back, from when Greenlight heard of the alarm.")
    };
    let lines = vec![said!(":leftwards_arrow_with_hook: {}", text), said!("*Observed:* {}", restored.observed)];
    let message = Message { fallback: text, lines, ..Message::default() };
    Reply {
        key: "restored".to_owned(),
        at: restored.at,
        message,
        important: false,
        in_headline: false,
        alarming: false,
    }
}

/// How the rollback went, in seconds; `was_late` says that it was told before that the traffic is not back.
pub fn restored(restored: &TrafficRestored, was_late: bool, to_do: &str) -> Reply {
    let took = match restored.seconds_since_alarm {
        Some(number) => format!("{} after the alarm", seconds(number)),
        None => format!("{} after Greenlight heard of the alarm", seconds(restored.seconds_since_event)),
    };
    let name = Mrkdwn::code(&restored.alarm);
    let (key, fallback, first) = if restored.restored {
        let after_all = if was_late { " after all" } else { "" };
        let text = format!("All traffic is back on the old version{after_all}, {took}.");
        ("restored", text.clone(), said!(":leftwards_arrow_with_hook: *{}* Alarm {}.", text, name))
    } else {
        let text = format!("The traffic is not back on the old version, {took}.");
        ("not-restored", text.clone(), said!(":rotating_light: *{}* Alarm {}. {}", text, name, to_do))
    };
    let lines = vec![first, said!("*Observed:* {}", restored.observed)];
    Reply {
        key: key.to_owned(),
        at: restored.at,
        alarming: !restored.restored,
        message: Message { fallback, lines, ..Message::default() },
        important: true,
        in_headline: false,
    }
}

#[cfg(test)]
mod tests;
