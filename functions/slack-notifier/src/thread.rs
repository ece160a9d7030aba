//! What is known of a deployment as messages: the headline, which answers at one glance what happened, whether production is safe and
//! whether somebody must act; and the replies below it. Pure; knows nothing of Slack's limits or of when a message is sent.

use domain::time::spoken;

use crate::blocks::{Message, Mrkdwn};
use crate::said;
use crate::story::{Ending, Stage, Story, Traffic};

/// The three answers of a headline.
#[derive(Clone, Debug, PartialEq)]
pub struct Glance {
    /// An emoji's name.
    pub emoji: &'static str,
    /// What happened, after the service's name.
    pub what: String,
    /// Which version production is on; completes "Production …".
    pub production: String,
    /// What somebody must do.
    pub action: &'static str,
    /// Whether somebody must act now.
    pub urgent: bool,
}

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

fn production(story: &Story) -> String {
    let fixed = match (story.ending(), story.traffic) {
        (Some(Ending::Succeeded), _) if story.restores => "runs the restored version",
        (Some(Ending::Succeeded), _) => "runs the new version",
        _ if story.is_rolled_back() => "is on the old version",
        (_, Some(Traffic::NeverShifted)) => "has stayed on the old version: no traffic was shifted",
        _ if story.rollback_failed() => "may be on either version: the rollback did not finish",
        _ if story.ended_badly() && story.rollback.is_some() => "is going back to the old version",
        (_, Some(Traffic::Old)) => "is on the old version",
        (_, Some(Traffic::Share(percent))) => return format!("sends {percent} % of its traffic to the new version"),
        (_, Some(Traffic::Some)) => "sends some of its traffic to the new version",
        (_, Some(Traffic::New)) => "is on the new version",
        (None, None) => "is where it was: CodeDeploy has not told of any shift",
        (Some(_), None) => "may be on either version: CodeDeploy does not tell",
    };
    fixed.to_owned()
}

/// What happened, whether production is safe, and whether somebody must act.
pub fn glance(story: &Story) -> Glance {
    let (mut emoji, what) = match story.ending() {
        None if story.stage == Stage::Waiting => (":double_vertical_bar:", "waits to be continued"),
        None if story.alarm.is_some() => (":octagonal_sign:", "is being stopped by an alarm"),
        None if story.failed_hook.is_some() => (":x:", "has failed a check and is ending"),
        None if story.restores => (":leftwards_arrow_with_hook:", "is being restored"),
        None if story.skipped.is_some() => (":warning:", "is being deployed UNCHECKED"),
        None => (":rocket:", "is being deployed"),
        Some(Ending::Succeeded) if story.restores => (":leftwards_arrow_with_hook:", "was restored"),
        // Nobody has looked at it: that is no green.
        Some(Ending::Succeeded) if story.skipped.is_some() => (":warning:", "was deployed UNCHECKED"),
        Some(Ending::Succeeded) => (":white_check_mark:", "was deployed"),
        Some(Ending::FailedInHook) => (":x:", "failed in a hook"),
        Some(Ending::StoppedByAlarm) => (":octagonal_sign:", "was stopped by an alarm"),
        Some(Ending::StoppedByPerson) => (":raised_hand:", "was stopped by a person"),
        Some(Ending::TimedOut) => (":hourglass:", "timed out"),
        Some(Ending::Otherwise) => (":x:", "failed"),
    };
    let mut what = what.to_owned();
    let mut urgent = false;
    let mut action = match (story.ending(), story.stage) {
        (None, Stage::Waiting) => "Continue the deployment in CodeDeploy, or stop it.",
        (None | Some(Ending::Succeeded), _) if story.skipped.is_some() => {
            "Watch it: no hook has looked at the new version. Deploy again without the skip when the emergency is over."
        }
        (None | Some(Ending::Succeeded), _) => "Nothing to do.",
        // The old version still has the traffic and is not well either.
        (Some(Ending::FailedInHook), _) if story.failed_hook.as_ref().is_some_and(|hook| hook.red_before) => {
            "Look at the red alarm: production was unwell before this deployment. Deploy again when it is quiet; if this deployment is the \
             cure, the cause above says how."
        }
        (Some(Ending::StoppedByPerson), _) => "Nothing is urgent: deploy again when ready.",
        (Some(_), _) => "Nothing is urgent: fix the cause, then deploy again.",
    };
    if story.ended_badly() || story.restored.is_some() {
        if story.is_rolled_back() {
            what.push_str(", and is rolled back");
            emoji = ":leftwards_arrow_with_hook:";
        } else if story.never_shifted() {
            // A rollback only takes the new version away; there is no traffic to wait for.
        } else if story.rollback_failed() {
            what.push_str(", and the rollback failed");
            emoji = ":rotating_light:";
            action = "Act now: open the deployment and move the traffic to the old version by hand.";
            urgent = true;
        } else if story.rollback.is_some() {
            what.push_str(", and is rolling back");
            action = "Wait for the rollback: its end will be told here.";
        } else if story.ended_badly() && story.traffic != Some(Traffic::Old) {
            action = if story.is_first {
                "Act now: no rollback is under way, and this is the group's first deployment: there is no earlier revision to deploy. Deploy a mended \
                 one, or take the service out of production by hand."
            } else {
                "Act now: no rollback is under way. Deploy the previous revision, or move the traffic by hand."
            };
            urgent = true;
        }
    }
    Glance { emoji, what, production: production(story), action, urgent }
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
    // The ending's own cause comes first; what else went wrong is told after it.
    match story.ending() {
        Some(Ending::FailedInHook) => lines.extend(hook.into_iter().chain(alarm)),
        _ => lines.extend(alarm.into_iter().chain(hook)),
    }
    if story.ended_badly() {
        match &story.error {
            Some(error) => lines.push(said!("CodeDeploy: {} ({})", error.message, Mrkdwn::code(&error.code))),
            None if lines.is_empty() => lines.push(said!("CodeDeploy has recorded no reason.")),
            None => {}
        }
    }
    match (&story.rollback, &story.restored) {
        (Some(rollback), _) if story.rollback_failed() && rollback.error.is_some() => {
            let error = rollback.error.as_ref();
            let (code, message) = error.map(|error| (error.code.as_str(), error.message.as_str())).unwrap_or_default();
            lines.push(said!("The rollback failed: {} ({})", message, Mrkdwn::code(code)));
        }
        (_, Some(restored)) if !restored.complete && !story.is_rolled_back() => {
            lines.push(said!("Last seen of the rollback: {}", restored.observed));
        }
        _ => {}
    }
    lines
}

/// The cause in one line without markup, for a pager.
pub fn cause_in_short(story: &Story) -> String {
    match (story.ending(), &story.failed_hook, &story.alarm, &story.error) {
        (Some(Ending::FailedInHook), Some(hook), _, _) => format!("{} failed: {}", hook.event, hook.reason),
        (Some(Ending::StoppedByAlarm), _, Some(alarm), _) if !alarm.observed.is_empty() => {
            format!("alarm {}: {}", alarm.name, alarm.observed)
        }
        (Some(Ending::StoppedByAlarm), _, Some(alarm), None) => format!("alarm {}", alarm.name),
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
        fields.push(("Rollback", linked(&story.region, &rollback.id.0)));
    }
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
    /// What it says.
    pub message: Message,
    /// Whether it is worth a message of its own where there are no threads.
    pub important: bool,
    /// Whether a headline that is posted in the same breath says it too.
    pub in_headline: bool,
}

/// The reply that tells the ending.
pub fn ending(story: &Story) -> Option<Reply> {
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
        message: Message {
            fallback: format!("{first} Production {}. {}", glance.production, glance.action),
            lines,
            ..Message::default()
        },
        important: true,
        in_headline: true,
    })
}

/// The reply that tells how the rollback goes.
pub fn rollback(story: &Story) -> Option<Reply> {
    let rollback = story.rollback.as_ref()?;
    let id = linked(&story.region, &rollback.id.0);
    let (key, fallback, lines) = match rollback.stage {
        Stage::Running | Stage::Waiting => (
            "start",
            format!("{} is rolling back.", named(story)),
            vec![said!(":leftwards_arrow_with_hook: Rolling back: {} restores the old version.", id)],
        ),
        Stage::Succeeded => (
            "end/SUCCESS",
            format!("{} is rolled back: production is on the old version.", named(story)),
            vec![said!(":leftwards_arrow_with_hook: *Rolled back* by {}. *Production* is on the old version.", id)],
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
        message: Message { fallback, lines: vec![line], ..Message::default() },
        important: true,
        in_headline: true,
    }
}

#[cfg(test)]
mod tests;
