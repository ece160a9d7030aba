//! Lambda: the state of one version of a function, and one synchronous call of it. Knows nothing of what it should answer.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{InvocationType, LastUpdateStatus, State};
use domain::ports::{Invoked, PortError, VersionState, Versions};

use crate::error::Attempt;
use crate::settings::{Lazy, Settings, time_limits};

/// A function may run for 15 minutes (Lambda quotas); whoever invokes it sets the limit that matters.
const LONGEST_INVOCATION: Duration = Duration::from_mins(15);

/// The versions of the account's functions.
#[derive(Clone)]
pub struct LambdaVersions {
    client: Lazy<Client>,
}

impl LambdaVersions {
    pub(crate) fn new(settings: &Arc<Settings>) -> Self {
        Self { client: Lazy::new(settings, "LAMBDA", Client::new) }
    }
}

impl Versions for LambdaVersions {
    async fn state(&self, function: &str, version: &str) -> Result<VersionState, PortError> {
        let name = format!("{function}:{version}");
        let attempt = Attempt { operation: "GetFunctionConfiguration", noun: "function version", name: &name };
        let call = self.client.get(attempt)?.get_function_configuration().function_name(function).qualifier(version);
        let output = call.send().await.map_err(|error| attempt.failed(&error))?;
        let reason = output.state_reason().or_else(|| output.last_update_status_reason());
        Ok(VersionState {
            state: output.state().map(State::as_str).unwrap_or_default().to_owned(),
            last_update: output.last_update_status().map(LastUpdateStatus::as_str).unwrap_or_default().to_owned(),
            reason: reason.filter(|reason| !reason.is_empty()).map(str::to_owned),
        })
    }

    async fn invoke(&self, function: &str, version: &str, payload: &[u8]) -> Result<Invoked, PortError> {
        let name = format!("{function}:{version}");
        let attempt = Attempt { operation: "Invoke", noun: "function version", name: &name };
        let limits = time_limits(LONGEST_INVOCATION, LONGEST_INVOCATION);
        let output = self
            .client
            .get(attempt)?
            .invoke()
            .function_name(function)
            .qualifier(version)
            .invocation_type(InvocationType::RequestResponse)
            .payload(Blob::new(payload))
            .customize()
            .config_override(aws_sdk_lambda::Config::builder().timeout_config(limits))
            .send()
            .await
            .map_err(|error| attempt.failed(&error))?;
        let payload = output.payload().map(|payload| String::from_utf8_lossy(payload.as_ref()).into_owned());
        Ok(Invoked {
            payload: payload.unwrap_or_default(),
            function_error: output.function_error().filter(|kind| !kind.is_empty()).map(str::to_owned),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Canned, serve};

    #[tokio::test]
    async fn the_version_itself_is_invoked_and_its_failure_is_no_error_of_the_call() {
        let failed = Canned::ok(r#"{"errorMessage":"boom"}"#).header("x-amz-function-error", "Unhandled");
        let (aws, server) = serve(vec![failed]);
        let invoked = aws.lambda().invoke("orders", "7", b"{}").await.unwrap();
        assert_eq!(invoked.function_error.as_deref(), Some("Unhandled"));
        assert_eq!(invoked.payload, r#"{"errorMessage":"boom"}"#);
        assert_eq!(server.request(0).line, "POST /2015-03-31/functions/orders/invocations?Qualifier=7 HTTP/1.1");
    }
}
