//! A service that ECS itself deploys is rolled back by an alarm.

use insta::assert_snapshot;
use serde_json::json;

use super::*;
use crate::rolling::Rolling;

#[test]
fn from_the_decision_to_the_end() {
    let Notice::RollbackDecision(decision) = event("rollback-decision-ecs", &json!({})) else { panic!() };
    let Notice::TrafficRestored(restored) = event("traffic-restored-ecs", &json!({})) else { panic!() };
    let ecs = decision.ecs.clone().unwrap();
    let mut story = Rolling::decided(decision.deployment_id.as_ref().unwrap(), &ecs, &decision, at(1));
    let shown = |story: &Rolling| readable(&render(&story.headline()));
    assert_snapshot!(shown(&story), @"
    # :large_orange_circle: recommender (production) is being rolled back by an alarm
    *Production* is going back to the old version, recommender:11.
    *You:* Wait for the rollback: its end will be told here.
    Alarm `recommender-http-5xx` fired: 8, 6.5 (newest first) against a threshold of 1.
    | *Service* recommender
    | *Environment* production
    | *Revision* recommender:12
    | *ECS service* main/recommender
    | *Deployment* `d-1`
    | *Goes back to* recommender:11
    (recommender (production) is being rolled back by an alarm. Production is going back to the old version, recommender:11. Wait for the rollback: its end will be told here.)
    ");
    let mut late = restored.clone();
    late.restored = false;
    let mut not_back = story.clone();
    not_back.absorb(Rolling::restored(&ecs, &late, at(2)));
    assert_snapshot!(shown(&not_back), @"
    # :red_circle: recommender (production) is not back on the old version yet
    *Production* may be on either version: ECS has not brought the old one back.
    *You:* Act now: the service was returned to its previous task definition, and ECS has not brought that up. Look at the service's events, and at why its tasks do not start or do not stay healthy.
    Alarm `recommender-http-5xx` fired: 8, 6.5 (newest first) against a threshold of 1.
    Last seen of the rollback: all 4 tasks run recommender:11 and the service is steady
    | *Service* recommender
    | *Environment* production
    | *Revision* recommender:12
    | *ECS service* main/recommender
    | *Deployment* `d-1`
    | *Goes back to* recommender:11
    (recommender (production) is not back on the old version yet. Production may be on either version: ECS has not brought the old one back. Act now: the service was returned to its previous task definition, and ECS has not brought that up. Look at the service's events, and at why its tasks do not start or do not stay healthy.)
    ");
    story.absorb(Rolling::restored(&ecs, &restored, at(3)));
    assert_snapshot!(shown(&story), @"
    # :large_orange_circle: recommender (production) was rolled back by an alarm
    *Production* is on the old version, recommender:11.
    *You:* Nothing is urgent: fix the cause, then deploy again.
    Alarm `recommender-http-5xx` fired: 8, 6.5 (newest first) against a threshold of 1.
    | *Service* recommender
    | *Environment* production
    | *Revision* recommender:12
    | *ECS service* main/recommender
    | *Deployment* `d-1`
    | *Goes back to* recommender:11
    (recommender (production) was rolled back by an alarm. Production is on the old version, recommender:11. Nothing is urgent: fix the cause, then deploy again.)
    ");
}
