//! Deploying again what was good before: what a deployment was made from, and what the deployment that brings it back is made of. Knows
//! nothing of when that is called for.

mod confirmed;

use crate::appspec;
use crate::deployment::{Deployment, DeploymentId, GroupName, LambdaTarget, Platform, ROLLS_BACK, Revision};
use crate::rolling;
use crate::text::{bounded, visible};

pub use confirmed::{Known, Standing, confirmed, is_believable, late_key, to_confirm};

/// The longest description, in characters; CodeDeploy documents no limit, and refuses what it finds too long.
const DESCRIPTION: usize = 250;

/// What a deployment was made from (`RevisionLocation`, CodeDeploy API reference).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The AppSpec's text, YAML or JSON.
    AppSpec(String),
    /// An object in S3.
    S3 {
        /// The bucket's name.
        bucket: String,
        /// The object's key.
        key: String,
        /// `YAML`, `JSON`, `zip`, …
        bundle_type: Option<String>,
        /// The object's version.
        version: Option<String>,
        /// The object's ETag.
        e_tag: Option<String>,
    },
    /// A commit on GitHub.
    GitHub {
        /// `owner/name`.
        repository: String,
        /// The commit's id.
        commit: String,
    },
}

/// What tells revisions apart that are an AppSpec: CodeDeploy gives the hash of the text, which itself it leaves out of its records.
pub fn app_spec_id(sha256: &str) -> String {
    format!("sha256:{sha256}")
}

impl Source {
    /// What tells this revision from others ([`crate::deployment::Deployment::revision_id`]), where it lies in S3 or on GitHub; of an AppSpec's text see
    /// [`app_spec_id`].
    pub fn revision_id(&self) -> Option<String> {
        match self {
            // The same key may be written anew; only a version or a hash of the object says what was in it.
            Source::S3 { bucket, key, version, e_tag, .. } => {
                Some(format!("s3:{bucket}/{key}?{}", version.as_ref().or(e_tag.as_ref())?))
            }
            Source::GitHub { repository, commit } => Some(format!("github:{repository}@{commit}")),
            Source::AppSpec(_) => None,
        }
    }

    /// What the AppSpec says is deployed; nothing where it cannot be read.
    pub fn revision(&self) -> Revision {
        match self {
            Source::AppSpec(text) => appspec::read(text).map(|contents| contents.revision).unwrap_or_default(),
            Source::S3 { .. } | Source::GitHub { .. } => Revision::default(),
        }
    }
}

/// What a deployment changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// What it brings, as far as its AppSpec tells.
    pub brings: Revision,
    /// What the last deployment of the group that succeeded before it had brought, likewise.
    pub replaces: Revision,
}

/// A deployment that Greenlight creates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redeployment {
    /// Where it goes.
    pub group: GroupName,
    /// What it is made from.
    pub source: Source,
    /// The deployment configuration: all traffic at once, since every minute on the bad version counts.
    pub configuration: &'static str,
    /// Names the deployment that is rolled back, so that every function takes this one for a rollback.
    pub description: String,
}

impl Redeployment {
    /// The deployment that puts `source` in the place of `bad`; `None` where the platform has no traffic to shift at once (EC2).
    pub fn new(bad: &Deployment, source: Source, git_sha: Option<&str>, alarm: &str) -> Option<Self> {
        let configuration = match bad.platform? {
            Platform::Ecs => "CodeDeployDefault.ECSAllAtOnce",
            Platform::Lambda => "CodeDeployDefault.LambdaAllAtOnce",
            Platform::Server => return None,
        };
        let commit = git_sha.map(|sha| format!(" git_sha={sha}")).unwrap_or_default();
        let description = format!("{ROLLS_BACK}={}{commit} for the alarm {}", bad.id, visible(alarm));
        let description = bounded(&description, DESCRIPTION);
        Some(Self { group: bad.group.clone(), source, configuration, description })
    }
}

/// What a good deployment is deployed from once more.
///
/// Of ECS that is its AppSpec without the hooks, which were passed then and would only cost time; one that lies in S3 or on GitHub is taken
/// as it stands, and its hooks see a rollback. Lambda's AppSpec names the version that serves now, and CodeDeploy refuses one that names
/// another ("The Lambda function alias version does not match the current version in AppSpec file", aws/serverless-application-model#291): so
/// one that lies elsewhere is written anew from what the deployment's target tells.
///
/// # Errors
/// What is missing, as a sentence.
pub fn again(
    platform: Option<Platform>,
    source: &Source,
    target: Option<&LambdaTarget>,
    serving: Option<&str>,
) -> Result<Source, String> {
    if platform != Some(Platform::Lambda) {
        return match source {
            Source::AppSpec(text) => appspec::for_rollback(text, None).map(Source::AppSpec),
            elsewhere => Ok(elsewhere.clone()),
        };
    }
    let serving = serving.ok_or("it is not known which Lambda version serves now")?;
    match (source, target) {
        (Source::AppSpec(text), _) => appspec::for_rollback(text, Some(serving)).map(Source::AppSpec),
        (_, Some(target)) => {
            let LambdaTarget { function, alias, target_version, .. } = target;
            Ok(Source::AppSpec(appspec::of_lambda(function, alias, serving, target_version)))
        }
        (_, None) => Err("its AppSpec lies in S3 or on GitHub, and its target could not be read".to_owned()),
    }
}

/// Whether two deployments bring the same version. What their AppSpecs name counts; where one of them is not known, what they were made from.
pub fn is_same(one: (&Revision, &Source), other: (&Revision, &Source)) -> bool {
    let named = |revision: &Revision| revision.task_definition.clone().or_else(|| revision.lambda_version.clone());
    match (named(one.0), named(other.0)) {
        (Some(one), Some(other)) => one == other,
        _ => one.1 == other.1,
    }
}

/// Whether it is an older version than the other one: a lower number of the same task definition family, or a lower Lambda version. What cannot
/// be compared is not older.
pub fn is_older(one: &Revision, than: &Revision) -> bool {
    if let (Some(one), Some(than)) = (&one.task_definition, &than.task_definition) {
        return rolling::is_older(one, than);
    }
    let number = |revision: &Revision| revision.lambda_version.as_ref()?.parse::<u64>().ok();
    matches!((number(one), number(than)), (Some(one), Some(than)) if one < than)
}

/// The deployment that rolls back `bad`, among these.
pub fn found<'a>(bad: &DeploymentId, among: &'a [Deployment]) -> Option<&'a Deployment> {
    among.iter().find(|deployment| deployment.rolls_back.as_ref() == Some(bad))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAMBDA: &str = r#"{"version":"0.0","Resources":[{"f":{"Type":"AWS::Lambda::Function","Properties":
        {"Name":"f","Alias":"live","CurrentVersion":"1","TargetVersion":"2"}}}],"Hooks":[{"BeforeAllowTraffic":"h"}]}"#;

    fn s3() -> Source {
        let (bucket, key) = ("b".to_owned(), "appspec.yaml".to_owned());
        Source::S3 { bucket, key, bundle_type: Some("YAML".to_owned()), version: None, e_tag: None }
    }

    fn target() -> LambdaTarget {
        LambdaTarget {
            function: "f".to_owned(),
            alias: "live".to_owned(),
            current_version: "1".to_owned(),
            target_version: "2".to_owned(),
            target_version_weight: None,
            lifecycle_events: Vec::new(),
        }
    }

    #[test]
    fn an_ecs_revision_elsewhere_is_taken_as_it_stands_and_lambdas_is_written_anew() {
        assert_eq!(again(Some(Platform::Ecs), &s3(), None, None), Ok(s3()));
        let Ok(Source::AppSpec(text)) = again(Some(Platform::Lambda), &s3(), Some(&target()), Some("3")) else {
            panic!("it can be written")
        };
        let expected = r#"{"version":0.0,"Resources":[{"f":{"Type":"AWS::Lambda::Function","Properties":{"Name":"f","Alias":"live","CurrentVersion":"3","TargetVersion":"2"}}}]}"#;
        assert_eq!(text, expected);
        assert!(again(Some(Platform::Lambda), &s3(), None, Some("3")).is_err());
        assert!(again(Some(Platform::Lambda), &Source::AppSpec(LAMBDA.to_owned()), None, None).is_err());
    }

    #[test]
    fn what_the_appspecs_name_tells_versions_apart_and_else_what_they_were_made_from() {
        let inline = Source::AppSpec(LAMBDA.to_owned());
        let with_other_hooks = Source::AppSpec(LAMBDA.replace("\"h\"", "\"other\""));
        let (known, unknown) = (inline.revision(), Revision::default());
        assert!(is_same((&known, &inline), (&known, &with_other_hooks)));
        assert!(!is_same((&known, &inline), (&unknown, &s3())));
        assert!(is_same((&unknown, &s3()), (&unknown, &s3())));
    }

    #[test]
    fn older_is_a_lower_number_of_the_same_family_or_function() {
        let ecs = |name: &str| {
            let arn = format!("arn:aws:ecs:us-east-1:1:task-definition/{name}");
            Revision { task_definition: Some(arn), ..Revision::default() }
        };
        let lambda = |version: &str| Revision { lambda_version: Some(version.to_owned()), ..Revision::default() };
        assert!(is_older(&ecs("web:9"), &ecs("web:10")) && is_older(&lambda("9"), &lambda("10")));
        assert!(!is_older(&ecs("web:10"), &ecs("web:9")) && !is_older(&lambda("9"), &lambda("9")));
        for (one, than) in
            [(ecs("web:9"), ecs("api:10")), (lambda("9"), lambda("$LATEST")), (lambda("9"), ecs("web:10"))]
        {
            assert!(!is_older(&one, &than), "{one:?} {than:?}");
        }
    }

    #[test]
    fn the_description_is_found_again_whatever_the_alarm_is_called() {
        let info = serde_json::json!({
            "id": "d-1", "group": {"application": "a", "deployment_group": "g"}, "platform": "ECS", "status": "Succeeded",
            "creator": "user", "configuration": "", "description": "", "created": null, "started": null, "completed": null,
            "error": null, "rolled_back_by": null, "rolls_back": null, "routes": null, "revision": {}
        });
        let bad: Deployment = serde_json::from_value(info).unwrap();
        let alarm = format!("a\ngreenlight_rolls_back=d-9 {}", "x".repeat(400));
        let made = Redeployment::new(&bad, s3(), Some("0badcafe"), &alarm).unwrap();
        let described = Deployment { description: made.description.clone(), ..bad.clone() };
        assert_eq!((described.described(ROLLS_BACK), described.described("git_sha")), (Some("d-1"), Some("0badcafe")));
        assert!(made.description.chars().count() <= DESCRIPTION);
        assert_eq!(Redeployment::new(&Deployment { platform: Some(Platform::Server), ..bad }, s3(), None, "x"), None);
    }
}
