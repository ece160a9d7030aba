//! What `template.yaml` makes of the deployment metrics: its four alarms and its dashboard, on days that are worked out by hand. The values are
//! those that `dora` publishes, so that a name or a dimension that is spelt differently here and there shows as a missing value.

mod alarms;
mod dashboard;
mod values;

use std::time::Duration;

use domain::deployment::{DeploymentId, GroupName, Status};
use domain::ports::Measure;
use domain::time::Timestamp;
use dora::{Assessment, Cause, Labels, TakenBack};
use rehearsal::services::cloudwatch::CloudWatch;

use crate::project::project;
use crate::watch::template;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// Midnight before a Monday.
const START: i64 = 1_767_571_200_000;

const fn minutes(many: u64) -> Duration {
    Duration::from_secs(60 * many)
}

/// A change that went well in five minutes.
fn good() -> Assessment {
    Assessment {
        id: DeploymentId("d-1".to_owned()),
        group: GroupName { application: "mangaassist".to_owned(), deployment_group: "orchestrator".to_owned() },
        ended: Timestamp(START),
        status: Status::Succeeded,
        is_rollback: false,
        is_change: true,
        decides_change: true,
        failure: None,
        rolled_back: false,
        is_rework: false,
        duration: Some(minutes(5)),
        total_duration: Some(minutes(10)),
        lead_time: None,
        recovery: None,
        takes_back: None,
        hooks: Vec::new(),
        is_unchecked: false,
    }
}

/// A change that a hook stopped.
fn bad() -> Assessment {
    Assessment { status: Status::Failed, failure: Some(Cause::Hook), ..good() }
}

/// A change that an alarm stopped and that was rolled back.
fn rolled_back() -> Assessment {
    Assessment { status: Status::Stopped, failure: Some(Cause::Alarm), rolled_back: true, ..good() }
}

fn lasting(duration: Duration) -> Assessment {
    Assessment { duration: Some(duration), ..good() }
}

/// A rollback after which the group was well again.
fn recovery(took: Duration) -> Assessment {
    Assessment { is_rollback: true, is_change: false, decides_change: false, recovery: Some(took), ..good() }
}

/// A rollback of a change that had succeeded.
fn taken_back(at: i64) -> TakenBack {
    TakenBack { id: DeploymentId("d-0".to_owned()), at: Timestamp(at), is_change: true }
}

/// The dimensions of the sample's service, whose environment is `production`.
fn production() -> Labels {
    Labels::of(Some(&good().group), &project().config, None)
}

/// Those of a group that is in `staging`.
fn staging() -> Labels {
    let group = GroupName { application: "mangaassist".to_owned(), deployment_group: "staging".to_owned() };
    Labels::of(Some(&group), &project().config, Some("staging"))
}

fn publish(cloudwatch: &mut CloudWatch, measures: Vec<Measure>) {
    for Measure { name, unit, value, at, dimensions } in measures {
        let dimensions = dimensions.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        cloudwatch.put("Greenlight", name, dimensions, at.0, value, unit);
    }
}

/// Publishes what ended then.
fn ended(cloudwatch: &mut CloudWatch, at: i64, of: Assessment, labels: &Labels) {
    publish(cloudwatch, dora::measures(&Assessment { ended: Timestamp(at), ..of }, labels));
}
