//! `greenlight rehearse run --record`: what people are told in a scenario is written down beside it, for the runs that follow to be held against. Knows
//! nothing of how scenarios are run.

use anyhow::{Context, bail};
use rehearsal::scenario::{Recorded, Scenario};
use rehearsal::world::Record;
use rehearsal::{expect, told};

/// Those that can be recorded. One that was named and cannot is an error; of `all`, those are taken that can.
pub(super) fn recordable(chosen: Vec<Scenario>, names: &[String]) -> anyhow::Result<Vec<Scenario>> {
    let (can, cannot): (Vec<_>, Vec<_>) = chosen.into_iter().partition(|scenario| scenario.recorded.is_some());
    let named = cannot.iter().find(|_| !names.iter().any(|name| name == "all"));
    if let Some(scenario) = named {
        bail!(
            "`{}` is not held against anything recorded, so there is nothing to record; write `- told: recorded` under its `expect` first",
            scenario.name
        );
    }
    anyhow::ensure!(
        !can.is_empty(),
        "no scenario has `- told: recorded` under its `expect`, so there is nothing to record"
    );
    Ok(can)
}

/// Writes down what people were told, unless the scenario did not go as it says otherwise; what was done, in words.
pub(super) fn record(scenario: &mut Scenario, record: Record<'_>) -> anyhow::Result<String> {
    let Some(before) = scenario.recorded.clone() else { bail!("`{}` cannot be recorded", scenario.name) };
    let file = before.file.display();
    let text = told::text(scenario, record);
    if before.text.as_ref() == Some(&text) {
        return Ok(format!("`{file}` is as it was"));
    }
    scenario.recorded = Some(Recorded { file: before.file.clone(), text: Some(text.clone()) });
    if expect::hold(scenario, record).iter().any(|held| !held.met) {
        scenario.recorded = Some(before.clone());
        return Ok(format!("`{}` is not recorded: it did not go as it says", scenario.name));
    }
    let folder = before.file.parent().with_context(|| format!("`{file}` lies in no folder"))?;
    std::fs::create_dir_all(folder).with_context(|| format!("could not make the folder `{}`", folder.display()))?;
    std::fs::write(&before.file, &text).with_context(|| format!("could not write `{file}`"))?;
    Ok(format!("recorded `{file}`"))
}
