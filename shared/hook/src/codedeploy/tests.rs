//! Tests of the adapter with recording fakes: exactly one answer, whatever happens, and what is told afterwards.

use std::time::Duration;

use domain::config::Config;
use domain::deployment::{AppSpec, Deployment, LifecycleEvent, Status, Target};
use domain::events::LogPlace;
use domain::ports::Reported;
use serde_json::json;
use testkit::build;
use testkit::fakes::{Bus, CodeDeploy, Script, denied, throttled};

use super::gather::{Gathered, gather};
use super::*;

mod reporting;

const CONFIG: &str = "version: 1\nservices:\n  - name: orchestrator\n    codedeploy: { application: mangaassist, deployment_group: orchestrator }\n";

struct Scene {
    codedeploy: CodeDeploy,
    bus: Bus,
    payload: Value,
    milliseconds: u64,
}

fn scene() -> Scene {
    let target = Target::Ecs(build::ecs_target("BeforeAllowTraffic"));
    Scene {
        codedeploy: CodeDeploy::with(build::deployment(), target),
        bus: Bus::default(),
        payload: build::hook_payload(),
        milliseconds: 3000,
    }
}

type Answered = Result<Value, Unanswered>;

impl Scene {
    fn answer(&self, work: impl AsyncFnOnce(&HookEvent, &Notes, &Window) -> anyhow::Result<Conclusion>) -> Answered {
        self.timed(work).0
    }

    /// The same, with how long it took in virtual time.
    fn timed(
        &self,
        work: impl AsyncFnOnce(&HookEvent, &Notes, &Window) -> anyhow::Result<Conclusion>,
    ) -> (Answered, Duration) {
        let clock = testkit::clock();
        testkit::run_on(&clock, async {
            let arrived = clock.now();
            let deadline = arrived.plus(Duration::from_millis(self.milliseconds));
            let log = LogPlace { group: "/aws/lambda/before".to_owned(), stream: "s".to_owned(), request_id: None };
            let hook = "before-allow-traffic";
            let call = Call { hook, payload: &self.payload, arrived, deadline, log: Some(&log), request_id: "r-1" };
            let answered = answer(&self.codedeploy, &self.bus, &clock, call, work).await;
            (answered, clock.now().since(arrived))
        })
    }

    /// The same with the work that every hook begins with.
    fn gathered(&self, config: Result<&Config, String>) -> Answered {
        self.answer(async |event, notes, window| match gather(&self.codedeploy, config, event, notes, window).await? {
            Gathered::Concluded(conclusion) => Ok(conclusion),
            Gathered::Case(case) => Ok(Conclusion::bare(Verdict::Succeeded, case.service.name.clone())),
        })
    }

    #[track_caller]
    fn check_failed(&self, answered: &Answered, reason: &str) {
        assert_eq!(self.codedeploy.verdicts(), [Verdict::Failed]);
        let summary = answered.as_ref().unwrap();
        assert_eq!((&summary["verdict"], &summary["reported"]), (&json!("Failed"), &json!(true)));
        let seen = summary["reason"].as_str().unwrap();
        assert!(seen.contains(reason), "{seen}");
        let verdicts = self.bus.verdicts();
        assert_eq!((verdicts.len(), verdicts[0].verdict, verdicts[0].reason.as_str()), (1, Verdict::Failed, seen));
    }
}

async fn fine(_: &HookEvent, _: &Notes, _: &Window) -> anyhow::Result<Conclusion> {
    Ok(Conclusion::bare(Verdict::Succeeded, "fine"))
}

#[test]
fn success_is_reported_once_and_then_told() {
    let scene = scene();
    let config = build::config(CONFIG);
    let summary = scene.gathered(Ok(&config)).unwrap();
    assert_eq!(scene.codedeploy.verdicts(), [Verdict::Succeeded]);
    assert_eq!(scene.codedeploy.reported.borrow()[0].0.execution, "execution-1");
    assert_eq!(
        summary,
        json!({
            "verdict": "Succeeded", "reason": "orchestrator", "deployment": "d-1",
            "lifecycle_event": "BeforeAllowTraffic", "reported": true
        })
    );
    let told = &scene.bus.verdicts()[0];
    assert_eq!(
        (told.group.clone(), told.hook.as_str(), told.reported),
        (Some(build::group()), "before-allow-traffic", true)
    );
    assert_eq!((told.service.as_deref(), told.environment.as_deref()), (Some("orchestrator"), Some("production")));
    assert_eq!(told.revision, build::deployment().revision);
    let log = told.log.as_ref().map(|log| (log.group.as_str(), log.stream.as_str(), log.request_id.as_deref()));
    assert_eq!(log, Some(("/aws/lambda/before", "s", Some("r-1"))));
}

#[test]
fn an_error_fails_closed() {
    let scene = scene();
    let answered = scene.answer(async |_, _, _| Err(anyhow::anyhow!("no route")));
    scene.check_failed(&answered, "no route");
}

#[test]
fn a_panic_fails_closed_and_keeps_what_was_known() {
    let scene = scene();
    let answered = scene.answer(async |_, notes, _| {
        notes.write(|known| known.group = Some(build::group()));
        panic!("out of cheese")
    });
    scene.check_failed(&answered, "out of cheese");
    assert_eq!(scene.bus.verdicts()[0].group, Some(build::group()));
}

#[test]
fn an_overrun_fails_closed_before_the_deadline() {
    let scene = Scene { milliseconds: 60_000, ..scene() };
    let (answered, took) = scene.timed(async |_, _, _| std::future::pending().await);
    scene.check_failed(&answered, "the hook was not finished within 55 s, while it had hardly begun");
    assert_eq!(took, Duration::from_secs(55));
}

#[test]
fn a_payload_of_another_form_fails_closed_without_any_work() {
    let scene = Scene { payload: json!({ "input": build::hook_payload() }), ..scene() };
    let answered = scene.answer(async |_, _, _| panic!("must not run"));
    scene.check_failed(&answered, "the payload is not CodeDeploy's hook payload");
}

#[test]
fn a_payload_without_ids_is_an_error_because_nobody_can_be_answered() {
    let scene = Scene { payload: json!({ "hello": "world" }), ..scene() };
    let error = scene.answer(fine).unwrap_err();
    assert!(matches!(error, Unanswered::Nobody(_)), "{error}");
    assert!(scene.codedeploy.verdicts().is_empty() && scene.bus.verdicts().is_empty());
}

#[test]
fn a_broken_configuration_fails_closed_and_the_deployment_is_known_all_the_same() {
    let scene = scene();
    let answered = scene.gathered(Err("the configuration is not valid:\ngreenlight.yaml:3:5: …".to_owned()));
    scene.check_failed(&answered, "nothing was checked: the configuration is not valid");
    let told = &scene.bus.verdicts()[0];
    assert_eq!(
        (told.group.clone(), told.lifecycle_event.as_deref()),
        (Some(build::group()), Some("BeforeAllowTraffic"))
    );
}

#[test]
fn a_group_that_no_service_has_says_what_to_add() {
    let scene = scene();
    let config = build::config(&CONFIG.replace("deployment_group: orchestrator", "deployment_group: orchestratr"));
    let answered = scene.gathered(Ok(&config));
    scene.check_failed(
        &answered,
        "no service in config/greenlight.yaml has the deployment group `mangaassist/orchestrator`; the nearest is \
         `mangaassist/orchestratr` of the service `orchestrator`; add under `services`: `- { name: orchestrator, codedeploy: { \
         application: mangaassist, deployment_group: orchestrator } }`",
    );
}

#[test]
fn a_rollback_is_let_through_even_with_a_broken_configuration() {
    let scene = Scene {
        codedeploy: CodeDeploy { deployments: Script::always(build::rollback()), ..scene().codedeploy },
        ..scene()
    };
    let summary = scene.gathered(Err("broken".to_owned())).unwrap();
    assert_eq!(scene.codedeploy.verdicts(), [Verdict::Succeeded]);
    assert_eq!(
        summary["reason"],
        json!(
            "let through unchecked: it rolls `d-1` back (creator `codeDeployRollback`), and nothing may hold up a rollback"
        )
    );
}

#[test]
fn a_throttled_record_is_read_again_and_one_that_is_refused_fails_closed() {
    let mut throttled_once = scene();
    throttled_once.codedeploy.deployments = Script::of([Err(throttled()), Ok(build::deployment())]);
    let config = build::config(CONFIG);
    assert!(throttled_once.gathered(Ok(&config)).is_ok());
    assert_eq!(throttled_once.codedeploy.verdicts(), [Verdict::Succeeded]);

    let mut refused = scene();
    refused.codedeploy.deployments = Script::failing(denied("`GetDeployment`"));
    let answered = refused.gathered(Ok(&config));
    refused.check_failed(
        &answered,
        "the deployment could not be read, so nothing was checked: `GetDeployment` was refused",
    );
}

#[test]
fn a_record_that_stays_throttled_is_tried_until_only_the_reserve_is_left_and_then_fails_closed() {
    let mut scene = Scene { milliseconds: 300_000, ..scene() };
    scene.codedeploy.deployments = Script::failing(throttled());
    let config = build::config(CONFIG);
    let gather = async |event: &HookEvent, notes: &Notes, window: &Window| {
        gather(&scene.codedeploy, Ok(&config), event, notes, window).await?;
        unreachable!("it is never read")
    };
    let (answered, took) = scene.timed(gather);
    scene.check_failed(&answered, "the deployment could not be read, so nothing was checked: the call failed for now");
    assert!(took > Duration::from_secs(290) && took < Duration::from_secs(295), "{took:?}");
}

#[test]
fn a_target_that_cannot_be_read_is_part_of_the_case() {
    let mut scene = scene();
    scene.codedeploy.target_hangs = true;
    let config = build::config(CONFIG);
    assert_eq!(scene.gathered(Ok(&config)).unwrap()["lifecycle_event"], Value::Null);
    // With one hook in the AppSpec it can only be that one's event.
    let hooks = vec![("AfterAllowTraffic".to_owned(), "hook".to_owned())];
    let app_spec = AppSpec::Read { hooks };
    scene.codedeploy.deployments = Script::always(Deployment { app_spec, ..build::deployment() });
    assert_eq!(scene.gathered(Ok(&config)).unwrap()["lifecycle_event"], json!("AfterAllowTraffic"));
}

#[test]
fn a_lifecycle_event_that_codedeploy_does_not_show_in_progress_is_found_all_the_same() {
    let told = |hooks: Option<&[&str]>, statuses: &[(&str, &str)]| {
        let event = |(name, status): &(&str, &str)| LifecycleEvent::undated(name, status);
        let mut target = build::ecs_target("BeforeAllowTraffic");
        target.lifecycle_events = statuses.iter().map(event).collect();
        let app_spec = hooks.map_or(AppSpec::Elsewhere("S3".to_owned()), |hooks| AppSpec::Read {
            hooks: hooks.iter().map(|event| ((*event).to_owned(), "hook".to_owned())).collect(),
        });
        let deployment = Deployment { app_spec, ..build::deployment() };
        let scene = Scene { codedeploy: CodeDeploy::with(deployment, Target::Ecs(target)), ..scene() };
        scene.gathered(Ok(&build::config(CONFIG))).unwrap()["lifecycle_event"].clone()
    };
    let before = [("BeforeInstall", "Succeeded"), ("Install", "Succeeded"), ("AfterInstall", "Succeeded")];
    let pending = |from: &[(&'static str, &'static str)]| [&before[..], from].concat();
    let ahead = pending(&[("AfterAllowTestTraffic", "Pending"), ("BeforeAllowTraffic", "Pending")]);
    let both = ["AfterInstall", "BeforeAllowTraffic", "AfterAllowTraffic"];
    assert_eq!(told(Some(&["AfterInstall", "BeforeAllowTraffic"]), &ahead), json!("BeforeAllowTraffic"));
    assert_eq!(told(Some(&both), &ahead), json!("BeforeAllowTraffic"), "the next that has a hook");
    assert_eq!(told(None, &ahead), json!("AfterAllowTestTraffic"), "the next that may have one");
    let shown = pending(&[("AfterAllowTestTraffic", "Succeeded"), ("BeforeAllowTraffic", "InProgress")]);
    assert_eq!(told(Some(&["AfterAllowTraffic"]), &shown), json!("BeforeAllowTraffic"));
    // A duplicate that comes after the end belongs to none.
    let over = pending(&[("BeforeAllowTraffic", "Succeeded"), ("AfterAllowTraffic", "Skipped")]);
    assert_eq!(told(Some(&both), &over), Value::Null);
}

/// A deployment with this description.
fn described(description: &str) -> Scene {
    let deployment = Deployment { description: description.to_owned(), ..build::deployment() };
    Scene { codedeploy: CodeDeploy { deployments: Script::always(deployment), ..scene().codedeploy }, ..scene() }
}

#[test]
fn the_emergency_lane_is_loud_and_open_even_with_a_broken_configuration() {
    let scene = described("git_sha=abc [greenlight skip: the cure for INC-42]");
    let summary = scene.gathered(Err("broken".to_owned())).unwrap();
    assert_eq!(scene.codedeploy.verdicts(), [Verdict::Succeeded]);
    let reason = "let through UNCHECKED: a person or a pipeline asked for it in the deployment's description, because: the cure for INC-42";
    assert_eq!((&summary["reason"], &summary["lifecycle_event"]), (&json!(reason), &json!("BeforeAllowTraffic")));
    let told = &scene.bus.verdicts()[0];
    assert_eq!((told.skipped.as_deref(), told.findings.len()), (Some("the cure for INC-42"), 0));
}

#[test]
fn the_emergency_lane_does_not_wait_for_a_target_that_only_serves_the_message() {
    let mut scene = described("[greenlight skip: why not]");
    scene.milliseconds = 300_000;
    scene.codedeploy.target_hangs = true;
    let gather = async |event: &HookEvent, notes: &Notes, window: &Window| match gather(
        &scene.codedeploy,
        Err(String::new()),
        event,
        notes,
        window,
    )
    .await?
    {
        Gathered::Concluded(conclusion) => Ok(conclusion),
        Gathered::Case(_) => panic!("it is not looked at"),
    };
    let (answered, took) = scene.timed(gather);
    assert_eq!((answered.unwrap()["verdict"].clone(), took), (json!("Succeeded"), Duration::from_secs(3)));
}

#[test]
fn without_a_reason_the_emergency_lane_is_closed_and_says_how_to_ask() {
    let scene = described("[greenlight skip: ]");
    let config = build::config(CONFIG);
    let summary = scene.gathered(Ok(&config)).unwrap();
    let remark = "The description asks to skip the checks without a reason, so nothing was skipped: write `[greenlight skip: why]`";
    assert_eq!(summary["reason"], json!(format!("orchestrator. {remark}")));
    assert_eq!(scene.bus.verdicts()[0].skipped, None);
    let failed = scene.gathered(Err("broken".to_owned())).unwrap();
    assert!(failed["reason"].as_str().unwrap().ends_with(remark), "{failed}");
}

#[test]
fn a_rollback_is_let_through_as_a_rollback_whatever_its_description_says() {
    let skip = "[greenlight skip: x]".to_owned();
    let rollback = Deployment { description: skip, ..build::rollback() };
    let scene =
        Scene { codedeploy: CodeDeploy { deployments: Script::always(rollback), ..scene().codedeploy }, ..scene() };
    scene.gathered(Err("broken".to_owned())).unwrap();
    assert_eq!(scene.bus.verdicts()[0].skipped, None);
}

#[test]
fn a_failure_of_the_first_deployment_says_that_there_is_nothing_to_go_back_to() {
    let first = || Deployment { is_first: true, ..build::deployment() };
    let scene =
        Scene { codedeploy: CodeDeploy { deployments: Script::always(first()), ..scene().codedeploy }, ..scene() };
    let config = build::config(CONFIG);
    assert_eq!(scene.gathered(Ok(&config)).unwrap()["reason"], json!("orchestrator"));
    let failed = scene.gathered(Err("a broken configuration".repeat(200))).unwrap();
    let reason = failed["reason"].as_str().unwrap();
    assert!(reason.ends_with("so do not count on an automatic rollback"), "{reason}");
    assert_eq!(reason.chars().count(), REASON);
}
