//! Faults of calls, seen from a process that calls.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::scenario::Scenario;
use crate::template::Template;
use crate::world::{Effect, HttpAnswer, HttpAsked, World, access_key};

const TEMPLATE: &str = "
Transform: AWS::Serverless-2016-10-31
Resources:
  One:
    Type: AWS::Serverless::Function
    Metadata: { BuildMethod: rust-cargolambda, BuildProperties: { Binary: one } }
    Properties:
      FunctionName: one
      Handler: bootstrap
      Runtime: provided.al2023
      CodeUri: ./
      Timeout: 900
      Policies:
        - Version: '2012-10-17'
          Statement: [{ Effect: Allow, Action: ['codedeploy:StopDeployment', 'codedeploy:GetDeployment'], Resource: '*' }]
";
const CONFIG: &str = "version: 1\nservices: [{ name: shop, codedeploy: { application: a, deployment_group: shop } }]\n";

/// A process in the middle of an invocation while a deployment is in its canary.
struct Played {
    world: World,
    sandbox: u32,
    deployment: String,
    calls: u64,
}

impl Played {
    fn new(fault: &str) -> Self {
        let text = format!(
            "name: x\ntitle: t\nexpect: []\nfaults: [{fault}]\ndeployments: [{{ service: shop, hooks: {{}}, after: 0s }}]\n"
        );
        let scenario = Scenario::parse("x.yaml", &text).unwrap();
        let template = Template::read(TEMPLATE, &BTreeMap::new()).unwrap();
        let config = domain::config::load("greenlight.yaml", CONFIG).unwrap();
        scenario.check(&template, &config).unwrap();
        let mut world = World::new(Arc::new(template), config, scenario);
        pass(&mut world, Duration::from_mins(2));
        world.invoke(0, json!({}), Duration::ZERO);
        pass(&mut world, Duration::from_secs(1));
        let spawned = world.take_effects().into_iter().find_map(|effect| match effect {
            Effect::Spawn(id) => Some(id),
            _ => None,
        });
        let sandbox = spawned.unwrap();
        world.runtime_next(sandbox, 1);
        let deployment = world.engine.in_order().next_back().unwrap().id.clone();
        Self { world, sandbox, deployment, calls: 1 }
    }

    /// The answer to a call about the deployment; none when nothing comes within a minute.
    fn call(&mut self, operation: &str) -> Option<HttpAnswer> {
        self.calls += 1;
        let key = access_key(self.sandbox);
        let mut headers = http::HeaderMap::new();
        let credential = format!("AWS4-HMAC-SHA256 Credential={key}/20260105/eu-west-1/codedeploy/aws4_request");
        headers.insert("authorization", credential.parse().unwrap());
        headers.insert("x-amz-target", format!("CodeDeploy_20141006.{operation}").parse().unwrap());
        headers.insert("content-type", "application/x-amz-json-1.1".parse().unwrap());
        let body = json!({ "deploymentId": self.deployment, "autoRollbackEnabled": true }).to_string().into_bytes();
        let asked = HttpAsked { method: http::Method::POST, host: None, path: "/".to_owned(), headers, body };
        self.world.aws_request(Some(self.calls), self.calls, &asked);
        pass(&mut self.world, Duration::from_mins(1));
        self.world.take_effects().into_iter().find_map(|effect| match effect {
            Effect::Answer(token, answer) if token == self.calls => Some(answer),
            _ => None,
        })
    }

    fn status(&self) -> String {
        let record = self.world.engine.get(&self.deployment).unwrap();
        let rollback = record.rolled_back_by.as_ref().map_or("", |_| ", rolled back");
        format!("{}{rollback}", record.status.as_str())
    }
}

fn pass(world: &mut World, span: Duration) {
    world.advance_to(world.now().plus(span));
}

fn code(answer: &HttpAnswer) -> String {
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    body["__type"].as_str().unwrap_or_default().rsplit('#').next().unwrap_or_default().to_owned()
}

#[test]
fn a_call_is_refused_with_the_error_that_the_scenario_chooses() {
    let mut played =
        Played::new("refuse: { call: 'codedeploy:StopDeployment', error: InvalidDeploymentIdException, message: no }");
    let refused = played.call("StopDeployment").unwrap();
    assert_eq!((refused.status, code(&refused).as_str()), (400, "InvalidDeploymentIdException"));
    assert_eq!(played.status(), "InProgress");
    assert!(played.world.calls[0].injected);
    assert_eq!(played.call("StopDeployment").unwrap().status, 200);
    assert_eq!(played.status(), "Stopped, rolled back");
    let calls: Vec<&str> = played.world.calls.iter().map(|call| call.attempt.as_deref().unwrap()).collect();
    assert!(calls[0] == calls[1] && calls[0].ends_with("/1"), "both of one attempt: {calls:?}");
}

#[test]
fn an_answer_is_lost_after_the_call_has_taken_effect() {
    for (how, expected) in [("hang_up", Some(HttpAnswer::HANG_UP)), ("silence", None)] {
        let mut played = Played::new(&format!("lose_answer: {{ call: 'codedeploy:StopDeployment', how: {how} }}"));
        assert_eq!(played.call("StopDeployment").map(|answer| answer.status), expected, "{how}");
        assert_eq!(played.status(), "Stopped, rolled back", "{how}");
        assert_eq!(played.world.calls[0].outcome, "lost");
        assert_eq!(played.call("GetDeployment").unwrap().status, 200, "{how}");
    }
}

#[test]
fn a_process_is_killed_before_its_call_takes_effect_or_after() {
    for (taken, status) in [("false", "InProgress"), ("true", "Stopped, rolled back")] {
        let mut played =
            Played::new(&format!("kill: {{ function: one, during: 'codedeploy:StopDeployment', taken: {taken} }}"));
        assert_eq!(played.call("StopDeployment").map(|answer| answer.status), None, "nobody is there to hear it");
        assert_eq!(played.status(), status);
        let outcomes: Vec<&str> = played.world.calls.iter().map(|call| call.outcome.as_str()).collect();
        assert_eq!(outcomes, if taken == "true" { vec!["lost"] } else { vec![] });
    }
}

#[test]
fn a_deployment_ends_just_before_the_call_about_it() {
    for (status, ended) in
        [("Succeeded", "Succeeded"), ("Failed", "Failed, rolled back"), ("Stopped", "Stopped, rolled back")]
    {
        let mut played = Played::new(&format!(
            "ends_first: {{ during: 'codedeploy:StopDeployment', status: {status}, function: one }}"
        ));
        assert_eq!(played.call("GetDeployment").unwrap().status, 200);
        assert_eq!(played.status(), "InProgress");
        assert_eq!(code(&played.call("StopDeployment").unwrap()), "DeploymentAlreadyCompletedException", "{status}");
        assert_eq!(played.status(), ended);
        let green = played.world.production_is_green(&played.deployment);
        assert_eq!(green, Some(status == "Succeeded"), "{status}");
    }
}
