//! Whether a history can be of one account and region. Names of applications and groups are often the same in all of them, and nothing in CodeDeploy's
//! record names the account. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::bail;
use domain::deployment::{Deployment, GroupName, Platform};
use domain::time::Timestamp;

use super::choose::Choice;
use super::read::Found;

/// A rollback may begin somewhat before CodeDeploy has written down the end of what it rolls back.
const TOLERANCE: Duration = Duration::from_mins(1);

/// CodeDeploy runs one deployment of a group at a time ("Limits", CodeDeploy user guide): two that overlap are of two groups with the same names.
///
/// # Errors
/// The first two that do, with where they stand.
pub(super) fn refuse_overlaps(found: &Found, choice: &Choice) -> anyhow::Result<()> {
    let mut groups: BTreeMap<&GroupName, Vec<(Timestamp, Timestamp, &Deployment)>> = BTreeMap::new();
    for one in found.deployments.values() {
        let is_chosen = choice.groups.as_ref().is_none_or(|groups| groups.contains(&one.group));
        // New machines of an Auto Scaling group are deployed to whenever they come.
        if !is_chosen || one.platform == Some(Platform::Server) || one.creator.starts_with("autoscaling") {
            continue;
        }
        let times = one.started.or(one.created).zip(one.completed);
        groups.entry(&one.group).or_default().extend(times.map(|(from, to)| (from, to, one)));
    }
    for (group, mut courses) in groups {
        courses.sort_by_key(|(from, to, one)| (*from, *to, &one.id));
        let mut longest: Option<(Timestamp, Timestamp, &Deployment)> = None;
        for course in courses {
            if let Some(before) = longest.filter(|(_, to, _)| course.0.plus(TOLERANCE) < *to) {
                let told = |(from, to, one): (Timestamp, Timestamp, &Deployment)| {
                    let place = found.places.get(&one.id).map_or("", String::as_str);
                    format!("`{}` ({place}: {} to {})", one.id, from.day_and_time(), to.day_and_time())
                };
                bail!(
                    "`{group}` has two deployments at the same time, {} and {}. CodeDeploy runs one of a group at a time, so these are of two accounts \
                     or regions in which it has the same name, and the successes of one would be counted as the other's. Run `greenlight history` once \
                     for each account and region",
                    told(before),
                    told(course)
                );
            }
            if longest.is_none_or(|(_, to, _)| to < course.1) {
                longest = Some(course);
            }
        }
    }
    Ok(())
}
