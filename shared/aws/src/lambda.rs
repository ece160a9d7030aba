//! Lambda: the state of one version of a function and of an alias, provisioned concurrency, and one synchronous call. Knows nothing of what it should answer.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::error::ProvideErrorMetadata;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{InvocationType, LastUpdateStatus, ProvisionedConcurrencyStatusEnum, State};
use domain::ports::{AliasState, Invoked, PortError, ProvisionedConcurrency, VersionState, Versions};

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

    async fn alias(&self, function: &str, alias: &str) -> Result<AliasState, PortError> {
        let name = format!("{function}:{alias}");
        let attempt = Attempt { operation: "GetAlias", noun: "alias", name: &name };
        let call = self.client.get(attempt)?.get_alias().function_name(function).name(alias);
        let output = call.send().await.map_err(|error| attempt.failed(&error))?;
        let weights = output.routing_config().and_then(|routing| routing.additional_version_weights());
        let mut shares: Vec<(String, f64)> =
            weights.into_iter().flatten().map(|(version, share)| (version.clone(), *share)).collect();
        shares.sort_by(|one, other| one.0.cmp(&other.0));
        Ok(AliasState { version: output.function_version().unwrap_or_default().to_owned(), shares })
    }

    async fn provisioned_concurrency(
        &self,
        function: &str,
        qualifier: &str,
    ) -> Result<Option<ProvisionedConcurrency>, PortError> {
        let name = format!("{function}:{qualifier}");
        let attempt = Attempt { operation: "GetProvisionedConcurrencyConfig", noun: "function version", name: &name };
        let call = self.client.get(attempt)?.get_provisioned_concurrency_config();
        match call.function_name(function).qualifier(qualifier).send().await {
            Ok(output) => Ok(Some(ProvisionedConcurrency {
                status: output.status().map(ProvisionedConcurrencyStatusEnum::as_str).unwrap_or_default().to_owned(),
                reason: output.status_reason().filter(|reason| !reason.is_empty()).map(str::to_owned),
                requested: output.requested_provisioned_concurrent_executions().unwrap_or_default(),
                available: output.available_provisioned_concurrent_executions().unwrap_or_default(),
            })),
            // Most versions have none.
            Err(error) if error.code() == Some("ProvisionedConcurrencyConfigNotFoundException") => Ok(None),
            Err(error) => Err(attempt.failed(&error)),
        }
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
    async fn an_alias_is_read_with_its_shares() {
        // The form of the Lambda API reference, "GetAlias".
        let alias = r#"{"AliasArn":"arn:a","Name":"live","FunctionVersion":"1","RoutingConfig":{"AdditionalVersionWeights":{"3":0.25,"2":0.1}}}"#;
        let (aws, server) = serve(vec![Canned::ok(alias), Canned::ok(r#"{"FunctionVersion":"1"}"#)]);
        let read = aws.lambda().alias("orders", "live").await.unwrap();
        assert_eq!((read.version.as_str(), read.shares), ("1", vec![("2".to_owned(), 0.1), ("3".to_owned(), 0.25)]));
        assert_eq!(server.request(0).line, "GET /2015-03-31/functions/orders/aliases/live HTTP/1.1");
        assert!(aws.lambda().alias("orders", "live").await.unwrap().shares.is_empty());
    }

    #[tokio::test]
    async fn provisioned_concurrency_that_is_not_configured_is_none_and_no_error() {
        let progress = r#"{"RequestedProvisionedConcurrentExecutions":5,"AvailableProvisionedConcurrentExecutions":2,"AllocatedProvisionedConcurrentExecutions":2,"Status":"IN_PROGRESS"}"#;
        let missing = Canned::status(404, r#"{"Message":"No Provisioned Concurrency Config found for this function"}"#)
            .header("x-amzn-errortype", "ProvisionedConcurrencyConfigNotFoundException");
        let gone = Canned::status(404, "{}").header("x-amzn-errortype", "ResourceNotFoundException");
        let (aws, server) = serve(vec![Canned::ok(progress), missing, gone]);
        let lambda = aws.lambda();
        let read = lambda.provisioned_concurrency("orders", "7").await.unwrap().unwrap();
        assert_eq!((read.status.as_str(), read.requested, read.available), ("IN_PROGRESS", 5, 2));
        assert_eq!(
            server.request(0).line,
            "GET /2019-09-30/functions/orders/provisioned-concurrency?Qualifier=7 HTTP/1.1"
        );
        assert_eq!(lambda.provisioned_concurrency("orders", "7").await.unwrap(), None);
        assert!(matches!(lambda.provisioned_concurrency("orders", "7").await, Err(PortError::NotFound { .. })));
    }

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
