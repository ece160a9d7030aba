//! What is deployed to: the guarded services with their versions, their load balancer or their alias, and who has how much traffic.
//! Knows nothing of deployments.

use std::collections::BTreeMap;

use domain::config::Config;
use domain::deployment::{GroupName, Platform};
use domain::time::Timestamp;

use super::rolling::Rolling;
use super::{ACCOUNT, REGION};
use crate::scenario::{Behaviour, Scenario, TestRule, TestTraffic};

/// The load balancer's id in ARNs; the sample template's parameter defaults name it too.
pub(crate) const LOAD_BALANCER_ID: &str = "50dc6c495c0c9188";
const TARGET_GROUP_IDS: [&str; 2] = ["6d0ecf831eec9f09", "7f1fde942ffd0a10"];

/// How many tasks a service wants.
pub(crate) const DESIRED: u32 = 2;

/// One version of a service: a task set with its task definition, or a Lambda version.
#[derive(Clone, Debug)]
pub(crate) struct Version {
    /// 41, 42, …: the task definition's revision or the Lambda version.
    pub(crate) number: u32,
    pub(crate) behaviour: Behaviour,
    pub(crate) git_sha: String,
    /// The tags of its task definition, beside that of the commit.
    pub(crate) tags: BTreeMap<String, String>,
    /// The deployment that brought it.
    pub(crate) deployment: Option<String>,
    /// Production traffic in percent.
    pub(crate) weight: f64,
    /// Since when it has had production traffic.
    pub(crate) first_traffic: Option<Timestamp>,
    pub(crate) created: Timestamp,
    /// Since when its task set has been installed.
    pub(crate) installed: Option<Timestamp>,
    /// Which of the two target groups its tasks are in.
    pub(crate) target_group: usize,
    /// Whether its tasks still exist.
    pub(crate) alive: bool,
    /// How many of them run, where ECS itself deploys.
    pub(crate) running: Option<u32>,
    /// What is still owed of the share of failing requests.
    pub(crate) error_debt: f64,
    /// The how manieth task set of this number it is, from 0.
    pub(crate) again: u32,
}

#[derive(Clone, Debug)]
pub(crate) struct Guarded {
    pub(crate) name: String,
    pub(crate) group: GroupName,
    pub(crate) platform: Platform,
    /// Its deployments, where ECS itself deploys it.
    pub(crate) rolling: Option<Rolling>,
    pub(crate) versions: Vec<Version>,
    /// The version that the test listener shows.
    pub(crate) on_test: Option<usize>,
    /// Where it leads once CodeDeploy has moved it.
    pub(crate) test_traffic: TestTraffic,
    /// Since when it has led there.
    pub(crate) tested_since: Option<Timestamp>,
    /// What it does before its default action.
    pub(crate) test_rules: Vec<TestRule>,
    /// The percentage that the alias sends to the version before the old one.
    pub(crate) stray_share: f64,
    pub(crate) production_port: u16,
    pub(crate) test_port: u16,
    /// Hosts that the configuration names in place of the load balancer's own.
    pub(crate) test_hosts: Vec<String>,
    pub(crate) production_hosts: Vec<String>,
    /// What is still owed of the new version's share of requests through the production listener.
    pub(crate) weight_debt: f64,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Landscape {
    pub(crate) services: BTreeMap<String, Guarded>,
}

impl Landscape {
    pub(crate) fn new(config: &Config, scenario: &Scenario) -> Self {
        let mut services = BTreeMap::new();
        for (index, service) in config.services.iter().enumerate() {
            // A service that ECS itself deploys has no group; the application's name serves as that of its load balancer.
            let of_cluster =
                |cluster: &str| GroupName { application: cluster.to_owned(), deployment_group: String::new() };
            let group = service.codedeploy.clone().or_else(|| Some(of_cluster(&service.ecs.as_ref()?.cluster)));
            let Some(group) = group else { continue };
            let rolling = service.ecs.as_ref().map(|ecs| Rolling::new(ecs, index as u64));
            let plan = scenario.deployments.iter().find(|plan| plan.service == service.name);
            let invokes = service.before_allow_traffic.checks.iter().any(|check| check.invoke.is_some());
            let platform = plan.map_or(if invokes { Platform::Lambda } else { Platform::Ecs }, |plan| plan.platform);
            let offset = u16::try_from(index).unwrap_or_default();
            let host = |url: &Option<String>| url.as_deref().and_then(authority).into_iter().collect();
            services.insert(
                service.name.clone(),
                Guarded {
                    name: service.name.clone(),
                    group,
                    platform,
                    rolling,
                    versions: vec![Version {
                        // Each service counts in a hundred of its own, so that ids made of the number differ between services.
                        number: 41 + 100 * u32::from(offset),
                        behaviour: scenario.blue.clone(),
                        git_sha: "0d1e2f3a4b5c6d7e8f90a1b2c3d4e5f60718293a".to_owned(),
                        tags: BTreeMap::new(),
                        deployment: None,
                        weight: 100.0,
                        first_traffic: Some(Timestamp(0)),
                        created: Timestamp(0),
                        installed: Some(Timestamp(0)),
                        target_group: 0,
                        alive: true,
                        running: service.ecs.as_ref().map(|_| DESIRED),
                        error_debt: 0.0,
                        again: 0,
                    }],
                    on_test: None,
                    test_traffic: TestTraffic::default(),
                    tested_since: None,
                    test_rules: Vec::new(),
                    stray_share: 0.0,
                    production_port: 80 + offset,
                    test_port: 8080 + offset,
                    test_hosts: host(&service.endpoints.test),
                    production_hosts: host(&service.endpoints.production),
                    weight_debt: 0.0,
                },
            );
        }
        Self { services }
    }

    pub(crate) fn by_group(&self, group: &GroupName) -> Option<&Guarded> {
        self.services.values().find(|service| service.rolling.is_none() && service.group == *group)
    }
}

/// The host and port of a URL, the port always given.
pub(crate) fn authority(url: &str) -> Option<String> {
    let uri: http::Uri = url.parse().ok()?;
    let host = uri.host()?;
    let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
    Some(format!("{host}:{port}"))
}

impl Guarded {
    /// The version that has most of the production traffic.
    pub(crate) fn serving(&self) -> usize {
        let heaviest = self.versions.iter().enumerate().max_by(|a, b| a.1.weight.total_cmp(&b.1.weight));
        heaviest.map_or(0, |(index, _)| index)
    }

    /// The version that the test listener shows now; none when it only gives a fixed answer.
    pub(crate) fn tested(&self) -> Option<usize> {
        match (self.on_test, self.test_traffic) {
            (Some(_), TestTraffic::Nowhere) => None,
            (Some(new), TestTraffic::Green | TestTraffic::Silent) => Some(new),
            (None, _) | (Some(_), TestTraffic::Blue) => Some(self.serving()),
        }
    }

    /// Since when a listener has led to a version's targets; none when none does.
    pub(crate) fn in_use_since(&self, index: usize) -> Option<Timestamp> {
        let is_tested = self.on_test == Some(index) && self.tested() == Some(index);
        let tested = self.tested_since.filter(|_| is_tested);
        let production = self.versions.get(index).and_then(|version| version.first_traffic);
        tested.into_iter().chain(production).min()
    }

    pub(crate) fn cluster(&self) -> &str {
        &self.group.application
    }

    pub(crate) fn target_groups(&self) -> [String; 2] {
        [format!("{}-blue", self.name), format!("{}-green", self.name)]
    }

    pub(crate) fn target_group_full_name(&self, index: usize) -> String {
        let names = self.target_groups();
        let id = TARGET_GROUP_IDS.get(index).copied().unwrap_or_default();
        format!("targetgroup/{}/{id}", names.get(index).map_or("", String::as_str))
    }

    pub(crate) fn target_group_arn(&self, index: usize) -> String {
        format!("arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}:{}", self.target_group_full_name(index))
    }

    pub(crate) fn load_balancer_full_name(&self) -> String {
        format!("app/{}/{LOAD_BALANCER_ID}", self.group.application)
    }

    pub(crate) fn load_balancer_arn(&self) -> String {
        format!("arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}:loadbalancer/{}", self.load_balancer_full_name())
    }

    pub(crate) fn dns_name(&self) -> String {
        format!("{}-1204567890.{REGION}.elb.amazonaws.com", self.group.application)
    }

    pub(crate) fn listener_arn(&self, test: bool) -> String {
        let (port, kind) = if test { (self.test_port, "7") } else { (self.production_port, "f") };
        format!(
            "arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}:listener/{}/{kind}2f7dc8efc52{port:05}",
            self.load_balancer_full_name()
        )
    }

    pub(crate) fn service_arn(&self) -> String {
        let name = self.rolling_name().map_or(&self.name, |ecs| &ecs.service);
        format!("arn:aws:ecs:{REGION}:{ACCOUNT}:service/{}/{name}", self.cluster())
    }

    /// `ecs-svc/…`
    pub(crate) fn task_set_id(version: &Version) -> String {
        format!("ecs-svc/36057017072679{:05}", version.number + 10_000 * version.again)
    }

    pub(crate) fn task_definition(&self, version: &Version) -> String {
        format!("arn:aws:ecs:{REGION}:{ACCOUNT}:task-definition/{}:{}", self.name, version.number)
    }

    pub(crate) fn image(&self, version: &Version) -> String {
        let short: String = version.git_sha.chars().take(12).collect();
        format!("{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/{}:{short}", self.name)
    }

    /// Whether a host and port are this service's listener: the test one (`true`) or the production one (`false`).
    pub(crate) fn listener_at(&self, authority: &str) -> Option<bool> {
        let own = |port: u16| authority == format!("{}:{port}", self.dns_name());
        if own(self.test_port) || self.test_hosts.iter().any(|host| same_place(host, authority)) {
            Some(true)
        } else if own(self.production_port) || self.production_hosts.iter().any(|host| same_place(host, authority)) {
            Some(false)
        } else {
            None
        }
    }
}

/// Whether two authorities are the same place; `https` endpoints are rehearsed over plain HTTP, so 443 and 80 are the same.
fn same_place(configured: &str, asked: &str) -> bool {
    let plain = |text: &str| text.strip_suffix(":443").or_else(|| text.strip_suffix(":80")).map(str::to_owned);
    configured == asked || (plain(configured).is_some() && plain(configured) == plain(asked))
}
