//! How far a deployment has come: CodeDeploy's lifecycle events and the traffic's weights, and what its configuration says comes next. Pure; knows nothing of
//! who reads it.

use std::time::Duration;

use domain::deployment::{AppSpec, LifecycleEvent, Target};
use domain::time::{Timestamp, spoken};
use serde::{Deserialize, Serialize};

use super::{Stage, Traffic};
use crate::blocks::Mrkdwn;
use crate::said;

/// The lifecycle events in which CodeDeploy does nothing but call a hook (CodeDeploy user guide, "AppSpec hooks section"). Without a hook nothing happens
/// in them.
const HOOKED: [&str; 5] =
    ["BeforeInstall", "AfterInstall", "AfterAllowTestTraffic", "BeforeAllowTraffic", "AfterAllowTraffic"];
/// The lifecycle event in which production's traffic moves.
const SHIFT: &str = "AllowTraffic";
/// CodeDeploy documents eight lifecycle events; whatever it answers, the line stays one.
const STEPS: usize = 12;
/// The longest name of a lifecycle event that is shown.
const NAME: usize = 40;

/// How far one lifecycle event has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// It has not begun, as far as CodeDeploy tells.
    ToCome,
    /// It is under way.
    Running,
    /// It ended well.
    Done,
    /// It failed.
    Failed,
    /// CodeDeploy passed over it, since something before it had failed.
    Skipped,
}

impl State {
    /// CodeDeploy's word (`LifecycleEventStatus`, CodeDeploy API reference). What is not known has not been seen to run.
    fn of(status: &str) -> Self {
        match status {
            "InProgress" => State::Running,
            "Succeeded" => State::Done,
            "Failed" => State::Failed,
            "Skipped" => State::Skipped,
            _ => State::ToCome,
        }
    }

    /// A lifecycle event goes from one rank to the next and never back.
    fn rank(self) -> u8 {
        match self {
            State::ToCome => 0,
            State::Running => 1,
            State::Done | State::Failed | State::Skipped => 2,
        }
    }
}

/// One lifecycle event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Its name.
    pub name: String,
    /// How far it has come.
    pub state: State,
    /// When it began, where that is told.
    #[serde(default)]
    pub since: Option<Timestamp>,
}

impl Step {
    fn of(event: &LifecycleEvent) -> Self {
        let name = domain::secrets::shown(&event.name, NAME);
        Self { name, state: State::of(&event.status), since: event.started }
    }
}

/// How far a deployment has come.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// The lifecycle events in CodeDeploy's order, without those in which nothing happens.
    pub steps: Vec<Step>,
    /// Percent of production's traffic on the new version, where CodeDeploy tells it on a scale that is documented.
    #[serde(default)]
    pub share: Option<f64>,
}

impl Progress {
    /// What the deployment's target tells. A hook's lifecycle event is left out where the AppSpec is known to have no hook for it, unless it failed all the
    /// same.
    pub fn of(target: &Target, app_spec: &AppSpec) -> Self {
        let hooked: Option<Vec<&str>> = app_spec.hooked_events().map(Iterator::collect);
        let happens = |event: &&LifecycleEvent| {
            let name = event.name.as_str();
            !HOOKED.contains(&name)
                || event.status == "Failed"
                || hooked.as_ref().is_none_or(|hooked| hooked.contains(&name))
        };
        let share = match target {
            Target::Ecs(_) => target.new_version_weight(),
            // The scale of a Lambda target's weight is not documented; nothing is nothing on any.
            Target::Lambda(_) => target.new_version_weight().filter(|weight| *weight == 0.0),
        };
        Self { steps: target.lifecycle_events().iter().filter(happens).take(STEPS).map(Step::of).collect(), share }
    }

    /// What two readings tell together, of which `new` is the later one. No lifecycle event goes back, whichever reading is added first.
    pub fn with(old: Self, new: Self) -> Self {
        let (order, others) = if new.steps.is_empty() { (old.steps, new.steps) } else { (new.steps, old.steps) };
        let is_old_first = |one: &Step, other: &Step| other.state.rank() > one.state.rank();
        let mut steps: Vec<Step> = order
            .into_iter()
            .map(|step| match others.iter().find(|other| other.name == step.name) {
                Some(other) if is_old_first(&step, other) => other.clone(),
                Some(other) => Step { since: step.since.or(other.since), ..step },
                None => step,
            })
            .collect();
        let missing: Vec<Step> =
            others.into_iter().filter(|other| steps.iter().all(|step| step.name != other.name)).collect();
        steps.extend(missing);
        steps.truncate(STEPS);
        Self { steps, share: new.share.or(old.share) }
    }

    /// The line with the lifecycle events: which are done, which runs or failed, which are still to come or never ran. `None` where nothing is known.
    pub fn line(&self, stage: Stage) -> Option<Mrkdwn> {
        let in_state = |wanted: &[State]| -> Vec<&Step> {
            self.steps.iter().filter(|step| wanted.contains(&step.state)).collect()
        };
        let ended = stage.is_ended();
        let (running, over) = if ended { ("cut short", "never ran") } else { ("running", "skipped") };
        let mut parts = vec![part("", &in_state(&[State::Done]), "done")];
        parts.push(part("*", &in_state(&[State::Failed]), "failed"));
        let under_way = in_state(&[State::Running]);
        let since = under_way.iter().find_map(|step| step.since).filter(|_| !ended);
        parts.push(part("*", &under_way, running).map(|part| match since {
            Some(since) => said!("{} since {} UTC", part, since.time_of_day()),
            None => part,
        }));
        if ended {
            parts.push(part("", &in_state(&[State::Skipped, State::ToCome]), over));
        } else {
            parts.push(part("", &in_state(&[State::Skipped]), over));
            parts.push(part("", &in_state(&[State::ToCome]), "to come"));
        }
        let mut parts = parts.into_iter().flatten();
        let first = said!("*Progress:* {}", parts.next()?);
        Some(parts.fold(first, |line, part| said!("{} · {}", line, part)))
    }

    /// The line with the traffic's weights while they may still change, and what the configuration says comes next.
    pub fn traffic(&self, stage: Stage, traffic: Option<Traffic>, configuration: &str) -> Option<Mrkdwn> {
        if stage.is_ended() {
            return None;
        }
        let share = match (self.share, traffic) {
            (Some(share), _) => Some(share),
            (None, Some(Traffic::Old | Traffic::NeverShifted)) => Some(0.0),
            (None, Some(Traffic::New)) => Some(100.0),
            (None, _) => None,
        };
        let weights = match share {
            Some(share) => said!("{} % old, {} % new", percent(100.0 - share), percent(share)),
            None if traffic == Some(Traffic::Some) => said!("some of it is on the new version"),
            None => return None,
        };
        let step = self.steps.iter().find(|step| step.name == SHIFT);
        let next = Plan::of(configuration).and_then(|plan| plan.next(step, share));
        Some(match next {
            Some(next) => said!("*Traffic:* {}. {}", weights, next),
            None => said!("*Traffic:* {}.", weights),
        })
    }
}

/// Some lifecycle events and what is so of them.
fn part(mark: &'static str, steps: &[&Step], what: &str) -> Option<Mrkdwn> {
    let names: Vec<&str> = steps.iter().map(|step| step.name.as_str()).collect();
    let mark = Mrkdwn::trusted(mark.to_owned());
    (!names.is_empty()).then(|| said!("{}{} {}{}", mark, names.join(", "), what, mark))
}

/// A percentage as a person reads it.
fn percent(share: f64) -> String {
    let rounded = (share * 10.0).round() / 10.0;
    rounded.to_string()
}

/// How CodeDeploy's own configurations shift the traffic (CodeDeploy user guide, "Working with deployment configurations"). They say it by their names; what
/// anybody else calls a configuration says nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Plan {
    AtOnce,
    Canary(f64, Duration),
    Linear(f64, Duration),
}

impl Plan {
    fn of(configuration: &str) -> Option<Self> {
        let name = short(configuration.strip_prefix("CodeDeployDefault.")?);
        if name == "AllAtOnce" {
            return Some(Plan::AtOnce);
        }
        let minutes = |text: &str| Some(Duration::from_mins(text.strip_suffix("Minutes")?.parse().ok()?));
        if let Some((share, span)) = name.strip_prefix("Canary").and_then(|rest| rest.split_once("Percent")) {
            return Some(Plan::Canary(share.parse().ok()?, minutes(span)?));
        }
        let (share, span) = name.strip_prefix("Linear")?.split_once("PercentEvery")?;
        // `LambdaLinear10PercentEvery1Minute` and `…EveryMinute` are its names for one minute.
        let span = match span {
            "Minute" | "1Minute" => Duration::from_mins(1),
            span => minutes(span)?,
        };
        Some(Plan::Linear(share.parse().ok()?, span))
    }

    /// What comes next, given how far the shift is. None once all of the traffic has moved.
    fn next(self, shift: Option<&Step>, share: Option<f64>) -> Option<String> {
        let state = shift.map_or(State::ToCome, |shift| shift.state);
        if share.is_some_and(|share| share >= 100.0) || state.rank() == 2 {
            return None;
        }
        let has_begun = state == State::Running && share.is_none_or(|share| share > 0.0);
        let since = shift.and_then(|shift| shift.since);
        Some(match self {
            Plan::AtOnce => "All of it moves at once.".to_owned(),
            Plan::Canary(first, span) if has_begun => {
                let about = since.map(|since| format!(", at about {} UTC", since.plus(span).time_of_day()));
                let about = about.unwrap_or_default();
                format!("The canary: {} % for {}, then all of it{about}.", percent(first), spoken(span))
            }
            Plan::Canary(first, span) => format!("Next: {} % for {}, then all of it.", percent(first), spoken(span)),
            Plan::Linear(by, span) => format!("Next: {} % more every {}.", percent(by), spoken(span)),
        })
    }
}

/// A configuration's name without what its platform adds to it.
pub(crate) fn short(configuration: &str) -> &str {
    let name = configuration.strip_prefix("CodeDeployDefault.").unwrap_or(configuration);
    let is_known = |rest: &&str| ["Canary", "Linear", "AllAtOnce"].iter().any(|kind| rest.starts_with(kind));
    ["ECS", "Lambda"].iter().find_map(|platform| name.strip_prefix(platform)).filter(is_known).unwrap_or(name)
}

#[cfg(test)]
mod tests;
