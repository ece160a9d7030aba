//! What is published, and published once: duplicates, a CloudWatch that is down, events that never came.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use clock::Clock;
use domain::deployment::{Deployment, DeploymentError, DeploymentId, GroupName, Status, Target};
use domain::ports::{Deployments, Measure, Metrics, PortError, Unpublished};
use domain::time::Timestamp;
use runtime::Invocation;
use serde_json::{Value, json};
use testkit::fakes::denied;
use testkit::ledger::Table;
use testkit::{build, run};

use crate::{Ports, handle};

#[derive(Default)]
struct CloudWatch {
    published: RefCell<Vec<Measure>>,
    is_down: RefCell<bool>,
}

impl Metrics for CloudWatch {
    async fn shown(&self, _: &Measure) -> Result<f64, PortError> {
        Ok(0.0)
    }

    async fn publish(&self, measures: &[Measure]) -> Result<(), Unpublished> {
        if *self.is_down.borrow() {
            let error = PortError::Transient { what: "x".into(), detail: "down".into(), retry_after: None };
            return Err(Unpublished::Refused(error));
        }
        self.published.borrow_mut().extend_from_slice(measures);
        Ok(())
    }
}

/// CodeDeploy's record; a deployment may have several readings, of which the last one stays. One that has none is another team's.
#[derive(Default)]
struct Record(RefCell<BTreeMap<DeploymentId, VecDeque<Deployment>>>);

impl Deployments for Record {
    async fn deployment(&self, id: &DeploymentId) -> Result<Deployment, PortError> {
        let mut all = self.0.borrow_mut();
        let missing = || PortError::NotFound { what: "the deployment".into(), detail: id.to_string() };
        let readings = all.get_mut(id).ok_or_else(missing)?;
        if readings.is_empty() {
            return Err(denied("GetDeployment"));
        }
        if readings.len() > 1 { Ok(readings.pop_front().unwrap()) } else { Ok(readings[0].clone()) }
    }

    async fn target(&self, _: &DeploymentId) -> Result<Target, PortError> {
        panic!("the target is of no concern here")
    }

    async fn list(
        &self,
        group: Option<&GroupName>,
        statuses: &[Status],
        since: Option<Timestamp>,
    ) -> Result<Vec<DeploymentId>, PortError> {
        assert!(group.is_none() && since.is_some() && statuses.iter().all(Status::is_terminal));
        Ok(self.0.borrow().keys().cloned().collect())
    }
}

struct World(Ports<Record, Table, CloudWatch>);

impl World {
    fn new(deployments: impl IntoIterator<Item = Deployment>) -> Self {
        let world = Self(Ports {
            deployments: Record::default(),
            ledger: Table::default(),
            metrics: CloudWatch::default(),
            clock: Clock::system(),
            patience: Duration::ZERO,
        });
        for deployment in deployments {
            // What Greenlight itself takes back, it has noted.
            if let Some(original) = deployment.rolls_back.as_ref().filter(|_| deployment.creator == "user") {
                let noted = json!({"redeployed_by": deployment.id});
                world.0.ledger.0.borrow_mut().insert(format!("late/{original}"), noted);
            }
            world.0.deployments.0.borrow_mut().entry(deployment.id.clone()).or_default().push_back(deployment);
        }
        world
    }

    fn hear(&self, event: &Value) -> anyhow::Result<Value> {
        let config = build::config(
            "version: 1\nservices: [{ name: o, codedeploy: { application: mangaassist, deployment_group: orchestrator } }]\n",
        );
        let arrived = self.0.clock.now();
        let deadline = arrived.plus(Duration::from_secs(20));
        let invocation = Invocation {
            payload: event.clone(),
            request_id: "r".to_owned(),
            function_arn: String::new(),
            arrived,
            deadline,
        };
        run(handle(&self.0, &config, invocation))
    }

    /// The fleet's values of a metric.
    fn values(&self, name: &str) -> Vec<f64> {
        let published = self.0.metrics.published.borrow();
        published.iter().filter(|m| m.name == name && m.dimensions.is_empty()).map(|m| m.value).collect()
    }
}

/// The event of a file in `events/deployment-metrics`, with changes to its detail.
fn event(file: &str, changes: &Value) -> Value {
    let path = format!("{}/../../events/deployment-metrics/{file}.json", env!("CARGO_MANIFEST_DIR"));
    let mut event: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    for (key, value) in changes.as_object().unwrap() {
        event["detail"][key] = value.clone();
    }
    event
}

fn changed(id: &str, state: &str) -> Value {
    event("codedeploy-start", &json!({"deploymentId": id, "state": state}))
}

fn ended(status: Status) -> Deployment {
    let (started, completed) = (Some(Timestamp(0)), Some(Timestamp(60_000)));
    Deployment { status, started, completed, ..build::deployment() }
}

fn stopped() -> Deployment {
    let error = Some(DeploymentError { code: "MANUAL_STOP".into(), message: String::new() });
    Deployment { error, ..ended(Status::Stopped) }
}

#[test]
fn an_ending_is_measured_once_however_often_it_arrives() {
    let world = World::new([ended(Status::Succeeded)]);
    assert_eq!(world.hear(&changed("d-1", "SUCCESS")).unwrap()["outcome"], "published");
    assert_eq!(world.hear(&changed("d-1", "SUCCESS")).unwrap()["outcome"], "published before");
    assert_eq!(world.hear(&event("schedule", &json!({}))).unwrap()["published"], 0);
    assert_eq!((world.values("Deployments"), world.values("DurationSeconds")), (vec![1.0], vec![60.0]));
}

#[test]
fn what_could_not_be_published_is_published_by_the_next_try() {
    let world = World::new([ended(Status::Succeeded)]);
    *world.0.metrics.is_down.borrow_mut() = true;
    assert!(world.hear(&changed("d-1", "SUCCESS")).is_err());
    *world.0.metrics.is_down.borrow_mut() = false;
    world.hear(&changed("d-1", "SUCCESS")).unwrap();
    assert_eq!(world.values("Deployments"), [1.0]);
}

#[test]
fn neither_a_rollback_nor_a_deployment_that_goes_on_is_measured() {
    let world = World::new([Deployment { status: Status::Succeeded, ..build::rollback() }]);
    assert_eq!(world.hear(&changed("d-2", "SUCCESS")).unwrap()["outcome"], "a rollback is no deployment");
    assert_eq!(world.hear(&changed("d-1", "START")).unwrap()["ignored"], "it has not ended");
    assert!(world.0.metrics.published.borrow().is_empty() && world.0.ledger.0.borrow().is_empty());
}

#[test]
fn the_record_may_lag_behind_its_event() {
    // For good: the event's word counts.
    let world = World::new([build::deployment()]);
    world.hear(&changed("d-1", "FAILURE")).unwrap();
    assert_eq!((world.values("DeploymentFailed"), world.values("ChangeFailure")), (vec![1.0], vec![1.0]));
    // For a second: the rollback is waited for.
    let rolled_back = Deployment { rolled_back_by: Some(DeploymentId("d-2".into())), ..stopped() };
    let mut world = World::new([build::deployment(), stopped(), rolled_back]);
    world.0.patience = Duration::from_secs(5);
    world.hear(&changed("d-1", "STOP")).unwrap();
    assert_eq!((world.values("RolledBack"), world.values("ChangeFailure")), (vec![1.0], vec![1.0]));
}

#[test]
fn a_stop_that_greenlight_decided_is_no_persons() {
    let world = World::new([stopped()]);
    world.hear(&event("rollback-decision-alert", &json!({"deployment_id": "d-1"}))).unwrap();
    world.hear(&event("rollback-decision", &json!({"deployment_id": "d-1"}))).unwrap();
    world.hear(&changed("d-1", "STOP")).unwrap();
    assert_eq!(world.values("ChangeFailure"), [1.0]);
    let world = World::new([stopped()]);
    world.hear(&event("rollback-decision-alert", &json!({"deployment_id": "d-1"}))).unwrap();
    world.hear(&changed("d-1", "STOP")).unwrap();
    assert_eq!(world.values("ChangeFailure"), [0.0]);
}

#[test]
fn a_verdict_is_measured_once_for_its_lifecycle_event() {
    let world = World::new([]);
    for _ in 0..2 {
        world.hear(&event("hook-verdict-failed", &json!({}))).unwrap();
        world.hear(&event("hook-verdict-succeeded", &json!({"group": null, "lifecycle_event": null}))).unwrap();
    }
    assert_eq!((world.values("HookVerdict"), world.values("HookSeconds").len()), (vec![0.0, 1.0], 2));
    let published = world.0.metrics.published.borrow();
    let events: Vec<&str> =
        published.iter().filter_map(|m| m.dimensions.get(3)).map(|(_, value)| value.as_str()).collect();
    assert_eq!(events, ["BeforeAllowTraffic", "BeforeAllowTraffic", "unknown", "unknown"]);
}

#[test]
fn a_verdict_that_codedeploy_was_not_told_of_leaves_the_measure_to_the_watchdogs() {
    let world = World::new([]);
    let event = |verdict: &str, reported: bool| {
        event("hook-verdict-failed", &json!({"verdict": verdict, "reported": reported}))
    };
    assert!(world.hear(&event("Succeeded", false)).unwrap()["ignored"].is_string());
    world.hear(&event("Failed", true)).unwrap();
    assert_eq!(world.values("HookVerdict"), [0.0]);
}

#[test]
fn another_teams_deployments_in_the_same_account_do_not_hold_up_the_schedule() {
    let world = World::new([ended(Status::Succeeded)]);
    world.0.deployments.0.borrow_mut().insert(DeploymentId("d-0".into()), VecDeque::new());
    assert_eq!(world.hear(&event("schedule", &json!({}))).unwrap()["deployments"], json!(["d-1"]));
    assert!(world.hear(&changed("d-0", "SUCCESS")).is_err(), "an event of it comes only when the policy is too narrow");
}

#[test]
fn only_traffic_that_is_back_has_a_time() {
    let world = World::new([]);
    world.hear(&event("traffic-restored", &json!({"restored": false}))).unwrap();
    world.hear(&event("traffic-restored", &json!({}))).unwrap();
    world.hear(&event("traffic-restored", &json!({}))).unwrap();
    assert_eq!(world.values("RollbackSeconds"), [31.5]);
}

/// The deployment with which Greenlight takes `d-1` back: CodeDeploy calls it a user's.
fn redeploy() -> Deployment {
    let (id, creator) = (DeploymentId("d-3".into()), "user".to_owned());
    let description = "greenlight_rolls_back=d-1".to_owned();
    let rolls_back = Some(DeploymentId("d-1".into()));
    Deployment { id, creator, description, rolls_back, ..ended(Status::Succeeded) }
}

fn late() -> Value {
    event("rollback-decision-late", &json!({"deployment_id": "d-1"}))
}

#[test]
fn a_deployment_that_is_taken_back_after_it_had_succeeded_is_one_deployment_and_one_change_failure() {
    // Whatever is heard first, and whatever is heard twice: the success, the decision, the redeployment's own ending.
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let world = World::new([ended(Status::Succeeded), redeploy()]);
        let events = [changed("d-1", "SUCCESS"), late(), changed("d-3", "SUCCESS")];
        for index in order.into_iter().chain(order) {
            world.hear(&events[index]).unwrap();
        }
        world.hear(&event("schedule", &json!({}))).unwrap();
        let sum = |name: &str| world.values(name).iter().sum::<f64>();
        let names = ["Deployments", "DeploymentSucceeded", "DeploymentFailed", "ChangeFailure", "RolledBack"];
        assert_eq!(names.map(sum).to_vec(), vec![1.0, 1.0, 0.0, 1.0, 1.0], "{order:?}");
        assert_eq!(world.values("ChangeFailure").len(), 2, "{order:?}");
    }
}

#[test]
fn without_its_decision_a_redeployment_shows_what_it_takes_back() {
    let world = World::new([ended(Status::Succeeded), redeploy()]);
    assert_eq!(world.hear(&changed("d-3", "SUCCESS")).unwrap()["outcome"], "a rollback is no deployment");
    assert_eq!((world.values("ChangeFailure"), world.values("Deployments").len()), (vec![1.0], 0));
    // What was stopped has its own ending to be counted with.
    let world = World::new([stopped(), redeploy()]);
    world.hear(&changed("d-3", "SUCCESS")).unwrap();
    assert!(world.0.metrics.published.borrow().is_empty());
}

#[test]
fn a_description_that_claims_a_rollback_greenlight_knows_nothing_of_is_a_deployment_like_any_other() {
    // Of a good deployment, which gets no change failure for it; of one that another deployment takes back; and of none.
    for (of, noted) in [("d-1", None), ("d-1", Some("d-9")), ("d-X", None)] {
        let forged = Deployment { rolls_back: Some(DeploymentId(of.into())), ..redeploy() };
        let world = World::new([ended(Status::Succeeded), forged]);
        world.0.ledger.0.borrow_mut().remove(&format!("late/{of}"));
        if let Some(noted) = noted {
            world.0.ledger.0.borrow_mut().insert(format!("late/{of}"), json!({"redeployed_by": noted}));
        }
        world.hear(&changed("d-1", "SUCCESS")).unwrap();
        assert_eq!(world.hear(&changed("d-3", "SUCCESS")).unwrap()["outcome"], "published", "{of}");
        assert_eq!((world.values("Deployments").len(), world.values("ChangeFailure")), (2, vec![0.0, 0.0]), "{of}");
    }
}

#[test]
fn the_way_back_is_measured_once_and_only_when_all_traffic_is_back() {
    let world = World::new([]);
    for _ in 0..2 {
        world.hear(&event("traffic-not-restored", &json!({}))).unwrap();
        world.hear(&event("traffic-restored", &json!({"seconds_since_alarm": 372.5}))).unwrap();
    }
    world.hear(&event("traffic-not-restored", &json!({}))).unwrap();
    assert_eq!(world.values("RollbackSeconds"), [372.5]);
}

#[test]
fn of_a_service_that_ecs_deploys_only_the_way_back_is_measured() {
    let world = World::new([]);
    world.hear(&event("rollback-decision-ecs", &json!({}))).unwrap();
    world.hear(&event("traffic-restored-ecs", &json!({}))).unwrap();
    assert_eq!((world.values("RollbackSeconds").len(), world.values("ChangeFailure").len()), (1, 0));
    assert!(world.0.ledger.0.borrow().keys().all(|key| !key.ends_with("stop-decided")));
    let published = world.0.metrics.published.borrow();
    let dimensions: Vec<String> =
        published[0].dimensions.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(dimensions, ["Cluster=main", "Service=recommender", "Environment=production"]);
}

#[test]
fn an_alarm_that_is_ok_again_or_left_to_a_person_is_no_rollback() {
    let world = World::new([stopped()]);
    for file in ["rollback-decision-page", "rollback-decision-over"] {
        world.hear(&event(file, &json!({"deployment_id": "d-1"}))).unwrap();
    }
    world.hear(&changed("d-1", "STOP")).unwrap();
    assert_eq!((world.values("ChangeFailure"), world.values("RolledBack")), (vec![0.0], vec![0.0]));
}

#[test]
fn the_schedule_publishes_what_no_event_brought_and_one_failure_does_not_hide_the_rest() {
    let other = Deployment { id: DeploymentId("d-3".into()), ..ended(Status::Failed) };
    let rollback = Deployment { status: Status::Succeeded, ..build::rollback() };
    let world = World::new([ended(Status::Succeeded), rollback, other]);
    world.hear(&changed("d-1", "SUCCESS")).unwrap();
    let now = world.0.clock.now();
    let just_now = Deployment { id: DeploymentId("d-4".into()), completed: Some(now), ..stopped() };
    world.0.deployments.0.borrow_mut().insert(just_now.id.clone(), [just_now].into());
    let summary = world.hear(&event("schedule", &json!({}))).unwrap();
    assert_eq!(summary, json!({"looked_at": 4, "published": 1, "deployments": ["d-3"], "left": 0}));
    let world = World::new([ended(Status::Succeeded)]);
    *world.0.metrics.is_down.borrow_mut() = true;
    let error = world.hear(&event("schedule", &json!({}))).unwrap_err().to_string();
    assert!(error.starts_with("1 of 1 deployments could not be reconciled, 0 were; the first: `d-1`"), "{error}");
}
