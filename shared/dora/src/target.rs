//! What a deployment's target tells of its course: when the shift ended, and how its hooks went. Knows nothing of how it was read.

use domain::deployment::{LifecycleEvent, Status};

use crate::{HookRun, Record};

impl Record {
    /// With what the deployment's target tells, its lifecycle events in order.
    ///
    /// The shift of a deployment that succeeded ends with the last of them. Lifecycle events run whether a hook is behind them or not; only the AppSpec
    /// tells which have one, so without it no hook is known. When a deployment is stopped, CodeDeploy calls the lifecycle event failed that was
    /// running; the hook has not answered then, so it is no verdict.
    #[must_use]
    pub fn with_course(mut self, course: &[LifecycleEvent]) -> Self {
        let status = &self.deployment.status;
        if *status == Status::Succeeded {
            self.shifted = course.iter().filter_map(|event| event.ended).max();
        }
        let hooked: Vec<&str> = self.deployment.app_spec.hooked_events().into_iter().flatten().collect();
        let runs = course.iter().filter(|event| hooked.contains(&event.name.as_str())).filter_map(|event| {
            let succeeded = match event.status.as_str() {
                "Succeeded" => true,
                "Failed" if *status != Status::Stopped => false,
                _ => return None,
            };
            let (started, ended) = (event.started?, event.ended?);
            Some(HookRun { lifecycle_event: event.name.clone(), started, ended, succeeded })
        });
        self.hooks = runs.collect();
        self
    }
}
