//! The default event bus: Greenlight's own events go out here. Knows nothing of who listens.

use std::sync::Arc;

use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use domain::events::{Notice, SOURCE};
use domain::ports::{Outbox, PortError};

use crate::error::{Attempt, Said};
use crate::settings::{Lazy, Settings};

/// The account's default event bus.
#[derive(Clone)]
pub struct EventBus {
    client: Lazy<Client>,
}

impl EventBus {
    pub(crate) fn new(settings: &Arc<Settings>) -> Self {
        Self { client: Lazy::new(settings, "EVENTBRIDGE", Client::new) }
    }
}

impl Outbox for EventBus {
    async fn publish(&self, notice: &Notice) -> Result<(), PortError> {
        let attempt = Attempt { operation: "PutEvents", noun: "event", name: notice.detail_type() };
        let detail = notice.detail().map_err(|error| attempt.permanent(error.to_string()))?;
        let entry = PutEventsRequestEntry::builder()
            .source(SOURCE)
            .detail_type(notice.detail_type())
            .detail(detail.to_string())
            .build();
        let call = self.client.get(attempt)?.put_events().entries(entry);
        let output = call.send().await.map_err(|error| attempt.failed(&error))?;
        if output.failed_entry_count() == 0 {
            return Ok(());
        }
        // The call itself succeeded: only the entry says that the event did not get through.
        let entry = output.entries().first();
        Err(attempt.refused(&Said {
            code: entry.and_then(|entry| entry.error_code()).unwrap_or_default(),
            message: entry.and_then(|entry| entry.error_message()).unwrap_or_default(),
            status: 200,
            retry_after: None,
        }))
    }
}

#[cfg(test)]
mod tests {
    use domain::deployment::{DeploymentId, GroupName};
    use domain::events::TrafficRestored;
    use domain::time::Timestamp;

    use super::*;
    use crate::testing::{Canned, serve};

    fn notice() -> Notice {
        Notice::TrafficRestored(TrafficRestored {
            deployment_id: DeploymentId("d-1".to_owned()),
            rollback_deployment_id: None,
            group: Some(GroupName { application: "shop".to_owned(), deployment_group: "web".to_owned() }),
            ecs: None,
            service: None,
            environment: None,
            alarm: "web-5xx".to_owned(),
            restored: true,
            observed: String::new(),
            seconds_since_alarm: None,
            seconds_since_event: 1.0,
            at: Timestamp(0),
        })
    }

    #[tokio::test]
    async fn an_event_carries_greenlights_source_and_its_detail_type() {
        let (aws, server) = serve(vec![Canned::ok(r#"{"FailedEntryCount":0,"Entries":[{"EventId":"1"}]}"#)]);
        aws.events().publish(&notice()).await.unwrap();
        let body = server.request(0).body;
        assert!(
            body.contains(r#""Source":"greenlight","DetailType":"Traffic Restored","Detail":"{\"deployment_id\""#),
            "{body}"
        );
    }

    #[tokio::test]
    async fn an_entry_that_failed_is_an_error_although_the_call_succeeded() {
        let failed =
            r#"{"FailedEntryCount":1,"Entries":[{"ErrorCode":"ThrottlingException","ErrorMessage":"slow down"}]}"#;
        let (aws, _) = serve(vec![Canned::ok(failed)]);
        let error = aws.events().publish(&notice()).await.unwrap_err();
        assert!(error.is_transient(), "{error}");
        assert!(error.to_string().contains("`Traffic Restored`"), "{error}");
    }
}
