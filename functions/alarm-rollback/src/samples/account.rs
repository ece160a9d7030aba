//! For tests: an account around the one deployment: alarms with tags, groups with alarms, a past, and deployments that are created.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::task::Poll;

use domain::alarm::{AlarmReading, GroupAlarms};
use domain::deployment::{Deployment, DeploymentId, GroupName, ROLLS_BACK, Revision, Target};
use domain::ports::{AlarmTags, Alarms, DeploymentRecords, PortError, Redeployed, Redeployer};
use domain::redeploy::{Change, Redeployment, Source};

use super::{World, deployment};

/// The function's own ARN.
pub(crate) const ARN: &str = "arn:aws:lambda:eu-west-1:123456789012:function:greenlight-alarm-rollback";

/// What happens to a request that creates a deployment.
pub(crate) enum Trouble {
    /// It does not get through.
    Refused(PortError),
    /// It takes effect, and its answer is lost.
    AnswerLost,
    /// Somebody else's deployment has begun just before.
    Overtaken,
}

/// What there is beyond one deployment.
#[derive(Default)]
pub(crate) struct Account {
    /// By the alarm's ARN.
    pub(crate) tags: RefCell<BTreeMap<String, Vec<(String, String)>>>,
    pub(crate) tag_troubles: RefCell<VecDeque<PortError>>,
    pub(crate) tags_hang: Cell<bool>,
    /// What meets the next looks at groups' alarms.
    pub(crate) group_troubles: RefCell<VecDeque<PortError>>,
    /// What `DescribeAlarms` tells of whatever it is asked for.
    pub(crate) readings: RefCell<Vec<AlarmReading>>,
    pub(crate) group_alarms: RefCell<BTreeMap<GroupName, GroupAlarms>>,
    /// What the deployment in flight replaces.
    pub(crate) replaced: RefCell<Revision>,
    pub(crate) changes_hang: Cell<bool>,
    pub(crate) sources: RefCell<BTreeMap<DeploymentId, Source>>,
    pub(crate) targets: RefCell<BTreeMap<DeploymentId, Target>>,
    pub(crate) create_troubles: RefCell<VecDeque<Trouble>>,
    pub(crate) created: RefCell<Vec<Redeployment>>,
    /// What the world does between look-up and stop.
    pub(crate) before_the_stop: RefCell<VecDeque<fn(&World)>>,
    /// Where it is not 0, calls take turns in an order that this number leads to.
    pub(crate) shuffle: Cell<u64>,
}

impl World {
    /// Tags an alarm of this account.
    pub(crate) fn tag(&self, alarm: &str, tags: &[(&str, &str)]) {
        let arn = format!("arn:aws:cloudwatch:eu-west-1:123456789012:alarm:{alarm}");
        let tags = tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        self.account.tags.borrow_mut().insert(arn, tags);
    }

    /// Lets others go first, by a number of turns that is hard to foresee.
    pub(crate) async fn turn(&self) {
        let seed = self.account.shuffle.get();
        if seed == 0 {
            return;
        }
        let next = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.account.shuffle.set(next | 1);
        let mut turns = (next >> 33) % 4;
        poll_fn(|context| {
            if turns == 0 {
                return Poll::Ready(());
            }
            turns -= 1;
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }

    fn create(&self, what: &Redeployment) -> DeploymentId {
        self.account.created.borrow_mut().push(what.clone());
        let id = DeploymentId(format!("d-again-{}", self.account.created.borrow().len()));
        let mut made = Deployment {
            id: id.clone(),
            group: what.group.clone(),
            description: what.description.clone(),
            created: Some(self.clock.now()),
            started: None,
            ..deployment("d-again")
        };
        made.rolls_back = made.described(ROLLS_BACK).map(|id| DeploymentId(id.to_owned()));
        self.put(made);
        self.stopped_at.set(Some(self.clock.now()));
        id
    }
}

impl DeploymentRecords for &World {
    async fn records(&self, ids: &[DeploymentId]) -> Result<Vec<Deployment>, PortError> {
        self.count("BatchGetDeployments");
        self.turn().await;
        assert!(!ids.is_empty(), "CodeDeploy refuses an empty list");
        let all = self.deployments.borrow();
        let mut found: Vec<Deployment> = ids.iter().filter_map(|id| all.get(id).cloned()).collect();
        for deployment in &mut found {
            deployment.revision.task_definition = None;
        }
        Ok(found)
    }

    async fn change(&self, id: &DeploymentId) -> Result<Change, PortError> {
        self.count("GetRevisions");
        self.turn().await;
        if self.account.changes_hang.get() {
            std::future::pending::<()>().await;
        }
        let brings = self.deployments.borrow().get(id).cloned().expect("a deployment that exists").revision;
        Ok(Change { brings, replaces: self.account.replaced.borrow().clone() })
    }

    async fn alarms_of(
        &self,
        application: &str,
        groups: &[String],
    ) -> Result<Vec<(GroupName, GroupAlarms)>, PortError> {
        self.count("BatchGetDeploymentGroups");
        if let Some(error) = self.account.group_troubles.borrow_mut().pop_front() {
            return Err(error);
        }
        let alarms = self.account.group_alarms.borrow();
        let name = |group: &String| GroupName { application: application.to_owned(), deployment_group: group.clone() };
        Ok(groups
            .iter()
            .map(name)
            .map(|group| (group.clone(), alarms.get(&group).cloned().unwrap_or_default()))
            .collect())
    }
}

impl Redeployer for &World {
    async fn source(&self, id: &DeploymentId) -> Result<Source, PortError> {
        self.count("GetApplicationRevision");
        Ok(self.account.sources.borrow().get(id).cloned().expect("a deployment with a source"))
    }

    async fn redeploy(&self, what: &Redeployment) -> Result<Redeployed, PortError> {
        self.count("CreateDeployment");
        self.turn().await;
        let is_busy =
            self.deployments.borrow().values().any(|one| one.group == what.group && !one.status.is_terminal());
        if is_busy {
            return Ok(Redeployed::Busy("a deployment is in progress".to_owned()));
        }
        let trouble = self.account.create_troubles.borrow_mut().pop_front();
        match trouble {
            Some(Trouble::Refused(error)) => Err(error),
            Some(Trouble::AnswerLost) => {
                self.create(what);
                let (what, detail) = ("CreateDeployment".to_owned(), "no answer in time".to_owned());
                Err(PortError::Transient { what, detail, retry_after: None })
            }
            Some(Trouble::Overtaken) => {
                self.put(deployment("d-cure"));
                Ok(Redeployed::Busy("a deployment is in progress".to_owned()))
            }
            None => Ok(Redeployed::Created(self.create(what))),
        }
    }
}

impl Alarms for &World {
    async fn read(&self, _: &[String]) -> Result<Vec<AlarmReading>, PortError> {
        self.count("DescribeAlarms");
        Ok(self.account.readings.borrow().clone())
    }
}

impl AlarmTags for &World {
    async fn tags(&self, alarm_arn: &str) -> Result<Vec<(String, String)>, PortError> {
        self.count("ListTagsForResource");
        self.turn().await;
        if self.account.tags_hang.get() {
            std::future::pending::<()>().await;
        }
        let trouble = self.account.tag_troubles.borrow_mut().pop_front();
        match trouble {
            Some(error) => Err(error),
            None => Ok(self.account.tags.borrow().get(alarm_arn).cloned().unwrap_or_default()),
        }
    }
}
