//! Whom an alarm concerns, where no service in the configuration names it: by its tags, else by the alarms of the deployment groups whose
//! deployments are in flight. Knows nothing of what follows from it. One whose tags ask for an alert and name no group is looked for on the
//! groups' lists, too: CodeDeploy stops a deployment for it, and that is told where the deployment is. On none of them it concerns no
//! deployment, and people are told of it by itself.
//!
//! An alarm that is nobody's costs two calls where no deployment is in flight in the whole account, `ListTagsForResource` and
//! `ListDeployments`, and then one for every 25 deployments in flight and one for each of their applications, up to bounds. How many
//! deployment groups there are makes no difference.

mod tags;

use std::collections::BTreeMap;
use std::time::Duration;

use domain::alarm::AlarmState;
use domain::config::AlarmAction;
use domain::deployment::{Deployment, GroupName};
use domain::ports::{AlarmTags, Alarms, Ledger, Outbox, PortError};
use domain::time::Timestamp;
use futures_util::future::join_all;

use crate::decide::{self, Concern, NamedBy};
use crate::event::Transition;
use crate::{Act, CodeDeploy, IN_FLIGHT, Subject, resolve};
pub(crate) use tags::Tags;

/// So many deployments in flight are looked at, by four `BatchGetDeployments` of 25 each, which is its limit (CodeDeploy API reference).
/// CodeDeploy grants an account a thousand at a time.
const MOST_DEPLOYMENTS: usize = 100;
/// Of so many applications the groups' alarms are read, one `BatchGetDeploymentGroups` each. What is beyond is no loss: CodeDeploy itself
/// stops a deployment for an alarm on its group.
const MOST_APPLICATIONS: usize = 10;

/// An event that is older than this may have been overtaken by the alarm's return to OK.
const OLD: Duration = Duration::from_mins(2);
/// One that is older than this is worth a question whether the alarm is still red.
const VERY_OLD: Duration = Duration::from_mins(5);
/// How long the question may take: a deployment that is bad waits for it.
const FOR_THE_ALARM: Duration = Duration::from_secs(3);
/// The last try comes three minutes after the first ("Error handling for asynchronous invocation", Lambda developer guide); an event of this age
/// is taken to be at its last.
const LAST_TRY: Duration = Duration::from_secs(150);

/// Where the function runs, or an alarm is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    account: Option<String>,
    region: Option<String>,
    partition: Option<String>,
}

impl Place {
    /// Of an ARN, `arn:partition:service:region:account:…`; what does not look like one says nothing.
    pub(crate) fn of(arn: &str) -> Self {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let [_, partition, _, region, account, _] = parts.as_slice() else { return Self::default() };
        let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
        let is_region = region.contains('-')
            && region.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        Self {
            account: is_account.then(|| (*account).to_owned()),
            region: is_region.then(|| (*region).to_owned()),
            partition: Some((*partition).to_owned()),
        }
    }

    /// The other account or region, in words, where this one is certainly not `other`.
    fn differs(&self, other: &Self) -> Option<String> {
        let differs = |own: &Option<String>, other: &Option<String>| own.is_some() && other.is_some() && own != other;
        let account = other.account.as_deref().filter(|_| differs(&self.account, &other.account));
        let region = other.region.as_deref().filter(|_| differs(&self.region, &other.region));
        match (account, region) {
            (Some(account), _) => Some(format!("the account {account}")),
            (None, Some(region)) => Some(format!("the region {region}")),
            (None, None) => None,
        }
    }

    /// The ARN of an alarm here, for an event that carries none.
    fn alarm(&self, name: &str) -> Option<String> {
        let (partition, region, account) = (self.partition.as_ref()?, self.region.as_ref()?, self.account.as_ref()?);
        Some(format!("arn:{partition}:cloudwatch:{region}:{account}:alarm:{name}"))
    }
}

impl<C, O, L, A> Act<'_, C, O, L, A>
where
    C: CodeDeploy,
    O: Outbox,
    L: Ledger,
    A: AlarmTags,
{
    /// Where the alarm is, in words, when that is another account or region than the function's.
    pub(crate) fn elsewhere(&self, transition: &Transition) -> Option<String> {
        self.place.differs(&Place::of(transition.alarm.arn.as_deref()?))
    }

    /// The alarm's tags. An alarm that is gone has none, and neither has one whose ARN is not known.
    pub(crate) async fn tags(&self, transition: &Transition) -> Result<Tags, PortError> {
        let arn = transition.alarm.arn.clone().or_else(|| self.place.alarm(&transition.alarm.name));
        let Some(arn) = arn else { return Ok(Tags::default()) };
        match self.ports.alarms.tags(&arn).await {
            Ok(tags) => Ok(Tags::read(&tags)),
            Err(PortError::NotFound { .. }) => Ok(Tags::default()),
            Err(error) => Err(error),
        }
    }
}

impl<C, O, L, A> Act<'_, C, O, L, A>
where
    C: CodeDeploy,
    O: Outbox,
    L: Ledger,
    A: AlarmTags + Alarms,
{
    /// The transition, with since when it is over where its event is old and that is known. What cannot be read is taken for red.
    pub(crate) async fn dated(&self, transition: &Transition) -> Transition {
        Transition { over_since: self.over_since(transition).await, ..transition.clone() }
    }

    async fn over_since(&self, transition: &Transition) -> Option<Timestamp> {
        let (alarm, clock) = (&transition.alarm, &self.ports.clock);
        let red = alarm.changed_at?;
        let age = self.age(transition);
        if age <= OLD {
            return None;
        }
        let heard = resolve::ok_since(&self.settings.ledger, clock, &alarm.name).await.filter(|ok| *ok > red);
        if heard.is_some() || age <= VERY_OLD {
            return heard;
        }
        let names = [alarm.name.clone()];
        let readings = match clock.timeout(FOR_THE_ALARM, self.ports.alarms.read(&names)).await {
            Ok(Ok(readings)) => readings,
            Ok(Err(error)) => {
                tracing::warn!(alarm.name, %error, "whether the alarm is still red is not known, so it is taken for red");
                return None;
            }
            Err(_) => {
                tracing::warn!(
                    alarm.name,
                    "whether the alarm is still red was not told in time, so it is taken for red"
                );
                return None;
            }
        };
        let reading =
            readings.into_iter().find(|reading| reading.name == alarm.name && reading.state == AlarmState::Ok)?;
        Some(reading.since.unwrap_or_else(|| clock.now()))
    }

    /// An alarm that no service names.
    ///
    /// A look-up that is not allowed or does not work at all makes no noise here: whoever has tagged nothing must not hear of it. One that
    /// may work later is an error, so that Lambda tries again: a tagged alarm must not be passed over. When the last try has failed as well, it is:
    /// most of the account's alarms are nobody's, and a bad hour of CloudWatch's would bring each of them to the dead-letter queue.
    pub(crate) async fn unnamed(&mut self, transition: &Transition) {
        let mut missed = Missed::default();
        let tags = self.tags(transition).await.unwrap_or_else(|error| {
            missed.note(error, "the alarm's tags could not be read");
            Tags::default()
        });
        let subject = Subject::of(transition);
        if !tags.slips.is_empty() {
            let subject = Subject { group: tags.group.as_ref(), environment: tags.environment.as_deref(), ..subject };
            return self.tell(subject, &decide::malformed(transition, &tags.slips)).await;
        }
        self.tags = Some(tags.clone());
        let settings = self.settings;
        let concern = |group: &GroupName| Concern {
            group: group.clone(),
            service: settings.config.service_of(group),
            action: tags.action.unwrap_or(AlarmAction::Rollback),
            tagged_environment: tags.environment.clone(),
            named_by: if tags.group.is_some() { NamedBy::Tag } else { NamedBy::Group },
        };
        if let Some(group) = &tags.group {
            let transition = self.dated(transition).await;
            return self.for_group(&transition, concern(group), None).await;
        }
        let found = self.by_the_groups_own_alarms(&transition.alarm.name, &mut missed).await;
        if found.is_empty() {
            return self.nobodys(transition, &tags, missed).await;
        }
        let transition = self.dated(transition).await;
        for (group, deployments) in found {
            self.for_group(&transition, concern(&group), Some(deployments)).await;
        }
    }

    /// An alarm of which no deployment was found. Where its tag asks for an alert people are told, once it is known that there is none or the
    /// last try has failed as well: told sooner, it would be told twice, and the first time wrongly. What this fleet may not read at all is
    /// other people's, and raises no doubt.
    async fn nobodys(&mut self, transition: &Transition, tags: &Tags, missed: Missed) {
        let Missed { remarks, errors } = missed;
        let (is_known, is_alert) = (errors.is_empty(), tags.action == Some(AlarmAction::Alert));
        let comes_again = !is_known && self.age(transition) <= LAST_TRY;
        if comes_again {
            self.errors.extend(errors);
        }
        let transition = &if is_alert { self.dated(transition).await } else { transition.clone() };
        let subject = Subject { environment: tags.environment.as_deref(), ..Subject::of(transition) };
        if !is_alert {
            return self.record(subject, &decide::unconfigured(transition, &remarks), "logged");
        }
        let decided = decide::alone(transition, if is_known { &[] } else { &remarks });
        if comes_again {
            return self.record(subject, &decided, "not told: whether a deployment has it is looked at again");
        }
        self.tell(subject, &decided).await;
    }

    /// The deployments in flight whose group has the alarm on it and looks at it.
    async fn by_the_groups_own_alarms(&self, alarm: &str, missed: &mut Missed) -> BTreeMap<GroupName, Vec<Deployment>> {
        self.look_at_groups(alarm, missed).await.unwrap_or_else(|error| {
            missed.note(error, "the deployments in flight could not be looked at");
            BTreeMap::new()
        })
    }

    async fn look_at_groups(
        &self,
        alarm: &str,
        missed: &mut Missed,
    ) -> Result<BTreeMap<GroupName, Vec<Deployment>>, PortError> {
        let codedeploy = &self.ports.codedeploy;
        let mut ids = codedeploy.list(None, &IN_FLIGHT, None).await?;
        if ids.len() > MOST_DEPLOYMENTS {
            missed
                .remarks
                .push(format!("only {MOST_DEPLOYMENTS} of the {} deployments in flight were looked at", ids.len()));
            ids.truncate(MOST_DEPLOYMENTS);
        }
        let mut found = BTreeMap::<GroupName, Vec<Deployment>>::new();
        if ids.is_empty() {
            return Ok(found);
        }
        for deployment in codedeploy.records(&ids).await? {
            found.entry(deployment.group.clone()).or_default().push(deployment);
        }
        let mut applications = BTreeMap::<&str, Vec<String>>::new();
        for group in found.keys() {
            applications.entry(&group.application).or_default().push(group.deployment_group.clone());
        }
        if applications.len() > MOST_APPLICATIONS {
            let all = applications.len();
            missed.remarks.push(format!(
                "only the groups of {MOST_APPLICATIONS} of the {all} applications in flight were looked at"
            ));
        }
        let asked = applications.iter().take(MOST_APPLICATIONS);
        let answers = join_all(asked.map(|(application, groups)| codedeploy.alarms_of(application, groups))).await;
        let mut watching = Vec::new();
        for answer in answers {
            match answer {
                // A list that is switched off is one that somebody wants passed over.
                Ok(groups) => watching.extend(groups.into_iter().filter_map(|(group, alarms)| {
                    (alarms.enabled && alarms.names.iter().any(|name| name == alarm)).then_some(group)
                })),
                Err(error) => missed.note(error, "the alarms of a deployment group could not be read"),
            }
        }
        found.retain(|group, _| watching.contains(group));
        Ok(found)
    }
}

/// What could not be looked at, of what only an alarm of some service would have needed.
#[derive(Default)]
struct Missed {
    remarks: Vec<String>,
    /// Those after which Lambda is to try again.
    errors: Vec<PortError>,
}

impl Missed {
    fn note(&mut self, error: PortError, what: &str) {
        tracing::warn!(%error, "{what}");
        self.remarks.push(what.to_owned());
        if error.is_transient() {
            self.errors.push(error);
        }
    }
}

#[cfg(test)]
mod tests;
