//! Services as ECS shows them, before, during and after a deployment.

use super::*;

fn arn(number: u32) -> String {
    format!("arn:aws:ecs:eu-west-1:1:task-definition/shop:{number}")
}

/// `ecs-svc/3` is the third deployment; each was created a minute after the one before it.
fn one(id: i64, part: Part, rollout: Rollout, number: u32, running: u32) -> Rolling {
    Rolling {
        id: DeploymentId(format!("ecs-svc/{id}")),
        part,
        rollout,
        reason: String::new(),
        task_definition: arn(number),
        created: Some(Timestamp(id * 60_000)),
        updated: None,
        desired: 2,
        running,
        pending: 0,
        failed: 0,
    }
}

fn service(deployments: Vec<Rolling>) -> RollingService {
    RollingService {
        name: EcsServiceName { cluster: "main".to_owned(), service: "shop".to_owned() },
        status: "ACTIVE".to_owned(),
        controller: Controller::Ecs,
        strategy: "ROLLING".to_owned(),
        desired: 2,
        deployments,
    }
}

use Part::{Active, Primary};
use Rollout::{Completed, Failed, InProgress, Untold};

fn id(found: Option<&Rolling>) -> Option<&str> {
    found.map(|one| one.id.0.as_str())
}

#[test]
fn a_deployment_is_in_flight_until_the_service_is_steady_with_it() {
    let quiet = service(vec![one(1, Primary, Completed, 41, 2)]);
    assert_eq!((id(quiet.in_flight()), quiet.previous(), quiet.is_stable()), (None, None, true));
    let under_way = service(vec![one(2, Primary, InProgress, 42, 1), one(1, Active, Completed, 41, 1)]);
    assert_eq!(id(under_way.in_flight()), Some("ecs-svc/2"));
    assert_eq!(under_way.previous(), Some(arn(41).as_str()));
    assert_eq!((under_way.running(&arn(42)), under_way.is_stable()), ((1, 1), false));
    let given_up = service(vec![one(2, Primary, Failed, 42, 1), one(1, Active, Completed, 41, 2)]);
    assert_eq!(id(given_up.in_flight()), Some("ecs-svc/2"));
    let first = service(vec![one(1, Primary, InProgress, 41, 1)]);
    assert_eq!((id(first.in_flight()), first.previous()), (Some("ecs-svc/1"), None));
}

#[test]
fn behind_a_classic_load_balancer_the_older_deployment_tells_that_one_is_in_flight() {
    let under_way = service(vec![one(2, Primary, Untold, 42, 1), one(1, Active, Untold, 41, 1)]);
    assert_eq!((id(under_way.in_flight()), under_way.previous()), (Some("ecs-svc/2"), Some(arn(41).as_str())));
    let quiet = service(vec![one(2, Primary, Untold, 42, 2)]);
    assert_eq!((id(quiet.in_flight()), quiet.is_stable()), (None, true));
}

#[test]
fn what_was_itself_replaced_half_way_is_not_what_to_return_to() {
    let third = one(3, Primary, InProgress, 43, 0);
    let second = one(2, Active, InProgress, 42, 1);
    let both = service(vec![second.clone(), third.clone(), one(1, Active, Completed, 41, 1)]);
    assert_eq!(both.previous(), Some(arn(41).as_str()));
    assert_eq!(service(vec![third, second]).previous(), None, "41 has no tasks any more");
}

#[test]
fn a_rollback_is_known_by_the_circuit_breakers_words_or_by_its_older_number() {
    let forward = service(vec![one(2, Primary, InProgress, 42, 1), one(1, Active, Completed, 41, 1)]);
    assert_eq!(forward.rollback_sign(), None);
    // The sentence of the ECS developer guide's sample event.
    let reason = "ECS deployment circuit breaker: rolling back to deploymentId deploymentID.".to_owned();
    let breaker = Rolling { reason, ..one(3, Primary, InProgress, 41, 1) };
    assert_eq!(service(vec![breaker]).rollback_sign(), Some(RollbackSign::CircuitBreaker));
    let deployments =
        vec![one(3, Primary, InProgress, 41, 0), one(2, Active, InProgress, 42, 1), one(1, Active, Completed, 41, 1)];
    assert_eq!(service(deployments).rollback_sign(), Some(RollbackSign::OlderRevision));
    let mut other_family = one(1, Active, Completed, 99, 1);
    other_family.task_definition = "arn:aws:ecs:eu-west-1:1:task-definition/bakery:99".to_owned();
    assert_eq!(service(vec![one(2, Primary, InProgress, 42, 1), other_family]).rollback_sign(), None);
}

#[test]
fn a_look_tells_how_far_the_return_has_come() {
    let back = |rollout, running, others: Vec<Rolling>| {
        let mut deployments = vec![one(3, Primary, rollout, 41, running)];
        deployments.extend(others);
        look(&service(deployments), &arn(41), (&DeploymentId("ecs-svc/2".to_owned()), &arn(42)))
    };
    let bad = |running| one(2, Active, InProgress, 42, running);
    assert_eq!(
        back(InProgress, 1, vec![bad(1)]),
        Seen::NotYet("`ecs-svc/3` is under way; 1 of 2 tasks run shop:41, 1 run another version".to_owned())
    );
    assert!(
        matches!(back(InProgress, 2, vec![bad(1)]), Seen::NotYet(_)),
        "a task of the bad version still gets requests"
    );
    assert!(
        matches!(back(Completed, 2, vec![bad(1)]), Seen::NotYet(_)),
        "a task of the bad version still gets requests"
    );
    assert!(matches!(back(Completed, 1, vec![]), Seen::NotYet(_)), "a task is missing");
    // The last bad task is being drained: ECS has it among the deployments, and not among the tasks that run.
    assert_eq!(
        back(InProgress, 2, vec![bad(0)]),
        Seen::Restored(
            "all 2 tasks run shop:41 and no other gets new requests; the service is not steady yet".to_owned()
        )
    );
    assert_eq!(
        back(Completed, 2, vec![]),
        Seen::Restored("all 2 tasks run shop:41 and the service is steady".to_owned())
    );
    let Seen::NotRestored(words) = back(Failed, 0, vec![bad(2)]) else { panic!("it has failed") };
    assert!(words.contains("given up `ecs-svc/3`") && words.contains("2 run another version"), "{words}");
}

#[test]
fn who_deploys_something_else_ends_the_way_back_but_for_the_bad_version_itself() {
    let overtaken = |number| {
        let deployments = vec![one(4, Primary, InProgress, number, 0), one(3, Active, InProgress, 41, 1)];
        look(&service(deployments), &arn(41), (&DeploymentId("ecs-svc/2".to_owned()), &arn(42)))
    };
    let somebody = |number| format!("somebody has deployed shop:{number} by `ecs-svc/4` since, in place of shop:41");
    assert_eq!(overtaken(43), Seen::Superseded(somebody(43)));
    assert_eq!(overtaken(42), Seen::NotRestored(somebody(42)));
    let reason = "ECS deployment circuit breaker: rolling back to deploymentId ecs-svc/1.".to_owned();
    let (id, task_definition) = (DeploymentId("ecs-svc/2".to_owned()), arn(42));
    let bad = (&id, task_definition.as_str());
    let breaker = Rolling { reason, ..one(4, Primary, InProgress, 40, 0) };
    let Seen::NotRestored(words) = look(&service(vec![breaker]), &arn(41), bad) else { panic!("nobody meant it") };
    // What ECS shows may be a moment behind what it was told.
    let before = service(vec![one(2, Primary, InProgress, 42, 1), one(1, Active, Completed, 41, 1)]);
    let still = "`ecs-svc/2`, which brings shop:42, is still the newest deployment".to_owned();
    assert_eq!(look(&before, &arn(41), bad), Seen::NotYet(still));
    assert_eq!(words, "ECS's circuit breaker brings shop:40 by `ecs-svc/4`, in place of shop:41");
}

#[test]
fn task_definitions_are_compared_by_number_within_a_family() {
    assert!(is_older(&arn(9), &arn(10)));
    assert!(!is_older(&arn(10), &arn(10)) && !is_older("shop", &arn(10)));
    assert_eq!(family_and_number("shop:7"), Some(("shop", 7)));
}
