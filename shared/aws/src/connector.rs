//! The SDK's HTTP, its time and its waits, carried over our one HTTP client and its clock. Knows nothing of any service.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_smithy_async::rt::sleep::{AsyncSleep, Sleep};
use aws_smithy_async::time::TimeSource;
use aws_smithy_runtime_api::client::http::{
    HttpClient as SdkHttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use clock::Clock;
use http_body_util::BodyExt;
use outbound::{HttpClient, HttpError};

/// How long an answer may take where the SDK sets no limit itself.
const DEFAULT_LIMIT: Duration = Duration::from_secs(10);

/// Our HTTP client as the SDK wants it.
#[derive(Clone, Debug)]
pub(crate) struct Connector {
    http: HttpClient,
    limit: Duration,
}

impl Connector {
    pub(crate) fn new(http: &HttpClient) -> Self {
        Self { http: http.clone(), limit: DEFAULT_LIMIT }
    }
}

impl SdkHttpClient for Connector {
    fn http_connector(&self, settings: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(Self {
            http: self.http.clone(),
            limit: settings.read_timeout().unwrap_or(DEFAULT_LIMIT),
        })
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let Self { http, limit } = self.clone();
        HttpConnectorFuture::new(async move {
            let (parts, body) =
                request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?.into_parts();
            let body = body.collect().await.map_err(ConnectorError::user)?.to_bytes().to_vec();
            let answer = http.send(http::Request::from_parts(parts, body), limit).await.map_err(connector_error)?;
            let mut response = http::Response::new(SdkBody::from(answer.body));
            *response.status_mut() =
                http::StatusCode::from_u16(answer.status).map_err(|error| ConnectorError::other(error.into(), None))?;
            *response.headers_mut() = answer.headers;
            HttpResponse::try_from(response).map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

/// The SDK tries again after a time-out or a broken connection, and not after a request that cannot be sent at all.
fn connector_error(error: HttpError) -> ConnectorError {
    match error {
        HttpError::Malformed(_) => ConnectorError::user(error.into()),
        HttpError::Timeout(_) => ConnectorError::timeout(error.into()),
        HttpError::Connect(_) => ConnectorError::io(error.into()).never_connected(),
        HttpError::Broken(_) => ConnectorError::io(error.into()),
        HttpError::TooLong(_) => ConnectorError::other(error.into(), None),
    }
}

/// Our clock as the SDK wants it: for signatures and for the waits between attempts.
#[derive(Clone, Debug)]
pub(crate) struct SdkTime(Clock);

impl SdkTime {
    pub(crate) fn new(clock: &Clock) -> Self {
        Self(clock.clone())
    }
}

impl TimeSource for SdkTime {
    fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(u64::try_from(self.0.now().0).unwrap_or_default())
    }
}

impl AsyncSleep for SdkTime {
    fn sleep(&self, duration: Duration) -> Sleep {
        let clock = self.0.clone();
        Sleep::new(async move { clock.sleep(duration).await })
    }
}
