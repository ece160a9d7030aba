//! What becomes of a return: followed until the traffic is back, across invocations.

use super::*;

#[test]
fn a_return_whose_process_was_killed_after_telling_is_followed_by_the_next_try() {
    for again in [ALARM, "orchestrator-p95-latency"] {
        let (world, cluster) = started();
        if again == ALARM {
            *cluster.service.borrow_mut() = Some(returning());
            cluster.returned_at.set(Some(minutes(6)));
        }
        // What that process has left: who followed has not been heard of for a while.
        let pursuit = json!([{
            "deployment": "ecs-svc/2", "course": {"Returned": {"previous": arn(41), "bad": arn(42), "by": "ecs-svc/9"}},
            "group": null, "ecs": {"cluster": "main", "service": "orchestrator"}, "service": "orchestrator", "environment": "production",
            "alarm": ALARM, "alarmed": minutes(6), "arrived": minutes(6), "observed": "o", "follower": {"id": "dead", "until": minutes(6)}
        }]);
        let mut entries = world.entries.borrow_mut();
        entries.insert("pursuit/ecs:main/orchestrator".to_owned(), (pursuit, minutes(600)));
        let told = json!({"told": minutes(6)});
        entries.insert(format!("alarm/orchestrator/{ALARM}/{}", minutes(6).0), (told, minutes(600)));
        entries.insert("stop/ecs-svc/2".to_owned(), (json!({"returned": minutes(6)}), minutes(600)));
        drop(entries);
        let course = futures_util::future::join(invoke(&world, &cluster, "", event(again)), async {
            // What ECS shows is behind: only now the other alarm's look would see the return.
            world.clock.sleep(Duration::from_secs(10)).await;
            cluster.bring(&arn(41));
        });
        world.clock.run(course).unwrap().0.unwrap();
        assert!(cluster.deploys.borrow().is_empty());
        let [ending] = endings(&world).try_into().unwrap();
        assert!(ending.restored, "{again}: {ending:?}");
        assert_eq!((ending.alarm.as_str(), open(&world)), (ALARM, 0));
    }
}

#[test]
fn what_another_invocation_follows_is_left_to_it() {
    let (world, cluster) = started();
    let course = async {
        let both = futures_util::future::join(invoke(&world, &cluster, "", event(ALARM)), async {
            world.clock.sleep(Duration::from_secs(10)).await;
            let before = cluster.reads.get();
            let summary = invoke_as("other", &world, &cluster, "", event(ALARM)).await.unwrap();
            assert_eq!(summary["restored"].as_array().unwrap().len(), 0, "{summary}");
            cluster.reads.get() - before
        });
        let (first, reads) = Box::pin(both).await;
        first.unwrap();
        reads
    };
    // One look for the decision, and none at how far it has come.
    assert_eq!(world.clock.run(course).unwrap(), 1);
    assert_eq!(endings(&world).len(), 1);
}

#[test]
fn what_takes_longer_than_two_minutes_is_told_then_and_again_when_ecs_says_that_it_has_ended() {
    let (world, cluster) = started();
    cluster.back_after.set(Duration::from_mins(5));
    let course = async {
        invoke(&world, &cluster, "", event(ALARM)).await.unwrap();
        let [ending] = endings(&world).try_into().unwrap();
        assert!(!ending.restored);
        assert_eq!(ending.seconds_since_event.round() as u64, 120);
        let observed = "after 2 min, `ecs-svc/9` is under way; 1 of 2 tasks run orchestrator:41, 1 run another version";
        assert_eq!(ending.observed, observed);
        let early = invoke(&world, &cluster, "", ended("SERVICE_DEPLOYMENT_COMPLETED")).await.unwrap();
        assert_eq!((early["restored"].as_array().unwrap().len(), endings(&world).len()), (0, 1), "{early}");
        cluster.back_after.set(Duration::from_mins(2));
        for _ in 0..2 {
            invoke(&world, &cluster, "", ended("SERVICE_DEPLOYMENT_COMPLETED")).await.unwrap();
        }
    };
    world.clock.run(course).unwrap();
    let [_, ending] = endings(&world).try_into().unwrap();
    assert!(ending.restored);
    assert_eq!(ending.alarm, ALARM);
}

#[test]
fn traffic_is_back_while_the_bad_tasks_are_still_being_drained() {
    let (world, cluster) = started();
    cluster.drains_for.set(Duration::from_mins(5));
    run(&world, &cluster, "", event(ALARM)).unwrap();
    let [ending] = endings(&world).try_into().unwrap();
    assert!(ending.restored, "{ending:?}");
    let observed = "all 2 tasks run orchestrator:41 and no other gets new requests; the service is not steady yet";
    assert_eq!(ending.observed, observed);
    assert!((70.0..=75.0).contains(&ending.seconds_since_event), "{ending:?}");
}

#[test]
fn a_return_that_ecs_gives_up_is_told_with_its_reason_and_what_comes_of_it_later_too() {
    let (world, cluster) = started();
    cluster.return_fails.set(true);
    let course = async {
        invoke(&world, &cluster, "", event(ALARM)).await.unwrap();
        let [ending] = endings(&world).try_into().unwrap();
        assert!(!ending.restored);
        assert!(ending.observed.contains("tasks failed to start"), "{}", ending.observed);
        assert_eq!(open(&world), 1);
        cluster.return_fails.set(false);
        invoke(&world, &cluster, "", ended("SERVICE_DEPLOYMENT_COMPLETED")).await.unwrap();
    };
    world.clock.run(course).unwrap();
    assert!(endings(&world)[1].restored);
    assert_eq!(open(&world), 0);
}

#[test]
fn who_deploys_the_fix_is_not_paged_for_it() {
    let (world, cluster) = started();
    cluster.back_after.set(Duration::from_mins(30));
    let course = futures_util::future::join(invoke(&world, &cluster, "", event(ALARM)), async {
        world.clock.sleep(Duration::from_mins(1)).await;
        cluster.bring(&arn(43));
    });
    world.clock.run(course).unwrap().0.unwrap();
    assert!(endings(&world).is_empty(), "{:?}", endings(&world));
    assert_eq!(open(&world), 0, "nobody waits for 41 any more");
}

#[test]
fn ecss_event_about_a_service_that_nobody_pursues_costs_one_look_at_the_ledger() {
    let (world, cluster) = started();
    let summary = run(&world, &cluster, "", ended("SERVICE_DEPLOYMENT_COMPLETED")).unwrap();
    assert_eq!(summary, json!({"decisions": [], "restored": []}));
    assert_eq!((cluster.reads.get(), endings(&world).len()), (0, 0));
}
