//! What a deployment history comes to: which deployments were changes, which failed, how long each took, when the group was well again, and
//! the five DORA numbers. Pure: knows nothing of where the history was read or of where the numbers go. `deployment-metrics` and `greenlight
//! history` count by the same rules, which stand with their reasons in `docs/metrics.md`.

mod assess;
pub mod bands;
mod figures;
mod measure;
mod order;
mod target;

use domain::deployment::{Deployment, DeploymentId, GroupName, Status};
use domain::time::Timestamp;
use std::time::Duration;

pub use assess::assess;
pub use figures::{Figures, HookFigures, Spread, Week, figures, figures_between};
pub use measure::{Labels, measures, of_traffic_restored};

/// The key under which a pipeline puts the time of the commit into the deployment's description: `commit_time=2026-03-03T10:07:08+01:00`
/// (`git show -s --format=%cI`) or in seconds since the epoch (`%ct`).
pub const COMMIT_TIME: &str = "commit_time";
/// The task definition's tag that says the same, in the same forms.
pub const COMMIT_TIME_TAG: &str = "greenlight:commit-time";

/// One deployment as it is recorded, with what CodeDeploy tells elsewhere than in its record.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// CodeDeploy's record of it.
    pub deployment: Deployment,
    /// When the last lifecycle event ended: all traffic is on the new version, and the last hook has answered. `None` where that was not read.
    pub shifted: Option<Timestamp>,
    /// The hooks that ran, in order; empty where that was not read.
    pub hooks: Vec<HookRun>,
    /// When the commit was made that it brings; `None` where nobody says so.
    pub committed: Option<Timestamp>,
    /// Whether Greenlight stopped it because of an alarm. CodeDeploy calls such a stop a person's.
    pub stopped_by_alarm: bool,
    /// Whether Greenlight's table confirms that it takes back the deployment which its description names (`greenlight_rolls_back=…`). `false` where
    /// nothing says so, or the table was not asked: the history judges it then.
    pub is_confirmed_rollback: bool,
}

impl Record {
    /// With what the record itself tells, the commit's time in its description included.
    pub fn of(deployment: Deployment) -> Self {
        let committed = deployment.described(COMMIT_TIME).and_then(commit_time);
        Self {
            deployment,
            shifted: None,
            hooks: Vec::new(),
            committed,
            stopped_by_alarm: false,
            is_confirmed_rollback: false,
        }
    }
}

/// 2005-01-01, the year in which git came. What claims to be older is a mistake, such as a version or a day read as seconds.
const FIRST_COMMIT: Timestamp = Timestamp(1_104_537_600_000);
/// The year 5138 in seconds, or 1973 in milliseconds.
const SECONDS: i64 = 100_000_000_000;

/// Reads a commit's time: RFC 3339, or seconds since the epoch; `None` of anything before 2005, when there was no git. Milliseconds are none: read as
/// seconds they would be a commit in the far future.
pub fn commit_time(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let time = match text.parse::<i64>() {
        Ok(seconds) => (1..SECONDS).contains(&seconds).then_some(Timestamp(seconds.saturating_mul(1000))),
        Err(_) => Timestamp::parse(text),
    };
    time.filter(|time| *time >= FIRST_COMMIT)
}

/// One hook's run, as CodeDeploy recorded its lifecycle event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookRun {
    /// `BeforeAllowTraffic`, `AfterAllowTraffic`, …
    pub lifecycle_event: String,
    /// When CodeDeploy called it.
    pub started: Timestamp,
    /// When it had answered, or CodeDeploy waited no longer.
    pub ended: Timestamp,
    /// Whether the lifecycle event succeeded.
    pub succeeded: bool,
}

/// Why a deployment is a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// An alarm stopped it: CodeDeploy's own, or Greenlight because of one.
    Alarm,
    /// A hook failed.
    Hook,
    /// Something took too long.
    TimeOut,
    /// A person stopped it, and it was rolled back.
    StoppedAndRolledBack,
    /// CodeDeploy could not go on for another reason.
    Other,
}

/// A deployment that had succeeded and was taken back by another one, later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakenBack {
    /// The deployment that was taken back.
    pub id: DeploymentId,
    /// When the rollback was asked for. The incident begins here: since when the deployment did harm is not recorded.
    pub at: Timestamp,
    /// Whether that makes a change failure: the deployment that was taken back was a change, and the same change has not failed before.
    pub is_change: bool,
}

/// What one deployment comes to, in the light of those before it in its group.
#[derive(Clone, Debug, PartialEq)]
pub struct Assessment {
    /// Which one.
    pub id: DeploymentId,
    /// Its group.
    pub group: GroupName,
    /// When it ended; what is measured of it has this time.
    pub ended: Timestamp,
    /// How.
    pub status: Status,
    /// Whether it only restores what was there before. Then it is no deployment: nothing but its times, `recovery` and `takes_back` is told of it.
    pub is_rollback: bool,
    /// Whether it brings a revision that was neither in production nor tried right before it.
    pub is_change: bool,
    /// Whether a failure of it is a failure of the change: it is one, or it tries one again that a person had stopped before it came to anything.
    pub decides_change: bool,
    /// Why it is a failure; `None` when it is none.
    pub failure: Option<Cause>,
    /// Whether CodeDeploy started a rollback because of it.
    pub rolled_back: bool,
    /// Whether it was made to mend a failure.
    pub is_rework: bool,
    /// From its start to the shift's end, or to its failure; `None` where CodeDeploy does not tell when it ended.
    pub duration: Option<Duration>,
    /// From its start to its very end, the wait before the old version is ended included.
    pub total_duration: Option<Duration>,
    /// From the commit until it was in production; only for what got there for the first time.
    pub lead_time: Option<Duration>,
    /// From the group's first failure since it was last well until this one made it well again.
    pub recovery: Option<Duration>,
    /// What this rollback takes back although it had succeeded.
    pub takes_back: Option<TakenBack>,
    /// The hooks that ran.
    pub hooks: Vec<HookRun>,
    /// Whether its description asks to be let through unchecked.
    pub is_unchecked: bool,
}

impl Assessment {
    /// Whether the change did harm. The same revision failing again is no further change failure.
    pub fn is_change_failure(&self) -> bool {
        self.decides_change && self.failure.is_some()
    }
}
