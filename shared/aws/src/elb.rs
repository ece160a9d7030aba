//! Elastic Load Balancing: where a listener answers, where it leads, and how the targets of a target group are. Knows nothing of deployments.

use std::sync::Arc;

use aws_sdk_elasticloadbalancingv2::Client;
use aws_sdk_elasticloadbalancingv2::types::{
    Action, ActionTypeEnum, ForwardActionConfig, HostHeaderConditionConfig, Listener, PathPatternConditionConfig,
    ProtocolEnum, Rule, RuleCondition, TargetHealthReasonEnum,
};
use domain::ports::{ListenerAction, LoadBalancer, PortError, TargetHealth};

use crate::error::Attempt;
use crate::settings::{Lazy, Settings};

/// The account's load balancers.
#[derive(Clone)]
pub struct LoadBalancers {
    client: Lazy<Client>,
}

impl LoadBalancers {
    pub(crate) fn new(settings: &Arc<Settings>) -> Self {
        Self { client: Lazy::new(settings, "ELASTIC_LOAD_BALANCING_V2", Client::new) }
    }

    async fn listener(&self, arn: &str) -> Result<Listener, PortError> {
        let attempt = Attempt { operation: "DescribeListeners", noun: "listener", name: arn };
        let call = self.client.get(attempt)?.describe_listeners().listener_arns(arn);
        let output = call.send().await.map_err(|error| attempt.failed(&error))?;
        output.listeners.unwrap_or_default().into_iter().next().ok_or_else(|| attempt.not_found("no listeners"))
    }
}

impl LoadBalancer for LoadBalancers {
    async fn listener_url(&self, listener_arn: &str) -> Result<String, PortError> {
        let attempt = Attempt { operation: "DescribeListeners", noun: "listener", name: listener_arn };
        let listener = self.listener(listener_arn).await?;
        let scheme = match listener.protocol() {
            Some(ProtocolEnum::Https | ProtocolEnum::Tls) => "https",
            _ => "http",
        };
        let port = listener.port().ok_or_else(|| attempt.permanent("the listener has no port"))?;
        let balancer = listener.load_balancer_arn().unwrap_or_default();

        let attempt = Attempt { operation: "DescribeLoadBalancers", noun: "load balancer", name: balancer };
        let call = self.client.get(attempt)?.describe_load_balancers().load_balancer_arns(balancer);
        let output = call.send().await.map_err(|error| attempt.failed(&error))?;
        let balancer = output.load_balancers().first().ok_or_else(|| attempt.not_found("no load balancers"))?;
        let host = balancer.dns_name().ok_or_else(|| attempt.permanent("the load balancer has no DNS name"))?;
        Ok(format!("{scheme}://{host}:{port}"))
    }

    /// The default action stands with the listener, the rest takes `DescribeRules`, which lists the default once more. Only an
    /// Application Load Balancer's listener has rules (Elastic Load Balancing API reference), so no other is asked for them.
    async fn listener_actions(&self, listener_arn: &str) -> Result<Vec<ListenerAction>, PortError> {
        let listener = self.listener(listener_arn).await?;
        let default = listener.default_actions().iter();
        let mut actions: Vec<ListenerAction> =
            default.filter_map(|action| routing("the default action".to_owned(), action)).collect();
        if !matches!(listener.protocol(), Some(ProtocolEnum::Http | ProtocolEnum::Https)) {
            return Ok(actions);
        }
        let attempt = Attempt { operation: "DescribeRules", noun: "listener", name: listener_arn };
        let client = self.client.get(attempt)?;
        let mut marker = None;
        loop {
            let call = client.describe_rules().listener_arn(listener_arn).set_marker(marker);
            let page = call.send().await.map_err(|error| attempt.failed(&error))?;
            for rule in page.rules().iter().filter(|rule| rule.is_default() != Some(true)) {
                actions.extend(rule.actions().iter().filter_map(|action| routing(spoken(rule), action)));
            }
            marker = page.next_marker().filter(|marker| !marker.is_empty()).map(str::to_owned);
            if marker.is_none() {
                return Ok(actions);
            }
        }
    }

    async fn target_health(&self, target_group: &str) -> Result<Vec<TargetHealth>, PortError> {
        let attempt = Attempt { operation: "DescribeTargetGroups", noun: "target group", name: target_group };
        let client = self.client.get(attempt)?;
        let call = client.describe_target_groups().names(target_group);
        let output = call.send().await.map_err(|error| attempt.failed(&error))?;
        let group = output.target_groups().first().ok_or_else(|| attempt.not_found("no target groups"))?;

        let attempt = Attempt { operation: "DescribeTargetHealth", noun: "target group", name: target_group };
        let call = client.describe_target_health().set_target_group_arn(group.target_group_arn().map(str::to_owned));
        let output = call.send().await.map_err(|error| attempt.failed(&error))?;
        let targets = output.target_health_descriptions().iter().map(|described| {
            let health = described.target_health();
            let code = health.and_then(|health| health.reason()).map(TargetHealthReasonEnum::as_str);
            let sentence = health.and_then(|health| health.description());
            TargetHealth {
                id: described.target().and_then(|target| target.id()).unwrap_or_default().to_owned(),
                state: health
                    .and_then(|health| health.state())
                    .map_or("unavailable", |state| state.as_str())
                    .to_owned(),
                reason: match (code, sentence) {
                    (Some(code), Some(sentence)) => Some(format!("{code}: {sentence}")),
                    (one, other) => one.or(other).map(str::to_owned),
                },
            }
        });
        Ok(targets.collect())
    }
}

/// An action that decides where a request goes; `None` for one that only looks at who sends it. Once CodeDeploy manages a
/// listener it is a weighted forward and `TargetGroupArn` is absent (seen by a third party).
fn routing(of: String, action: &Action) -> Option<ListenerAction> {
    let kind = action.r#type().map(ActionTypeEnum::as_str).unwrap_or_default();
    if kind.starts_with("authenticate-") || kind == "jwt-validation" {
        return None;
    }
    let weighted = action.forward_config().map(ForwardActionConfig::target_groups).unwrap_or_default();
    let mut forwards: Vec<(String, i32)> = weighted
        .iter()
        // "If you specify only one target group, its weight is 1" by default (API reference, `TargetGroupTuple`).
        .filter_map(|tuple| Some((group_name(tuple.target_group_arn()?), tuple.weight().unwrap_or(1))))
        .collect();
    if forwards.is_empty() {
        forwards.extend(action.target_group_arn().map(|arn| (group_name(arn), 1)));
    }
    Some(ListenerAction { of, kind: kind.to_owned(), forwards })
}

/// The name in a target group's ARN, `…:targetgroup/<name>/<id>`.
fn group_name(arn: &str) -> String {
    arn.split('/').nth(1).unwrap_or(arn).to_owned()
}

fn spoken(rule: &Rule) -> String {
    let conditions: Vec<String> = rule.conditions().iter().map(condition).collect();
    format!("the rule {} ({})", rule.priority().unwrap_or("without a priority"), conditions.join(", "))
}

fn condition(condition: &RuleCondition) -> String {
    let hosts = condition.host_header_config().map(HostHeaderConditionConfig::values);
    let paths = condition.path_pattern_config().map(PathPatternConditionConfig::values);
    let values = hosts.or(paths).filter(|values| !values.is_empty()).unwrap_or_else(|| condition.values());
    format!("{} {}", condition.field().unwrap_or("a condition"), values.join(" or ")).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Canned, serve};

    #[tokio::test]
    async fn a_listeners_url_is_its_protocol_the_balancers_name_and_its_port() {
        let listeners = "<DescribeListenersResponse xmlns=\"http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/\"><DescribeListenersResult><Listeners><member><ListenerArn>arn:l</ListenerArn><LoadBalancerArn>arn:b</LoadBalancerArn><Protocol>HTTPS</Protocol><Port>8443</Port></member></Listeners></DescribeListenersResult></DescribeListenersResponse>";
        let balancers = "<DescribeLoadBalancersResponse xmlns=\"http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/\"><DescribeLoadBalancersResult><LoadBalancers><member><DNSName>my-alb.elb.amazonaws.com</DNSName></member></LoadBalancers></DescribeLoadBalancersResult></DescribeLoadBalancersResponse>";
        let (aws, server) = serve(vec![Canned::ok(listeners), Canned::ok(balancers)]);
        assert_eq!(aws.elb().listener_url("arn:l").await.unwrap(), "https://my-alb.elb.amazonaws.com:8443");
        assert!(server.request(1).body.contains("LoadBalancerArns.member.1=arn%3Ab"));
    }

    #[tokio::test]
    async fn a_listener_that_codedeploy_manages_is_read_with_its_weights_and_its_rules() {
        // The form of the API reference's sample answers; that `TargetGroupArn` is missing and the weights stand in `ForwardConfig` was
        // seen by a third party on a listener that CodeDeploy manages.
        let arn = |name: &str| format!("arn:aws:elasticloadbalancing:us-east-1:1:targetgroup/{name}/73e2d6bc24d8a067");
        let tuple = |name: &str, weight: u8| {
            format!("<member><TargetGroupArn>{}</TargetGroupArn><Weight>{weight}</Weight></member>", arn(name))
        };
        let listeners = format!(
            "<DescribeListenersResponse xmlns=\"http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/\"><DescribeListenersResult><Listeners><member><ListenerArn>arn:l</ListenerArn><Protocol>HTTP</Protocol><Port>8443</Port><DefaultActions><member><Type>authenticate-oidc</Type><Order>1</Order></member><member><Type>forward</Type><ForwardConfig><TargetGroups>{}{}</TargetGroups></ForwardConfig></member></DefaultActions></member></Listeners></DescribeListenersResult></DescribeListenersResponse>",
            tuple("blue", 0),
            tuple("green", 100)
        );
        let rules = format!(
            "<DescribeRulesResponse xmlns=\"http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/\"><DescribeRulesResult><Rules><member><IsDefault>false</IsDefault><Priority>10</Priority><Conditions><member><Field>path-pattern</Field><Values><member>/admin/*</member></Values></member></Conditions><Actions><member><Type>forward</Type><TargetGroupArn>{}</TargetGroupArn></member></Actions></member><member><IsDefault>true</IsDefault><Priority>default</Priority><Actions><member><Type>forward</Type><TargetGroupArn>{}</TargetGroupArn></member></Actions></member></Rules></DescribeRulesResult></DescribeRulesResponse>",
            arn("blue"),
            arn("green")
        );
        let (aws, server) = serve(vec![Canned::ok(listeners), Canned::ok(rules)]);
        let actions = aws.elb().listener_actions("arn:l").await.unwrap();
        let action = |of: &str, forwards: &[(&str, i32)]| ListenerAction {
            of: of.to_owned(),
            kind: "forward".to_owned(),
            forwards: forwards.iter().map(|(name, weight)| ((*name).to_owned(), *weight)).collect(),
        };
        assert_eq!(
            actions,
            [
                action("the default action", &[("blue", 0), ("green", 100)]),
                action("the rule 10 (path-pattern /admin/*)", &[("blue", 1)]),
            ]
        );
        assert!(server.request(1).body.contains("Action=DescribeRules"));
    }

    #[tokio::test]
    async fn a_network_load_balancers_listener_is_not_asked_for_rules() {
        let listeners = "<DescribeListenersResponse xmlns=\"http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/\"><DescribeListenersResult><Listeners><member><Protocol>TCP</Protocol><DefaultActions><member><Type>forward</Type><TargetGroupArn>arn:aws:elasticloadbalancing:us-east-1:1:targetgroup/green/1</TargetGroupArn></member></DefaultActions></member></Listeners></DescribeListenersResult></DescribeListenersResponse>";
        let (aws, server) = serve(vec![Canned::ok(listeners)]);
        let actions = aws.elb().listener_actions("arn:l").await.unwrap();
        assert_eq!(actions.iter().flat_map(|action| &action.forwards).collect::<Vec<_>>(), [&("green".to_owned(), 1)]);
        assert_eq!(server.count(), 1);
    }

    #[tokio::test]
    async fn a_target_group_that_does_not_exist_is_not_found() {
        let missing = "<ErrorResponse xmlns=\"http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/\"><Error><Type>Sender</Type><Code>TargetGroupNotFound</Code><Message>One or more target groups not found</Message></Error></ErrorResponse>";
        let (aws, _) = serve(vec![Canned::status(400, missing)]);
        let error = aws.elb().target_health("green-tg").await.unwrap_err();
        assert!(error.to_string().starts_with("the target group `green-tg` does not exist"), "{error}");
    }
}
