//! A deployment that goes well, while it runs and when it has ended.

use domain::deployment::Status;
use insta::assert_snapshot;
use serde_json::json;

use super::*;

#[test]
fn while_it_runs() {
    let states = [
        ("Install", "Succeeded"),
        ("BeforeAllowTraffic", "Succeeded"),
        ("AllowTraffic", "InProgress"),
        ("AfterAllowTraffic", "Pending"),
    ];
    let course = Course::new(described(), None, &target(&states, 10.0)).hear(&event(
        "hook-verdict-succeeded",
        &json!({"lifecycle_event": "BeforeAllowTraffic", "hook": "before-allow-traffic", "at": "2026-03-03T10:01:01Z"}),
    ));
    assert_snapshot!(course.shown(), @"
    # :large_blue_circle: orchestrator (production) is being deployed
    *Production* sends 10 % of its traffic to the new version.
    *You:* Nothing to do.
    *Progress:* Install, BeforeAllowTraffic done · *AllowTraffic running* since 10:01:02 UTC · AfterAllowTraffic to come
    *Traffic:* 90 % old, 10 % new. The canary: 10 % for 5 min, then all of it, at about 10:06:02 UTC.
    | *Environment* production
    | *Revision* orchestrator:42
    | *Commit* <https://git.example.com/acme/orchestrator/commit/3f9c2d71b8a0|3f9c2d71> (git.example.com)
    | *Author* ada
    | *Started by* pipeline
    | *Duration* running since 10:00:00 UTC
    | *Configuration* Canary10Percent5Minutes
    | *Deployment* <https://eu-west-1.console.aws.amazon.com/codesuite/codedeploy/deployments/d-1?region=eu-west-1|d-1>
    ~ <https://eu-west-1.console.aws.amazon.com/cloudwatch/home?region=eu-west-1#dashboards/dashboard/greenlight-delivery-eu-west-1|Dashboard>
    ~ <https://logs.example.com/orchestrator|Logs>
    (orchestrator (production) is being deployed. Production sends 10 % of its traffic to the new version. Nothing to do.)
      10:01:00 verdict/BeforeAllowTraffic/before-allow-traffic
        :white_check_mark: *BeforeAllowTraffic* passed in 1.5 s: all 3 checks passed
        (BeforeAllowTraffic passed: all 3 checks passed)
    === by webhook, each a message
    ");
}

#[test]
fn when_it_has_ended() {
    let course = Course::new(ended(Status::Succeeded, None, 700), None, &target(&ALL, 100.0)).hear(&event(
        "hook-verdict-succeeded",
        &json!({"lifecycle_event": "BeforeAllowTraffic", "hook": "before-allow-traffic", "at": "2026-03-03T10:01:01Z"}),
    ));
    assert_snapshot!(course.shown(), @"
    # :large_green_circle: orchestrator (production) was deployed
    *Production* runs the new version.
    *You:* Nothing to do.
    *Progress:* Install, BeforeAllowTraffic, AllowTraffic, AfterAllowTraffic done
    | *Environment* production
    | *Revision* orchestrator:42
    | *Commit* <https://git.example.com/acme/orchestrator/commit/3f9c2d71b8a0|3f9c2d71> (git.example.com)
    | *Author* ada
    | *Started by* pipeline
    | *Duration* 11 min 40 s
    | *Configuration* Canary10Percent5Minutes
    | *Deployment* <https://eu-west-1.console.aws.amazon.com/codesuite/codedeploy/deployments/d-1?region=eu-west-1|d-1>
    ~ <https://eu-west-1.console.aws.amazon.com/cloudwatch/home?region=eu-west-1#dashboards/dashboard/greenlight-delivery-eu-west-1|Dashboard>
    ~ <https://logs.example.com/orchestrator|Logs>
    (orchestrator (production) was deployed. Production runs the new version. Nothing to do.)
      10:01:00 verdict/BeforeAllowTraffic/before-allow-traffic
        :white_check_mark: *BeforeAllowTraffic* passed in 1.5 s: all 3 checks passed
        (BeforeAllowTraffic passed: all 3 checks passed)
      10:11:40 end/SUCCESS
        :large_green_circle: *orchestrator (production) was deployed.* It took 11 min 40 s.
        *Production* runs the new version.
        *You:* Nothing to do.
        (orchestrator (production) was deployed. Production runs the new version. Nothing to do.)
    === by webhook, each a message
      orchestrator (production) was deployed. Production runs the new version. Nothing to do. (and 2 below)
    ");
}

#[test]
fn it_has_ended_below_the_hook_that_let_it_through() {
    // CodeDeploy ends it on the answer, and the hook is heard when that was taken.
    let answered = at(400).plus(std::time::Duration::from_millis(40));
    let changes = json!({"at": answered, "duration_ms": 60});
    let course = Course::new(ended(Status::Succeeded, None, 400), None, &target(&ALL, 100.0))
        .hear(&event("hook-verdict-succeeded", &changes));
    let keys: Vec<String> = course.thread().into_iter().map(|reply| reply.key).collect();
    assert_eq!(keys, ["verdict/AfterAllowTraffic/after-allow-traffic", "end/SUCCESS"]);
}
