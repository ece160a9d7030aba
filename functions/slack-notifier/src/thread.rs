//! What is known of a deployment as messages: the headline and the replies below it. Pure; knows nothing of Slack's limits or of when a
//! message is sent.

use domain::time::{Timestamp, spoken};

use crate::blocks::{Message, Mrkdwn};
use crate::glance::{Glance, glance, old_version};
use crate::said;
use crate::story::{Ending, Stage, Story};

/// The address of a deployment in the console. `None` when region or id hold what no region or id holds: text from outside never
/// makes a host.
pub fn console_url(region: &str, deployment: &str) -> Option<String> {
    let is_plain = |text: &str, more: fn(&char) -> bool| !text.is_empty() && text.chars().all(|c| c == '-' || more(&c));
    let fits = is_plain(region, |c| c.is_ascii_lowercase() || c.is_ascii_digit())
        && is_plain(deployment, char::is_ascii_alphanumeric);
    fits.then(|| {
        format!("https://{region}.console.aws.amazon.com/codesuite/codedeploy/deployments/{deployment}?region={region}")
    })
}

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
    lines
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

/// The three answers as lines.
fn answers(story: &Story, glance: &Glance) -> Vec<Mrkdwn> {
    let mut lines = causes(story);
    lines.push(said!("*Production* {}.", glance.production));
    lines.push(said!("*You:* {}", glance.action));
    lines
}

/// The message that stands for the deployment.
pub fn headline(story: &Story) -> Message {
    let glance = glance(story);
    let what = format!("{} {}", named(story), glance.what);
    let mut fields = vec![
        ("Service", said!("{}", story.service)),
        ("Environment", said!("{}", story.environment.as_deref().unwrap_or("not in the configuration"))),
        ("Revision", said!("{}", story.revision.spoken())),
        ("Deployment", linked(&story.region, &story.deployment.0)),
        ("Duration", duration(story)),
        ("Started by", said!("{}", story.who)),
    ];
    if let Some(rollback) = &story.rollback {
        let id = linked(&story.region, &rollback.id.0);
        fields.push(match &story.brings_back {
            Some(revision) => ("Rollback", said!("{} to {}", id, revision.spoken())),
            None => ("Rollback", id),
        });
    }
    fields.extend(story.ticket.as_ref().map(|url| ("Ticket", Mrkdwn::link(url, url))));
    Message {
        title: Some(format!("{} {what}", glance.emoji)),
        fallback: format!("{what}. Production {}. {}", glance.production, glance.action),
        lines: answers(story, &glance),
        fields,
        context: Vec::new(),
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
    let first = format!("{} {}.", named(story), glance.what);
    let mut lines = vec![match story.started.zip(story.ended) {
        Some((from, to)) => said!("{} *{}* It took {}.", glance.emoji, first, spoken(to.since(from))),
        None => said!("{} *{}*", glance.emoji, first),
    }];
    lines.extend(answers(story, &glance));
    Some(Reply {
        key: format!("end/{word}"),
        at: story.ended.unwrap_or(story.read_at),
        alarming: story.ended_badly(),
        message: Message {
            fallback: format!("{first} Production {}. {}", glance.production, glance.action),
            lines,
            ..Message::default()
        },
        important: true,
        in_headline: true,
    })
}

/// The key of the reply that the rollback is through.
pub(crate) const ROLLED_BACK: &str = "end/SUCCESS";

/// The reply that tells how the rollback goes; none once it is told that all traffic is back, and how fast.
pub fn rollback(story: &Story) -> Option<Reply> {
    let is_back = story.restored.as_ref().is_some_and(|restored| restored.complete);
    let rollback = story.rollback.as_ref().filter(|_| !is_back)?;
    let id = linked(&story.region, &rollback.id.0);
    let (key, fallback, lines) = match rollback.stage {
        Stage::Running | Stage::Waiting => (
            "start",
            format!("{} is rolling back.", named(story)),
            vec![said!(":leftwards_arrow_with_hook: Rolling back: {} restores {}.", id, old_version(story))],
        ),
        Stage::Succeeded => (
            ROLLED_BACK,
            format!("{} is rolled back: production is on the old version.", named(story)),
            vec![said!(
                ":leftwards_arrow_with_hook: *Rolled back* by {}. *Production* is on {}.",
                id,
                old_version(story)
            )],
        ),
        Stage::Failed | Stage::Stopped => {
            let glance = glance(story);
            let mut lines = vec![said!(":rotating_light: *The rollback {} failed.*", id)];
            lines.extend(answers(story, &glance));
            ("end/FAILURE", format!("{}: the rollback failed. {}", named(story), glance.action), lines)
        }
    };
    Some(Reply {
        key: key.to_owned(),
        at: story.read_at,
        alarming: story.rollback_failed(),
        message: Message { fallback, lines, ..Message::default() },
        important: true,
        in_headline: false,
    })
}

/// The reply that tells that the deployment waits.
pub fn waiting(story: &Story) -> Reply {
    let fallback = format!("{} waits to be continued.", named(story));
    let line = said!(":double_vertical_bar: *{}* Continue the deployment in CodeDeploy, or stop it.", fallback);
    Reply {
        key: "ready".to_owned(),
        at: story.read_at,
        alarming: false,
        message: Message { fallback, lines: vec![line], ..Message::default() },
        important: true,
        in_headline: true,
    }
}

#[cfg(test)]
mod tests;
