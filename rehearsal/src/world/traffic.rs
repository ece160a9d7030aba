//! What a minute of traffic becomes in CloudWatch: the metrics of the load balancer and its target groups, of Lambda by alias and version, of API
//! Gateway in front of it, and of the metric filters on the application's log. Each is named and published as the service documents it (its page
//! on CloudWatch metrics). Knows nothing of alarms.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use domain::deployment::Platform;
use domain::time::Timestamp;
use serde_json::{Value, json};

use super::World;
use super::landscape::{Guarded, Version};
use super::metrics::{SAMPLE, Sampled};
use crate::services::cloudwatch::CloudWatch;
use crate::template::MetricFilter;

/// How often in a minute the load balancer counts its targets.
const COUNTS: u32 = 6;
/// The stage of the API in front of a function; the sample template's parameter defaults name it too.
const STAGE: &str = "prod";

/// By service and the version's place: what a real application answered.
type Results = BTreeMap<(String, usize), Sampled>;

/// A metric's dimensions.
type Dimensions = BTreeMap<String, String>;

fn dimensions<const N: usize>(pairs: [(&str, &str); N]) -> Dimensions {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// A minute of one version.
struct Minute {
    requests: f64,
    /// Requests that ended in an error of the application.
    errors: f64,
    /// Requests that got no connection, and so no answer of the application's and no latency.
    refused: f64,
    /// Requests that a function answered with a 5xx itself.
    error_answers: f64,
    latencies: Vec<Duration>,
}

impl Minute {
    /// Of a version that had production traffic, in a minute of so many requests to the service that ends now.
    fn of(version: &Version, total: f64, now: Timestamp, sampled: Option<&Sampled>) -> Option<Self> {
        let requests = (total * version.weight / 100.0).round();
        if requests < 1.0 {
            return None;
        }
        let since = version.first_traffic.map(|at| now.since(at));
        let behaviour = &version.behaviour;
        let (share, latencies) = match sampled {
            Some(sampled) => (f64::from(sampled.errors) / f64::from(SAMPLE), sampled.latencies.clone()),
            None => (behaviour.error_rate(since.unwrap_or_default()), vec![behaviour.latency_after(since)]),
        };
        let refused = (requests * behaviour.refusal_rate(since.unwrap_or_default())).round().min(requests);
        let errors = (requests * share).round().min(requests - refused);
        let answers = (requests * behaviour.error_answer_rate(since.unwrap_or_default())).round();
        Some(Self { requests, errors, refused, error_answers: answers.min(requests - errors), latencies })
    }
}

/// One namespace at one minute.
struct Publisher<'a> {
    cloudwatch: &'a mut CloudWatch,
    namespace: &'static str,
    from: Timestamp,
}

impl Publisher<'_> {
    /// A 1 for each of so many.
    fn count(&mut self, name: &str, dimensions: &Dimensions, many: f64) {
        self.values(name, dimensions, &[(1.0, many)], "Count");
    }

    /// A 1 for each of so many out of all, and a 0 for each of the others, so that the average is the share.
    fn share(&mut self, name: &str, dimensions: &Dimensions, many: f64, all: f64) {
        self.values(name, dimensions, &[(1.0, many), (0.0, all - many)], "Count");
    }

    /// Every request that was answered, with the time that it took.
    fn times(&mut self, name: &str, dimensions: &Dimensions, minute: &Minute, unit: &str) {
        let each = (minute.requests - minute.refused) / minute.latencies.len() as f64;
        if each <= 0.0 {
            return;
        }
        let scale = if unit == "Milliseconds" { 1000.0 } else { 1.0 };
        let values: Vec<(f64, f64)> =
            minute.latencies.iter().map(|latency| (latency.as_secs_f64() * scale, each)).collect();
        self.values(name, dimensions, &values, unit);
    }

    fn values(&mut self, name: &str, dimensions: &Dimensions, values: &[(f64, f64)], unit: &str) {
        self.cloudwatch.put_values(self.namespace, name, dimensions.clone(), self.from.0, values, unit);
    }
}

impl World {
    /// Publishes the minute that began at `from` and ends now.
    pub(crate) fn traffic_metrics(&mut self, service: &Guarded, from: Timestamp, results: &Results) {
        let total = f64::from(self.scenario.requests_per_minute);
        let minutes: Vec<(&Version, Minute)> = service
            .versions
            .iter()
            .enumerate()
            .filter(|(_, version)| version.alive)
            .filter_map(|(index, version)| {
                let sampled = results.get(&(service.name.clone(), index));
                Some((version, Minute::of(version, total, self.now, sampled)?))
            })
            .collect();
        match service.platform {
            Platform::Ecs => self.load_balancer_metrics(service, from, &minutes),
            _ => self.lambda_metrics(service, from, &minutes),
        }
        self.log_metrics(service, from, &minutes);
    }

    fn load_balancer_metrics(&mut self, service: &Guarded, from: Timestamp, minutes: &[(&Version, Minute)]) {
        let mut publisher = Publisher { cloudwatch: &mut self.cloudwatch, namespace: "AWS/ApplicationELB", from };
        let balancer = service.load_balancer_full_name();
        for group in 0..2 {
            let name = service.target_group_full_name(group);
            let dimensions = dimensions([("LoadBalancer", &balancer), ("TargetGroup", &name)]);
            for (_, minute) in minutes.iter().filter(|(version, _)| version.target_group == group) {
                publisher.count("RequestCount", &dimensions, minute.requests);
                // "Reporting criteria: There is a nonzero value."
                if minute.errors > 0.0 {
                    publisher.count("HTTPCode_Target_5XX_Count", &dimensions, minute.errors);
                }
                // As the two above: by target group, when nonzero. What the load balancer answers in the target's place is counted without one.
                if minute.refused > 0.0 {
                    publisher.count("TargetConnectionErrorCount", &dimensions, minute.refused);
                }
                publisher.times("TargetResponseTime", &dimensions, minute, "Seconds");
            }
            // "Reported if there are registered targets."
            if !service.versions.iter().any(|version| version.alive && version.target_group == group) {
                continue;
            }
            for count in 1..=COUNTS {
                let (healthy, unhealthy) =
                    service.host_counts(group, from.plus(Duration::from_mins(1) / COUNTS * count));
                publisher.values("HealthyHostCount", &dimensions, &[(healthy as f64, 1.0)], "Count");
                publisher.values("UnHealthyHostCount", &dimensions, &[(unhealthy as f64, 1.0)], "Count");
            }
        }
    }

    fn lambda_metrics(&mut self, service: &Guarded, from: Timestamp, minutes: &[(&Version, Minute)]) {
        let (function, alias) = (service.name.as_str(), format!("{}:live", service.name));
        let api = dimensions([("ApiName", function), ("Stage", STAGE)]);
        for (version, minute) in minutes {
            let number = version.number.to_string();
            let mut publisher = Publisher { cloudwatch: &mut self.cloudwatch, namespace: "AWS/Lambda", from };
            for dimensions in [
                dimensions([("FunctionName", function)]),
                dimensions([("FunctionName", function), ("Resource", &alias)]),
                dimensions([("FunctionName", function), ("Resource", &alias), ("ExecutedVersion", &number)]),
            ] {
                publisher.count("Invocations", &dimensions, minute.requests);
                publisher.share("Errors", &dimensions, minute.errors, minute.requests);
                publisher.times("Duration", &dimensions, minute, "Milliseconds");
            }
            let mut publisher = Publisher { cloudwatch: &mut self.cloudwatch, namespace: "AWS/ApiGateway", from };
            publisher.count("Count", &api, minute.requests);
            publisher.share("5XXError", &api, minute.errors + minute.error_answers, minute.requests);
            publisher.times("Latency", &api, minute, "Milliseconds");
        }
    }

    /// What the template's metric filters make of the lines in the service's log group: one for each request, and the error lines, of which every
    /// second one is plain text, as where a library or the runtime writes it.
    fn log_metrics(&mut self, service: &Guarded, from: Timestamp, minutes: &[(&Version, Minute)]) {
        let template = self.template.clone();
        let group = match service.platform {
            Platform::Lambda => format!("/aws/lambda/{}", service.name),
            _ => format!("/ecs/{}", service.name),
        };
        let requests: f64 = minutes.iter().map(|(_, minute)| minute.requests - minute.refused).sum();
        let since = |version: &Version| version.first_traffic.map(|at| self.now.since(at)).unwrap_or_default();
        let errors: u32 = minutes.iter().map(|(version, _)| version.behaviour.error_lines(since(version))).sum();
        let json = |level: &str, message: &str| {
            json!({ "level": level, "service": service.name, "message": message }).to_string()
        };
        let lines = [
            (json("INFO", "answered"), requests),
            (json("ERROR", "the catalogue did not answer"), f64::from(errors - errors / 2)),
            ("ERROR the catalogue did not answer".to_owned(), f64::from(errors / 2)),
        ];
        for filter in template.metric_filters.iter().filter(|filter| filter.log_group == group) {
            self.filter(filter, from, &lines);
        }
    }

    fn filter(&mut self, filter: &MetricFilter, from: Timestamp, lines: &[(String, f64)]) {
        let mut put = |dimensions: Dimensions, value: f64, count: f64| {
            let values = [(value, count)];
            self.cloudwatch.put_values(&filter.namespace, &filter.metric, dimensions, from.0, &values, &filter.unit);
        };
        let mut is_met = false;
        for (line, count) in lines.iter().filter(|(line, count)| *count > 0.0 && filter.pattern.fits(line)) {
            is_met = true;
            let fields: Value = serde_json::from_str(line).unwrap_or_default();
            let dimension = |(name, field): (&String, &String)| {
                Some((name.clone(), fields.pointer(field).and_then(Value::as_str)?.to_owned()))
            };
            if let Some(dimensions) = filter.dimensions.iter().map(dimension).collect::<Option<Dimensions>>() {
                put(dimensions, filter.value, *count);
            }
        }
        let is_silent = lines.iter().all(|(_, count)| *count <= 0.0);
        if let (Some(value), false, false) = (filter.default_value, is_met, is_silent) {
            put(Dimensions::new(), value, 1.0);
        }
    }
}
