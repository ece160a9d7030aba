//! Reads an AppSpec, in YAML or JSON, for what Greenlight needs from it: what is being deployed, and which lifecycle events have
//! hooks. Knows nothing of where the text came from.

use serde_json::Value;

use crate::config::yaml;
use crate::deployment::Revision;

/// What an AppSpec says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// What is to be deployed.
    pub revision: Revision,
    /// Lifecycle event and function (a name or an ARN), in order.
    pub hooks: Vec<(String, String)>,
}

/// Reads an AppSpec. The key `Hooks` has both spellings in AWS's own samples ("AppSpec file example", CodeDeploy user guide), so the
/// others are read in either as well.
///
/// # Errors
/// When the text is neither YAML nor JSON.
pub fn read(text: &str) -> Result<Contents, yaml::YamlError> {
    let document = yaml::parse(text)?;
    let mut contents = Contents::default();
    let revision = &mut contents.revision;
    for resource in entries(&document.value, "Resources") {
        for properties in
            resource.as_object().into_iter().flat_map(|map| map.values()).filter_map(|one| either(one, "Properties"))
        {
            let text_of = |key: &str| properties.get(key).and_then(text_or_number);
            revision.task_definition = revision.task_definition.take().or_else(|| text_of("TaskDefinition"));
            revision.lambda_version = revision.lambda_version.take().or_else(|| text_of("TargetVersion"));
        }
    }
    for hook in entries(&document.value, "Hooks") {
        let named = hook.as_object().into_iter().flatten();
        contents.hooks.extend(named.filter_map(|(event, function)| Some((event.clone(), text_or_number(function)?))));
    }
    Ok(contents)
}

/// The elements of a list under a key in either spelling; a single map, as a hand may write it, is a list of one.
fn entries<'a>(document: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    let (list, single) = match either(document, key) {
        Some(Value::Array(list)) => (list.as_slice(), None),
        other => (&[][..], other),
    };
    list.iter().chain(single)
}

fn either<'a>(value: &'a Value, key: &str) -> Option<&'a Value> {
    value.get(key).or_else(|| value.get(key.to_ascii_lowercase()))
}

fn text_or_number(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:ecs:us-east-1:111222333444:task-definition/my-task-definition-family-name:1";

    fn hooks(contents: &Contents) -> Vec<(&str, &str)> {
        contents.hooks.iter().map(|(event, function)| (event.as_str(), function.as_str())).collect()
    }

    #[test]
    fn awss_samples_are_read_in_both_notations() {
        // "AppSpec file example for an Amazon ECS deployment", CodeDeploy user guide: the YAML and the JSON form, shortened.
        let in_yaml = format!(
            "version: 0.0\nResources:\n  - TargetService:\n      Type: AWS::ECS::Service\n      Properties:\n        TaskDefinition: \"{ARN}\"\n        LoadBalancerInfo:\n          ContainerName: \"SampleApplicationName\"\n          ContainerPort: 80\nHooks:\n  - BeforeInstall: \"First\"\n  - AfterAllowTestTraffic: \"Second\"\n"
        );
        let in_json = format!(
            r#"{{"version": 0.0, "Resources": [{{"TargetService": {{"Type": "AWS::ECS::Service", "Properties": {{"TaskDefinition": "{ARN}"}}}}}}],
                 "Hooks": [{{"BeforeInstall": "First"}}, {{"AfterAllowTestTraffic": "Second"}}]}}"#
        );
        for text in [in_yaml, in_json] {
            let contents = read(&text).unwrap();
            assert_eq!(contents.revision.task_definition.as_deref(), Some(ARN));
            assert_eq!(hooks(&contents), [("BeforeInstall", "First"), ("AfterAllowTestTraffic", "Second")]);
        }
    }

    #[test]
    fn a_lambda_appspec_is_read_with_its_hooks_in_the_other_spelling() {
        let text = r#"{"version":"0.0","Resources":[{"LambdaFunction":{"Type":"AWS::Lambda::Function","Properties":{"Name":"f","Alias":"live","CurrentVersion":"1","TargetVersion":2}}}],
            "hooks":[{"BeforeAllowTraffic":"arn:aws:lambda:us-east-1:1:function:CodeDeployHook_pre"}]}"#;
        let contents = read(text).unwrap();
        assert_eq!(contents.revision.lambda_version.as_deref(), Some("2"));
        assert_eq!(
            hooks(&contents),
            [("BeforeAllowTraffic", "arn:aws:lambda:us-east-1:1:function:CodeDeployHook_pre")]
        );
    }

    #[test]
    fn an_appspec_without_either_is_empty_and_one_that_is_no_document_an_error() {
        assert_eq!(read("version: 0.0\nHooks:\n").unwrap(), Contents::default());
        assert!(read("Hooks: [").is_err());
    }
}
