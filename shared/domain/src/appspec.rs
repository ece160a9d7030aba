//! Reads an AppSpec, in YAML or JSON, for what Greenlight needs from it: what is being deployed, and which lifecycle events have
//! hooks; and writes the one of a rollback. Knows nothing of where the text came from.

use serde_json::{Value, json};

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

/// The AppSpec of a rollback to what this one deploys, as JSON: without hooks, and for Lambda with the version that serves now as
/// `CurrentVersion`. Whatever else it says stays.
///
/// # Errors
/// When the text is neither YAML nor JSON, or names nothing to deploy; the text says so.
pub fn for_rollback(text: &str, serving: Option<&str>) -> Result<String, String> {
    let mut value = yaml::parse(text).map_err(|error| format!("its AppSpec could not be read: {error}"))?.value;
    let document = value.as_object_mut().ok_or("its AppSpec is no document with `Resources`")?;
    document.retain(|key, _| !key.eq_ignore_ascii_case("hooks"));
    let resources = document.iter_mut().find(|(key, _)| key.eq_ignore_ascii_case("resources")).map(|(_, list)| list);
    let resources = match resources {
        Some(Value::Array(list)) => list.as_mut_slice(),
        Some(single) => std::slice::from_mut(single),
        None => return Err("its AppSpec has no `Resources`".to_owned()),
    };
    for resource in resources.iter_mut().filter_map(Value::as_object_mut).flat_map(serde_json::Map::values_mut) {
        let properties = resource.as_object_mut().and_then(|resource| {
            resource
                .iter_mut()
                .find(|(key, _)| key.eq_ignore_ascii_case("properties"))
                .and_then(|(_, it)| it.as_object_mut())
        });
        let Some(properties) = properties else { continue };
        if let (Some(target), Some(serving)) = (properties.get("TargetVersion").and_then(text_or_number), serving) {
            // In YAML a version may be written as a number; both are texts to CodeDeploy.
            properties.insert("TargetVersion".to_owned(), target.into());
            properties.insert("CurrentVersion".to_owned(), serving.into());
        }
    }
    Ok(value.to_string())
}

/// The AppSpec of a Lambda deployment ("AppSpec file example for a Lambda deployment", CodeDeploy user guide), as JSON.
pub fn of_lambda(function: &str, alias: &str, current_version: &str, target_version: &str) -> String {
    let properties =
        json!({"Name": function, "Alias": alias, "CurrentVersion": current_version, "TargetVersion": target_version});
    let resource = json!({"Type": "AWS::Lambda::Function", "Properties": properties});
    json!({"version": 0.0, "Resources": [{ function: resource }]}).to_string()
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
    fn awss_ecs_sample_is_rolled_back_to_without_its_hooks_and_with_all_the_rest() {
        // "AppSpec file example for an Amazon ECS deployment", CodeDeploy user guide: the YAML and the JSON form.
        let in_yaml = format!(
            "version: 0.0\nResources:\n  - TargetService:\n      Type: AWS::ECS::Service\n      Properties:\n        TaskDefinition: \"{ARN}\"\n        LoadBalancerInfo:\n          ContainerName: \"SampleApplicationName\"\n          ContainerPort: 80\n# Optional properties\n        PlatformVersion: \"LATEST\"\n        NetworkConfiguration:\n          AwsvpcConfiguration:\n            Subnets: [\"subnet-1234abcd\",\"subnet-5678abcd\"]\n            SecurityGroups: [\"sg-12345678\"]\n            AssignPublicIp: \"ENABLED\"\n        CapacityProviderStrategy:\n          - Base: 1\n            CapacityProvider: \"FARGATE_SPOT\"\n            Weight: 2\n          - Base: 0\n            CapacityProvider: \"FARGATE\"\n            Weight: 1\nHooks:\n  - BeforeInstall: \"LambdaFunctionToValidateBeforeInstall\"\n  - AfterAllowTraffic: \"LambdaFunctionToValidateAfterAllowingProductionTraffic\"\n"
        );
        let properties = json!({
            "TaskDefinition": ARN, "LoadBalancerInfo": {"ContainerName": "SampleApplicationName", "ContainerPort": 80},
            "PlatformVersion": "LATEST", "NetworkConfiguration": {"AwsvpcConfiguration": {"Subnets": ["subnet-1234abcd", "subnet-5678abcd"],
                "SecurityGroups": ["sg-12345678"], "AssignPublicIp": "ENABLED"}},
            "CapacityProviderStrategy": [{"Base": 1, "CapacityProvider": "FARGATE_SPOT", "Weight": 2},
                {"Base": 0, "CapacityProvider": "FARGATE", "Weight": 1}]
        });
        let mut document = json!({"version": 0.0, "Resources": [{"TargetService": {"Type": "AWS::ECS::Service", "Properties": properties}}]});
        let expected = document.clone();
        document["Hooks"] = json!([{"BeforeInstall": "x"}, {"AfterInstall": "y"}]);
        for text in [in_yaml, document.to_string()] {
            let written: Value = serde_json::from_str(&for_rollback(&text, None).unwrap()).unwrap();
            assert_eq!(written, expected);
        }
    }

    #[test]
    fn awss_lambda_sample_is_rolled_back_to_from_the_version_that_serves_now() {
        // "AppSpec file example for an AWS Lambda deployment", CodeDeploy user guide; there the versions are texts or numbers.
        for (version, key) in [("\"2\"", "Hooks"), ("2", "hooks")] {
            let text = format!(
                "version: 0.0\nResources:\n  - myLambdaFunction:\n      Type: AWS::Lambda::Function\n      Properties:\n        Name: \"myLambdaFunction\"\n        Alias: \"myLambdaFunctionAlias\"\n        CurrentVersion: \"1\"\n        TargetVersion: {version}\n{key}:\n  - BeforeAllowTraffic: \"LambdaFunctionToValidateBeforeTrafficShift\"\n"
            );
            let written: Value = serde_json::from_str(&for_rollback(&text, Some("3")).unwrap()).unwrap();
            let expected = of_lambda("myLambdaFunction", "myLambdaFunctionAlias", "3", "2");
            assert_eq!(written, serde_json::from_str::<Value>(&expected).unwrap());
        }
    }

    #[test]
    fn what_is_no_appspec_is_not_deployed_again() {
        for text in ["Hooks: [", "- a", "version: 0.0\nHooks: []\n", "hello"] {
            assert!(for_rollback(text, None).is_err(), "{text}");
        }
    }

    #[test]
    fn an_appspec_without_either_is_empty_and_one_that_is_no_document_an_error() {
        assert_eq!(read("version: 0.0\nHooks:\n").unwrap(), Contents::default());
        assert!(read("Hooks: [").is_err());
    }
}
