//! Whether a scenario fits the fleet and the configuration that it is run with: names that mean nothing would otherwise let it come true for no
//! reason. Knows nothing of files.

use domain::config::Config;
use domain::deployment::Platform;
use domain::text::nearest;

use super::{
    CallFault, EndsFirst, Expectation, ExpectedProduction, ExpectedRestored, Fault, LostAnswer, MetricOf, Plan,
    ProcessFault, Refusal, Scenario, VendorFault,
};
use crate::template::Template;

/// Lifecycle events that may have a hook, on ECS; on Lambda, the last two.
pub(crate) const HOOKABLE: [&str; 5] =
    ["BeforeInstall", "AfterInstall", "AfterAllowTestTraffic", "BeforeAllowTraffic", "AfterAllowTraffic"];

/// What alarm-rollback may decide.
const DECISIONS: [&str; 4] = ["StopAndRollBack", "RedeployPrevious", "Alert", "Ignore"];

/// How a deployment may end.
pub(super) const ENDINGS: [&str; 3] = ["Succeeded", "Failed", "Stopped"];

/// Refuses a name that is not among the known ones.
pub(super) fn known<'a>(what: &str, name: &str, names: impl IntoIterator<Item = &'a str>) -> Result<(), String> {
    let names: Vec<&str> = names.into_iter().collect();
    if names.contains(&name) {
        return Ok(());
    }
    let hint = match nearest(name, names.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if names.is_empty() => "there are none".to_owned(),
        None => format!("there are {}", names.join(", ")),
    };
    Err(format!("there is no {what} `{name}`; {hint}"))
}

/// What a deployment by ECS itself does not have.
fn check_rolling(plan: &Plan, config: &Config) -> Result<(), String> {
    let is_rolling = config.services.iter().any(|service| service.name == plan.service && service.ecs.is_some());
    let given = [
        ("configuration", plan.configuration.is_some()),
        ("hooks", plan.hooks.is_some()),
        ("group_alarms", !plan.group_alarms.is_empty()),
        ("stopped_by_person_after", plan.stopped_by_person_after.is_some()),
        ("platform: Lambda", plan.platform == Platform::Lambda),
    ];
    match given.iter().find(|(_, is_given)| is_rolling && *is_given) {
        Some((key, _)) => Err(format!("ECS itself deploys `{}`, so `{key}` means nothing; take it out", plan.service)),
        None => Ok(()),
    }
}

/// Whether what a vendor's fault says goes together.
fn check_vendor(fault: &Fault, of: &VendorFault, config: &Config) -> Result<(), String> {
    let (name, is_slack) = match fault {
        Fault::Slack(_) => ("slack", true),
        Fault::Pagerduty(_) => ("pagerduty", false),
        _ => ("ticket", false),
    };
    let ways = of.ways();
    if ways.len() != 1 {
        let seen = if ways.is_empty() { "there is none".to_owned() } else { format!("there are {}", ways.join(", ")) };
        return Err(format!(
            "the fault `{name}` needs one of `status`, `error`, `missing_scope`, `garbage`, `silence` and `hang_up`; {seen}"
        ));
    }
    if of.retry_after.is_some() && of.status.is_none() {
        return Err(format!("the fault `{name}` has a `retry_after` without a `status`; it goes with `status: 429`"));
    }
    if !is_slack && (of.error.is_some() || of.missing_scope.is_some() || of.channel.is_some() || of.reply.is_some()) {
        return Err(format!(
            "`error`, `missing_scope`, `channel` and `reply` are Slack's; the fault `{name}` has none of them"
        ));
    }
    if name == "ticket" && config.ticket.is_none() {
        return Err("the configuration has no `ticket`, so nothing can go wrong with it; take the fault out".to_owned());
    }
    of.method.iter().try_for_each(|method| {
        known(&format!("method of {name}"), method, crate::world::vendor_methods(fault).iter().copied())
    })
}

impl Scenario {
    /// Holds every name against what there is.
    ///
    /// # Errors
    /// With what is wrong and what there is instead.
    pub fn check(&self, template: &Template, config: &Config) -> Result<(), String> {
        let binaries = || template.functions.iter().map(|function| function.binary.as_str());
        let alarms = || self.alarm_names(template);
        if self.deployments.is_empty() {
            return Err("it deploys nothing; write at least one entry under `deployments`".to_owned());
        }
        for plan in &self.deployments {
            known("service", &plan.service, config.services.iter().map(|service| service.name.as_str()))?;
            self.check_plan(plan)?;
            check_rolling(plan, config)?;
            for alarm in &plan.group_alarms {
                known("alarm", alarm, alarms())?;
            }
        }
        for fault in &self.faults {
            match fault {
                Fault::Kill(ProcessFault { function, .. })
                | Fault::Hang(ProcessFault { function, .. })
                | Fault::Panic(ProcessFault { function, .. })
                | Fault::Duplicate { function, .. } => known("function", function, binaries())?,
                Fault::Throttle(CallFault { function, .. })
                | Fault::Break(CallFault { function, .. })
                | Fault::Refuse(Refusal { function, .. })
                | Fault::LoseAnswer(LostAnswer { function, .. }) => {
                    function.iter().try_for_each(|function| known("function", function, binaries()))?;
                }
                Fault::EndsFirst(EndsFirst { function, status, .. }) => {
                    function.iter().try_for_each(|function| known("function", function, binaries()))?;
                    known("status of a deployment", status.as_str(), ENDINGS)?;
                }
                Fault::RedAlarm { name } | Fault::MuteAlarm { name } | Fault::MissingAlarm { name } => {
                    known("alarm of the template", name, template.alarms.iter().map(|alarm| alarm.name.as_str()))?;
                }
                Fault::Slack(of) | Fault::Pagerduty(of) | Fault::Ticket(of) => check_vendor(fault, of, config)?,
                Fault::Events(_) | Fault::MetricsShowAfter(_) => {}
            }
        }
        self.check_surroundings(template, config)?;
        self.expect.iter().try_for_each(|expectation| self.check_expectation(expectation, template))
    }

    fn check_plan(&self, plan: &Plan) -> Result<(), String> {
        if plan.at.is_some() && plan.after.is_some() {
            return Err(format!("a deployment of `{}` has both `at` and `after`; keep one", plan.service));
        }
        let (word, other, hookable) = match plan.platform {
            Platform::Lambda => ("Lambda", "ECS", HOOKABLE.get(3..).unwrap_or_default()),
            Platform::Ecs => ("ECS", "Lambda", HOOKABLE.as_slice()),
            Platform::Server => return Err("only the platforms ECS and Lambda are rehearsed".to_owned()),
        };
        if self.deployments.iter().any(|one| one.service == plan.service && one.platform != plan.platform) {
            return Err(format!("the service `{}` cannot be on ECS and on Lambda", plan.service));
        }
        for event in plan.hooks.iter().flat_map(|hooks| hooks.keys()) {
            known(&format!("hook on {word}"), event, hookable.iter().copied())?;
        }
        let Some(configuration) = &plan.configuration else { return Ok(()) };
        crate::world::check_configuration(configuration)?;
        if configuration.starts_with(&format!("CodeDeployDefault.{other}")) {
            return Err(format!("`{configuration}` is not for {word}, which `{}` is deployed to", plan.service));
        }
        Ok(())
    }

    fn check_expectation(&self, expectation: &Expectation, template: &Template) -> Result<(), String> {
        let binaries = || template.functions.iter().map(|function| function.binary.as_str());
        match expectation {
            Expectation::Deployment(expected) => {
                if expected.nth == 0 || expected.nth > self.deployments.len() {
                    return Err(format!("there is no deployment {}; the first is 1", expected.nth));
                }
                known("status of a deployment", &expected.status, ENDINGS)?;
                expected.rollback.iter().try_for_each(|status| known("status of a rollback", status, ENDINGS))
            }
            Expectation::Production(ExpectedProduction::Colour(colour)) => known("version", colour, ["green", "blue"]),
            Expectation::Production(ExpectedProduction::Of(of)) => {
                if of.colour.is_none() && of.version.is_none() {
                    return Err("`production` says nothing; give it a `colour` or a `version`".to_owned());
                }
                of.colour.iter().try_for_each(|colour| known("version", colour, ["green", "blue"]))?;
                self.check_which(of.service.as_ref(), of.nth)
            }
            Expectation::PeakTraffic(expected) => self.check_which(expected.service.as_ref(), expected.nth),
            Expectation::RestoredWithin(ExpectedRestored::Of(of)) => {
                self.check_which(of.service.as_ref(), None)?;
                of.alarm.iter().try_for_each(|alarm| known("alarm", alarm, self.alarm_names(template)))
            }
            Expectation::Decision(expected) => {
                known("decision", &expected.decision, DECISIONS)?;
                self.check_which(expected.service.as_ref(), None)?;
                expected.alarm.iter().try_for_each(|alarm| known("alarm", alarm, self.alarm_names(template)))
            }
            Expectation::Restored(expected) => self.check_which(expected.service.as_ref(), None),
            Expectation::Calls(expected) => {
                if expected.times.is_some() == expected.at_most.is_some() {
                    return Err(format!("`calls` of `{}` needs either `times` or `at_most`", expected.call));
                }
                expected.function.iter().try_for_each(|function| known("function", function, binaries()))
            }
            Expectation::CallsPerInvocation { function, .. } | Expectation::Errors { function, .. } => {
                known("function", function, binaries())
            }
            Expectation::Verdict(expected) => {
                known("function", &expected.hook, binaries())?;
                known("verdict", &expected.verdict, ["Succeeded", "Failed"])
            }
            Expectation::Metric(expected) => {
                if expected.sum.is_some() == expected.value.is_some()
                    || expected.statistic.is_some() != expected.value.is_some()
                {
                    return Err(format!(
                        "`metric` of `{}` needs either a `sum`, or a `statistic` and its `value`",
                        expected.name
                    ));
                }
                if expected.service.is_some() && expected.by == MetricOf::Fleet {
                    return Err(format!(
                        "`metric` of `{}` names a service, which the fleet's has no dimension for; add `by: group`",
                        expected.name
                    ));
                }
                self.check_which(expected.service.as_ref(), None)
            }
            Expectation::Alarm { name, .. } => known("alarm", name, self.alarm_names(template)),
            Expectation::Pages(actions) => actions
                .iter()
                .try_for_each(|action| known("PagerDuty action", action, ["trigger", "acknowledge", "resolve"])),
            Expectation::PageSeverities(severities) => severities
                .iter()
                .try_for_each(|severity| known("severity", severity, ["critical", "error", "warning", "info"])),
            _ => Ok(()),
        }
    }

    /// Whether a deployment that an expectation names is one that is planned.
    fn check_which(&self, service: Option<&String>, nth: Option<usize>) -> Result<(), String> {
        if let Some(nth) = nth
            && (nth == 0 || nth > self.deployments.len())
        {
            return Err(format!("there is no deployment {nth}; the first is 1"));
        }
        service.into_iter().try_for_each(|service| {
            known("deployed service", service, self.deployments.iter().map(|plan| plan.service.as_str()))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const TEMPLATE: &str = "
Transform: AWS::Serverless-2016-10-31
Resources:
  Hook:
    Type: AWS::Serverless::Function
    Metadata: { BuildMethod: rust-cargolambda, BuildProperties: { Binary: hook } }
    Properties: { FunctionName: CodeDeployHook_hook, Handler: bootstrap, Runtime: provided.al2023, CodeUri: ./ }
";
    const CONFIG: &str = "version: 1\nservices:\n  - name: shop\n    codedeploy: { application: a, deployment_group: g }\n  \
                          - name: web\n    ecs: { cluster: main, service: web }\n";

    #[track_caller]
    fn check(rest: &str, expected: &str) {
        let template = Template::read(TEMPLATE, &BTreeMap::new()).unwrap();
        let config = domain::config::load("greenlight.yaml", CONFIG).unwrap();
        let text = format!("name: x\ntitle: t\n{rest}\n");
        let outcome = Scenario::parse("x.yaml", &text).unwrap().check(&template, &config);
        match outcome {
            Ok(()) => assert_eq!(expected, "", "{rest} was let through"),
            Err(message) => assert!(!expected.is_empty() && message.contains(expected), "{message}"),
        }
    }

    #[test]
    fn a_name_that_means_nothing_is_refused_with_the_nearest_one() {
        let one = "deployments: [{ service: shop }]\n";
        check(&format!("{one}expect: []"), "");
        check("deployments: [{ service: web }]\nexpect: []", "");
        check(
            "deployments: [{ service: web, hooks: {} }]\nexpect: []",
            "ECS itself deploys `web`, so `hooks` means nothing",
        );
        check("deployments: []\nexpect: []", "it deploys nothing");
        check("deployments: [{ service: shp }]\nexpect: []", "no service `shp`; did you mean `shop`?");
        check("deployments: [{ service: shop, group_alarms: [red] }]\nexpect: []", "no alarm `red`; there are none");
        check(
            "deployments: [{ service: shop, hooks: { AfterAllowTrafic: h } }]\nexpect: []",
            "did you mean `AfterAllowTraffic`?",
        );
        check(
            "deployments: [{ service: shop, platform: Lambda, hooks: { AfterInstall: h } }]\nexpect: []",
            "no hook on Lambda `AfterInstall`",
        );
        check("deployments: [{ service: shop, configuration: Half }]\nexpect: []", "`Half` is not known");
        check(
            "deployments: [{ service: shop, configuration: CodeDeployDefault.LambdaAllAtOnce }]\nexpect: []",
            "is not for ECS",
        );
        check(
            "deployments: [{ service: shop }, { service: shop, platform: Lambda }]\nexpect: []",
            "cannot be on ECS and on Lambda",
        );
        check(&format!("{one}faults: [kill: {{ function: hok, during: x }}]\nexpect: []"), "did you mean `hook`?");
        for fault in ["red_alarm", "mute_alarm", "missing_alarm"] {
            check(&format!("{one}faults: [{fault}: {{ name: x }}]\nexpect: []"), "no alarm of the template `x`");
        }
        check(&format!("{one}expect: [deployment: {{ nth: 2, status: Failed }}]"), "no deployment 2");
        check(&format!("{one}expect: [deployment: {{ nth: 1, status: Sucess }}]"), "no status of a deployment");
        check(&format!("{one}expect: [production: gren]"), "did you mean `green`?");
        check(&format!("{one}expect: [pages: [triger]]"), "did you mean `trigger`?");
        check("deployments: [{ service: shop, at: 1m, after: 1m }]\nexpect: []", "both `at` and `after`");
        check(&format!("{one}expect: [production: {{ service: shop }}]"), "says nothing");
        check(&format!("{one}expect: [production: {{ nth: 2, colour: blue }}]"), "no deployment 2");
        check(&format!("{one}expect: [peak_traffic: {{ service: till, at_most: 10 }}]"), "no deployed service `till`");
        check(&format!("{one}expect: [decision: {{ decision: Stop }}]"), "no decision `Stop`");
        check(&format!("{one}expect: [restored_within: {{ within: 2m, alarm: x }}]"), "no alarm `x`");
        check(&format!("{one}expect: [metric: {{ name: x }}]"), "either a `sum`, or a `statistic` and its `value`");
        check(&format!("{one}expect: [metric: {{ name: x, sum: 1, value: 1, statistic: p50 }}]"), "either a `sum`");
        check(&format!("{one}expect: [metric: {{ name: x, sum: 1, service: shop }}]"), "add `by: group`");
        check(&format!("{one}expect: [metric: {{ name: x, sum: 1, service: till, by: group }}]"), "`till`");
        check(&format!("{one}expect: [alarm: {{ name: x, state: OK }}]"), "no alarm `x`");
        check(&format!("{one}expect: [calls: {{ call: x }}]"), "either `times` or `at_most`");
        check(&format!("{one}expect: [calls_per_invocation: {{ function: hok, at_most: 1 }}]"), "did you mean `hook`?");
        check(&format!("{one}faults: [refuse: {{ call: x, error: y, function: hok }}]\nexpect: []"), "`hook`?");
        check(&format!("{one}alarms: [{{ at: 1m, name: x, form: sns }}]\nexpect: []"), "no function `alarm-rollback`");
        check(&format!("{one}alarms: [{{ at: 1m, name: x, times: 0 }}]\nexpect: []"), "0 times");
        check(&format!("{one}alarm_tags: {{ x: {{ a: b }} }}\nexpect: []"), "no alarm `x`");
        check(&format!("{one}history: [{{ service: shp, ended: 1h }}]\nexpect: []"), "did you mean `shop`?");
        check(&format!("{one}account: {{ deployment_groups: 1, in_flight: 2 }}\nexpect: []"), "at most one deployment");
        check(&format!("{one}faults: [ends_first: {{ during: x, status: Ended }}]\nexpect: []"), "no status");
        check(
            &format!("{one}faults: [slack: {{ status: 500, silence: true }}]\nexpect: []"),
            "there are status: 500, silence",
        );
        check(&format!("{one}faults: [slack: {{ until: 1m }}]\nexpect: []"), "there is none");
        check(&format!("{one}faults: [slack: {{ garbage: true, retry_after: 3 }}]\nexpect: []"), "without a `status`");
        check(&format!("{one}faults: [pagerduty: {{ error: is_archived }}]\nexpect: []"), "are Slack's");
        check(&format!("{one}faults: [slack: {{ status: 500, method: chat.post }}]\nexpect: []"), "no method of slack");
        check(&format!("{one}faults: [ticket: {{ status: 500 }}]\nexpect: []"), "the configuration has no `ticket`");
        check(&format!("{one}expect: [page_severities: [urgent]]"), "no severity `urgent`");
    }
}
