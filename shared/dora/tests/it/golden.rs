//! The golden history: 56 records of four groups over six weeks (2026-02-02 to 2026-03-15), worked out by hand.
//!
//! Each line of the tables below was reckoned from the record with pencil and paper, by the rules of `docs/metrics.md`; so were the sums. Nothing here is
//! copied from what the program says. Times are UTC. `orchestrator` waits 5 minutes before it ends the old version, `storefront` 60, `worker` keeps it (and so
//! waits for nothing), `burst-overflow` is a Lambda function. So 900 s of `orchestrator` are 600 s to the shift's end, and 4500 s of `storefront` 900.

use std::time::Duration;

use domain::deployment::GroupName;
use dora::{Assessment, Cause, Figures, Spread, assess, figures};

use crate::reading::{golden, told};

/// A deployment, and what it counts as.
type Line = (&'static str, &'static str);

/// What each deployment counts as, and why. Those that are not here are not counted: `d-ORC000030` is still in flight.
const ORCHESTRATOR: [Line; 29] = [
    // The first of all. 09:10:02 less 08:00:00 is 1 h 10 min 2 s.
    ("d-ORC000001", "ok, change, 600/900, lead 4202"),
    // CodeDeploy's own alarm, at 10:06:02.
    ("d-ORC000002", "no, change, failure Alarm, rolled back, 360/360"),
    // Back at 10:06:44. CodeDeploy's rollback waits for nothing, though its record has the 5 minutes.
    ("d-ORC000003", "ok, rollback, recovery 42"),
    // The fix: rework. The commit has an offset: 14:00+01:00 is 13:00; to 14:11:02.
    ("d-ORC000004", "ok, change, rework, 660/960, lead 4262"),
    // Greenlight stopped it because of an alarm. The record calls that a person's stop; that it was rolled back makes it a failure all the same.
    ("d-ORC000005", "no, change, failure StoppedAndRolledBack, rolled back, 240/240"),
    // 11:04:02 to 11:05:32.
    ("d-ORC000006", "ok, rollback, recovery 90"),
    // The same revision again, and now it gets there: no change, but its lead time: 10:20:00 to 15:10:02. Rework, as the first after a failure.
    ("d-ORC000007", "ok, rework, 600/900, lead 17402"),
    // No commit time, no lead time.
    ("d-ORC000008", "ok, change, 600/900"),
    // What is in production already, once more: no change, and no second lead time.
    ("d-ORC000009", "ok, 600/900"),
    ("d-ORC000010", "no, change, failure Hook, rolled back, 180/180"),
    // The rollback fails, so nobody is well yet.
    ("d-ORC000011", "no, rollback"),
    // A person deploys again what was good: 10:03:02 to 10:40:02, 37 min.
    ("d-ORC000012", "ok, rework, 600/900, recovery 2220"),
    ("d-ORC000013", "ok, change, 600/900, lead 4202"),
    // The commit is of 12:00, in the future: no less than nothing.
    ("d-ORC000014", "ok, change, 600/900, lead 0"),
    // A person stops it, nothing is rolled back: no failure. It is counted as a change.
    ("d-ORC000015", "no, change, 120/120"),
    // The same again: no second change, but what becomes of it becomes of that change. No rework: nothing had failed before.
    ("d-ORC000016", "no, failure TimeOut, rolled back, 3600/3600"),
    // 12:00:02 to 12:01:02.
    ("d-ORC000017", "ok, rollback, recovery 60"),
    // The fix fails as well.
    ("d-ORC000018", "no, change, failure Hook, rolled back, rework, 150/150"),
    // The group was well since 12:01:02, so only from 09:02:32 to 09:03:17.
    ("d-ORC000019", "ok, rollback, recovery 45"),
    // 12:00:00 to 13:15:02.
    ("d-ORC000020", "ok, change, rework, 900/1200, lead 4502"),
    // Three days and 602 s. It looks well; see the next.
    ("d-ORC000021", "ok, change, 600/900, lead 259802"),
    // Greenlight takes it back, with a revision made anew for that, 09:40:00; all traffic is back at 09:42:02, 5 min before the end.
    ("d-ORC000022", "ok, rollback, takes back d-ORC000021: failure, recovery 122"),
    // What was taken back, once more. It was tried last (a rollback tries nothing), and in production before: neither change nor lead time.
    ("d-ORC000023", "ok, rework, 600/900"),
    // The emergency lane is rework by its own word.
    ("d-ORC000024", "ok, change, rework, 600/900, lead 4202"),
    // Ends at 08:00:05, five seconds before it begins. The lead time is from 07:00:00 to then.
    ("d-ORC000025", "ok, change, 0/0, lead 3605"),
    // The group has no automatic rollback any more. 10:05:02.
    ("d-ORC000026", "no, change, failure Alarm, 300/300"),
    ("d-ORC000027", "no, change, failure Other, rework, 600/600"),
    // Well again since the first of the two: 10:05:02 to 12:10:02. From 11:30:00 it is 40 min 2 s.
    ("d-ORC000028", "ok, change, rework, 600/900, lead 2402, recovery 7500"),
    // A person cut the wait short, so there are no 5 minutes to take off. A day and 242 s.
    ("d-ORC000029", "ok, change, 240/240, lead 86642"),
];

const STOREFRONT: [Line; 13] = [
    // A day and 20 min 2 s; commit times in seconds since the epoch.
    ("d-STO000001", "ok, change, 900/4500, lead 87602"),
    // While `orchestrator` is being rolled back, which is nothing to this group.
    ("d-STO000002", "no, change, failure Hook, rolled back, 720/720"),
    // 10:15:02 to 10:16:42.
    ("d-STO000003", "ok, rollback, recovery 100"),
    // A week later, and still the first since the failure. A day and 15 min 2 s.
    ("d-STO000004", "ok, change, rework, 900/4500, lead 87302"),
    // A person stops it and has it rolled back.
    ("d-STO000005", "no, change, failure StoppedAndRolledBack, rolled back, 600/600"),
    // 10:10:02 to 10:13:02.
    ("d-STO000006", "ok, rollback, recovery 180"),
    ("d-STO000007", "ok, change, rework, 900/4500"),
    ("d-STO000008", "ok, change, 900/4500, lead 4502"),
    // A person takes it back at 11:30:00, and says so: what was in production before, once more. It fails.
    ("d-STO000009", "no, rollback, takes back d-STO000008: failure"),
    // CodeDeploy rolls that rollback back: what is bad is back, and nobody is well.
    ("d-STO000010", "ok, rollback"),
    // They take it back once more, and it works; it is not taken back twice. 11:30:00 to 11:52:02, before the wait of an hour.
    ("d-STO000011", "ok, rollback, recovery 1322"),
    ("d-STO000012", "ok, change, rework, 900/4500, lead 87302"),
    ("d-STO000013", "ok, change, 900/4500, lead 4502"),
];

const BURST: [Line; 10] = [
    ("d-BUR000001", "ok, change, 660/660, lead 7861"),
    // Begins on Sunday at 23:55:01 and ends on Monday at 00:06:01.
    ("d-BUR000002", "ok, change, 660/660, lead 3961"),
    // Never started: from its creation, 12:00:00, to 12:00:10.
    ("d-BUR000003", "no, change, failure Other, 10/10"),
    // The same again fails again: the change has failed once, not twice.
    ("d-BUR000004", "no, again Alarm, rolled back, rework, 240/240"),
    // Since the first of the two: 12:00:10 to 12:34:40.
    ("d-BUR000005", "ok, rollback, recovery 2070"),
    // Seven days and 661 s.
    ("d-BUR000006", "ok, change, rework, 660/660, lead 605461"),
    // Of a stack. CodeDeploy itself rolls nothing back. Sunday, 23:58:01.
    ("d-BUR000007", "no, change, failure Alarm, 480/480"),
    // The stack's rollback names nothing, but the group is well: Monday, 00:02:01.
    ("d-BUR000008", "ok, rollback, recovery 240"),
    ("d-BUR000009", "ok, change, rework, 660/660, lead 4261"),
    ("d-BUR000010", "ok, change, 660/660"),
];

const WORKER: [Line; 3] = [
    ("d-WRK000001", "ok, change, 420/420, lead 4022"),
    // Says that it rolls back what nobody knows, which is not believed.
    ("d-WRK000002", "ok, change, 420/420, lead 1022"),
    // An older version put back by hand, which nothing marks: a change. It was in production before, so no lead time.
    ("d-WRK000003", "ok, change, 420/420"),
];

fn of_group(application: &str, deployment_group: &str) -> Vec<Assessment> {
    let group = GroupName { application: application.to_owned(), deployment_group: deployment_group.to_owned() };
    assess(&golden()).into_iter().filter(|one| one.group == group).collect()
}

#[test]
fn every_deployment_counts_as_what_it_was() {
    let groups: [(&str, &str, &[Line]); 4] = [
        ("shop", "orchestrator", &ORCHESTRATOR),
        ("web", "storefront", &STOREFRONT),
        ("shop", "burst-overflow", &BURST),
        ("web", "worker", &WORKER),
    ];
    for (application, group, by_hand) in groups {
        let assessed = of_group(application, group);
        let by_program: Vec<(&str, String)> = assessed.iter().map(|one| (one.id.0.as_str(), told(one))).collect();
        let by_hand: Vec<(&str, String)> = by_hand.iter().map(|(id, text)| (*id, (*text).to_owned())).collect();
        assert_eq!(by_program, by_hand, "{application}/{group}");
    }
}

/// A spread as `count: p50, p95, longest` in seconds.
type Hand = Option<(usize, u64, u64, u64)>;

/// Sums made by hand.
struct Sums {
    /// Deployments, succeeded, changes, change failures.
    counts: [usize; 4],
    /// Rolled back, taken back (among them), rollbacks that failed, rework.
    rollbacks: [usize; 4],
    /// Alarm, hook, time-out, stopped and rolled back, other.
    causes: [usize; 5],
    duration: Hand,
    total: Hand,
    lead: Hand,
    recovery: Hand,
}

#[track_caller]
fn check(of: &Figures, sums: &Sums, what: &str) {
    let hand = |spread: Option<Spread>| {
        spread.map(|spread| {
            let [p50, p95, longest] = [spread.p50, spread.p95, spread.longest].map(|took: Duration| took.as_secs());
            (spread.count, p50, p95, longest)
        })
    };
    let cause = |cause| of.causes.get(&cause).copied().unwrap_or_default();
    let causes = [Cause::Alarm, Cause::Hook, Cause::TimeOut, Cause::StoppedAndRolledBack, Cause::Other].map(cause);
    assert_eq!([of.deployments, of.succeeded, of.changes, of.change_failures], sums.counts, "{what}");
    assert_eq!([of.rolled_back, of.taken_back, of.failed_rollbacks, of.rework], sums.rollbacks, "{what}");
    assert_eq!(causes, sums.causes, "{what}");
    assert_eq!(hand(of.duration), sums.duration, "duration, {what}");
    assert_eq!(hand(of.total_duration), sums.total, "total duration, {what}");
    assert_eq!(hand(of.lead_time), sums.lead, "lead time, {what}");
    assert_eq!(hand(of.recovery), sums.recovery, "recovery, {what}");
}

/// Nearest rank: of n values in order the ⌈n/2⌉th and the ⌈0.95 n⌉th.
#[test]
fn every_group_comes_to_its_sums() {
    // Succeeded: 1 4 7 8 9 12 13 14 20 21 23 24 25 28 29. No change: 7 9 12 16 23. Change failures: 2 5 10 16 18 26 27, and 21 by 22. Rolled back: 2 5 10 16 18,
    // and 21. Rework: 4 7 12 18 20 23 24 27 28.
    // To the shift's end: 0 120 150 180 240 240 300 360, twelve 600, 660 900 3600: 23; the 12th is 600, the 22nd 900.
    // To the end: 0 120 150 180 240 240 300 360 600, eleven 900, 960 1200 3600: the 12th is 900, the 22nd 1200.
    // Lead times: 0 2402 3605 4202 4202 4202 4262 4502 17402 86642 259802: 11; the 6th, the 11th. Recoveries: 42 45 60 90 122 2220 7500: 7; the 4th, the 7th.
    let orchestrator = Sums {
        counts: [23, 15, 18, 8],
        rollbacks: [6, 1, 1, 9],
        causes: [2, 2, 1, 1, 1],
        duration: Some((23, 600, 900, 3600)),
        total: Some((23, 900, 1200, 3600)),
        lead: Some((11, 4202, 259_802, 259_802)),
        recovery: Some((7, 90, 7500, 7500)),
    };
    check(&figures(&of_group("shop", "orchestrator")), &orchestrator, "orchestrator");
    // Not succeeded: 2 5. Change failures: 2 5, and 8 by 9. Rework: 4 7 12. To the shift's end: 600 720, six 900. To the end: 600 720, six 4500.
    // Lead times: 4502 4502 87302 87302 87602. Recoveries: 100 180 1322.
    let storefront = Sums {
        counts: [8, 6, 8, 3],
        rollbacks: [3, 1, 1, 3],
        causes: [0, 1, 0, 1, 0],
        duration: Some((8, 900, 900, 900)),
        total: Some((8, 4500, 4500, 4500)),
        lead: Some((5, 87302, 87602, 87602)),
        recovery: Some((3, 180, 1322, 1322)),
    };
    check(&figures(&of_group("web", "storefront")), &storefront, "storefront");
    // Not succeeded: 3 4 7. No change: 4. Change failures: 3 7. Rolled back: 4. Rework: 4 6 9. To the end: 10 240 480, five 660.
    // Lead times: 3961 4261 7861 605461. Recoveries: 240 2070.
    let burst = Sums {
        counts: [8, 5, 7, 2],
        rollbacks: [1, 0, 0, 3],
        causes: [2, 0, 0, 0, 1],
        duration: Some((8, 660, 660, 660)),
        total: Some((8, 660, 660, 660)),
        lead: Some((4, 4261, 605_461, 605_461)),
        recovery: Some((2, 240, 2070, 2070)),
    };
    check(&figures(&of_group("shop", "burst-overflow")), &burst, "burst-overflow");
    let worker = Sums {
        counts: [3, 3, 3, 0],
        rollbacks: [0, 0, 0, 0],
        causes: [0, 0, 0, 0, 0],
        duration: Some((3, 420, 420, 420)),
        total: Some((3, 420, 420, 420)),
        lead: Some((2, 1022, 4022, 4022)),
        recovery: None,
    };
    check(&figures(&of_group("web", "worker")), &worker, "worker");
}

#[test]
fn all_of_it_comes_to_its_sums_and_rates() {
    // The counts are the sums over the groups: 23 + 8 + 8 + 3, and so on.
    // To the shift's end: 0 10 120 150 180 240 240 240 300 360 420 420 420 480 (14), thirteen 600 (27), six 660 (33), 720 (34), seven 900 (41), 3600:
    // 42; the 21st is 600, the 40th 900.
    // To the end: 0 10 120 150 180 240 240 240 300 360 420 420 420 480 (14), 600 600 (16), five 660 (21), 720 (22), eleven 900 (33), 960 1200 3600 (36), six
    // 4500: the 21st is 660, the 40th 4500.
    // Lead times: 0 1022 2402 3605 3961 4022 4202 4202 4202 4261 4262 4502 4502 4502 7861 17402 86642 87302 87302 87602 259802 605461: 22; the 11th, the 21st.
    // Recoveries: 42 45 60 90 100 122 180 240 1322 2070 2220 7500: 12; the 6th, the 12th.
    let all = figures(&assess(&golden()));
    let sums = Sums {
        counts: [42, 29, 36, 13],
        rollbacks: [10, 2, 2, 15],
        causes: [4, 3, 1, 2, 2],
        duration: Some((42, 600, 900, 3600)),
        total: Some((42, 660, 4500, 4500)),
        lead: Some((22, 4262, 259_802, 605_461)),
        recovery: Some((12, 122, 7500, 7500)),
    };
    check(&all, &sums, "all");
    let round = |rate: Option<f64>| rate.map(|rate| format!("{rate:.2}"));
    // 29 of 42, 13 of 36, 15 of 42.
    assert_eq!(round(all.success_rate()).as_deref(), Some("69.05"));
    assert_eq!(round(all.change_failure_rate()).as_deref(), Some("36.11"));
    assert_eq!(round(all.rework_rate()).as_deref(), Some("35.71"));
    // From the 2nd of February to the 12th of March: 27 days and 12.
    assert_eq!((all.days, all.per_week()), (39, Some(42.0 * 7.0 / 39.0)));
    // `d-ORC000001` and `d-BUR000010`.
    let span = all.span.map(|(first, last)| [first, last].map(|at| at.to_string()));
    assert_eq!(span.unwrap(), ["2026-02-02T09:15:02.000Z", "2026-03-12T20:11:01.000Z"]);
}

#[test]
fn every_week_comes_to_its_sums() {
    let weeks = [
        // orchestrator 1 2 4 5 7, storefront 1 2, burst 1, worker 1. No change: orchestrator 7. Durations 240 360 420 600 600 660 660 720 900; to the end 240 360
        // 420 660 720 900 900 960 4500; lead times 4022 4202 4262 7861 17402 87602; recoveries 42 90 100.
        Sums {
            counts: [9, 6, 8, 3],
            rollbacks: [3, 0, 0, 2],
            causes: [1, 1, 0, 1, 0],
            duration: Some((9, 600, 900, 900)),
            total: Some((9, 720, 4500, 4500)),
            lead: Some((6, 4262, 87602, 87602)),
            recovery: Some((3, 90, 100, 100)),
        },
        // orchestrator 8 9 10 12 13, storefront 4 5, burst 2 3 4. No change: orchestrator 9 12, burst 4. Durations 10 180 240, five 600, 660 900; to the end 10 180
        // 240 600 660, four 900, 4500; lead times 3961 4202 87302; recoveries 180 2070 2220.
        Sums {
            counts: [10, 6, 7, 3],
            rollbacks: [3, 0, 1, 3],
            causes: [1, 1, 0, 1, 1],
            duration: Some((10, 600, 900, 900)),
            total: Some((10, 660, 4500, 4500)),
            lead: Some((3, 4202, 87302, 87302)),
            recovery: Some((3, 2070, 2220, 2220)),
        },
        // orchestrator 14 15 16 18 20, storefront 7, burst 6, worker 2. No change: orchestrator 16. Durations 120 150 420 600 660 900 900 3600; to the end 120 150 420
        // 660 900 1200 3600 4500; lead times 0 1022 4502 605461; recoveries 45 60.
        Sums {
            counts: [8, 5, 7, 2],
            rollbacks: [2, 0, 0, 4],
            causes: [0, 1, 1, 0, 0],
            duration: Some((8, 600, 3600, 3600)),
            total: Some((8, 660, 4500, 4500)),
            lead: Some((4, 1022, 605_461, 605_461)),
            recovery: Some((2, 45, 60, 60)),
        },
        // orchestrator 21 23 24, storefront 8, burst 7. No change: orchestrator 23. Change failures: burst 7, and what was taken back, orchestrator 21 and storefront
        // 8. Durations 480 600 600 600 900; to the end 480 900 900 900 4500; lead times 4202 4502 259802; recoveries 122 1322.
        Sums {
            counts: [5, 4, 4, 3],
            rollbacks: [2, 2, 1, 2],
            causes: [1, 0, 0, 0, 0],
            duration: Some((5, 600, 900, 900)),
            total: Some((5, 900, 4500, 4500)),
            lead: Some((3, 4502, 259_802, 259_802)),
            recovery: Some((2, 122, 1322, 1322)),
        },
        // orchestrator 25 26 27 28, storefront 12, burst 9, worker 3. Durations 0 300 420 600 600 660 900; to the end 0 300 420 600 660 900 4500; lead times 2402
        // 3605 4261 87302; recoveries 240 (of burst's failure in the week before) 7500.
        Sums {
            counts: [7, 5, 7, 2],
            rollbacks: [0, 0, 0, 4],
            causes: [1, 0, 0, 0, 1],
            duration: Some((7, 600, 900, 900)),
            total: Some((7, 600, 4500, 4500)),
            lead: Some((4, 3605, 87302, 87302)),
            recovery: Some((2, 240, 7500, 7500)),
        },
        // orchestrator 29, storefront 13, burst 10.
        Sums {
            counts: [3, 3, 3, 0],
            rollbacks: [0, 0, 0, 0],
            causes: [0, 0, 0, 0, 0],
            duration: Some((3, 660, 900, 900)),
            total: Some((3, 660, 4500, 4500)),
            lead: Some((2, 4502, 86642, 86642)),
            recovery: None,
        },
    ];
    let all = figures(&assess(&golden()));
    let mondays = ["2026-02-02", "2026-02-09", "2026-02-16", "2026-02-23", "2026-03-02", "2026-03-09"];
    assert_eq!(all.weeks.len(), mondays.len());
    for ((week, sums), monday) in all.weeks.iter().zip(&weeks).zip(mondays) {
        assert_eq!(week.from.to_string(), format!("{monday}T00:00:00.000Z"));
        check(&week.figures, sums, monday);
    }
}
