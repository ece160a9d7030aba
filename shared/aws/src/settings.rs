//! What the SDK's clients are built from: region, credentials, endpoint, time limits, retries, and our HTTP client and clock in
//! place of the SDK's own. Knows nothing of any one service.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use aws_types::region::Region;
use domain::ports::PortError;
use outbound::HttpClient;

use crate::connector::{Connector, SdkTime};

/// A call is tried so often, the first time included, as every AWS SDK does by default.
const ATTEMPTS: u32 = 3;
/// A control-plane call takes a fraction of a second; one that takes this long is better tried again.
const ATTEMPT_LIMIT: Duration = Duration::from_secs(5);
/// All attempts and the waits between them.
const OPERATION_LIMIT: Duration = Duration::from_secs(20);

type Lookup = Box<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// The environment, asked when a client is first used, and what all clients share.
pub(crate) struct Settings {
    lookup: Lookup,
    http: HttpClient,
}

impl Settings {
    pub(crate) fn new(lookup: Lookup, http: HttpClient) -> Self {
        Self { lookup, http }
    }

    /// A variable, unless it is missing or empty.
    pub(crate) fn variable(&self, name: &str) -> Option<String> {
        (self.lookup)(name).filter(|value| !value.is_empty())
    }

    /// Now, by the clock that everything runs on.
    #[cfg(feature = "dynamodb")]
    pub(crate) fn now(&self) -> domain::time::Timestamp {
        self.http.clock().now()
    }

    fn require(&self, name: &'static str) -> Result<String, Missing> {
        self.variable(name).ok_or(Missing(name))
    }

    /// Everything that a client of the service with this suffix needs (`AWS_ENDPOINT_URL_<suffix>`: the SDK's service id in
    /// capitals, blanks as underscores).
    fn sdk_config(&self, suffix: &str) -> Result<SdkConfig, Missing> {
        let region = self.variable("AWS_REGION").or_else(|| self.variable("AWS_DEFAULT_REGION"));
        let credentials = Credentials::new(
            self.require("AWS_ACCESS_KEY_ID")?,
            self.require("AWS_SECRET_ACCESS_KEY")?,
            self.variable("AWS_SESSION_TOKEN"),
            // Lambda replaces the process before its credentials run out.
            None,
            "environment",
        );
        let time = SdkTime::new(self.http.clock());
        let mut config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(region.ok_or(Missing("AWS_REGION"))?))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .http_client(Connector::new(&self.http))
            .time_source(time.clone())
            .sleep_impl(time)
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
            .timeout_config(time_limits(ATTEMPT_LIMIT, OPERATION_LIMIT))
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        config.set_endpoint_url(self.endpoint(suffix));
        Ok(config.build())
    }

    fn endpoint(&self, suffix: &str) -> Option<String> {
        let ignored = self.variable("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS");
        if ignored.is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return None;
        }
        self.variable(&format!("AWS_ENDPOINT_URL_{suffix}")).or_else(|| self.variable("AWS_ENDPOINT_URL"))
    }
}

/// The time limits of one attempt and of all attempts together.
pub(crate) fn time_limits(attempt: Duration, operation: Duration) -> TimeoutConfig {
    TimeoutConfig::builder()
        .read_timeout(attempt)
        .operation_attempt_timeout(attempt)
        .operation_timeout(operation)
        .build()
}

/// A variable without which no client can be built.
#[derive(Clone, Copy, Debug)]
struct Missing(&'static str);

/// One service's client, built when first used. Clones share it.
pub(crate) struct Lazy<Client> {
    settings: Arc<Settings>,
    suffix: &'static str,
    build: fn(&SdkConfig) -> Client,
    client: Arc<OnceLock<Client>>,
}

impl<Client> Clone for Lazy<Client> {
    fn clone(&self) -> Self {
        Self {
            settings: Arc::clone(&self.settings),
            suffix: self.suffix,
            build: self.build,
            client: Arc::clone(&self.client),
        }
    }
}

impl<Client> Lazy<Client> {
    pub(crate) fn new(settings: &Arc<Settings>, suffix: &'static str, build: fn(&SdkConfig) -> Client) -> Self {
        Self { settings: Arc::clone(settings), suffix, build, client: Arc::default() }
    }

    /// The client; `attempted` goes into the error when it cannot be built.
    pub(crate) fn get(&self, attempted: impl std::fmt::Display) -> Result<&Client, PortError> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let config = self.settings.sdk_config(self.suffix).map_err(|Missing(name)| PortError::Permanent {
            what: attempted.to_string(),
            detail: format!(
                "the environment variable `{name}` is not set; Lambda and the rehearsal set it, anywhere else it must be exported"
            ),
        })?;
        Ok(self.client.get_or_init(|| (self.build)(&config)))
    }
}

#[cfg(test)]
mod tests {
    use clock::Clock;

    use super::*;

    fn settings(variables: &'static [(&'static str, &'static str)]) -> Settings {
        let lookup =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        Settings::new(Box::new(lookup), HttpClient::new(Clock::system()))
    }

    #[test]
    fn the_services_own_endpoint_comes_before_the_common_one() {
        let both = settings(&[("AWS_ENDPOINT_URL", "http://all"), ("AWS_ENDPOINT_URL_ECS", "http://ecs")]);
        assert_eq!(both.endpoint("ECS").as_deref(), Some("http://ecs"));
        assert_eq!(both.endpoint("LAMBDA").as_deref(), Some("http://all"));
        let ignored = settings(&[("AWS_ENDPOINT_URL", "http://all"), ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")]);
        assert_eq!(ignored.endpoint("ECS"), None);
    }

    #[test]
    fn a_missing_variable_is_named_when_the_client_is_first_used() {
        let cases: [(&'static [(&'static str, &'static str)], &str); 3] = [
            (&[("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "s")], "AWS_REGION"),
            (&[("AWS_REGION", "eu-west-1"), ("AWS_SECRET_ACCESS_KEY", "s")], "AWS_ACCESS_KEY_ID"),
            (&[("AWS_REGION", "eu-west-1"), ("AWS_ACCESS_KEY_ID", "a")], "AWS_SECRET_ACCESS_KEY"),
        ];
        for (variables, missing) in cases {
            let lazy = Lazy::new(&Arc::new(settings(variables)), "ECS", SdkConfig::clone);
            let error = lazy.get("DescribeTasks of `x`").unwrap_err().to_string();
            assert!(error.starts_with("DescribeTasks of `x` failed"), "{error}");
            assert!(error.contains(&format!("`{missing}` is not set")), "{error}");
        }
    }

    #[test]
    fn the_older_name_of_the_region_serves_too() {
        let variables =
            &[("AWS_DEFAULT_REGION", "eu-west-1"), ("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "s")];
        let lazy = Lazy::new(&Arc::new(settings(variables)), "ECS", SdkConfig::clone);
        assert_eq!(lazy.get("x").unwrap().region().map(AsRef::as_ref), Some("eu-west-1"));
    }
}
