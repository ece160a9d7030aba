//! A thousand alarms at once, mixed, duplicated and out of order, for deployments good and bad.

use domain::config::load;
use domain::deployment::GroupName;
use futures_util::future::join_all;

use super::*;

const SERVICES: usize = 5;

fn fleet() -> Config {
    let service = |number: usize| {
        format!(
            "  - name: service-{number}\n    codedeploy: {{ application: fleet, deployment_group: group-{number} }}\n    alarms:\n      \
             - {{ name: bad-{number}, action: rollback }}\n      - {{ name: slow-{number}, action: rollback }}\n      \
             - {{ name: logs-{number}, action: alert }}\n"
        )
    };
    let services: String = (0..SERVICES).map(service).collect();
    load("greenlight.yaml", &format!("version: 1\nservices:\n{services}")).unwrap()
}

/// Five deployments are in flight; the last two of them are good, and only their log alarms go off.
fn storm_world(seed: u64) -> World {
    let world = World::new();
    world.deployments.borrow_mut().clear();
    for number in 0..SERVICES {
        let group = GroupName { application: "fleet".to_owned(), deployment_group: format!("group-{number}") };
        world.put(Deployment { group, ..deployment(&format!("d-of-{number}")) });
    }
    world.account.shuffle.set(seed);
    world
}

fn one_of_the_storm(number: usize) -> Value {
    let kinds = ["bad", "slow", "logs", "nobodys", "ok"];
    let (kind, service) = (kinds[number % kinds.len()], number / kinds.len() % SERVICES);
    let is_good = service >= 3;
    let (kind, state) = match kind {
        "ok" => ("bad", "OK"),
        "bad" | "slow" if is_good => ("logs", "ALARM"),
        other => (other, "ALARM"),
    };
    let mut event = event(&format!("{kind}-{service}"), state);
    // Some alarms went off more than once; every one of these events arrives several times.
    event["detail"]["state"]["timestamp"] = json!(minutes(2 + i64::try_from(number % 7).unwrap()));
    event
}

#[test]
fn a_thousand_alarms_at_once_stop_each_bad_deployment_once_and_no_good_one() {
    for seed in [1, 7, 1_234_567, 987_654_321] {
        let world = storm_world(seed);
        let settings = Ok(Settings { config: fleet(), ledger: &world });
        let ports = Ports { codedeploy: &world, outbox: &world, alarms: &world, clock: world.clock.clone() };
        let mut events: Vec<Value> = (0..1_000).map(one_of_the_storm).collect();
        let turn = usize::try_from(seed % 997).unwrap();
        events.rotate_left(turn);
        if seed % 2 == 0 {
            events.reverse();
        }
        let invocations: Vec<Invocation> = events
            .into_iter()
            .enumerate()
            .map(|(number, event)| Invocation { request_id: format!("r-{number}"), ..invocation(&world, event) })
            .collect();
        let cluster = rolling::fakes::Cluster::default();
        let handled = invocations.iter().map(|invocation| handle(&ports, &cluster, &settings, invocation));
        let answers = world.clock.run(join_all(handled)).unwrap();
        assert!(answers.iter().all(Result::is_ok));
        let mut stopped: Vec<String> = world.stops.borrow().iter().map(|id| id.0.clone()).collect();
        stopped.sort();
        assert_eq!(stopped, ["d-of-0", "d-of-1", "d-of-2"], "seed {seed}");
        let asked = world.asked.borrow().iter().filter(|call| **call == "StopDeployment").count();
        assert_eq!(asked, 3, "nobody even asked twice");
        let told = decisions(&world);
        let stops: Vec<_> = told.iter().filter(|it| it.decision == Decision::StopAndRollBack).collect();
        assert_eq!(stops.len(), 3);
        assert!(told.iter().all(|it| !it.page));
        assert_eq!(endings(&world).iter().filter(|ending| ending.restored).count(), 3);
        let counted = |number: usize| {
            let key = format!("rollbacks/fleet/group-{number}");
            let made = world.entries.borrow().get(&key).map(|(entry, _)| entry["rollbacks"].as_array().unwrap().len());
            made.unwrap_or_default()
        };
        assert_eq!((0..SERVICES).map(counted).collect::<Vec<_>>(), [1, 1, 1, 0, 0]);
    }
}
