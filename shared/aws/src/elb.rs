//! Elastic Load Balancing: where a listener answers and how the targets of a target group are. Knows nothing of deployments.

use std::sync::Arc;

use aws_sdk_elasticloadbalancingv2::Client;
use aws_sdk_elasticloadbalancingv2::types::{ProtocolEnum, TargetHealthReasonEnum};
use domain::ports::{LoadBalancer, PortError, TargetHealth};

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
}

impl LoadBalancer for LoadBalancers {
    async fn listener_url(&self, listener_arn: &str) -> Result<String, PortError> {
        let attempt = Attempt { operation: "DescribeListeners", noun: "listener", name: listener_arn };
        let client = self.client.get(attempt)?;
        let call = client.describe_listeners().listener_arns(listener_arn);
        let output = call.send().await.map_err(|error| attempt.failed(&error))?;
        let listener = output.listeners().first().ok_or_else(|| attempt.not_found("no listeners"))?;
        let scheme = match listener.protocol() {
            Some(ProtocolEnum::Https | ProtocolEnum::Tls) => "https",
            _ => "http",
        };
        let port = listener.port().ok_or_else(|| attempt.permanent("the listener has no port"))?;
        let balancer = listener.load_balancer_arn().unwrap_or_default();

        let attempt = Attempt { operation: "DescribeLoadBalancers", noun: "load balancer", name: balancer };
        let call = client.describe_load_balancers().load_balancer_arns(balancer);
        let output = call.send().await.map_err(|error| attempt.failed(&error))?;
        let balancer = output.load_balancers().first().ok_or_else(|| attempt.not_found("no load balancers"))?;
        let host = balancer.dns_name().ok_or_else(|| attempt.permanent("the load balancer has no DNS name"))?;
        Ok(format!("{scheme}://{host}:{port}"))
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
    async fn a_target_group_that_does_not_exist_is_not_found() {
        let missing = "<ErrorResponse xmlns=\"http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/\"><Error><Type>Sender</Type><Code>TargetGroupNotFound</Code><Message>One or more target groups not found</Message></Error></ErrorResponse>";
        let (aws, _) = serve(vec![Canned::status(400, missing)]);
        let error = aws.elb().target_health("green-tg").await.unwrap_err();
        assert!(error.to_string().starts_with("the target group `green-tg` does not exist"), "{error}");
    }
}
