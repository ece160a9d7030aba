//! What people read, whole: for each ending of a deployment the headline, the thread below it in its order, and what a webhook's channel gets. One file an
//! ending, to be read like the channel itself.

mod alarm_stop;
mod alerts;
mod failed_after_traffic;
mod failed_before_traffic;
mod failed_otherwise;
mod first_deployment;
mod flock;
mod hostile;
mod late_rollback;
mod rollback_failed;
mod rollback_limit;
mod rolling;
mod silent_hook;
mod skipped;
mod stopped_by_person;
mod succeeded;
mod waiting;

use domain::deployment::{Deployment, DeploymentError, LifecycleEvent, Status, Target};
use domain::events::{Heard, Notice};
use domain::time::Timestamp;
use serde_json::Value;
use testkit::build;

use crate::blocks::render;
use crate::fakes::readable;
use crate::replies;
use crate::story::{Facts, Progress, Stage, Story, Traffic};
use crate::tale::Tale;
use crate::thread::{self, Reply, headline};

const REGION: &str = "eu-west-1";

/// Ten o'clock and so many seconds, on the day of all the samples.
fn at(seconds: i64) -> Timestamp {
    Timestamp(1_772_532_000_000 + seconds * 1000)
}

/// A deployment that a pipeline has described well.
fn described() -> Deployment {
    let description = "git_sha=3f9c2d71b8a0 author=ada by=pipeline commit_url=https://git.example.com/acme/orchestrator/commit/3f9c2d71b8a0";
    let mut deployment = build::deployment();
    deployment.revision.git_sha = Some("3f9c2d71b8a0".into());
    Deployment { description: description.into(), started: Some(at(0)), ..deployment }
}

fn ended(status: Status, error: Option<(&str, &str)>, seconds: i64) -> Deployment {
    let error = error.map(|(code, message)| DeploymentError { code: code.into(), message: message.into() });
    Deployment { status, error, completed: Some(at(seconds)), ..described() }
}

/// The deployment that rolls it back, from so many seconds to so many.
fn rollback(status: Status, from: i64, to: Option<i64>) -> Deployment {
    Deployment { status, started: Some(at(from)), completed: to.map(at), ..build::rollback() }
}

/// A target whose lifecycle events stand so, with so many percent on the new version.
fn target(states: &[(&str, &str)], share: f64) -> Target {
    let mut target = build::ecs_target("AllowTraffic");
    let event = |(name, status): &(&str, &str)| LifecycleEvent {
        started: (*status != "Pending" && *status != "Skipped").then(|| at(62)),
        ..LifecycleEvent::undated(name, status)
    };
    target.lifecycle_events = states.iter().map(event).collect();
    for set in &mut target.task_sets {
        let is_new = set.label == Some(domain::deployment::TaskSetLabel::Green);
        set.traffic_weight = if is_new { share } else { 100.0 - share };
    }
    Target::Ecs(target)
}

/// The event of a file in `events/slack-notifier`, about the deployment `d-1`, with changes to its detail.
fn event(file: &str, changes: &Value) -> Notice {
    let path = format!("{}/../../events/slack-notifier/{file}.json", env!("CARGO_MANIFEST_DIR"));
    let mut event: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    event["detail"]["deployment_id"] = "d-1".into();
    for (key, value) in changes.as_object().unwrap() {
        event["detail"][key] = value.clone();
    }
    match Heard::parse(&event).unwrap().1 {
        Heard::Notice(notice) => *notice,
        other => panic!("{other:?}"),
    }
}

/// All that is known, and all that is told.
struct Course {
    /// What CodeDeploy's record tells.
    record: Story,
    story: Story,
    replies: Vec<Reply>,
}

impl Course {
    fn new(deployment: Deployment, rollback: Option<Deployment>, target: &Target) -> Self {
        let config = build::config(
            "version: 1\nservices:\n  - name: orchestrator\n    codedeploy: { application: mangaassist, deployment_group: orchestrator }\n    \
             links: { logs: \"https://logs.example.com/orchestrator\" }\n",
        );
        let app_spec = deployment.app_spec.clone();
        let facts = Facts {
            service: config.service_of(&deployment.group),
            traffic: (deployment.status != Status::Succeeded).then(|| Traffic::of(target)).flatten(),
            deployment,
            rollback,
            region: REGION.into(),
            ended: None,
            event_at: at(900),
            read_at: at(900),
        };
        let mut story = Story { progress: Progress::of(target, &app_spec), ..Story::of(&facts) };
        story.particulars = story.particulars.or_to(REGION, Some("greenlight-delivery-eu-west-1"));
        Self { record: story.clone(), story, replies: Vec::new() }
    }

    fn hear(mut self, notice: &Notice) -> Self {
        // As the ledger adds what each event brings.
        let known = std::mem::replace(&mut self.story, self.record.clone());
        let reply = match notice {
            Notice::HookVerdict(verdict) => {
                self.story.hear_verdict(verdict);
                self.story.absorb(known);
                Some(replies::verdict(verdict, verdict.deployment_id.0 != "d-1", REGION))
            }
            Notice::RollbackDecision(decision) => {
                self.story.hear_decision(decision);
                self.story.absorb(known);
                Some(thread::decided(&self.story, decision, REGION))
            }
            Notice::TrafficRestored(restored) => {
                self.story.hear_restored(restored);
                self.story.absorb(known);
                replies::way_back(restored, self.story.restored.as_ref(), &crate::glance::glance(&self.story).action)
            }
        };
        self.replies.extend(reply);
        self
    }

    /// The thread in its order.
    fn thread(&self) -> Vec<Reply> {
        let mut replies = self.replies.clone();
        replies.extend(thread::ending(&self.story));
        replies.extend(thread::rollback(&self.story).filter(|_| self.story.way_back.began.is_some()));
        replies.extend((self.story.stage == Stage::Waiting).then(|| thread::waiting(&self.story)));
        replies.sort_by_key(|reply| reply.at);
        replies
    }

    /// The channel as it reads: the headline and its thread; and, below a line, what a webhook posts.
    fn shown(&self) -> String {
        let mut out = readable(&render(&headline(&self.story)));
        for reply in self.thread() {
            let mark = if reply.alarming { ", alarming" } else { "" };
            let text = readable(&render(&reply.message)).replace('\n', "\n    ");
            out.push_str(&format!("\n  {} {}{mark}\n    {text}", reply.at.time_of_day(), reply.key));
        }
        out.push_str("\n=== by webhook, each a message");
        for reply in self.thread().iter().filter(|reply| reply.important) {
            let mut message = reply.message.clone();
            message.context.extend(self.story.about());
            let text = render(&message);
            let below = text["blocks"].as_array().unwrap().last().unwrap()["elements"].as_array().unwrap().len();
            out.push_str(&format!("\n  {} (and {below} below)", text["text"].as_str().unwrap()));
        }
        out
    }
}

const ALL: [(&str, &str); 4] = [
    ("Install", "Succeeded"),
    ("BeforeAllowTraffic", "Succeeded"),
    ("AllowTraffic", "Succeeded"),
    ("AfterAllowTraffic", "Succeeded"),
];
const STOPPED: [(&str, &str); 4] = [
    ("Install", "Succeeded"),
    ("BeforeAllowTraffic", "Succeeded"),
    ("AllowTraffic", "Failed"),
    ("AfterAllowTraffic", "Skipped"),
];
const NEVER: [(&str, &str); 4] = [
    ("Install", "Succeeded"),
    ("BeforeAllowTraffic", "Failed"),
    ("AllowTraffic", "Skipped"),
    ("AfterAllowTraffic", "Skipped"),
];
