//! What of a configuration with mistakes can still be relied on. A hook fails on any mistake; but a misspelt key in a check must neither
//! keep people from hearing that it did, nor an alarm from rolling back. Knows nothing of who needs what.

use super::load::{ConfigError, Reading, read};
use super::path::{Path, Step};
use super::service::{Config, Service};

/// A configuration without what is doubtful in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Usable {
    /// What is beyond doubt.
    pub config: Config,
    /// What is wrong with the file, if anything is.
    pub mistakes: Option<ConfigError>,
}

/// Reads a configuration for those who run no checks: whatever is wrong is left out, a service whose name, environment or deployment group
/// is wrong as a whole. `file` is only named in errors.
///
/// # Errors
/// When nothing can be read, or something is wrong in one of the sections that are `needed` (`slack`, `pagerduty`, `ticket`).
pub fn load_usable(file: &str, text: &str, needed: &[&str]) -> Result<Usable, ConfigError> {
    let Reading { mut config, mistakes, doubtful } = read(file, text, |_| Vec::new())?;
    let mut is_sound = true;
    for path in &doubtful {
        let section = match path.steps() {
            [Step::Key(section), ..] => section.as_str(),
            _ => "",
        };
        let is_whole = path.steps().len() == 1;
        match section {
            "slack" if !needed.contains(&section) => config.slack = None,
            "pagerduty" if !needed.contains(&section) => config.pagerduty = None,
            "ticket" if !needed.contains(&section) => config.ticket = None,
            "services" if !is_whole => {}
            _ => is_sound = false,
        }
    }
    if let (false, Some(mistakes)) = (is_sound, &mistakes) {
        return Err(mistakes.clone());
    }
    let services = Path::top().key("services");
    let numbered = std::mem::take(&mut config.services).into_iter().enumerate();
    config.services =
        numbered.filter_map(|(index, service)| sound(service, &services.entry(index), &doubtful)).collect();
    Ok(Usable { config, mistakes })
}

/// The service without its doubtful alarms; `None` when it is not certain which service it is.
fn sound(mut service: Service, at: &Path, doubtful: &[Path]) -> Option<Service> {
    let below: Vec<Path> = doubtful.iter().filter_map(|path| path.below(at)).collect();
    let is_doubtful = |path: &Path| below.iter().any(|doubtful| doubtful.is_within(path));
    let is_nobody = below.iter().any(|path| path.steps().is_empty())
        || ["name", "environment", "codedeploy", "ecs"].iter().any(|key| is_doubtful(&Path::top().key(key)));
    if is_nobody {
        return None;
    }
    let alarms = Path::top().key("alarms");
    if below.contains(&alarms) {
        service.alarms.clear();
    }
    let numbered = std::mem::take(&mut service.alarms).into_iter().enumerate();
    service.alarms =
        numbered.filter(|(index, _)| !is_doubtful(&alarms.entry(*index))).map(|(_, alarm)| alarm).collect();
    Some(service)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\
version: 1
slack: { token: \"env:TOKEN\", channel: C1 }
services:
  - name: a
    codedeploy: { application: app, deployment_group: a }
    before_allow_traffic: { budget: 2 minutes, checks: [{ name: x, got: / }] }
    alarms:
      - { name: red, action: rollback }
      - { name: odd, action: rolback }
  - name: b
    codedeploy: { application: app }
";

    #[test]
    fn what_is_doubtful_is_left_out_and_the_rest_is_used() {
        let Usable { config, mistakes } = load_usable("g.yaml", FILE, &["slack"]).unwrap();
        let names: Vec<&str> = config.services.iter().map(|service| service.name.as_str()).collect();
        assert_eq!(names, ["a"], "of `b` the group is not certain");
        let alarms: Vec<&str> = config.services[0].alarms.iter().map(|alarm| alarm.name.as_str()).collect();
        assert_eq!(alarms, ["red"], "what `odd` is to lead to is not certain");
        assert_eq!(config.slack.and_then(|slack| slack.channel).as_deref(), Some("C1"));
        assert_eq!(mistakes.map(|mistakes| mistakes.problems.len()), Some(4));
    }

    #[test]
    fn a_section_that_is_needed_must_be_sound_and_another_is_left_out() {
        let text = FILE.replace("channel: C1", "chanel: 1");
        assert!(load_usable("g.yaml", &text, &["slack"]).is_err());
        assert_eq!(load_usable("g.yaml", &text, &[]).unwrap().config.slack, None);
    }

    #[test]
    fn of_a_file_without_mistakes_nothing_is_left_out() {
        let text = "version: 1\nservices: [{ name: a, codedeploy: { application: b, deployment_group: c } }]\n";
        let usable = load_usable("g.yaml", text, &[]).unwrap();
        assert_eq!((usable.config.services.len(), usable.mistakes), (1, None));
    }

    #[test]
    fn a_file_that_says_nothing_certain_is_not_used() {
        for text in ["services: [", "version: 2\nservices: []\n", "version: 1\nservices: 5\n", "[]"] {
            assert!(load_usable("g.yaml", text, &[]).is_err(), "{text}");
        }
    }
}
