//! Reads an AppSpec, in YAML or JSON, for the one thing that Greenlight needs from it: what is being deployed. Knows nothing
//! of where the text came from.

use crate::config::yaml;
use crate::deployment::Revision;

/// What an AppSpec says is to be deployed.
///
/// # Errors
/// When the text is neither YAML nor JSON.
pub fn revision(text: &str) -> Result<Revision, yaml::YamlError> {
    let document = yaml::parse(text)?;
    let mut revision = Revision::default();
    let resources = document.value.get("Resources").or_else(|| document.value.get("resources"));
    for resource in resources.and_then(|list| list.as_array()).into_iter().flatten() {
        for properties in
            resource.as_object().into_iter().flat_map(|map| map.values()).filter_map(|r| r.get("Properties"))
        {
            let text_of = |key: &str| {
                properties.get(key).and_then(|value| match value {
                    serde_json::Value::String(text) => Some(text.clone()),
                    serde_json::Value::Number(number) => Some(number.to_string()),
                    _ => None,
                })
            };
            revision.task_definition = revision.task_definition.or_else(|| text_of("TaskDefinition"));
            revision.lambda_version = revision.lambda_version.or_else(|| text_of("TargetVersion"));
        }
    }
    Ok(revision)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_platforms_and_both_notations_are_read() {
        // The forms of the CodeDeploy user guide: an ECS AppSpec in YAML, a Lambda one in JSON with numbers as strings.
        let ecs = "version: 0.0\nResources:\n  - TargetService:\n      Type: AWS::ECS::Service\n      Properties:\n        TaskDefinition: \"arn:aws:ecs:us-east-1:111222333444:task-definition/my-task:1\"\nHooks:\n  - BeforeAllowTraffic: name\n";
        assert_eq!(
            revision(ecs).unwrap().task_definition.as_deref(),
            Some("arn:aws:ecs:us-east-1:111222333444:task-definition/my-task:1")
        );
        let lambda = r#"{"version":"0.0","Resources":[{"LambdaFunction":{"Type":"AWS::Lambda::Function","Properties":{"Name":"f","Alias":"live","CurrentVersion":"1","TargetVersion":"2"}}}]}"#;
        assert_eq!(revision(lambda).unwrap().lambda_version.as_deref(), Some("2"));
    }
}
