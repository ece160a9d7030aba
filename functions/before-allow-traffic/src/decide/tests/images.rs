//! Tests of what runs: definitions, images and digests.

use domain::deployment::AppSpec;
use testkit::build::{DIGEST, IMAGE};

use super::super::images::is_same_definition;
use super::*;

const OTHER: &str = "sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";

fn container_of(ecs: &mut EcsFacts, task: usize) -> &mut Container {
    &mut ecs.tasks.as_mut().unwrap()[task].containers[0]
}

#[test]
fn what_runs_must_be_what_the_revision_names() {
    let arn = DEFINITION.replace(":42", ":41");
    assert_eq!(
        told(|ecs| ecs.definition = Ok(arn.clone())),
        ["image_matches_revision fail: it runs the task definition `orchestrator:41`"]
    );
    assert_eq!(
        told(|ecs| container_of(ecs, 1).image = "repo:old".to_owned()),
        [format!("image_matches_revision fail: container `web` of task `b` runs the image `repo:old`, not `{IMAGE}`")]
    );
    assert_eq!(
        told(|ecs| container_of(ecs, 0).name = "other".to_owned()),
        ["image_matches_revision fail: task `a` has no container `web`"]
    );
    assert_eq!(
        told(|ecs| ecs.tasks.as_mut().unwrap().iter_mut().for_each(|task| task.containers.clear())),
        ["image_matches_revision inconclusive?: no running task tells its images"]
    );
}

#[test]
fn a_container_that_the_definition_does_not_name_is_awss_affair() {
    let with_agent = told(|ecs| {
        let agent = Container {
            name: "aws-guardduty-agent-Xy1".to_owned(),
            image: "x/aws-guardduty-agent-fargate:v1".to_owned(),
            digest: Some(OTHER.to_owned()),
            health: "UNHEALTHY".to_owned(),
            ..Container::default()
        };
        ecs.tasks.as_mut().unwrap()[0].containers.push(agent);
    });
    assert!(with_agent.is_empty(), "{with_agent:?}");
}

#[test]
fn the_digest_decides_where_ecs_tells_one() {
    assert_eq!(
        told(|ecs| container_of(ecs, 1).digest = Some(OTHER.to_owned())),
        [
            "image_matches_revision fail: container `web` runs 2 builds under one tag: `sha256:2c26b46b68ff` in task `b`, \
          `sha256:9f86d081884c` in task `a`; name the image by its digest"
        ]
    );
    let by_digest = |named: &str| {
        let named = named.to_owned();
        told(move |ecs| {
            ecs.containers.as_mut().unwrap()[0].image = format!("repo@{named}");
            for task in 0..2 {
                container_of(ecs, task).image = format!("repo@{named}");
            }
        })
    };
    assert!(by_digest(DIGEST).is_empty());
    let wrong = by_digest(OTHER);
    assert!(
        wrong[0]
            .contains("container `web` of task `a` runs the digest `sha256:9f86d081884c`, not `sha256:2c26b46b68ff`"),
        "{wrong:?}"
    );
    assert!(told(|ecs| (0..2).for_each(|task| container_of(ecs, task).digest = None)).is_empty());
}

#[test]
fn an_image_is_recognised_in_every_form_in_which_ecs_tells_it() {
    let cases = [
        ("repo:1", "repo:1", true),
        ("repo:1", "repo:1@sha256:aa", true),
        ("repo:1", "repo@sha256:aa", true),
        ("repo:1", "repo:2", false),
        ("repo:1", "repo", false),
        ("repo", "repo:latest", true),
        ("repo", "repo:2", false),
        ("host:5000/repo", "host:5000/repo:latest", true),
        ("host:5000/repo:1", "host:5000/other:1", false),
        ("repo@sha256:aa", "repo@sha256:aa", true),
        ("repo@sha256:aa", "repo@sha256:bb", false),
        ("repo:1@sha256:aa", "repo:1", true),
    ];
    for (named, running, expected) in cases {
        let told = told(|ecs| {
            ecs.containers.as_mut().unwrap()[0].image = named.to_owned();
            for task in 0..2 {
                let container = container_of(ecs, task);
                (container.image, container.digest) = (running.to_owned(), None);
            }
        });
        assert_eq!(told.is_empty(), expected, "{named} {running}: {told:?}");
    }
}

#[test]
fn an_appspec_that_is_not_known_is_said_and_fails_nothing() {
    let told = |app_spec: AppSpec| {
        let config = build::config(CONFIG);
        let case = Case { app_spec, ..case(&config) };
        let decided = decide(&case, &Wanted::of(&case), &facts(VersionFacts::Ecs(ecs())));
        let finding = decided.into_iter().map(Decided::finding).find(|one| one.name == "image_matches_revision");
        let finding = finding.unwrap();
        (finding.outcome, finding.observed)
    };
    let (outcome, observed) = told(AppSpec::Elsewhere("S3".to_owned()));
    assert_eq!(outcome, Outcome::Pass);
    assert!(
        observed.ends_with(
            "; whether it is the one that was meant is not known, as the AppSpec lies in S3, which is not read"
        ),
        "{observed}"
    );
    let (outcome, observed) = told(AppSpec::Unreadable("`GetApplicationRevision` was refused".to_owned()));
    assert_eq!(outcome, Outcome::Degraded);
    assert!(observed.ends_with("the AppSpec could not be read: `GetApplicationRevision` was refused"), "{observed}");
}

#[test]
fn a_definition_is_recognised_in_every_form_that_an_appspec_may_have() {
    let cases = [
        (DEFINITION, true),
        ("orchestrator:42", true),
        ("orchestrator", true),
        ("orchestrator:41", false),
        ("chestrator:42", false),
        ("arn:aws:ecs:us-east-1:999999999999:task-definition/orchestrator:42", false),
    ];
    for (wanted, expected) in cases {
        assert_eq!(is_same_definition(wanted, DEFINITION), expected, "{wanted}");
    }
}
