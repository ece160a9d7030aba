//! What a hook is asked about, in words that fit every adapter, and how the configuration's checks are run on it. Knows nothing
//! of how the case was found out.

use std::time::Duration;

use checks::{Suite, Variables, Version, needs_base, revealed};
use domain::config::{Check, Service};
use domain::deployment::{AppSpec, DeploymentId, GroupName, Platform, Revision, Target, TrafficRoutes};
use domain::hook::{Conclusion, Finding, Verdict};
use domain::ports::{LoadBalancer, Secrets, Versions};
use futures_util::future::join;
use outbound::HttpClient;

use crate::endpoint::{Traffic, base_url};

/// One service's new version at one point of its deployment.
#[derive(Clone, Debug)]
pub struct Case<'c> {
    /// The deployment.
    pub deployment: DeploymentId,
    /// Its application and deployment group.
    pub group: GroupName,
    /// What it deploys to; `None` when that is not known.
    pub platform: Option<Platform>,
    /// What is deployed.
    pub revision: Revision,
    /// What became of reading its AppSpec.
    pub app_spec: AppSpec,
    /// Whether CodeDeploy knows of no revision that was deployed to the group before.
    pub is_first: bool,
    /// The listeners and target groups of an ECS deployment.
    pub routes: Option<TrafficRoutes>,
    /// The deployment's target; or why it could not be read.
    pub target: Result<Target, String>,
    /// The lifecycle event that is in progress, when it could be told.
    pub lifecycle_event: Option<String>,
    /// What the configuration says of the service.
    pub service: &'c Service,
}

/// What checks are run with.
#[derive(Clone, Copy, Debug)]
pub struct Means<'a, B, V, S> {
    /// Sends the requests.
    pub http: &'a HttpClient,
    /// Reads the listeners.
    pub balancer: &'a B,
    /// Invokes Lambda versions.
    pub versions: &'a V,
    /// Reads the secrets that a check refers to.
    pub secrets: &'a S,
}

impl Case<'_> {
    /// What a check may refer to by `{{ name }}`, captured values and secrets aside.
    pub fn variables(&self) -> Variables {
        let known = |name: &str, value: &str| (name.to_owned(), Ok(value.to_owned()));
        let maybe = |name: &str, value: &Option<String>, why: &str| {
            (name.to_owned(), value.clone().ok_or_else(|| why.to_owned()))
        };
        Variables::from([
            known("deployment.id", &self.deployment.0),
            known("deployment.application", &self.group.application),
            known("deployment.group", &self.group.deployment_group),
            known("service.name", &self.service.name),
            known("service.environment", &self.service.environment),
            maybe(
                "revision.git_sha",
                &self.revision.git_sha,
                "the deployment's description has no `git_sha=…`; let the pipeline write it when it creates the deployment \
                 (`--description git_sha=$COMMIT`)",
            ),
            maybe("revision.task_definition", &self.revision.task_definition, &self.untold("task definition")),
            maybe("revision.lambda_version", &self.revision.lambda_version, &self.untold("Lambda version")),
        ])
    }

    fn untold(&self, what: &str) -> String {
        match self.app_spec.unknown() {
            Some(why) => format!("which {what} is deployed is not known here: {why}"),
            None => format!("the deployment's AppSpec names no {what}"),
        }
    }

    /// Runs checks on the new version: requests go where `traffic` is served, or nowhere for the reason given in its place; `invoke` goes
    /// to the target version itself. Of the secrets only those are read that the checks refer to.
    pub async fn run_checks(
        &self,
        checks: &[Check],
        traffic: Result<Traffic, String>,
        means: Means<'_, impl LoadBalancer, impl Versions, impl Secrets>,
        budget: Duration,
    ) -> Vec<Finding> {
        if checks.is_empty() {
            return Vec::new();
        }
        let Means { http, balancer, versions, secrets } = means;
        let clock = http.clock();
        let started = clock.now();
        let base = async {
            match traffic {
                _ if !checks.iter().any(needs_base) => Err("no check needs a base URL".to_owned()),
                Err(why) => Err(why),
                Ok(traffic) => {
                    let late = || Err(format!("the address of the {traffic} listener could not be read in time"));
                    clock.timeout(budget, base_url(balancer, self, traffic)).await.unwrap_or_else(|_| late())
                }
            }
        };
        let (base, secrets) = join(base, revealed(checks, secrets, clock, budget)).await;
        let mut variables = self.variables();
        variables.extend(secrets);
        let suite = Suite { checks, base, variables };
        let version = Version { versions, of: self.target_version() };
        let left = budget.saturating_sub(clock.now().since(started));
        Box::pin(checks::run(&suite, http, &version, left)).await
    }

    /// What the findings add up to. Where nothing was configured to be looked at in `block`, that is said, too.
    pub fn conclude(&self, findings: Vec<Finding>, block: &str) -> Conclusion {
        if findings.is_empty() {
            let service = &self.service.name;
            return Conclusion::bare(
                Verdict::Succeeded,
                format!(
                    "nothing was checked: `{block}` of the service `{service}` asks for nothing; add `checks` to it"
                ),
            );
        }
        Conclusion::from_findings(findings)
    }

    /// The Lambda function and the version that is to be invoked; or why there is none.
    fn target_version(&self) -> Result<(String, String), String> {
        match &self.target {
            Ok(Target::Lambda(target)) => Ok((target.function.clone(), target.target_version.clone())),
            Ok(Target::Ecs(_)) => Err("there is no Lambda version to invoke: the deployment is to ECS; \
                 write the check as a request (`get`, `post`, …)"
                .to_owned()),
            Err(why) => Err(format!("which Lambda version to invoke could not be found out: {why}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_check_may_refer_to_is_what_the_review_of_the_configuration_knows() {
        let group = json!({ "application": "mangaassist", "deployment_group": "orchestrator" });
        let service: Service = serde_json::from_value(json!({ "name": "orchestrator", "codedeploy": group })).unwrap();
        let case = Case {
            deployment: DeploymentId("d-1".to_owned()),
            group: service.codedeploy.clone().unwrap(),
            platform: None,
            revision: Revision::default(),
            app_spec: AppSpec::None,
            is_first: false,
            routes: None,
            target: Err("not asked".to_owned()),
            lifecycle_event: None,
            service: &service,
        };
        let mut known = checks::VARIABLES;
        known.sort_unstable();
        assert!(case.variables().names().eq(known), "{:?}", case.variables());
    }
}
