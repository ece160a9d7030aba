//! What holds of every history: made up at random, with all that may stand in a record, sense or not.

use std::collections::BTreeSet;
use std::time::Duration;

use domain::deployment::{DeploymentId, Status};
use domain::redeploy::to_confirm;
use domain::time::{Span, Timestamp};
use dora::{Assessment, Record, assess, figures};

use crate::rules::{back, broken, claim, deployed, ok};

/// xorshift64*: enough to make histories up, and the same ones each time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) % limit
    }

    fn one_in(&mut self, limit: u64) -> bool {
        self.below(limit) == 0
    }

    fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize].clone()
    }
}

/// Up to 30 records of up to three groups, in the order of their creation. A rollback is of something before it or of nothing that is there.
fn history(chance: &mut Chance) -> Vec<Record> {
    let mut made: Vec<Record> = Vec::new();
    let mut minute = 0;
    for number in 0..chance.below(31) {
        // Often at the very same time, and ids that do not sort by time.
        minute += chance.below(3).cast_signed() * 5;
        let id = format!("d-{:03}-{number}", chance.below(1000));
        let revision = chance.pick(&["a", "b", "c"]);
        let group = chance.pick(&["one", "two", "three"]);
        let original = made.iter().filter(|record| record.deployment.group.deployment_group == group);
        let original: Vec<String> = original.map(|record| record.deployment.id.0.clone()).collect();
        let original =
            if original.is_empty() || chance.one_in(8) { "d-gone".to_owned() } else { chance.pick(&original) };
        let mut record = match chance.below(8) {
            0 => broken(
                &id,
                minute,
                revision,
                Status::Stopped,
                chance.pick(&["ALARM_ACTIVE", "MANUAL_STOP", "MANUAL_STOP"]),
            ),
            1 => broken(
                &id,
                minute,
                revision,
                Status::Failed,
                chance.pick(&["TIMEOUT", "HOOK_EXECUTION_FAILURE", "THROTTLED"]),
            ),
            2 => back(&id, minute, &original, revision),
            3 => claim(&id, minute, &original, revision),
            4 if chance.one_in(3) => deployed(&id, minute, revision, Status::InProgress),
            _ => ok(&id, minute, revision),
        };
        vary(&mut record, chance);
        record.deployment.group.deployment_group = String::from(group);
        made.push(record);
    }
    made
}

fn vary(record: &mut Record, chance: &mut Chance) {
    let deployment = &mut record.deployment;
    if chance.one_in(10) {
        deployment.status = Status::Failed;
    }
    if chance.one_in(20) {
        deployment.creator = String::from(chance.pick(&["CloudFormationRollback", "autoscaling", "CloudFormation"]));
    }
    if chance.one_in(10) {
        deployment.completed = deployment.created.map(|created| created.minus(Duration::from_mins(1)));
    }
    for time in [&mut deployment.started, &mut deployment.completed] {
        if chance.one_in(15) {
            *time = None;
        }
    }
    if chance.one_in(10) {
        deployment.revision_id = None;
    }
    deployment.termination_wait = chance.one_in(3).then_some(Span(Duration::from_mins(1)));
    if chance.one_in(10) {
        deployment.description += " [greenlight skip: INC-7]";
    }
    record.committed = chance.one_in(2).then(|| Timestamp(chance.below(60).cast_signed() * 60_000));
    record.stopped_by_alarm = chance.one_in(6);
    record.is_confirmed_rollback = chance.one_in(6);
}

fn histories() -> impl Iterator<Item = (u64, Vec<Record>)> {
    (1..=2000_u64).map(|seed| (seed, history(&mut Chance(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15)))))
}

fn of(all: &[Assessment], id: &DeploymentId) -> Option<Assessment> {
    all.iter().find(|one| one.id == *id).cloned()
}

#[test]
fn the_order_of_the_list_and_what_is_there_twice_make_no_difference() {
    for (seed, mut records) in histories() {
        let expected = assess(&records);
        let mut chance = Chance(seed);
        for at in (1..records.len()).rev() {
            records.swap(at, chance.below(at as u64 + 1) as usize);
        }
        assert_eq!(assess(&records), expected, "seed {seed}");
        records.extend_from_within(..records.len() / 2);
        assert_eq!(assess(&records), expected, "seed {seed}, half of it twice");
    }
}

/// What makes it safe to publish a deployment as soon as it has ended: with only those before it, and CodeDeploy's rollbacks of it and of those, it comes to
/// the same as with all that came after.
#[test]
fn what_comes_later_changes_nothing() {
    let mut looked_at = 0;
    for (seed, mut records) in histories() {
        let whole = assess(&records);
        records.sort_by_key(|record| (record.deployment.created, record.deployment.id.clone()));
        for record in &records {
            let id = &record.deployment.id;
            let place = |other: &Record| (other.deployment.created, other.deployment.id.clone());
            // A rollback of something that was created at the same time comes after it, whatever their ids.
            let is_before = |other: &&Record| {
                place(other) <= place(record) || other.deployment.created == record.deployment.created
            };
            let before: BTreeSet<&DeploymentId> =
                records.iter().filter(is_before).map(|other| &other.deployment.id).collect();
            // CodeDeploy's rollback follows at once, before anything else of the group may begin; here it may come at any time.
            let is_automatic = |other: &&Record| {
                let deployment = &other.deployment;
                let is_of_those = deployment.rolls_back.as_ref().is_some_and(|original| before.contains(original));
                is_of_those && to_confirm(deployment).is_none()
            };
            let known = records.iter().filter(|other| is_before(other) || is_automatic(other));
            let known: Vec<Record> = known.cloned().collect();
            assert_eq!(of(&assess(&known), id), of(&whole, id), "seed {seed}, {id}");
            looked_at += 1;
        }
    }
    assert!(looked_at > 20_000, "{looked_at}");
}

#[test]
fn groups_have_nothing_to_do_with_each_other() {
    for (seed, records) in histories() {
        let whole = assess(&records);
        let of_group = |group: &str| {
            let own = records.iter().filter(|record| record.deployment.group.deployment_group == group);
            assess(&own.cloned().collect::<Vec<_>>())
        };
        let apart = ["one", "three", "two"].map(of_group).concat();
        assert_eq!(whole, apart, "seed {seed}");
    }
}

#[test]
fn the_numbers_agree_with_each_other() {
    for (seed, records) in histories() {
        let assessed = assess(&records);
        let all = figures(&assessed);
        assert!(all.change_failures <= all.changes, "seed {seed}: {all:?}");
        assert!(all.succeeded <= all.deployments && all.changes <= all.deployments && all.rework <= all.deployments);
        assert!(all.taken_back <= all.succeeded, "seed {seed}");
        assert!(all.rolled_back - all.taken_back <= all.deployments - all.succeeded, "seed {seed}");
        let over_weeks =
            |count: fn(&dora::Figures) -> usize| all.weeks.iter().map(|week| count(&week.figures)).sum::<usize>();
        assert_eq!(over_weeks(|week| week.deployments), all.deployments);
        assert_eq!(over_weeks(|week| week.change_failures), all.change_failures);
        for one in &assessed {
            assert!(one.duration <= one.total_duration, "seed {seed}: {one:?}");
            assert!(
                !one.is_rollback
                    || !one.is_change && !one.is_rework && one.failure.is_none() && one.lead_time.is_none()
            );
            assert!(one.is_rollback || one.takes_back.is_none());
            assert!(one.recovery.is_none() || one.status == Status::Succeeded);
        }
    }
}
