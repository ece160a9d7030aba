//! The environment as a value, and the configuration that it points at. A problem is a value too: a hook answers it, it
//! does not die of it. Knows nothing of what the settings are for.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::config::{Config, ConfigError, Reviewer, load_reviewed, load_usable};
use domain::events::LogPlace;

/// The path of the configuration file.
pub const GREENLIGHT_CONFIG: &str = "GREENLIGHT_CONFIG";
/// Where the configuration's layer puts it.
const DEFAULT_CONFIG: &str = "/opt/greenlight.yaml";
/// The DynamoDB table.
pub const TABLE_NAME: &str = "TABLE_NAME";
/// The CloudWatch namespace.
pub const METRICS_NAMESPACE: &str = "METRICS_NAMESPACE";
/// Slack's base URL, in place of `https://slack.com/api`.
pub const SLACK_API_URL: &str = "SLACK_API_URL";
/// PagerDuty's base URL, in place of `https://events.pagerduty.com`.
pub const PAGERDUTY_EVENTS_URL: &str = "PAGERDUTY_EVENTS_URL";
/// The name of the dashboard that a deployment's messages lead to, where its service names none.
pub const DELIVERY_DASHBOARD: &str = "DELIVERY_DASHBOARD";
/// The log group and the log stream of this process ("Defined runtime environment variables", Lambda developer guide).
const LOG: [&str; 2] = ["AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME"];

/// Why a function cannot do its work with the settings that it has.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SettingError {
    /// A variable is not set.
    #[error("the environment variable `{0}` is not set; `template.yaml` sets it for every function that needs it")]
    Missing(&'static str),
    /// The configuration file cannot be read.
    #[error(
        "the configuration `{path}` could not be read: {error}; attach the configuration layer, or set `GREENLIGHT_CONFIG` to the file's path"
    )]
    Unreadable {
        /// The path that was tried.
        path: String,
        /// The operating system's words.
        error: String,
    },
    /// The configuration is wrong.
    #[error("the configuration is not valid:\n{0}")]
    Invalid(ConfigError),
}

/// The environment variables, as they were when the process started.
#[derive(Clone, Default)]
pub struct Environment(Arc<BTreeMap<String, String>>);

impl std::fmt::Debug for Environment {
    /// Shows no values: the environment holds credentials.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Environment").field(&self.0.len()).finish()
    }
}

impl Environment {
    /// From names and values; tests give their own.
    pub fn new(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(Arc::new(variables.into_iter().collect()))
    }

    /// A variable, unless it is missing or empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A variable that must be there.
    pub fn require(&self, name: &'static str) -> Result<&str, SettingError> {
        self.get(name).ok_or(SettingError::Missing(name))
    }

    /// Where this process writes its log; `None` where it is not Lambda that runs it.
    pub fn log(&self) -> Option<LogPlace> {
        let [group, stream] = LOG.map(|name| self.get(name).map(str::to_owned));
        Some(LogPlace { group: group?, stream: stream?, request_id: None })
    }

    /// The configuration, read from the file that `GREENLIGHT_CONFIG` names, for a function that runs no checks: what is wrong in it is
    /// logged and left out, so that a mistake in a check neither keeps an alarm from rolling back nor people from hearing of it. The sections
    /// that are `needed` (`slack`, `pagerduty`) must be right.
    pub fn configuration(&self, needed: &[&str]) -> Result<Config, SettingError> {
        let (file, text) = self.configuration_file()?;
        let usable = load_usable(&file, &text, needed).map_err(SettingError::Invalid)?;
        if let Some(mistakes) = &usable.mistakes {
            tracing::error!(
                configuration.problems = mistakes.problems.len(),
                "the configuration has mistakes; what they concern is left out:\n{mistakes}"
            );
        }
        Ok(usable.config)
    }

    /// The same for a function that runs checks, without any mistake; `reviewer` is that of the engine that it runs them with.
    pub fn configuration_reviewed(&self, reviewer: Reviewer) -> Result<Config, SettingError> {
        let (file, text) = self.configuration_file()?;
        load_reviewed(&file, &text, reviewer).map_err(SettingError::Invalid)
    }

    /// The file's name and its text.
    fn configuration_file(&self) -> Result<(String, String), SettingError> {
        let path = self.get(GREENLIGHT_CONFIG).unwrap_or(DEFAULT_CONFIG);
        let text = std::fs::read_to_string(path)
            .map_err(|error| SettingError::Unreadable { path: path.to_owned(), error: error.to_string() })?;
        Ok((path.rsplit('/').next().unwrap_or(path).to_owned(), text))
    }
}

#[cfg(test)]
mod tests {
    use domain::config::{Path, Remark};

    use super::*;

    #[test]
    fn a_missing_configuration_says_what_to_do() {
        let environment = Environment::new([(GREENLIGHT_CONFIG.to_owned(), "/nowhere/g.yaml".to_owned())]);
        let text = environment.configuration(&[]).unwrap_err().to_string();
        assert!(text.contains("`/nowhere/g.yaml`") && text.contains("attach the configuration layer"), "{text}");
    }

    #[test]
    fn a_mistake_inside_a_check_is_told_to_those_who_run_checks_alone() {
        let file = std::env::temp_dir().join(format!("greenlight-settings-{}.yaml", std::process::id()));
        let text = "version: 1\nservices:\n  - name: a\n    codedeploy: { application: b, deployment_group: c }\n    after_allow_traffic:\n      \
                    checks: [{ name: x, get: / }]\n";
        std::fs::write(&file, text).unwrap();
        let environment = Environment::new([(GREENLIGHT_CONFIG.to_owned(), file.display().to_string())]);
        assert!(environment.configuration(&[]).is_ok());
        let reviewed = environment.configuration_reviewed(|checks| {
            let about = |index| Remark::new(Path::top().entry(index).key("get"), "is no path");
            (0..checks.len()).map(about).collect()
        });
        std::fs::remove_file(&file).unwrap();
        let text = reviewed.unwrap_err().to_string();
        assert!(
            text.contains("the configuration is not valid:\n") && text.ends_with(".yaml:6:27: is no path"),
            "{text}"
        );
    }

    #[test]
    fn where_the_log_is_needs_both_names() {
        let set = |names: &[&str]| {
            Environment::new(names.iter().map(|name| ((*name).to_owned(), format!("{} of it", name.len()))))
        };
        assert_eq!(set(&LOG[..1]).log(), None);
        let place = set(&LOG).log().unwrap();
        assert_eq!((place.group.as_str(), place.stream.as_str(), place.request_id), ("25 of it", "26 of it", None));
    }

    #[test]
    fn an_empty_variable_is_a_missing_one() {
        let environment = Environment::new([(TABLE_NAME.to_owned(), String::new())]);
        assert!(environment.require(TABLE_NAME).unwrap_err().to_string().contains("`TABLE_NAME` is not set"));
    }
}
