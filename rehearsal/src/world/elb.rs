//! Elastic Load Balancing's API on the landscape. Knows nothing of deployments.

use std::time::Duration;

use domain::time::Timestamp;
use serde_json::{Value, json};

use super::World;
use super::aws::{arn, not_implemented, text, texts};
use super::landscape::{Guarded, Version};
use super::tasks::{Played, played};
use crate::protocol::AwsError;

impl World {
    pub(crate) fn elb(&self, operation: &str, input: &Value) -> Result<Value, AwsError> {
        let services = || self.land.services.values();
        match operation {
            "DescribeListeners" => {
                let arns = texts(input, "ListenerArns");
                let mut listeners = Vec::new();
                for service in services() {
                    for test in [false, true] {
                        if arns.is_empty() || arns.contains(&service.listener_arn(test)) {
                            listeners.push(listener(service, test));
                        }
                    }
                }
                found(&listeners, "Listeners", "ListenerNotFound", "One or more listeners not found")
            }
            "DescribeRules" => {
                let wanted = text(input, "ListenerArn");
                for service in services() {
                    for test in [false, true] {
                        if service.listener_arn(test) == wanted {
                            return Ok(json!({ "Rules": rules(service, test) }));
                        }
                    }
                }
                Err(AwsError::client("ListenerNotFound", "One or more listeners not found"))
            }
            "DescribeLoadBalancers" => {
                let mut balancers: Vec<Value> = Vec::new();
                let (arns, names) = (texts(input, "LoadBalancerArns"), texts(input, "Names"));
                for service in services() {
                    let arn = service.load_balancer_arn();
                    let wanted = (arns.is_empty() && names.is_empty())
                        || arns.contains(&arn)
                        || names.contains(&service.group.application);
                    if wanted && balancers.iter().all(|known| known.get("LoadBalancerArn") != Some(&json!(arn))) {
                        balancers.push(json!({
                            "LoadBalancerArn": arn, "DNSName": service.dns_name(), "LoadBalancerName": service.group.application,
                            "Scheme": "internal", "Type": "application", "State": { "Code": "active" },
                        }));
                    }
                }
                found(&balancers, "LoadBalancers", "LoadBalancerNotFound", "One or more load balancers not found")
            }
            "DescribeTargetGroups" => {
                let (arns, names) = (texts(input, "TargetGroupArns"), texts(input, "Names"));
                let mut groups = Vec::new();
                for service in services() {
                    for (index, name) in service.target_groups().iter().enumerate() {
                        let arn = service.target_group_arn(index);
                        if (arns.is_empty() && names.is_empty()) || arns.contains(&arn) || names.contains(name) {
                            groups.push(json!({
                                "TargetGroupArn": arn, "TargetGroupName": name, "Protocol": "HTTP", "Port": 8080,
                                "TargetType": "ip", "HealthCheckPath": "/health",
                                "LoadBalancerArns": [service.load_balancer_arn()],
                            }));
                        }
                    }
                }
                found(&groups, "TargetGroups", "TargetGroupNotFound", "One or more target groups not found")
            }
            "DescribeTargetHealth" => {
                let wanted = text(input, "TargetGroupArn");
                for service in services() {
                    for index in 0..2 {
                        if service.target_group_arn(index) == wanted {
                            let targets: Vec<Value> =
                                targets(service, index, self.now).into_iter().map(|target| target.0).collect();
                            return Ok(json!({ "TargetHealthDescriptions": targets }));
                        }
                    }
                }
                Err(AwsError::client("TargetGroupNotFound", "One or more target groups not found"))
            }
            _ => Err(not_implemented("elasticloadbalancing", operation)),
        }
    }
}

fn found(list: &[Value], key: &str, code: &'static str, message: &str) -> Result<Value, AwsError> {
    if list.is_empty() { Err(AwsError::client(code, message.to_owned())) } else { Ok(json!({ key: list })) }
}

fn listener(service: &Guarded, test: bool) -> Value {
    json!({
        "ListenerArn": service.listener_arn(test),
        "LoadBalancerArn": service.load_balancer_arn(),
        "Port": if test { service.test_port } else { service.production_port },
        "Protocol": "HTTP",
        "DefaultActions": [action(service, test)],
    })
}

/// A listener's default action.
fn action(service: &Guarded, test: bool) -> Value {
    let tested = service.tested();
    if test && tested.is_none() {
        return json!({ "Type": "fixed-response", "FixedResponseConfig": { "StatusCode": "503" } });
    }
    let weight = |group: usize| -> f64 {
        let of_version = |index: usize, weight: f64| {
            service.versions.get(index).filter(|version| version.target_group == group).map_or(0.0, |_| weight)
        };
        if test {
            tested.map_or(0.0, |index| of_version(index, 100.0))
        } else {
            service.versions.iter().filter(|version| version.target_group == group).map(|version| version.weight).sum()
        }
    };
    let groups: Vec<Value> = (0..2)
        .map(|group| json!({ "TargetGroupArn": service.target_group_arn(group), "Weight": weight(group) as i64 }))
        .collect();
    // Once CodeDeploy manages the listener, its action is a weighted forward (seen by a third party).
    json!({ "Type": "forward", "ForwardConfig": { "TargetGroups": groups } })
}

/// A listener's rules, its default action among them.
fn rules(service: &Guarded, test: bool) -> Vec<Value> {
    let arn = service.listener_arn(test).replace(":listener/", ":listener-rule/");
    let others = service.test_rules.iter().filter(|_| test).zip(1..);
    let mut rules: Vec<Value> = others
        .map(|(rule, number)| {
            json!({
                "RuleArn": format!("{arn}/{number}"), "Priority": (number * 10).to_string(), "IsDefault": false,
                "Conditions": [{
                    "Field": "path-pattern", "Values": [rule.path], "PathPatternConfig": { "Values": [rule.path] },
                }],
                "Actions": [{ "Type": "forward", "TargetGroupArn": other_group(&rule.to) }],
            })
        })
        .collect();
    rules.push(json!({
        "RuleArn": arn, "Priority": "default", "IsDefault": true, "Actions": [action(service, test)],
    }));
    rules
}

/// The ARN of a target group that belongs to nobody here.
fn other_group(name: &str) -> String {
    arn("elasticloadbalancing", &format!("targetgroup/{name}/0a1b2c3d4e5f6071"))
}

impl Guarded {
    /// The version's targets that get requests: those that are healthy; or all that are looked at, when none of them is ("the load balancer routes
    /// requests to all those targets, regardless of their health status": Application Load Balancers, "Health checks").
    pub(crate) fn has_targets(&self, index: usize, now: Timestamp) -> bool {
        let group = self.versions.get(index).map_or(0, |version| version.target_group);
        targets(self, group, now).iter().any(|(_, state)| matches!(*state, "healthy" | "unhealthy"))
    }

    /// How many targets of a target group are healthy, and how many unhealthy; one that is registered and not looked at yet is neither.
    pub(crate) fn host_counts(&self, group: usize, now: Timestamp) -> (usize, usize) {
        let targets = targets(self, group, now);
        let count = |wanted: &str| targets.iter().filter(|(_, state)| *state == wanted).count();
        (count("healthy"), count("unhealthy"))
    }

    /// Whether a rule on the test listener takes a request for this path away.
    pub(crate) fn leads_elsewhere(&self, path: &str) -> bool {
        let is_of = |pattern: &str| match pattern.strip_suffix('*') {
            Some(beginning) => path.starts_with(beginning),
            None => path == pattern,
        };
        self.test_rules.iter().any(|rule| is_of(&rule.path))
    }
}

/// The targets of a target group, and the state of each.
fn targets(service: &Guarded, group: usize, now: Timestamp) -> Vec<(Value, &'static str)> {
    let mut targets = Vec::new();
    for (index, version) in service.versions.iter().enumerate() {
        if version.target_group != group || !version.alive {
            continue;
        }
        let used = service.in_use_since(index);
        let running = played(version, now).into_iter().filter(Played::is_running);
        for (position, task) in running.enumerate() {
            let looked_at = used.map(|used| now.since(used.max(task.since)));
            let served = version.first_traffic.map(|at| now.since(at));
            let health = health(version, position, looked_at, served);
            let state = health.get("State").and_then(Value::as_str).unwrap_or_default();
            let state = ["healthy", "unhealthy", "initial"].into_iter().find(|one| *one == state).unwrap_or("unused");
            let address = format!("10.0.{}.{}", (version.number + 60 * version.again) % 250, 10 + task.index);
            targets.push((json!({ "Target": { "Id": address, "Port": 8080 }, "TargetHealth": health }), state));
        }
    }
    targets
}

/// The health of a target that the load balancer has looked at for so long, of a version that has had traffic for so long; in the sentences of the
/// API reference, "TargetHealth".
fn health(version: &Version, position: usize, looked_at: Option<Duration>, served: Option<Duration>) -> Value {
    let script = &version.behaviour.targets;
    let first = script.initial_for.0;
    let boots = first + script.unhealthy_for.map(|span| span.0).unwrap_or_default();
    let tasks = &version.behaviour.tasks;
    let is_early = tasks.unhealthy_from.is_some_and(|from| served.is_none_or(|served| served < from.0));
    let failing = if is_early { 0 } else { usize::try_from(tasks.unhealthy).unwrap_or(usize::MAX) };
    match looked_at {
        None => json!({
            "State": "unused", "Reason": "Target.NotInUse",
            "Description": "Target group is not configured to receive traffic from the load balancer",
        }),
        Some(looked_at) if looked_at < first => json!({
            "State": "initial", "Reason": "Elb.InitialHealthChecking", "Description": "Initial health checks in progress",
        }),
        Some(looked_at) if looked_at < boots => json!({
            "State": "unhealthy", "Reason": "Target.Timeout", "Description": "Request timed out",
        }),
        Some(_) if position < failing => json!({
            "State": "unhealthy", "Reason": "Target.ResponseCodeMismatch",
            "Description": "Health checks failed with these codes: [500]",
        }),
        Some(_) => json!({ "State": "healthy" }),
    }
}
