//! What is known of a deployment as messages: the headline and the replies below it. Pure; knows nothing of Slack's limits or of when a
//! message is sent.

use std::time::Duration;

use domain::deployment::Revision;
use domain::events::RollbackDecision;
use domain::text::count;
use domain::time::{Timestamp, spoken};

use crate::blocks::{Message, Mrkdwn, outside};
use crate::glance::{Glance, glance, old_version};
pub use crate::links::console_url;
use crate::replies;
use crate::said;
use crate::story::{Ending, Stage, Story, alert, is_alert, short};

/// Of so many alerts each is told in the thread; the headline counts the others.
const ALERTS: usize = 20;
/// An ending is told below what led to it. That is published after CodeDeploy was answered or asked to stop, and so may be later than CodeDeploy's own
/// time of the ending by as much as that took; what is further away led to nothing.
const LEADS: Duration = Duration::from_mins(2);
/// What stands below another in the thread happened after it.
const AFTER: Duration = Duration::from_millis(1);

/// A deployment's id, linked to the console.
pub fn linked(region: &str, deployment: &str) -> Mrkdwn {
    match console_url(region, deployment) {
        Some(url) => Mrkdwn::link(&url, deployment),
        None => Mrkdwn::code(deployment),
    }
}

/// The service and its environment.
pub fn named(story: &Story) -> String {
    match &story.environment {
        Some(environment) => format!("{} ({environment})", story.service),
        None => story.service.clone(),
    }
}

/// Why it ended badly or is about to, with what was observed; empty while all is well.
pub fn causes(story: &Story) -> Vec<Mrkdwn> {
    let mut lines = Vec::new();
    let alarm = story.alarm.as_ref().map(|alarm| {
        let name = Mrkdwn::code(&alarm.name);
        if alarm.observed.is_empty() {
            said!("Alarm {} fired.", name)
        } else {
            said!("Alarm {} fired: {}.", name, alarm.observed)
        }
    });
    lines.extend(
        story.skipped.as_ref().map(|skipped| said!(":warning: *Checks skipped* on request: {}", skipped.reason)),
    );
    let hook = story.failed_hook.as_ref().map(|hook| said!("Hook *{}* failed: {}", hook.event, hook.reason));
    for (name, asked, is_red) in story.asks() {
        let state = if is_red { "is red and left to a person" } else { "was red, and is still left to a person" };
        lines.push(said!("Alarm {} {}: {}", Mrkdwn::code(name), state, asked.reason));
    }
    // The ending's own cause comes first; what else went wrong is told after it.
    match story.ending() {
        Some(Ending::FailedInHook) => lines.extend(hook.into_iter().chain(alarm)),
        _ => lines.extend(alarm.into_iter().chain(hook)),
    }
    if story.ended_badly() {
        match &story.error {
            // CodeDeploy takes Greenlight's stop for a person's; the alarm above is what stopped it.
            Some(error) if story.alarm.is_some() && error.code == "MANUAL_STOP" => {}
            // That a hook failed stands above, and why.
            Some(error) if story.failed_hook.is_some() && error.code == "HOOK_EXECUTION_FAILURE" => {}
            Some(error) => lines.push(said!("CodeDeploy: {} ({})", error.message, Mrkdwn::code(&error.code))),
            None if lines.is_empty() => lines.push(said!("CodeDeploy has recorded no reason.")),
            None => {}
        }
    }
    let error =
        story.rollback.as_ref().filter(|_| story.rollback_failed()).and_then(|rollback| rollback.error.as_ref());
    lines.extend(error.map(|error| said!("The rollback failed: {} ({})", error.message, Mrkdwn::code(&error.code))));
    let not_back = story.restored.as_ref().filter(|restored| !restored.complete && !story.is_rolled_back());
    lines.extend(not_back.map(|restored| said!("Last seen of the rollback: {}", restored.observed)));
    let more = story.alerts.len().saturating_sub(ALERTS);
    if more > 0 {
        let more = count(more, "more alert");
        lines.push(said!(
            ":bell: {} than the {} that are told below: see the log of `alarm-rollback`.",
            more,
            ALERTS.to_string()
        ));
    }
    lines
}

/// Why it ended badly, as far as no reply above has told it: a hook's verdict and an alarm's decision each have their own.
fn short_causes(story: &Story) -> Vec<Mrkdwn> {
    let hook = story.failed_hook.as_ref().map(|hook| said!("Hook *{}* failed: see its verdict.", hook.event));
    let alarm = story.alarm.as_ref().filter(|alarm| !alarm.observed.is_empty());
    let alarm = alarm.map(|alarm| said!("Alarm {} fired: see what it led to.", Mrkdwn::code(&alarm.name)));
    let told = match story.ending() {
        Some(Ending::FailedInHook) => hook,
        Some(Ending::StoppedByAlarm) => alarm,
        _ => None,
    };
    told.map_or_else(|| causes(story), |told| vec![told])
}

/// The cause in one line without markup, for a pager.
pub fn cause_in_short(story: &Story) -> String {
    match (story.ending(), &story.failed_hook, &story.alarm, &story.error) {
        (Some(Ending::FailedInHook), Some(hook), _, _) => format!("{} failed: {}", hook.event, hook.reason),
        (Some(Ending::StoppedByAlarm), _, Some(alarm), _) if !alarm.observed.is_empty() => {
            format!("alarm {}: {}", alarm.name, alarm.observed)
        }
        (Some(Ending::Succeeded), _, Some(alarm), _) if !alarm.observed.is_empty() => {
            format!("alarm {}: {}", alarm.name, alarm.observed)
        }
        (Some(Ending::StoppedByAlarm | Ending::Succeeded), _, Some(alarm), None) => format!("alarm {}", alarm.name),
        (_, _, _, Some(error)) => format!("{}: {}", error.code, error.message),
        _ => "no reason recorded".to_owned(),
    }
}

fn duration(story: &Story) -> Mrkdwn {
    match (story.started, story.ended) {
        (Some(started), Some(ended)) => said!("{}", spoken(ended.since(started))),
        (Some(started), None) => said!("running since {} UTC", started.time_of_day()),
        (None, _) => said!("not started"),
    }
}

/// Whether production is safe, and what somebody must do.
fn answers(glance: &Glance) -> [Mrkdwn; 2] {
    [said!("*Production* {}.", glance.production), said!("*You:* {}", glance.action)]
}

/// The facts in two columns: at most nine, so that there is room for a ticket's.
fn fields(story: &Story) -> Vec<(&'static str, Mrkdwn)> {
    let particulars = &story.particulars;
    let mut fields =
        vec![("Environment", said!("{}", story.environment.as_deref().unwrap_or("not in the configuration")))];
    let commit = particulars.commit.as_ref();
    // The commit has its own field.
    let git_sha = story.revision.git_sha.clone().filter(|_| commit.is_none());
    let revision = Revision { git_sha, ..story.revision.clone() };
    fields.push(("Revision", said!("{}", revision.spoken())));
    fields.extend(commit.map(|commit| {
        let id = if commit.id.is_empty() { "the change" } else { &commit.id };
        let value = match &commit.link {
            // Whoever chose the address chose the host, so it is shown.
            Some((url, host)) if !host.is_empty() => said!("{} ({})", Mrkdwn::link(url, id), host),
            Some((url, _)) => Mrkdwn::link(url, id),
            None => said!("{}", id),
        };
        ("Commit", value)
    }));
    fields.extend(particulars.author.as_ref().map(|author| ("Author", said!("{}", author))));
    fields.push(("Started by", said!("{}", story.who)));
    fields.push(("Duration", duration(story)));
    if !particulars.configuration.is_empty() {
        fields.push(("Configuration", said!("{}", short(&particulars.configuration))));
    }
    fields.push(("Deployment", linked(&story.region, &story.deployment.0)));
    if let Some(rollback) = &story.rollback {
        let id = linked(&story.region, &rollback.id.0);
        fields.push(match &story.brings_back {
            Some(revision) => ("Rollback", said!("{} to {}", id, revision.spoken())),
            None => ("Rollback", id),
        });
    }
    fields.extend(story.ticket.as_ref().map(|url| ("Ticket", Mrkdwn::link(url, url))));
    fields
}

/// Where more of it is to be seen: the dashboard and the logs.
fn links(story: &Story) -> Vec<Mrkdwn> {
    let link = |url: &Option<String>, text: &str| url.as_ref().map(|url| Mrkdwn::link(url, text));
    let particulars = &story.particulars;
    [link(&particulars.dashboard, "Dashboard"), link(&particulars.logs, "Logs")].into_iter().flatten().collect()
}

/// The message that stands for the deployment: what happened, whether production is safe and what somebody must do come first.
pub fn headline(story: &Story) -> Message {
    let glance = glance(story);
    let what = format!("{} {}", outside(&named(story)), glance.what);
    let mut lines = Vec::from(answers(&glance));
    lines.extend(causes(story));
    lines.extend(story.progress.line(story.stage));
    lines.extend(story.progress.traffic(story.stage, story.traffic, &story.particulars.configuration));
    Message {
        title: Some(format!("{} {what}", glance.colour.emoji())),
        fallback: format!("{what}. Production {}. {}", outside(&glance.production), outside(&glance.action)),
        lines,
        fields: fields(story),
        context: links(story),
    }
}

/// A reply below the headline.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// What it is about, the same in a duplicate of its event: `verdict/BeforeAllowTraffic/before-allow-traffic`.
    pub key: String,
    /// When that happened which it tells; the thread is in this order.
    pub at: Timestamp,
    /// What it says.
    pub message: Message,
    /// Whether it is worth a message of its own where there are no threads.
    pub important: bool,
    /// Whether a headline that is posted in the same breath says it too.
    pub in_headline: bool,
    /// Whether it is bad news: shown in the channel too, and it mentions whom the configuration names.
    pub alarming: bool,
}

/// When it ended, as the thread is to read: below what led to it.
fn ended_at(story: &Story) -> Timestamp {
    let ended = story.ended.unwrap_or(story.read_at);
    let hook = story.failed_hook.as_ref().map(|hook| hook.at);
    let alarm = story.alarm.as_ref().filter(|alarm| !alarm.observed.is_empty()).map(|alarm| alarm.at);
    let led = |at: &Timestamp| story.ended_badly() && *at >= ended && at.since(ended) <= LEADS;
    [hook, alarm].into_iter().flatten().filter(led).max().map_or(ended, |at| at.plus(AFTER))
}

/// When its rollback began and ended, as the thread is to read: below the ending, and below the decision to take it back, which is published after
/// the rollback was begun.
fn rolled_back_at(story: &Story) -> (Timestamp, Timestamp) {
    let ended = story.stage.is_ended().then(|| ended_at(story).plus(AFTER));
    let began = story.way_back.began.unwrap_or(story.read_at).max(ended.unwrap_or_default());
    let decided = story.alarm.as_ref().filter(|alarm| story.is_taken_back() && !alarm.observed.is_empty());
    let led = decided.map(|alarm| alarm.at).filter(|at| *at >= began && at.since(began) <= LEADS);
    let began = led.map_or(began, |at| at.plus(AFTER));
    (began, story.way_back.ended.unwrap_or(story.read_at).max(began.plus(AFTER)))
}

/// The reply that tells the ending, as it was then: what has taken a success back since is told below it.
pub fn ending(story: &Story) -> Option<Reply> {
    let succeeded = (story.stage == Stage::Succeeded).then(|| story.as_it_succeeded());
    let story = succeeded.as_ref().unwrap_or(story);
    let word = match story.stage {
        Stage::Running | Stage::Waiting => return None,
        Stage::Succeeded => "SUCCESS",
        Stage::Failed => "FAILURE",
        Stage::Stopped => "STOP",
    };
    let glance = glance(story);
    let first = format!("{} {}.", outside(&named(story)), glance.what);
    let sign = Mrkdwn::trusted(glance.colour.emoji().to_owned());
    let mut lines = vec![match story.started.zip(story.ended) {
        Some((from, to)) => said!("{} *{}* It took {}.", sign, first, spoken(to.since(from))),
        None => said!("{} *{}*", sign, first),
    }];
    lines.extend(answers(&glance));
    lines.extend(short_causes(story));
    Some(Reply {
        key: format!("end/{word}"),
        at: ended_at(story),
        alarming: story.ended_badly(),
        message: Message {
            fallback: format!("{first} Production {}. {}", outside(&glance.production), outside(&glance.action)),
            lines,
            ..Message::default()
        },
        important: true,
        in_headline: true,
    })
}

/// The key of the reply that the rollback is through.
pub(crate) const ROLLED_BACK: &str = "end/SUCCESS";

/// Whether it adds nothing that a rollback begins: no traffic has moved, or the decision to take it back says so.
fn is_start_no_news(story: &Story) -> bool {
    let is_decided = story.alarm.as_ref().is_some_and(|alarm| !alarm.observed.is_empty());
    story.never_shifted() || story.is_taken_back() && is_decided
}

/// The reply that tells how the rollback goes; none once it is told that all traffic is back, and how fast.
pub fn rollback(story: &Story) -> Option<Reply> {
    let is_back = story.restored.as_ref().is_some_and(|restored| restored.complete);
    let rollback = story.rollback.as_ref().filter(|_| !is_back)?;
    let id = linked(&story.region, &rollback.id.0);
    let service = outside(&named(story));
    let (began, ended) = rolled_back_at(story);
    let (key, at, fallback, lines) = match rollback.stage {
        Stage::Running | Stage::Waiting => (
            "start",
            began,
            format!("{service} is rolling back."),
            vec![if story.never_shifted() {
                said!(":leftwards_arrow_with_hook: Rolling back: {} takes the new version away.", id)
            } else {
                said!(":leftwards_arrow_with_hook: Rolling back: {} restores {}.", id, old_version(story))
            }],
        ),
        Stage::Succeeded => (
            ROLLED_BACK,
            ended,
            format!("{service} is rolled back: production is on the old version."),
            vec![match story.way_back.began.zip(story.way_back.ended) {
                Some((from, to)) => said!(
                    ":leftwards_arrow_with_hook: *Rolled back* by {} in {}. *Production* is on {}.",
                    id,
                    spoken(to.since(from)),
                    old_version(story)
                ),
                None => said!(
                    ":leftwards_arrow_with_hook: *Rolled back* by {}. *Production* is on {}.",
                    id,
                    old_version(story)
                ),
            }],
        ),
        Stage::Failed | Stage::Stopped => {
            let glance = glance(story);
            let mut lines = vec![said!(":rotating_light: *The rollback {} failed.*", id)];
            lines.extend(answers(&glance));
            lines.extend(causes(story));
            ("end/FAILURE", ended, format!("{service}: the rollback failed. {}", outside(&glance.action)), lines)
        }
    };
    Some(Reply {
        key: key.to_owned(),
        at,
        // Where no traffic had moved nobody has to hurry, and the ending was shouted already.
        alarming: story.rollback_failed() && glance(story).urgent,
        message: Message { fallback, lines, ..Message::default() },
        important: key != "start" || !is_start_no_news(story),
        in_headline: false,
    })
}

/// The reply that tells that the deployment waits.
pub fn waiting(story: &Story) -> Reply {
    let fallback = format!("{} waits to be continued.", outside(&named(story)));
    let line = said!(":double_vertical_bar: *{}* Continue the deployment in CodeDeploy, or stop it.", fallback);
    Reply {
        key: "ready".to_owned(),
        at: story.ready.unwrap_or(story.read_at),
        alarming: false,
        message: Message { fallback, lines: vec![line], ..Message::default() },
        important: true,
        in_headline: true,
    }
}

/// The reply that tells what an alarm led to. Where many alarms have only asked people to look, the first of them are told each, and then once that there
/// are more: a thread of a hundred alarms is read by nobody. What asks somebody to act, and what was done, is always told.
pub fn decided(story: &Story, decision: &RollbackDecision, region: &str) -> Reply {
    let reply = replies::decision(decision, region);
    let number = alert(decision);
    let nth = story.alerts.iter().position(|known| *known == number);
    if !is_alert(decision) || nth.is_some_and(|nth| nth < ALERTS) {
        return reply;
    }
    let fallback = format!("More than {ALERTS} alarms have asked to be looked at: the others are not told here each.");
    let line = said!(":bell: *{}* How many there are stands above; each is in the log of `alarm-rollback`.", fallback);
    Reply {
        key: "alerts/more".to_owned(),
        message: Message { fallback, lines: vec![line], ..Message::default() },
        ..reply
    }
}

#[cfg(test)]
mod tests;
