//! Functions that do not play along with virtual time: whatever they do, a rehearsal comes to an end.

use std::sync::Arc;
use std::time::Duration;

use rehearsal::run::Runner;
use rehearsal::scenario::Scenario;
use rehearsal::world::World;
use serde_json::json;

use crate::runtime_api_conformance::obedient;

/// What becomes of an invocation of a function that never asks the clock.
#[track_caller]
fn check(wanted: &str, expected: &str) {
    let setting = obedient(&format!("stubborn-{wanted}"));
    let world = World::new(Arc::clone(&setting.template), setting.config.clone(), Scenario::for_serve());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let answer = runtime.block_on(async {
        let runner = Runner::open(setting, world, 0, false).await.expect("the rehearsal opens");
        let mut runner = runner.with_patience(Duration::from_secs(2));
        runner.ask("obedient-function", json!({ "do": wanted })).await.expect("an answer")
    });
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    assert!(text.contains(expected), "{text}");
}

#[test]
fn a_function_that_blocks_its_thread_is_ended() {
    check("sleep", "kept the clock from moving on for 2 s of real time");
}

#[test]
fn a_function_that_keeps_the_clock_busy_is_ended() {
    check("flood", "kept the clock from moving on for 2 s of real time");
}

#[test]
fn a_function_that_exits_is_told_with_its_status() {
    check("exit", "exit status 3");
}
