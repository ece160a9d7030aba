//! The fleet without its processes: what each of them would say is said here.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::scenario::Scenario;
use crate::template::Template;
use crate::world::{Effect, HttpAsked, SandboxId, World, access_key};

/// A world with one function, whose settings these are.
fn world(settings: &str) -> World {
    let text = format!(
        "
Transform: AWS::Serverless-2016-10-31
Resources:
  Queue: {{ Type: AWS::SQS::Queue, Properties: {{ QueueName: letters }} }}
  One:
    Type: AWS::Serverless::Function
    Metadata: {{ BuildMethod: rust-cargolambda, BuildProperties: {{ Binary: one }} }}
    Properties:
      FunctionName: one
      Handler: bootstrap
      Runtime: provided.al2023
      CodeUri: ./
      Timeout: 180
      {settings}
"
    );
    let template = Template::read(&text, &BTreeMap::new()).unwrap();
    let config = domain::config::load(
        "greenlight.yaml",
        "version: 1\nservices:\n  - name: shop\n    codedeploy: { application: a, deployment_group: g }\n",
    );
    World::new(Arc::new(template), config.unwrap(), Scenario::for_serve())
}

fn config(extra: &str) -> String {
    format!(
        "EventInvokeConfig: {{ MaximumRetryAttempts: 1, {extra} DestinationConfig: {{ OnFailure: {{ Type: SQS, Destination: !GetAtt Queue.Arn }} }} }}"
    )
}

/// Lets things happen until a process is to be started.
fn spawned(world: &mut World) -> SandboxId {
    loop {
        for effect in world.take_effects() {
            if let Effect::Spawn(id) = effect {
                return id;
            }
        }
        assert!(world.step(), "nothing is started");
    }
}

fn pass(world: &mut World, span: Duration) {
    let until = world.now().plus(span);
    while world.next_at().is_some_and(|at| at <= until) {
        world.step();
    }
}

fn conditions(world: &World) -> Vec<Value> {
    world.record().dead_letters().iter().map(|(_, record)| record["requestContext"]["condition"].clone()).collect()
}

/// A call of a process to AWS, with this number.
fn call(world: &mut World, id: SandboxId, request: u64, token: u64) {
    let mut headers = http::HeaderMap::new();
    let credential =
        format!("AWS4-HMAC-SHA256 Credential={}/20260105/eu-west-1/codedeploy/aws4_request", access_key(id));
    headers.insert("authorization", credential.parse().unwrap());
    headers.insert("x-amz-target", "CodeDeploy_20141006.GetDeployment".parse().unwrap());
    headers.insert("content-type", "application/x-amz-json-1.1".parse().unwrap());
    let asked =
        HttpAsked { method: http::Method::POST, host: None, path: "/".to_owned(), headers, body: b"{}".to_vec() };
    world.aws_request(Some(request), token, &asked);
}

fn answered(world: &mut World, token: u64) -> bool {
    world.take_effects().iter().any(|effect| matches!(effect, Effect::Answer(to, _) if *to == token))
}

#[test]
fn a_function_that_may_not_run_hands_every_event_on_at_once() {
    let mut world = world(&format!("ReservedConcurrentExecutions: 0\n      {}", config("")));
    world.invoke(0, json!({}), Duration::ZERO);
    pass(&mut world, Duration::from_secs(1));
    assert_eq!(conditions(&world), ["RetriesExhausted"]);
}

#[test]
fn a_throttled_event_is_given_up_when_it_is_too_old() {
    let mut world =
        world(&format!("ReservedConcurrentExecutions: 1\n      {}", config("MaximumEventAgeInSeconds: 60,")));
    world.invoke(0, json!("first"), Duration::ZERO);
    let id = spawned(&mut world);
    world.runtime_next(id, 1);
    world.invoke(0, json!("second"), Duration::ZERO);
    pass(&mut world, Duration::from_secs(61));
    assert_eq!(conditions(&world), ["EventAgeExceeded"]);
}

#[test]
fn the_time_limit_of_a_failed_attempt_does_not_end_the_next_one() {
    let mut world = world(&config(""));
    world.invoke(0, json!({}), Duration::ZERO);
    let id = spawned(&mut world);
    world.runtime_next(id, 1);
    let super::State::Running(invocation) = &world.fleet.sandboxes[&id].state else { panic!("it runs") };
    let request = invocation.id.clone();
    pass(&mut world, Duration::from_secs(1));
    world.runtime_answer(id, &request, 2, true, b"{}".to_vec());
    world.runtime_next(id, 3);
    // The retry begins after a minute, so it has its own three minutes; the first attempt's end in two.
    pass(&mut world, Duration::from_secs(200));
    assert!(!world.take_effects().iter().any(|effect| matches!(effect, Effect::Kill(_))), "the retry was ended early");
    pass(&mut world, Duration::from_mins(1));
    assert!(world.take_effects().iter().any(|effect| matches!(effect, Effect::Kill(_))), "the retry was never ended");
}

#[test]
fn a_process_that_was_ended_is_not_heard_any_more() {
    let mut world = world(&config(""));
    world.invoke(0, json!({}), Duration::ZERO);
    let id = spawned(&mut world);
    world.runtime_next(id, 1);
    call(&mut world, id, 1, 2);
    world.paced(id, "park 0 1 1");
    assert!(world.is_quiet());
    // Its time is up before its call is answered.
    let super::State::Running(invocation) = &world.fleet.sandboxes[&id].state else { panic!("it runs") };
    let request = invocation.id.clone();
    world.deadline(id, &request);
    world.take_effects();
    pass(&mut world, Duration::from_secs(1));
    assert!(!answered(&mut world, 2), "an answer would let it go on");
    let calls = world.record().calls().len();
    call(&mut world, id, 2, 3);
    world.runtime_next(id, 4);
    pass(&mut world, Duration::from_secs(1));
    assert_eq!(world.record().calls().len(), calls);
    assert!(matches!(world.fleet.sandboxes[&id].state, super::State::Dead), "it came back to life");
}

#[test]
fn a_request_that_was_given_up_before_it_arrived_holds_nobody_up() {
    let mut world = world(&config(""));
    world.invoke(0, json!({}), Duration::ZERO);
    let id = spawned(&mut world);
    world.runtime_next(id, 1);
    // It began the requests 1 and 2, gave 2 up, and waits for 1.
    world.paced(id, "park 0 2 1");
    call(&mut world, id, 1, 2);
    call(&mut world, id, 2, 3);
    assert!(world.is_quiet());
}

#[test]
fn a_request_that_arrives_before_it_is_told_of_is_waited_for() {
    let mut world = world(&config(""));
    world.invoke(0, json!({}), Duration::ZERO);
    let id = spawned(&mut world);
    world.runtime_next(id, 1);
    call(&mut world, id, 1, 2);
    call(&mut world, id, 2, 3);
    world.paced(id, "park 0 1 1");
    assert!(!world.is_quiet(), "the process has gone on since it said that");
    world.paced(id, "park 0 2 1,2");
    assert!(world.is_quiet());
}

#[test]
fn a_process_may_wait_and_ask_while_it_starts() {
    let mut world = world(&config(""));
    world.invoke(0, json!({}), Duration::ZERO);
    let id = spawned(&mut world);
    assert!(!world.is_quiet(), "it has not said anything yet");
    let until = world.now().plus(Duration::from_secs(2)).0;
    world.paced(id, &format!("sleep 1 {until}"));
    world.paced(id, "park 0 1 ");
    assert!(world.is_quiet());
    pass(&mut world, Duration::from_secs(2));
    assert!(world.take_effects().iter().any(|effect| matches!(effect, Effect::Wake(..))));
    assert!(!world.is_quiet(), "it has been woken and goes on");
}
