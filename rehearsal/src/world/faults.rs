//! The scenario's faults: how often each may still strike, whether it has, and which strikes a call to AWS. Knows nothing of what comes of it.

#[cfg(test)]
mod tests;

use domain::deployment::Status;

use super::World;
use super::aws::text;
use crate::protocol::{AwsError, Call};
use crate::scenario::{Fault, How};
use crate::timeline::{Tone, Who};

/// What a fault makes of a call.
pub(crate) enum Struck {
    /// Whether the call takes effect before it; so the next two.
    Kill(bool),
    Hang(bool),
    Panic(bool),
    Error(AwsError),
    Lost(How),
}

/// A fault of the scenario.
#[derive(Clone, Debug)]
pub(crate) struct Planned {
    pub(crate) fault: Fault,
    /// How often it strikes yet; only of those that are counted.
    pub(crate) left: u32,
    /// Whether it has struck.
    pub(crate) struck: bool,
}

/// The faults of a scenario before anything has happened.
pub(crate) fn planned(faults: &[Fault]) -> Vec<Planned> {
    let planned = |fault: &Fault| {
        let left = match fault {
            Fault::Kill(fault) | Fault::Hang(fault) | Fault::Panic(fault) => fault.times,
            Fault::Duplicate { times, .. } => *times,
            Fault::Throttle(fault) | Fault::Break(fault) => fault.times,
            Fault::Refuse(fault) => fault.times,
            Fault::LoseAnswer(fault) => fault.times,
            Fault::EndsFirst(fault) => fault.times,
            Fault::Slack(fault) | Fault::Pagerduty(fault) | Fault::Ticket(fault) => fault.times.unwrap_or(u32::MAX),
            _ => 0,
        };
        Planned { fault: fault.clone(), left, struck: is_a_state(fault) }
    };
    faults.iter().map(planned).collect()
}

/// Whether it is a state of things, there from the start whoever looks.
fn is_a_state(fault: &Fault) -> bool {
    matches!(
        fault,
        Fault::RedAlarm { .. } | Fault::MuteAlarm { .. } | Fault::MissingAlarm { .. } | Fault::MetricsShowAfter(_)
    )
}

impl Planned {
    /// The fault in words, for the complaint that it never struck.
    pub(crate) fn spoken(&self) -> String {
        match &self.fault {
            Fault::Kill(fault) => format!("kill {} during {}", fault.function, fault.during),
            Fault::Hang(fault) => format!("hang {} during {}", fault.function, fault.during),
            Fault::Panic(fault) => format!("panic {} during {}", fault.function, fault.during),
            Fault::Duplicate { function, .. } => format!("duplicate {function}"),
            Fault::Throttle(fault) => format!("throttle {}", fault.call),
            Fault::Break(fault) => format!("break {}", fault.call),
            Fault::Refuse(fault) => format!("refuse {} with {}", fault.call, fault.error),
            Fault::LoseAnswer(fault) => format!("lose_answer {}", fault.call),
            Fault::EndsFirst(fault) => format!("ends_first {} during {}", fault.status.as_str(), fault.during),
            Fault::Slack(fault) => format!("slack {}", fault.spoken()),
            Fault::Pagerduty(fault) => format!("pagerduty {}", fault.spoken()),
            Fault::Ticket(fault) => format!("ticket {}", fault.spoken()),
            Fault::Events(fault) => format!("events {}", fault.detail_type.as_deref().unwrap_or_default()),
            Fault::MetricsShowAfter(_) => "metrics_show_after".to_owned(),
            Fault::RedAlarm { name } => format!("red_alarm {name}"),
            Fault::MuteAlarm { name } => format!("mute_alarm {name}"),
            Fault::MissingAlarm { name } => format!("missing_alarm {name}"),
        }
    }
}

/// Whether a fault of one function's calls, or of anybody's, concerns this caller.
fn is_of(function: Option<&String>, caller: &str) -> bool {
    function.is_none_or(|function| function == caller)
}

impl World {
    /// The fault that strikes this call, if one does.
    pub(crate) fn struck(&mut self, call: &str, caller: &str) -> Option<Struck> {
        for planned in self.faults.iter_mut().filter(|planned| planned.left > 0) {
            let struck = match &planned.fault {
                Fault::Kill(fault) if fault.function == caller && fault.during == call => Struck::Kill(fault.taken),
                Fault::Hang(fault) if fault.function == caller && fault.during == call => Struck::Hang(fault.taken),
                Fault::Panic(fault) if fault.function == caller && fault.during == call => Struck::Panic(fault.taken),
                Fault::Throttle(fault) if fault.call == call && is_of(fault.function.as_ref(), caller) => {
                    Struck::Error(AwsError::throttling())
                }
                Fault::Break(fault) if fault.call == call && is_of(fault.function.as_ref(), caller) => {
                    Struck::Error(AwsError::internal())
                }
                Fault::Refuse(fault) if fault.call == call && is_of(fault.function.as_ref(), caller) => {
                    Struck::Error(AwsError::new(fault.error.as_str(), fault.message.as_str(), fault.status))
                }
                Fault::LoseAnswer(fault) if fault.call == call && is_of(fault.function.as_ref(), caller) => {
                    Struck::Lost(fault.how)
                }
                _ => continue,
            };
            planned.left -= 1;
            planned.struck = true;
            return Some(struck);
        }
        None
    }

    /// Ends the deployment that a call is about, when the scenario says that it ends just before.
    pub(crate) fn end_first(&mut self, call: &Call, caller: &str) {
        let name = format!("{}:{}", call.service.iam_prefix(), call.operation);
        let id = text(&call.input, "deploymentId");
        if self.engine.get(id).is_none_or(|record| record.status.is_terminal()) {
            return;
        }
        let concerns = |fault: &Fault| match fault {
            Fault::EndsFirst(fault) if fault.during == name && is_of(fault.function.as_ref(), caller) => {
                Some(fault.status.clone())
            }
            _ => None,
        };
        let mut ending = None;
        for planned in self.faults.iter_mut().filter(|planned| planned.left > 0) {
            if let Some(status) = concerns(&planned.fault) {
                planned.left -= 1;
                planned.struck = true;
                ending = Some(status);
                break;
            }
        }
        let Some(status) = ending else { return };
        self.tell(Who::Rehearsal, Tone::Warning, format!("lets {id} end just before {name}"));
        let id = id.to_owned();
        match status {
            Status::Succeeded => self.finish_at_once(&id),
            Status::Failed => {
                let message = "The deployment timed out while waiting for the replacement task set to become healthy.";
                self.end_badly(&id, Status::Failed, "TIMEOUT", message);
            }
            _ => self.end_badly(&id, Status::Stopped, "MANUAL_STOP", "The deployment was stopped by a user."),
        }
    }
}
