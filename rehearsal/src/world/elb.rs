//! Elastic Load Balancing's API on the landscape. Knows nothing of deployments.

use domain::time::Timestamp;
use serde_json::{Value, json};

use super::World;
use super::aws::{not_implemented, text, texts};
use super::landscape::Guarded;
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
                            let rule = json!({
                                "RuleArn": wanted.replace(":listener/", ":listener-rule/"), "Priority": "default", "IsDefault": true,
                                "Actions": [action(service, test)],
                            });
                            return Ok(json!({ "Rules": [rule] }));
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
                            return Ok(json!({ "TargetHealthDescriptions": health(service, index, self.now) }));
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

fn health(service: &Guarded, group: usize, now: Timestamp) -> Vec<Value> {
    let mut targets = Vec::new();
    for version in service.versions.iter().filter(|version| version.target_group == group && version.alive) {
        let running = Guarded::counts(version, now).running;
        for index in 0..running {
            let unhealthy = index < version.behaviour.tasks.unhealthy;
            let state = if unhealthy {
                json!({
                    "State": "unhealthy", "Reason": "Target.ResponseCodeMismatch",
                    "Description": "Health checks failed with these codes: [500]",
                })
            } else {
                json!({ "State": "healthy" })
            };
            let address = format!("10.0.{}.{}", version.number % 250, 10 + index);
            targets.push(json!({ "Target": { "Id": address, "Port": 8080 }, "TargetHealth": state }));
        }
    }
    targets
}
