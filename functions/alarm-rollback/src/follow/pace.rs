//! How often is looked. Knows nothing of what is looked at.
//!
//! CodeDeploy throttles an account at some 40 `GetDeployment` a minute (aws-codedeploy-plugin#95), and the hooks and the other functions ask,
//! too. Three followers at once stay below that even while they look often. What is seen later than it happened is told as
//! CodeDeploy has recorded it, so slower looks cost little.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use domain::deployment::DeploymentId;

/// The longest pause.
const SLOWEST: Duration = Duration::from_secs(30);

/// How long to wait after a look: short at first, when most rollbacks end; longer the more pursuits share the calls, and after looks that
/// failed, which mostly means throttling.
pub(super) fn pause(age: Duration, id: &DeploymentId, looks: u32, failures: u32, open: usize) -> Duration {
    let usual = match age.as_secs() {
        0..30 => Duration::from_secs(5),
        30..60 => Duration::from_secs(10),
        _ => Duration::from_secs(15),
    };
    // Alarms come in flocks: the first pause differs by deployment, so that followers that began together do not ask together.
    let usual = if looks == 1 { usual.mul_f64(0.6 + 0.4 * fraction(id)) } else { usual };
    let shared = usual.saturating_mul(u32::try_from(open).unwrap_or(u32::MAX));
    shared.saturating_mul(1 << failures.min(2)).min(SLOWEST)
}

/// Anything from 0 to 1, the same for the same deployment.
fn fraction(id: &DeploymentId) -> f64 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    (hasher.finish() >> 32) as f64 / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(age: u64, looks: u32, failures: u32, open: usize) -> u64 {
        pause(Duration::from_secs(age), &DeploymentId("d-1".to_owned()), looks, failures, open).as_secs()
    }

    #[test]
    fn looks_become_rarer_with_time_with_company_and_with_failures() {
        assert_eq!([seconds(0, 2, 0, 1), seconds(30, 5, 0, 1), seconds(60, 8, 0, 1)], [5, 10, 15]);
        assert_eq!([seconds(0, 2, 0, 2), seconds(0, 2, 0, 1000)], [10, 30]);
        assert_eq!([seconds(0, 2, 1, 1), seconds(0, 2, 9, 1)], [10, 20]);
    }

    #[test]
    fn three_followers_ask_for_fewer_than_forty_deployments_a_minute() {
        let mut at = Duration::ZERO;
        let mut looks = 1;
        while at < Duration::from_mins(1) {
            at += pause(at, &DeploymentId(format!("d-{looks}")), looks, 0, 1);
            looks += 1;
        }
        // The first look asks for the stopped deployment and for its rollback.
        assert!((looks + 1) * 3 <= 40, "{looks} looks in the first minute");
    }

    #[test]
    fn the_first_pause_differs_by_deployment() {
        let first = |id: &str| pause(Duration::ZERO, &DeploymentId(id.to_owned()), 1, 0, 1);
        let all = ["d-A1B2C3D4E", "d-A1B2C3D4F", "d-Z9Y8X7W6V"].map(first);
        assert!(all.iter().all(|pause| (3000..=5000).contains(&pause.as_millis())), "{all:?}");
        assert!(all[0] != all[1] && all[1] != all[2], "{all:?}");
    }
}
