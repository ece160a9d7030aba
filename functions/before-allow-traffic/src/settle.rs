//! Looks at the facts until they have settled: again and again while something is only just starting and time is left. Decides nothing
//! but when to stop.

use std::time::Duration;

use clock::Clock;
use domain::deployment::Target;
use domain::hook::Finding;
use domain::ports::{Alarms, DeploymentGroups, Deployments, LoadBalancer, Tasks, Versions};
use domain::time::Timestamp;
use hook::Case;

use crate::Ports;
use crate::decide::{Decided, Routed, decide};
use crate::facts::{Reading, Wanted, read};

/// How often what is still starting is looked at.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// What one look takes at most where all goes well: it is kept of the time, so that the last look comes to its end.
pub(crate) const ONE_LOOK: Duration = Duration::from_secs(5);
/// The part of the time after which the checks are sent, settled or not: half for the facts, half for them.
const PART_FOR_SETTLING: u32 = 2;

/// What is looked at, and until when.
pub(crate) struct Watch<'a, C, T, B, V, A, O, S> {
    pub(crate) ports: &'a Ports<C, T, B, V, A, O, S>,
    pub(crate) case: &'a Case<'a>,
    pub(crate) wanted: &'a Wanted,
    pub(crate) clock: &'a Clock,
    /// When facts and checks must be through.
    pub(crate) end: Timestamp,
    /// When the facts have had their time.
    pub(crate) settled: Timestamp,
}

/// What was seen last.
pub(crate) struct Look {
    target: Reading<Target>,
    /// Where the test listener leads; `None` where that is not wanted.
    pub(crate) routed: Option<Routed>,
    decided: Vec<Decided>,
}

impl Look {
    pub(crate) fn findings(self) -> Vec<Finding> {
        self.decided.into_iter().map(Decided::finding).collect()
    }

    fn may_change(&self, matters: impl Fn(&Decided) -> bool) -> bool {
        self.decided.iter().any(|decided| decided.may_change && matters(decided))
    }
}

/// When the facts have had their time. Where checks come after them it is half of what is left. Where none do, all but one look is theirs:
/// an ALB's target needs one health check after its registration, every 30 s by default (Application Load Balancers, "Health checks"), and a slow
/// application some more.
pub(crate) fn settled_at(clock: &Clock, end: Timestamp, sends_checks: bool) -> Timestamp {
    let left = end.since(clock.now());
    clock.now().plus(if sends_checks { left / PART_FOR_SETTLING } else { left.saturating_sub(ONE_LOOK) })
}

impl<C, T, B, V, A, O, S> Watch<'_, C, T, B, V, A, O, S>
where
    C: Deployments + DeploymentGroups,
    T: Tasks,
    B: LoadBalancer,
    V: Versions,
    A: Alarms,
{
    pub(crate) fn left(&self) -> Duration {
        self.end.since(self.clock.now())
    }

    /// How long a look may take: what the facts have left, and never so long that nothing is left for what comes after.
    fn limit(&self) -> Duration {
        let left = self.left();
        self.settled.since(self.clock.now()).max(ONE_LOOK.min(left / 2)).min(left)
    }

    /// The first look.
    pub(crate) async fn look(&self) -> Look {
        self.look_at(self.case.target.clone(), None).await
    }

    async fn look_at(&self, target: Reading<Target>, routed: Option<Routed>) -> Look {
        let facts = read(self.ports, self.case, &target, self.wanted, routed, (self.clock, self.limit())).await;
        let decided = decide(self.case, self.wanted, &facts);
        Look { target, routed: facts.routed, decided }
    }

    /// Another look. Where the test listener leads is looked at until the checks have been sent by it, and not after that.
    async fn again(&self, last: Look, are_checks_sent: bool) -> Look {
        // The numbers of tasks are CodeDeploy's; what was known before is better than nothing.
        let target = self.clock.timeout(self.limit(), self.ports.codedeploy.target(&self.case.deployment)).await;
        let target = target.ok().and_then(Result::ok).map_or(last.target, Ok);
        self.look_at(target, last.routed.filter(|_| are_checks_sent)).await
    }

    /// Goes on while anything that matters may come out differently in a moment, the facts have time, and none that matters has failed for good:
    /// then nothing that the others come to can change the verdict. Before the checks only what concerns them matters: to send them to a fleet that is not up
    /// because an alarm is red would bury the alarm under their failures.
    pub(crate) async fn settle(&self, mut last: Look, matters: fn(&Decided) -> bool, are_checks_sent: bool) -> Look {
        loop {
            let is_open = !last.decided.iter().any(|decided| decided.has_failed_for_good() && matters(decided));
            let has_time = self.settled.since(self.clock.now()) > LOOK_AGAIN;
            if !(is_open && has_time && last.may_change(matters)) {
                return last;
            }
            self.clock.sleep(LOOK_AGAIN).await;
            last = self.again(last, are_checks_sent).await;
        }
    }

    /// One more look after the checks, at what was still starting when they were sent: the last state is what is told.
    pub(crate) async fn finish(&self, last: Look) -> Look {
        if last.may_change(|_| true) && self.left() >= ONE_LOOK { self.again(last, true).await } else { last }
    }
}
