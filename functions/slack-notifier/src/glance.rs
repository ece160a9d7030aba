//! What is known of a deployment in three answers: what happened, whether production is safe, and whether somebody must act. Pure; knows
//! nothing of messages.

use crate::replies::at_once;
use crate::story::{Ending, Stage, Story, Traffic};

/// What a glance at the colour tells; the words say it too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// It is under way, and nothing is known to be wrong.
    Blue,
    /// It ended well.
    Green,
    /// It did not go well, or nobody has looked at it, and nobody must act at once.
    Orange,
    /// Somebody must act now.
    Red,
}

impl Colour {
    /// The circle's name in Slack.
    pub fn emoji(self) -> &'static str {
        match self {
            Colour::Blue => ":large_blue_circle:",
            Colour::Green => ":large_green_circle:",
            Colour::Orange => ":large_orange_circle:",
            Colour::Red => ":red_circle:",
        }
    }
}

/// The three answers of a headline.
#[derive(Clone, Debug, PartialEq)]
pub struct Glance {
    /// The colour.
    pub colour: Colour,
    /// What happened, after the service's name.
    pub what: String,
    /// Which version production is on; completes "Production …".
    pub production: String,
    /// What somebody must do; parts of it may come from outside.
    pub action: String,
    /// Whether somebody must act now.
    pub urgent: bool,
}

/// What to do about a rollback that runs for longer than it should.
pub(crate) const OVERDUE: &str =
    "Act now: open the deployment. Unless the rollback is about to end, move the traffic to the old version by hand.";
/// What to do about a deployment that ended well before it could be stopped.
const TOO_LATE: &str = "Act now: it can no longer be stopped. Deploy the previous revision.";

/// The version that a rollback brings back.
pub(crate) fn old_version(story: &Story) -> String {
    match &story.brings_back {
        Some(revision) => format!("the old version, {}", revision.spoken()),
        None => "the old version".to_owned(),
    }
}

fn production(story: &Story) -> String {
    let goes_back = story.ended_badly() && story.rollback.is_some() || story.is_taken_back();
    let fixed = match (story.ending(), story.traffic) {
        (Some(Ending::Succeeded), _) if story.restores => "runs the restored version",
        _ if story.is_rolled_back() => return format!("is on {}", old_version(story)),
        (Some(Ending::Succeeded), _) if !story.is_taken_back() => "runs the new version",
        (_, Some(Traffic::NeverShifted)) => "has stayed on the old version: no traffic was shifted",
        _ if story.rollback_failed() => "may be on either version: the rollback did not finish",
        _ if story.is_overdue() => "may be on either version: the rollback has not finished",
        _ if goes_back => return format!("is going back to {}", old_version(story)),
        (_, Some(Traffic::Old)) => "is on the old version",
        (_, Some(Traffic::Share(percent))) => return format!("sends {percent} % of its traffic to the new version"),
        (_, Some(Traffic::Some)) => "sends some of its traffic to the new version",
        (_, Some(Traffic::New)) => "is on the new version",
        (None, None) => "is where it was: CodeDeploy has not told of any shift",
        (Some(_), None) => "may be on either version: CodeDeploy does not tell",
    };
    fixed.to_owned()
}

/// The colour while nobody must act at once.
fn colour(story: &Story) -> Colour {
    let is_doubtful = story.skipped.is_some() || story.alarm.is_some() || story.failed_hook.is_some();
    match story.ending() {
        Some(Ending::Succeeded) if story.is_taken_back() => Colour::Orange,
        // What has succeeded has succeeded; but where nobody has looked at it, that is no green.
        Some(Ending::Succeeded) if story.skipped.is_some() => Colour::Orange,
        Some(Ending::Succeeded) => Colour::Green,
        None if story.stage == Stage::Waiting || is_doubtful => Colour::Orange,
        None => Colour::Blue,
        Some(_) => Colour::Orange,
    }
}

/// What happened to it itself, whatever has come of that.
fn event(story: &Story) -> &'static str {
    match story.ending() {
        None if story.stage == Stage::Waiting => "waits to be continued",
        None if story.alarm.is_some() => "is being stopped by an alarm",
        None if story.failed_hook.is_some() => "has failed a check and is ending",
        None if story.restores => "is being restored",
        None if story.skipped.is_some() => "is being deployed UNCHECKED",
        None => "is being deployed",
        Some(Ending::Succeeded) if story.restores => "was restored",
        Some(Ending::Succeeded) if story.skipped.is_some() && !story.is_taken_back() => "was deployed UNCHECKED",
        Some(Ending::Succeeded) => "was deployed",
        Some(Ending::FailedInHook) => "failed in a hook",
        Some(Ending::StoppedByAlarm) => "was stopped by an alarm",
        Some(Ending::StoppedByPerson) => "was stopped by a person",
        Some(Ending::TimedOut) => "timed out",
        Some(Ending::Otherwise) => "failed",
    }
}

/// What somebody must do while nothing is known to go wrong with the rollback.
fn quiet_action(story: &Story) -> &'static str {
    match (story.ending(), story.stage) {
        (None, Stage::Waiting) => "Continue the deployment in CodeDeploy, or stop it.",
        (Some(Ending::Succeeded), _) if story.is_taken_back() => "Nothing is urgent: fix the cause, then deploy again.",
        (None | Some(Ending::Succeeded), _) if story.skipped.is_some() => {
            "Watch it: no hook has looked at the new version. Deploy again without the skip when the emergency is over."
        }
        (None | Some(Ending::Succeeded), _) => "Nothing to do.",
        // The old version still has the traffic and is not well either.
        (Some(Ending::FailedInHook), _) if story.failed_hook.as_ref().is_some_and(|hook| hook.red_before) => {
            "Look at the red alarm: production was unwell before this deployment. Deploy again when it is quiet; if this deployment is the \
             cure, the cause told here says how."
        }
        (Some(Ending::StoppedByPerson), _) => "Nothing is urgent: deploy again when ready.",
        (Some(_), _) => "Nothing is urgent: fix the cause, then deploy again.",
    }
}

/// How far the way back is, behind what happened; and what somebody must do, when that is urgent or is to wait.
enum Back {
    /// No more than what happened.
    Nothing,
    /// The old version has the traffic.
    There(&'static str),
    /// It is on its way.
    OnItsWay(&'static str),
    /// Somebody must act.
    Stuck(&'static str, &'static str),
}

fn way_back(story: &Story) -> Back {
    let (late, by_alarm) = (story.is_taken_back(), story.alarm.is_some());
    if !(story.ended_badly() || late || story.restored.is_some()) {
        return Back::Nothing;
    }
    if story.is_rolled_back() {
        return Back::There(match (late, by_alarm) {
            (true, true) => ", then rolled back by an alarm",
            (true, false) => ", then rolled back",
            (false, _) => ", and is rolled back",
        });
    }
    if story.never_shifted() {
        // A rollback only takes the new version away; there is no traffic to wait for.
        return Back::Nothing;
    }
    if story.rollback_failed() {
        let action = if late {
            "Act now: see why the rollback failed, and deploy the old version by hand."
        } else {
            "Act now: open the deployment and move the traffic to the old version by hand."
        };
        return Back::Stuck(", and the rollback failed", action);
    }
    if story.is_overdue() {
        return match story.ending() {
            Some(Ending::Succeeded) if !late => Back::Stuck(", before an alarm could stop it", TOO_LATE),
            _ => Back::Stuck(", and is not rolled back yet", OVERDUE),
        };
    }
    if late {
        return Back::OnItsWay(if by_alarm {
            ", and is being rolled back by an alarm"
        } else {
            ", and is being rolled back"
        });
    }
    if story.rollback.is_some() {
        return Back::OnItsWay(", and is rolling back");
    }
    if !story.ended_badly() || story.traffic == Some(Traffic::Old) {
        return Back::Nothing;
    }
    Back::Stuck(
        "",
        if story.is_first {
            "Act now: no rollback is under way, and this is the group's first deployment: there is no earlier revision to deploy. Deploy a mended \
             one, or take the service out of production by hand."
        } else {
            "Act now: no rollback is under way. Deploy the previous revision, or move the traffic by hand."
        },
    )
}

/// What happened, whether production is safe, and whether somebody must act.
pub fn glance(story: &Story) -> Glance {
    let mut what = event(story).to_owned();
    let mut action = quiet_action(story).to_owned();
    let mut urgent = false;
    match way_back(story) {
        Back::Nothing => {}
        Back::There(then) => {
            what.push_str(then);
        }
        Back::OnItsWay(then) => {
            what.push_str(then);
            "Wait for the rollback: its end will be told here.".clone_into(&mut action);
        }
        Back::Stuck(then, to_do) => {
            what.push_str(then);
            to_do.clone_into(&mut action);
            urgent = true;
        }
    }
    // While the new version has traffic, or all of it, an alarm that Greenlight does not act on is what matters most.
    if let Some((_, asked, is_red)) = story.asks().next()
        && !urgent
        && !story.is_taken_back()
    {
        what.push_str(if is_red { ", and a red alarm needs a person" } else { ", and still needs a person" });
        action = match (story.was_not_stopped(asked), is_red) {
            (true, true) => TOO_LATE.to_owned(),
            (true, false) => "Act now: see whether production is well. The deployment can no longer be stopped: if it is not, deploy the \
                              previous revision."
                .to_owned(),
            (false, _) => format!("Act now: {}", at_once(&asked.next_step)),
        };
        urgent = true;
    }
    let colour = if urgent { Colour::Red } else { colour(story) };
    Glance { colour, what, production: production(story), action, urgent }
}
