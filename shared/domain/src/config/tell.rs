//! What the configuration says of who is told: Slack, PagerDuty and tickets, for the fleet and for one service. Knows nothing of how it is read or of
//! what is told.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::explain::SECRET;
use super::schema;
use super::service::{Config, Service};

/// How to reach Slack: a bot token and a channel, or an incoming webhook.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = schema::slack)]
pub struct Slack {
    /// A bot token; needs `channel`.
    #[serde(default)]
    pub token: Option<SecretRef>,
    /// The channel's id, `C…`.
    #[serde(default)]
    pub channel: Option<String>,
    /// An incoming webhook's URL, in place of token and channel. It knows no threads and no updates.
    #[serde(default)]
    pub webhook: Option<SecretRef>,
    /// Whether only that is told which did not go well. A deployment that goes well leaves no message then.
    #[serde(default)]
    pub quiet: bool,
    /// Whom to mention when a deployment does not go well: a user group's id (`S…`), a user's (`U…`), `here` or `channel`.
    #[serde(default)]
    pub mention: Option<String>,
}

/// What is different about one service in Slack.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceSlack {
    /// The service's own channel, by its id; the fleet's when not given. Needs a bot token.
    #[serde(default)]
    pub channel: Option<String>,
    /// As the fleet's `slack.quiet`, for this service.
    #[serde(default)]
    pub quiet: Option<bool>,
    /// As the fleet's `slack.mention`, for this service.
    #[serde(default)]
    pub mention: Option<String>,
}

/// Where a service's messages lead to, beside the deployment in CodeDeploy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Links {
    /// Its dashboard; Greenlight's own delivery dashboard when not given.
    #[serde(default)]
    #[schemars(regex(pattern = r"^https://\S+$"))]
    pub dashboard: Option<String>,
    /// Its logs.
    #[serde(default)]
    #[schemars(regex(pattern = r"^https://\S+$"))]
    pub logs: Option<String>,
}

/// How a service is told of in Slack: its own words, or else the fleet's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel<'a> {
    /// The channel's id; empty for a webhook, which has its own.
    pub channel: &'a str,
    /// Whether only that is told which did not go well.
    pub quiet: bool,
    /// Whom to mention when it did not.
    pub mention: Option<&'a str>,
}

impl Config {
    /// How a service is told of in Slack; `None` where nothing is told in Slack at all. What belongs to no service is told as the fleet says.
    pub fn told_in(&self, service: Option<&Service>) -> Option<Channel<'_>> {
        let slack = self.slack.as_ref()?;
        // By its name: the caller's service need not live as long as the configuration.
        let own = service.and_then(|service| self.services.iter().find(|other| other.name == service.name));
        let own = own.map(|service| &service.slack);
        Some(Channel {
            channel: own.and_then(|own| own.channel.as_deref()).or(slack.channel.as_deref()).unwrap_or_default(),
            quiet: own.and_then(|own| own.quiet).unwrap_or(slack.quiet),
            mention: own.and_then(|own| own.mention.as_deref()).or(slack.mention.as_deref()),
        })
    }
}

/// How to reach PagerDuty, and what is worth which severity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PagerDuty {
    /// The Events API v2 integration key.
    pub routing_key: SecretRef,
    /// Where the account is; `us` when not given.
    #[serde(default)]
    pub region: PagerDutyRegion,
    /// When a page about a deployment is over.
    #[serde(default)]
    pub resolve: ResolveOn,
    /// The severity of what a person must act on now, by environment, `"*"` for the others. `critical` for `production` and `warning` for the
    /// others when not given.
    #[serde(default)]
    pub severity: BTreeMap<String, PageSeverity>,
    /// The severity of a deployment that did not go well while production is safe, or is being brought back by a rollback, likewise. `warning` for
    /// `production` and `info` for the others when not given, and never more than what a person must act on has there.
    #[serde(default)]
    pub severity_when_safe: BTreeMap<String, PageSeverity>,
    /// Whether deployments that go well are sent as change events.
    #[serde(default)]
    pub changes: Changes,
}

impl PagerDuty {
    /// The severity of a page: of one on which a person `must_act` now, or of one while production is safe. What belongs to no environment has that
    /// of the others.
    pub fn severity_of(&self, environment: Option<&str>, must_act: bool) -> PageSeverity {
        let is_production = environment == Some("production");
        let written = |map: &BTreeMap<String, PageSeverity>| {
            environment.and_then(|name| map.get(name)).or_else(|| map.get(OTHERS)).copied()
        };
        let usual = if is_production { PageSeverity::Critical } else { PageSeverity::Warning };
        let urgent = written(&self.severity).unwrap_or(usual);
        if must_act {
            return urgent;
        }
        let usual = if is_production { PageSeverity::Warning } else { PageSeverity::Info };
        // Who wants nobody woken where somebody must act, wants it still less where nobody must.
        written(&self.severity_when_safe).unwrap_or_else(|| usual.max(urgent))
    }
}

/// The word for every environment that is not named.
pub(super) const OTHERS: &str = "*";

/// Where a PagerDuty account is ("Service Regions", PagerDuty's documentation).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PagerDutyRegion {
    /// `events.pagerduty.com`.
    #[default]
    Us,
    /// `events.eu.pagerduty.com`.
    Eu,
}

/// When a page about a deployment that did not go well is over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ResolveOn {
    /// When its rollback has put the old version back, or the group's next deployment succeeds.
    #[default]
    Restored,
    /// Only when the group's next deployment succeeds.
    NextSuccess,
}

/// Whether successes are sent as change events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Changes {
    /// They are.
    #[default]
    Successes,
    /// They are not.
    None,
}

/// A page's severity (`payload.severity`, Events API v2), or no page at all; the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PageSeverity {
    /// `critical`.
    Critical,
    /// `error`.
    Error,
    /// `warning`.
    Warning,
    /// `info`.
    Info,
    /// Nobody is paged.
    None,
}

/// Where a failed deployment becomes a ticket: any HTTP endpoint that takes JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ticket {
    /// Where it is posted to.
    #[schemars(regex(pattern = r"^https://\S+$"))]
    pub url: String,
    /// The value of the header `Authorization`, whole: `Bearer …`, `Basic …`.
    #[serde(default)]
    pub authorization: Option<SecretRef>,
    /// Further headers; nothing secret.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// What is posted; `{{ … }}` in its texts is replaced by what is known of the deployment.
    pub body: serde_json::Value,
    /// Where the ticket is then, for people: a URL with `{{ answer.… }}` for values of the JSON that was answered.
    #[serde(default)]
    pub link: Option<String>,
    /// How to find a ticket that was posted without an answer. It is posted again when nothing is found, or when this is not given.
    #[serde(default)]
    pub find: Option<TicketSearch>,
    /// The environments whose failed deployments become tickets; all when not given.
    #[serde(default)]
    pub environments: Option<Vec<String>>,
}

/// How to find a ticket by what was written into it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TicketSearch {
    /// Asked by GET, with the same headers; `{{ … }}` is replaced and percent-encoded.
    #[schemars(regex(pattern = r"^https://\S+$"))]
    pub url: String,
    /// As the ticket's `link`, from what is answered here; nothing is found where a value of it is missing.
    pub link: String,
}

/// Where a secret is to be found; never the secret itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SecretRef {
    /// `secret:<name>#<key>`: a key of the JSON body of a Secrets Manager secret.
    SecretsManager {
        /// The secret's name.
        name: String,
        /// The key in its JSON body.
        key: String,
    },
    /// `env:<NAME>`: an environment variable, for local use.
    Environment(String),
}

impl SecretRef {
    /// Reads a reference. A value that is no reference is refused without being repeated: it may be the secret.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(name) = text.strip_prefix("env:").filter(|name| !name.is_empty()) {
            return Ok(SecretRef::Environment(name.to_owned()));
        }
        match text.strip_prefix("secret:").and_then(|rest| rest.split_once('#')) {
            Some((name, key)) if !name.is_empty() && !key.is_empty() => {
                Ok(SecretRef::SecretsManager { name: name.to_owned(), key: key.to_owned() })
            }
            _ => Err("a secret is given by reference, `secret:<name>#<key>` (Secrets Manager) or `env:<NAME>`; \
                      if the value itself was written here, take it out and replace it where it is used"
                .to_owned()),
        }
    }
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SecretRef::SecretsManager { name, key } => write!(f, "secret:{name}#{key}"),
            SecretRef::Environment(name) => write!(f, "env:{name}"),
        }
    }
}

impl Serialize for SecretRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SecretRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reference;
        impl de::Visitor<'_> for Reference {
            type Value = SecretRef;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(SECRET)
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<SecretRef, E> {
                SecretRef::parse(text).map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Reference)
    }
}

#[cfg(test)]
mod tests {
    use super::PageSeverity::{Critical, Error, Info, None, Warning};

    #[test]
    fn a_pages_severity_is_that_of_its_environment_or_of_the_others() {
        // What is written; then for production, staging and what belongs to no environment: when somebody must act, and when it is safe.
        let cases = [
            ("", [(Critical, Warning), (Warning, Info), (Warning, Info)]),
            (", severity: { staging: none }", [(Critical, Warning), (None, None), (Warning, Info)]),
            (", severity: { \"*\": error }", [(Error, Warning), (Error, Info), (Error, Info)]),
            (", severity: { production: info }", [(Info, Info), (Warning, Info), (Warning, Info)]),
            (
                ", severity: { staging: none }, severity_when_safe: { \"*\": none, staging: info }",
                [(Critical, None), (None, Info), (Warning, None)],
            ),
        ];
        for (written, expected) in cases {
            let service = |name| {
                format!(
                    "  - {{ name: {name}, environment: {name}, codedeploy: {{ application: a, deployment_group: {name} }} }}\n"
                )
            };
            let services = service("production") + &service("staging");
            let text = format!("version: 1\npagerduty: {{ routing_key: \"env:K\"{written} }}\nservices:\n{services}");
            let pagerduty = crate::config::load("g", &text).unwrap().pagerduty.unwrap();
            let seen = [Some("production"), Some("staging"), Option::None].map(|environment| {
                (pagerduty.severity_of(environment, true), pagerduty.severity_of(environment, false))
            });
            assert_eq!(seen, expected, "{written}");
        }
    }
}
