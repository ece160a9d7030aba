//! A minute of the sample application, read back as a client of CloudWatch reads it.

use std::sync::Arc;

use super::*;
use crate::scenario::Scenario;
use crate::template::Template;

const TEMPLATE: &str = "
Transform: AWS::Serverless-2016-10-31
Resources:
  Lines:
    Type: AWS::Logs::MetricFilter
    Properties:
      LogGroupName: /ecs/shop
      FilterPattern: ERROR
      MetricTransformations: [{ MetricNamespace: Shop, MetricName: errors, MetricValue: 1, DefaultValue: 0 }]
  ByService:
    Type: AWS::Logs::MetricFilter
    Properties:
      LogGroupName: /ecs/shop
      FilterPattern: ERROR service
      MetricTransformations:
        - { MetricNamespace: Shop, MetricName: tagged, MetricValue: 2, Dimensions: [{ Key: App, Value: $.service }] }
  Elsewhere:
    Type: AWS::Logs::MetricFilter
    Properties:
      LogGroupName: /ecs/other
      FilterPattern: ''
      MetricTransformations: [{ MetricNamespace: Shop, MetricName: others, MetricValue: 1 }]
  OfFunction:
    Type: AWS::Logs::MetricFilter
    Properties:
      LogGroupName: /aws/lambda/mailer
      FilterPattern: ''
      MetricTransformations: [{ MetricNamespace: Shop, MetricName: mails, MetricValue: 1 }]
";
const CONFIG: &str = "version: 1
services:
  - { name: shop, codedeploy: { application: a, deployment_group: shop } }
  - name: mailer
    codedeploy: { application: a, deployment_group: mailer }
    before_allow_traffic: { checks: [{ name: answers, invoke: { payload: {} } }] }
";

/// A world in which the version that serves behaves like this, after its first full minute.
fn after_a_minute(requests: u32, blue: &str) -> World {
    let template = Template::read(TEMPLATE, &BTreeMap::new()).unwrap();
    let config = domain::config::load("greenlight.yaml", CONFIG).unwrap();
    let mut scenario = Scenario::for_serve();
    scenario.requests_per_minute = requests;
    let blue = domain::config::yaml::parse(blue).unwrap().value;
    scenario.blue = serde_json::from_value(blue).unwrap();
    let mut world = World::new(Arc::new(template), config, scenario);
    while world.elapsed() < Duration::from_mins(1) {
        assert!(world.step());
    }
    world
}

/// Sum, number of values, average and maximum of a metric over all time; none when it was never published.
fn statistics(world: &mut World, namespace: &str, metric: &str, dimensions: &[(&str, &str)]) -> Option<[f64; 4]> {
    let dimensions: Vec<Value> =
        dimensions.iter().map(|(name, value)| json!({ "Name": name, "Value": value })).collect();
    let (start, end) = (world.started.0 / 1000, world.now.0 / 1000);
    let input = json!({
        "Namespace": namespace, "MetricName": metric, "Dimensions": dimensions, "Period": 60, "StartTime": start, "EndTime": end,
        "Statistics": ["Sum", "SampleCount", "Average", "Maximum"],
    });
    let now = world.now.0;
    let found = world.cloudwatch.handle("GetMetricStatistics", &input, now).unwrap();
    let point = found["Datapoints"].as_array().unwrap().first()?.clone();
    Some(["Sum", "SampleCount", "Average", "Maximum"].map(|name| point[name].as_f64().unwrap()))
}

const GROUP: [(&str, &str); 2] =
    [("LoadBalancer", "app/a/50dc6c495c0c9188"), ("TargetGroup", "targetgroup/shop-blue/6d0ecf831eec9f09")];

#[test]
fn a_minute_of_a_service_is_one_of_its_target_group() {
    let blue = "{ errors: [{ from: 0s, rate: 0.25 }], latency: 2s, tasks: { unhealthy: 1 } }";
    let mut world = after_a_minute(40, blue);
    let mut seen = |metric: &str| statistics(&mut world, "AWS/ApplicationELB", metric, &GROUP);
    assert_eq!(seen("RequestCount"), Some([40.0, 40.0, 1.0, 1.0]));
    assert_eq!(seen("HTTPCode_Target_5XX_Count"), Some([10.0, 10.0, 1.0, 1.0]));
    assert_eq!(seen("TargetResponseTime"), Some([80.0, 40.0, 2.0, 2.0]));
    // Two tasks, counted six times.
    assert_eq!(seen("UnHealthyHostCount"), Some([6.0, 6.0, 1.0, 1.0]));
    assert_eq!(seen("HealthyHostCount"), Some([6.0, 6.0, 1.0, 1.0]));
    let green = [GROUP[0], ("TargetGroup", "targetgroup/shop-green/7f1fde942ffd0a10")];
    assert_eq!(statistics(&mut world, "AWS/ApplicationELB", "UnHealthyHostCount", &green), None, "it has no targets");
}

#[test]
fn a_connection_that_is_refused_is_a_request_of_the_target_group_without_an_answer() {
    let mut world = after_a_minute(40, "{ refuses: [{ from: 0s, rate: 0.25 }], latency: 2s }");
    let mut seen = |metric: &str| statistics(&mut world, "AWS/ApplicationELB", metric, &GROUP);
    assert_eq!(seen("RequestCount"), Some([40.0, 40.0, 1.0, 1.0]));
    assert_eq!(seen("TargetConnectionErrorCount"), Some([10.0, 10.0, 1.0, 1.0]));
    assert_eq!(seen("HTTPCode_Target_5XX_Count"), None);
    assert_eq!(seen("TargetResponseTime"), Some([60.0, 30.0, 2.0, 2.0]));
    let mut world = after_a_minute(40, "{ refuses: [{ from: 0s, rate: 1 }] }");
    assert_eq!(statistics(&mut world, "AWS/ApplicationELB", "TargetResponseTime", &GROUP), None);
}

#[test]
fn a_minute_without_errors_or_requests_has_no_such_metric() {
    let mut world = after_a_minute(40, "{}");
    assert_eq!(statistics(&mut world, "AWS/ApplicationELB", "HTTPCode_Target_5XX_Count", &GROUP), None);
    let mut world = after_a_minute(0, "{ error_logs: [{ from: 0s, per_minute: 4 }] }");
    assert_eq!(statistics(&mut world, "AWS/ApplicationELB", "RequestCount", &GROUP), None);
    assert_eq!(statistics(&mut world, "Shop", "errors", &[]), None, "who does not serve logs nothing");
}

#[test]
fn a_minute_of_a_function_is_one_of_its_alias_its_version_and_its_api() {
    let blue = "{ errors: [{ from: 0s, rate: 0.25 }], error_answers: [{ from: 0s, rate: 0.5 }], latency: 2s }";
    let mut world = after_a_minute(40, blue);
    let resource = ("Resource", "mailer:live");
    for dimensions in [
        [("FunctionName", "mailer")].as_slice(),
        &[("FunctionName", "mailer"), resource],
        &[("FunctionName", "mailer"), resource, ("ExecutedVersion", "141")],
    ] {
        assert_eq!(statistics(&mut world, "AWS/Lambda", "Invocations", dimensions), Some([40.0, 40.0, 1.0, 1.0]));
        // A 0 for each that went well: the average is the rate.
        assert_eq!(statistics(&mut world, "AWS/Lambda", "Errors", dimensions), Some([10.0, 40.0, 0.25, 1.0]));
        assert_eq!(
            statistics(&mut world, "AWS/Lambda", "Duration", dimensions),
            Some([80_000.0, 40.0, 2000.0, 2000.0])
        );
    }
    let api = [("ApiName", "mailer"), ("Stage", "prod")];
    assert_eq!(statistics(&mut world, "AWS/ApiGateway", "Count", &api), Some([40.0, 40.0, 1.0, 1.0]));
    // What the function answers itself is none of Lambda's errors, and one of the API's.
    assert_eq!(statistics(&mut world, "AWS/ApiGateway", "5XXError", &api), Some([30.0, 40.0, 0.75, 1.0]));
    assert_eq!(
        statistics(&mut world, "Shop", "mails", &[]),
        Some([40.0, 40.0, 1.0, 1.0]),
        "its log has a line for each"
    );
}

#[test]
fn metric_filters_count_the_lines_of_their_log_group() {
    let mut world = after_a_minute(40, "{ error_logs: [{ from: 0s, per_minute: 5 }] }");
    assert_eq!(statistics(&mut world, "Shop", "errors", &[]), Some([5.0, 5.0, 1.0, 1.0]));
    // The word `service` stands in the three lines in JSON alone.
    assert_eq!(statistics(&mut world, "Shop", "tagged", &[("App", "shop")]), Some([6.0, 3.0, 2.0, 2.0]));
    assert_eq!(statistics(&mut world, "Shop", "others", &[]), None);
    let mut quiet = after_a_minute(40, "{}");
    assert_eq!(
        statistics(&mut quiet, "Shop", "errors", &[]),
        Some([0.0, 1.0, 0.0, 0.0]),
        "lines, and none of them an error"
    );
    assert_eq!(statistics(&mut quiet, "Shop", "tagged", &[("App", "shop")]), None);
}

#[test]
fn slowness_and_sickness_may_begin_with_production_traffic_or_later() {
    let behaviour: crate::scenario::Behaviour =
        serde_json::from_value(json!({ "latency": "4s", "latency_from": "1m" })).unwrap();
    let usual = super::super::app::USUAL_LATENCY;
    let seconds = Duration::from_secs;
    for (first_traffic, expected) in
        [(None, usual), (Some(seconds(59)), usual), (Some(seconds(60)), seconds(4)), (Some(seconds(600)), seconds(4))]
    {
        assert_eq!(behaviour.latency_after(first_traffic), expected, "{first_traffic:?}");
    }
    let always: crate::scenario::Behaviour = serde_json::from_value(json!({ "latency": "4s" })).unwrap();
    assert_eq!(always.latency_after(None), seconds(4));
    let later = "{ tasks: { unhealthy: 1, unhealthy_from: 1d } }";
    let mut world = after_a_minute(40, later);
    // The version that serves at the start has served since long before.
    assert_eq!(statistics(&mut world, "AWS/ApplicationELB", "UnHealthyHostCount", &GROUP), Some([6.0, 6.0, 1.0, 1.0]));
}
