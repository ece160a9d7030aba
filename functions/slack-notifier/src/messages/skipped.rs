//! Somebody asked to let it through unchecked: the emergency lane.

use domain::deployment::Status;
use insta::assert_snapshot;
use serde_json::json;

use super::*;

#[test]
fn it_is_loud() {
    let changes = json!({"skipped": "INC-42 <!channel>", "reason": "let through UNCHECKED: `ada` asked for it, because: INC-42 <!channel>", "findings": []});
    let course = Course::new(ended(Status::Succeeded, None, 400), None, &target(&ALL, 100.0))
        .hear(&event("hook-verdict-succeeded", &changes));
    assert_snapshot!(course.shown(), @"
    # :large_orange_circle: orchestrator (production) was deployed UNCHECKED
    *Production* runs the new version.
    *You:* Watch it: no hook has looked at the new version. Deploy again without the skip when the emergency is over.
    :warning: *Checks skipped* on request: INC-42 &lt;!channel&gt;
    *Progress:* Install, BeforeAllowTraffic, AllowTraffic, AfterAllowTraffic done
    | *Environment* production
    | *Revision* orchestrator:42
    | *Commit* <https://git.example.com/acme/orchestrator/commit/3f9c2d71b8a0|3f9c2d71> (git.example.com)
    | *Author* ada
    | *Started by* pipeline
    | *Duration* 6 min 40 s
    | *Configuration* Canary10Percent5Minutes
    | *Deployment* <https://eu-west-1.console.aws.amazon.com/codesuite/codedeploy/deployments/d-1?region=eu-west-1|d-1>
    ~ <https://eu-west-1.console.aws.amazon.com/cloudwatch/home?region=eu-west-1#dashboards/dashboard/greenlight-delivery-eu-west-1|Dashboard>
    ~ <https://logs.example.com/orchestrator|Logs>
    (orchestrator (production) was deployed UNCHECKED. Production runs the new version. Watch it: no hook has looked at the new version. Deploy again without the skip when the emergency is over.)
      10:06:40 end/SUCCESS
        :large_orange_circle: *orchestrator (production) was deployed UNCHECKED.* It took 6 min 40 s.
        *Production* runs the new version.
        *You:* Watch it: no hook has looked at the new version. Deploy again without the skip when the emergency is over.
        :warning: *Checks skipped* on request: INC-42 &lt;!channel&gt;
        (orchestrator (production) was deployed UNCHECKED. Production runs the new version. Watch it: no hook has looked at the new version. Deploy again without the skip when the emergency is over.)
      10:12:30 verdict/AfterAllowTraffic/after-allow-traffic
        :warning: *AfterAllowTraffic* skipped in 1.5 s: let through UNCHECKED: `ada` asked for it, because: INC-42 &lt;!channel&gt;
        (AfterAllowTraffic skipped: let through UNCHECKED: `ada` asked for it, because: INC-42 &lt;!channel&gt;)
    === by webhook, each a message
      orchestrator (production) was deployed UNCHECKED. Production runs the new version. Watch it: no hook has looked at the new version. Deploy again without the skip when the emergency is over. (and 2 below)
      AfterAllowTraffic skipped: let through UNCHECKED: `ada` asked for it, because: INC-42 &lt;!channel&gt; (and 2 below)
    ");
}
