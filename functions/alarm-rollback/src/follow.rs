//! Follows what was stopped or deployed again until all traffic is on the old version, and tells how it ended. Never stops anything.
//!
//! The promise is two minutes, so one invocation follows for two minutes, and tells when the traffic is not back by then. What is open then
//! stays in the table (`pursuit/<application>/<group>`, `pursuit/ecs:<cluster>/<service>`), and whatever wakes the function next goes on with
//! it: CodeDeploy's or ECS's change of state, the alarm's return to OK, or Lambda's second try when this process dies.
//!
//! One invocation follows a pursuit at a time: it says so in the entry each time before it looks. The others look once at most. Each ending
//! is told under a lease of its own (`ending/<deployment>/…`), so it is told once, whoever sees it first.

mod note;
mod pace;
mod pursuit;

use std::time::Duration;

use domain::deployment::{DeploymentId, EcsServiceName};
use domain::entries::{self, RESTORED, ending_key};
use domain::events::{ChangedState, Notice, StateChange, TrafficRestored};
use domain::lease::{self, Taken};
use domain::ports::{AlarmTags, Ledger, Outbox, PortError, RollingServices};
use domain::time::{Timestamp, spoken};
use futures_util::future::join_all;

use crate::{Act, CodeDeploy, LEASE, list};
pub(crate) use note::note;
pub(crate) use pursuit::{Course, Follower, Pursuit, Seen, key};

/// What is promised: back within 2 minutes, counted from the event's arrival.
const AT_MOST: Duration = Duration::from_mins(2);
/// Kept free before the invocation's deadline, for telling how it ended.
const RESERVE: Duration = Duration::from_secs(5);
/// One look at most. A call with all its tries takes up to 20 s, and then the next look would be late.
const LOOK: Duration = Duration::from_secs(10);
/// What a last look may take of the reserve.
const LAST_LOOK: Duration = Duration::from_secs(1);
/// How long an open pursuit and what was told of it are remembered: longer than any deployment lives (120 h before the shift and 48 h after
/// it at most, CodeDeploy quotas).
const REMEMBERED: Duration = Duration::from_hours(14 * 24);
/// So many pursuits of one group are kept. Each is of a deployment that was stopped after the ones before it had ended.
const MOST_OPEN: usize = 8;

/// Whether a pursuit that another invocation follows is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Visit {
    /// Once: something has happened to it.
    Always,
    /// No: nothing has, and a storm of alarms would only take the follower's share of CodeDeploy's calls.
    IfAlone,
}

/// A pursuit as this invocation has it.
pub(crate) struct Chase {
    pursuit: Pursuit,
    /// Whether this invocation follows; else it looks once.
    stays: bool,
    /// Whether the table knows of it.
    noted: bool,
    /// A later deployment that has succeeded: what this one brought is gone either way.
    superseded_by: Option<DeploymentId>,
    looks: u32,
    /// Looks in a row that failed.
    failures: u32,
    /// What was seen and has not been told yet.
    due: Option<Ending>,
}

#[derive(Clone, Debug)]
struct Ending {
    kind: Kind,
    observed: String,
    at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// All traffic is back.
    Restored,
    /// It is not, and nothing is under way.
    Failed,
    /// It is not back in time.
    Late,
    /// Somebody has deployed something else, and nobody waits for it any more: this is not told.
    Moot,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Kind::Restored => RESTORED,
            Kind::Failed => "failed",
            Kind::Late => "late",
            Kind::Moot => "moot",
        }
    }
}

/// What came of one turn.
enum Turn {
    /// There is nothing more to do here.
    Over(Option<Box<TrafficRestored>>),
    /// It could not be told.
    Untold(PortError),
    Again(Box<Chase>),
}

/// What came of telling an ending.
enum Telling {
    Now(Box<TrafficRestored>),
    /// By another invocation, or now by one.
    Before,
    Busy,
}

impl Chase {
    fn new(pursuit: Pursuit, stays: bool, noted: bool) -> Self {
        Self { pursuit, stays, noted, superseded_by: None, looks: 0, failures: 0, due: None }
    }
}

impl<C, O, L, A> Act<'_, C, O, L, A>
where
    C: CodeDeploy,
    O: Outbox,
    L: Ledger,
    A: AlarmTags,
{
    /// Takes up a pursuit. It is noted first, so that another invocation can go on with it should this one die.
    pub(crate) async fn pursue(&mut self, pursuit: Pursuit) {
        let mut chase = Chase::new(pursuit, true, false);
        self.attend(&mut chase).await;
        self.chases.push(chase);
    }

    /// Takes up what was noted by whoever returned a service.
    pub(crate) fn take_up(&mut self, noted: Vec<(Pursuit, bool)>) {
        self.chases.extend(noted.into_iter().map(|(pursuit, noted)| Chase::new(pursuit, true, noted)));
    }

    /// A deployment changed its state: its group's open pursuits are looked at. Without any, that costs one read of the table.
    pub(crate) async fn hear(&mut self, change: &StateChange) {
        if let Some(key) = key(Some(&change.group()), None) {
            self.revisit(&key, Visit::Always).await;
        }
        let is_another = |chase: &Chase| !chase.pursuit.concerns(&change.deployment_id);
        if change.state != ChangedState::Success || !self.chases.iter().any(is_another) {
            return;
        }
        let other = match self.ports.codedeploy.deployment(&change.deployment_id).await {
            Ok(other) => other,
            Err(error) => return self.errors.push(error),
        };
        for chase in self.chases.iter_mut().filter(|chase| is_another(chase)) {
            let is_later = other.created.is_some_and(|created| created > chase.pursuit.arrived);
            if is_later && !other.is_rollback() {
                chase.superseded_by = Some(other.id.clone());
            }
        }
    }

    /// ECS has told that a deployment of that service has ended.
    pub(crate) async fn hear_of_service(&mut self, name: &EcsServiceName) {
        if let Some(key) = key(None, Some(name)) {
            self.revisit(&key, Visit::Always).await;
        }
    }

    /// Goes on with the open pursuits under that key.
    pub(crate) async fn revisit(&mut self, key: &str, visit: Visit) {
        let found = match list::read::<Pursuit>(&self.settings.ledger, key).await {
            Ok(found) => found,
            Err(error) => return self.errors.push(error),
        };
        let now = self.ports.clock.now();
        for pursuit in found {
            let is_known = self.chases.iter().any(|chase| chase.pursuit.deployment == pursuit.deployment);
            let is_attended = self.is_attended(&pursuit, now);
            if is_known || (is_attended && visit == Visit::IfAlone) {
                continue;
            }
            self.chases.push(Chase::new(pursuit, !is_attended, true));
        }
    }

    /// Whether another invocation follows it.
    fn is_attended(&self, pursuit: &Pursuit, now: Timestamp) -> bool {
        pursuit.follower.as_ref().is_some_and(|other| other.id != self.request_id && other.until > now)
    }

    /// Follows all of them at once; gives back what was told.
    pub(crate) async fn follow(&mut self, ecs: &impl RollingServices) -> Vec<TrafficRestored> {
        let mut open = std::mem::take(&mut self.chases);
        let mut told = Vec::new();
        while !open.is_empty() {
            let turns = join_all(open.into_iter().map(|chase| self.turn(chase, ecs))).await;
            open = Vec::new();
            for turn in turns {
                match turn {
                    Turn::Over(ending) => told.extend(ending.map(|ending| *ending)),
                    Turn::Untold(error) => self.errors.push(error),
                    Turn::Again(chase) => open.push(*chase),
                }
            }
            if !open.is_empty() {
                self.ports.clock.sleep(self.pause(&open)).await;
            }
        }
        told
    }

    /// Until when this invocation follows it.
    fn last(&self, pursuit: &Pursuit) -> Timestamp {
        pursuit.arrived.plus(AT_MOST).min(self.deadline.minus(RESERVE))
    }

    fn pause(&self, open: &[Chase]) -> Duration {
        let now = self.ports.clock.now();
        let paces = open.iter().map(|chase| {
            // ECS takes more calls than CodeDeploy, and what it shows has no time of its own.
            let is_ecs = matches!(chase.pursuit.course, Course::Returned { .. });
            let age = if is_ecs { Duration::ZERO } else { now.since(chase.pursuit.arrived) };
            pace::pause(age, &chase.pursuit.deployment, chase.looks, chase.failures, open.len())
        });
        let left = open.iter().map(|chase| self.last(&chase.pursuit).since(now));
        paces.chain(left).min().unwrap_or_default()
    }

    /// One look, and what follows from it.
    async fn turn(&self, mut chase: Chase, ecs: &impl RollingServices) -> Turn {
        let last = self.last(&chase.pursuit);
        let has_time = || self.ports.clock.now() < last;
        if chase.due.is_none() {
            if chase.stays && has_time() && !self.attend(&mut chase).await {
                return Turn::Over(None);
            }
            chase.due = self.look(&mut chase, last, ecs).await;
        }
        let Some(ending) = chase.due.clone() else {
            return if chase.stays { Turn::Again(Box::new(chase)) } else { Turn::Over(None) };
        };
        if let Some(later) =
            chase.superseded_by.as_ref().filter(|_| ending.kind != Kind::Restored && chase.failures == 0)
        {
            tracing::info!(deployment.id = %chase.pursuit.deployment, %later, "a later deployment has succeeded, so this one is not followed any more");
            self.close(&chase.pursuit).await;
            return Turn::Over(None);
        }
        if ending.kind == Kind::Moot {
            tracing::info!(deployment.id = %chase.pursuit.deployment, "{}, so it is not followed any more", ending.observed);
            self.close(&chase.pursuit).await;
            return Turn::Over(None);
        }
        match self.tell_ending(&chase.pursuit, &ending).await {
            Ok(Telling::Busy) | Err(_) if chase.stays && has_time() => Turn::Again(Box::new(chase)),
            Ok(Telling::Busy) => Turn::Over(None),
            Err(error) => Turn::Untold(error),
            Ok(telling) => {
                match ending.kind {
                    Kind::Restored | Kind::Moot => self.close(&chase.pursuit).await,
                    Kind::Failed | Kind::Late => self.leave(&chase.pursuit).await,
                }
                Turn::Over(if let Telling::Now(told) = telling { Some(told) } else { None })
            }
        }
    }

    async fn look(&self, chase: &mut Chase, last: Timestamp, ecs: &impl RollingServices) -> Option<Ending> {
        let clock = &self.ports.clock;
        // The first look of an invocation that comes later than two minutes takes what it needs.
        let until = if chase.looks == 0 { self.deadline.minus(RESERVE) } else { last };
        let limit = until.since(clock.now()).clamp(LAST_LOOK, LOOK);
        chase.looks += 1;
        let looked = clock.timeout(limit, chase.pursuit.look(&self.ports.codedeploy, ecs)).await;
        let now = clock.now();
        let seen = match looked {
            Ok(Ok(seen)) => {
                chase.failures = 0;
                Some(seen)
            }
            // What was seen before still tells more than that one look failed.
            Ok(Err(error)) => {
                tracing::debug!(deployment.id = %chase.pursuit.deployment, %error, "a look at the rollback failed");
                None
            }
            Err(_) => None,
        };
        chase.failures += u32::from(seen.is_none());
        match seen {
            Some(Seen::Restored { observed, recorded }) => {
                // CodeDeploy's record is exact where a look comes late, and its clock may be ahead of ours.
                let at = recorded.unwrap_or(now).min(now);
                return Some(Ending { kind: Kind::Restored, observed, at });
            }
            Some(Seen::Failed(observed)) => return Some(Ending { kind: Kind::Failed, observed, at: now }),
            Some(Seen::Superseded(observed)) => return Some(Ending { kind: Kind::Moot, observed, at: now }),
            Some(Seen::NotYet(observed)) => chase.pursuit.observed = observed,
            None => {}
        }
        let is_moot = chase.superseded_by.is_some() && chase.failures == 0;
        let is_late = is_moot || (chase.stays && now >= last);
        is_late.then(|| {
            let waited = Duration::from_secs(now.since(chase.pursuit.arrived).as_secs());
            let observed = format!("after {}, {}", spoken(waited), chase.pursuit.observed);
            Ending { kind: Kind::Late, observed, at: now }
        })
    }

    /// Publishes an ending unless that was done before.
    async fn tell_ending(&self, pursuit: &Pursuit, ending: &Ending) -> Result<Telling, PortError> {
        let (id, now) = (&pursuit.deployment, self.ports.clock.now());
        let key = ending_key(id, ending.kind.word());
        let holder = self.holder();
        let lease = match self.in_time(lease::take(&self.settings.ledger, &key, &holder, now)).await {
            Ok(Taken::Mine(lease)) => Some(lease),
            Ok(Taken::Done(_)) => return Ok(Telling::Before),
            Ok(Taken::Busy) => return Ok(Telling::Busy),
            Err(error) => {
                tracing::warn!(deployment.id = %id, %error, "how it ended is told without the ledger, so it may be told twice");
                None
            }
        };
        let told = pursuit.told(ending.kind == Kind::Restored, &ending.observed, ending.at, now);
        if let Err(error) = self.ports.outbox.publish(&Notice::TrafficRestored(told.clone())).await {
            tracing::warn!(deployment.id = %id, %error, "how it ended is told later");
            if let Some(lease) = lease {
                // If this fails too, the lease runs out by itself.
                let _ = self.in_time(lease.release()).await;
            }
            return Err(error);
        }
        tracing::info!(deployment.id = %id, restored = told.restored, "{}", told.observed);
        let record = entries::ending(now, &told);
        if let Some(lease) = lease
            && let Err(error) = self.in_time(lease.complete(&record, now.plus(REMEMBERED))).await
        {
            tracing::warn!(deployment.id = %id, %error, "how it ended may be told twice");
        }
        Ok(Telling::Now(Box::new(told)))
    }

    /// Says in the table that this invocation follows; false when the pursuit has been ended by another.
    async fn attend(&self, chase: &mut Chase) -> bool {
        let now = self.ports.clock.now();
        let me = Follower { id: self.request_id.to_owned(), until: now.plus(LEASE) };
        let mine = Pursuit { follower: Some(me.clone()), ..chase.pursuit.clone() };
        let (id, is_new) = (&mine.deployment, !chase.noted);
        let change = |open: &mut Vec<Pursuit>| {
            match open.iter_mut().find(|pursuit| pursuit.deployment == *id) {
                Some(other) if self.is_attended(other, now) => {}
                // The first arrival counts, whichever invocation it was.
                Some(same) => *same = Pursuit { arrived: same.arrived.min(mine.arrived), ..mine.clone() },
                None if is_new => open.push(mine.clone()),
                None => {}
            }
            open.drain(..open.len().saturating_sub(MOST_OPEN));
        };
        let Some(open) = self.amend(&mine, change).await else { return true };
        chase.noted = true;
        let Some(now_noted) = open.into_iter().find(|pursuit| pursuit.deployment == *id) else { return false };
        chase.stays = now_noted.follower == Some(me);
        chase.pursuit = now_noted;
        true
    }

    /// Nothing more is to come.
    async fn close(&self, pursuit: &Pursuit) {
        self.amend(pursuit, |open| open.retain(|other| other.deployment != pursuit.deployment)).await;
    }

    /// Nobody follows any more; what comes is found by a later event.
    async fn leave(&self, pursuit: &Pursuit) {
        let left = |open: &mut Vec<Pursuit>| {
            if let Some(same) = open.iter_mut().find(|other| other.deployment == pursuit.deployment) {
                *same = Pursuit { follower: None, ..pursuit.clone() };
            }
        };
        self.amend(pursuit, left).await;
    }

    /// Changes what the table says of a group's pursuits; `None` where that did not work. Then the next event knows less, and nothing more.
    async fn amend(&self, pursuit: &Pursuit, change: impl Fn(&mut Vec<Pursuit>)) -> Option<Vec<Pursuit>> {
        let key = pursuit.key()?;
        let expires = self.ports.clock.now().plus(REMEMBERED);
        match self.in_time(list::amend(&self.settings.ledger, &key, expires, change)).await {
            Ok(open) => Some(open),
            Err(error) => {
                tracing::warn!(key, %error, "should this process die, nobody goes on with the pursuit");
                None
            }
        }
    }
}

#[cfg(test)]
mod tests;
