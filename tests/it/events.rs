//! Every sample in `events/`, invoked as `cargo lambda invoke` does.

use std::path::PathBuf;

use serde_json::Value;

use crate::project::{ask, project, root, setting};

fn samples_of(function: &str) -> Vec<PathBuf> {
    let folder = root().join("events").join(function);
    let mut samples: Vec<PathBuf> =
        std::fs::read_dir(folder).expect("every function has samples").flatten().map(|entry| entry.path()).collect();
    samples.sort();
    samples
}

#[test]
fn each_function_answers_each_of_its_samples() {
    for function in &project().template.functions {
        let samples = samples_of(&function.binary);
        assert!(!samples.is_empty(), "{} has no samples", function.binary);
        for sample in samples {
            let text = std::fs::read_to_string(&sample).expect("readable");
            let event: Value = serde_json::from_str(&text).expect("every sample is JSON");
            let (failed, answer) = ask(setting("events"), &function.binary, event);
            println!("{}: {answer}", sample.display());
            assert!(!failed, "{}: {answer}", sample.display());
            assert!(serde_json::from_str::<Value>(&answer).is_ok_and(|value| value.is_object()), "{answer}");
        }
    }
}
