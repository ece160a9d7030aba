//! `template.yaml` held against what the code relies on.

use domain::hook::REPORT_RESERVE;

use crate::project::{project, root};

#[test]
fn the_hooks_have_more_time_than_their_answer_may_cost_and_are_not_tried_again() {
    for function in project().template.functions.iter().filter(|function| function.name.starts_with("CodeDeployHook_"))
    {
        assert!(u64::from(function.timeout_seconds) >= 4 * REPORT_RESERVE.as_secs(), "{}", function.name);
        // The watchdog is to act at once.
        assert_eq!(function.async_invoke.max_retries, 0, "{}", function.name);
        assert!(function.async_invoke.on_failure.is_some(), "{}", function.name);
    }
}

#[test]
fn there_is_one_function_for_every_folder_and_no_other() {
    let mut folders: Vec<String> = std::fs::read_dir(root().join("functions"))
        .expect("there are functions")
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    let mut binaries: Vec<String> =
        project().template.functions.iter().map(|function| function.binary.clone()).collect();
    folders.sort();
    binaries.sort();
    assert_eq!(folders, binaries);
}

#[test]
fn every_variable_of_the_template_is_one_that_is_documented() {
    let readme = std::fs::read_to_string(root().join("README.md")).expect("there is a README");
    for function in &project().template.functions {
        for name in function.environment.keys() {
            assert!(
                readme.contains(&format!("`{name}`")),
                "{} sets `{name}`, which the README does not explain",
                function.name
            );
        }
    }
}
