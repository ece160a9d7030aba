//! Whether a deployment is the rollback that its description says it is. Knows nothing of alarms.

use domain::deployment::Deployment;
use domain::ports::{AlarmTags, Ledger, Outbox};
use domain::redeploy::{self, Standing, late_key};
use futures_util::future::join;

use crate::{Act, CodeDeploy};

impl<C, O, L, A> Act<'_, C, O, L, A>
where
    C: CodeDeploy,
    O: Outbox,
    L: Ledger,
    A: AlarmTags,
{
    /// The deployment, without what its description claims for no reason. It costs nothing where nothing is claimed.
    pub(crate) async fn settled(&self, deployment: &Deployment) -> Deployment {
        let Some(bad) = redeploy::to_confirm(deployment) else { return deployment.clone() };
        let key = late_key(bad);
        let late = self.in_time(self.settings.ledger.read(&key));
        let named = self.in_time(self.ports.codedeploy.deployment(bad));
        let (late, named) = join(late, named).await;
        let standing = redeploy::confirmed(deployment, (&late).into(), (&named).into());
        if standing.is_rollback() {
            return deployment.clone();
        }
        debug_assert_eq!(standing, Standing::Ordinary, "the two others are rollbacks");
        tracing::warn!(deployment.id = %deployment.id, rolls_back = %bad, "its description says that it rolls another one back, which is none of this group's that had ended well before; it is taken for an ordinary deployment");
        Deployment { rolls_back: None, ..deployment.clone() }
    }
}
