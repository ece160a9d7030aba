//! Whether CodeDeploy told a Lambda target's weight at all. The SDK reads a missing `targetVersionWeight` as 0, which would be taken
//! for "all traffic is on the old version". Knows nothing of what the weight means.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::AfterDeserializationInterceptorContextRef;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

/// The field's name on the wire.
const FIELD: &[u8] = b"\"targetVersionWeight\"";

/// Looks into the answer as it came.
#[derive(Clone, Debug, Default)]
pub(super) struct Told(Arc<AtomicBool>);

impl Told {
    /// Whether the last answer had the field, with a value.
    pub(super) fn is_told(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Intercept for Told {
    fn name(&self) -> &'static str {
        "TargetVersionWeight"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let body = context.response().body().bytes().unwrap_or_default();
        self.0.store(has_value(body), Ordering::Relaxed);
        Ok(())
    }
}

fn has_value(body: &[u8]) -> bool {
    body.windows(FIELD.len()).position(|part| part == FIELD).is_some_and(|at| {
        let rest = body.get(at + FIELD.len()..).unwrap_or_default();
        let value = rest.iter().find(|byte| !byte.is_ascii_whitespace() && **byte != b':');
        value.is_some_and(|byte| byte.is_ascii_digit() || *byte == b'-')
    })
}
