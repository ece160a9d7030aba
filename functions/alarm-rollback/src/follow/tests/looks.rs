//! One look at a deployment that brings the good version back.

use domain::deployment::{DeploymentId, TaskSetLabel};
use domain::time::Timestamp;
use testkit::build::deployment;
use testkit::fakes::{CodeDeploy, Script};

use super::*;
use crate::follow::{Pursuit, Seen};
use crate::samples;

/// `d-9` deploys the good version again; so it looks.
fn look(status: Status, target: Option<Target>) -> Seen {
    let by = DeploymentId("d-9".to_owned());
    let config = samples::config();
    let transition = samples::alarm("orchestrator-http-5xx");
    let subject = crate::Subject { service: config.services.first(), ..crate::Subject::of(&transition) };
    let mut pursuit = Pursuit::of_redeployed(&deployment(), by.clone(), subject, Timestamp(0));
    assert!(pursuit.concerns(&by) && pursuit.concerns(&deployment().id));
    let back = domain::deployment::Deployment { id: by, status, completed: Some(Timestamp(9)), ..deployment() };
    let targets = target.map_or_else(Script::default, Script::always);
    let codedeploy = CodeDeploy { deployments: Script::always(back), targets, ..CodeDeploy::default() };
    testkit::run(pursuit.look(&codedeploy, &crate::rolling::fakes::Cluster::default())).unwrap()
}

fn weights(old: f64, new: f64) -> Target {
    let mut target = ecs_target("AllowTraffic");
    for set in &mut target.task_sets {
        set.traffic_weight = if set.label == Some(TaskSetLabel::Green) { new } else { old };
    }
    Target::Ecs(target)
}

#[test]
fn the_old_version_is_the_one_that_is_deployed_again() {
    let restored = |observed: &str, recorded: Option<i64>| Seen::Restored {
        observed: observed.to_owned(),
        recorded: recorded.map(Timestamp),
    };
    let done = restored("`d-9`, which deploys the good version again, has succeeded", Some(9));
    let shown = restored("all production traffic is on the version that `d-9` has deployed again", None);
    let not_yet = |words: &str| Seen::NotYet(format!("the redeployment `d-9` is {words}"));
    let cases = [
        // A deployment that has not begun has no target; it is not asked for.
        (Status::Created, None, not_yet("`Created`")),
        (Status::Succeeded, None, done),
        // It waits before it ends the tasks of the bad version.
        (Status::InProgress, Some(weights(0.0, 100.0)), shown),
        // All traffic on what was there before is all of it on the bad version.
        (
            Status::InProgress,
            Some(weights(100.0, 0.0)),
            not_yet("`InProgress`; 0 % of production traffic is on the version that is deployed again"),
        ),
        // On which scale 1 stands is not documented.
        (Status::InProgress, Some(lambda(Some(1.0))), not_yet("`InProgress`")),
        (Status::InProgress, Some(lambda(None)), not_yet("`InProgress`")),
        // CodeDeploy may be rolling it back.
        (
            Status::Failed,
            Some(weights(0.0, 100.0)),
            Seen::Failed("the redeployment `d-9` is `Failed`; 100 % of production traffic is on the version that is deployed again".to_owned()),
        ),
    ];
    for (status, target, expected) in cases {
        assert_eq!(look(status, target), expected);
    }
}
