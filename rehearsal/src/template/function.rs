//! Reads one `AWS::Serverless::Function`.
//!
//! Knows nothing of how functions are run.

use std::collections::BTreeMap;

use super::catalogue::FUNCTION;
use super::error::{Problem, TemplateError};
use super::events;
use super::fleet::Resource;
use super::intrinsics::Mode;
use super::model::{AsyncInvoke, Destination, Function, Tracing};
use super::names;
use super::permissions::{self, Extras};
use super::place::Place;
use super::yaml::Node;

const READ: [&str; 15] = [
    "FunctionName",
    "PackageType",
    "Timeout",
    "MemorySize",
    "Environment",
    "ReservedConcurrentExecutions",
    "Layers",
    "Policies",
    "EventInvokeConfig",
    "DeadLetterQueue",
    "Events",
    "Tracing",
    "Architectures",
    "VpcConfig",
    "PermissionsBoundary",
];

/// Properties that make no difference to a rehearsal. They stay in `Template::resources`.
const KEPT: [&str; 22] = [
    "Handler",
    "Runtime",
    "CodeUri",
    "Description",
    "Tags",
    "PropagateTags",
    "AutoPublishAlias",
    "AutoPublishAliasAllProperties",
    "AutoPublishCodeSha256",
    "DeploymentPreference",
    "LoggingConfig",
    "EphemeralStorage",
    "SnapStart",
    "RuntimeManagementConfig",
    "RecursiveLoop",
    "ProvisionedConcurrencyConfig",
    "VersionDescription",
    "VersionDeletionPolicy",
    "KmsKeyArn",
    "RolePath",
    "CodeSigningConfigArn",
    "SourceKMSKeyArn",
];

const ROLE_HINT: &str = "write its statements into `Policies`, so that the rehearsal can hold the function to them";

/// Reads a function with everything that belongs to it.
pub(super) fn read(resource: &Resource<'_>) -> Result<Function, TemplateError> {
    let identity = resource.identity()?;
    if let Some(role) = resource.declared.properties.get("Role") {
        let at = format!("{}.Properties.Role", resource.logical_id);
        return Place::new(&role.value, role.line, at).unsupported("a role of its own", ROLE_HINT);
    }
    let properties = resource.properties(&READ, &KEPT)?;
    let place = resource.place(&properties);
    if let Some(package) = place.get("PackageType")?
        && package.text()? != "Zip"
    {
        return package.unsupported("a container image", "deploy the binary as a zip archive");
    }
    if let Some(boundary) = place.get("PermissionsBoundary")? {
        return boundary.unsupported("a permissions boundary", "rehearse without it, for example by a parameter");
    }
    let number = |key: &str, range, default| match place.get(key)? {
        Some(value) => value.number(range),
        None => Ok(default),
    };
    let environment = match place.get("Environment")? {
        Some(environment) => {
            environment.only("property", &["Variables"])?;
            environment.get("Variables")?.map(|variables| variables.texts()).transpose()?.unwrap_or_default()
        }
        None => BTreeMap::new(),
    };
    let tracing = place.get("Tracing")?.map(|mode| tracing(&mode)).transpose()?.flatten();
    let async_invoke = match place.get("EventInvokeConfig")? {
        Some(config) => async_invoke(resource, &config)?,
        None => AsyncInvoke::default(),
    };
    let dead_letter_queue =
        place.get("DeadLetterQueue")?.map(|queue| dead_letter_queue(resource, &queue)).transpose()?;
    let extras = Extras {
        tracing: tracing.is_some(),
        vpc: place.get("VpcConfig")?.is_some(),
        dead_letter_queue: dead_letter_queue.as_deref(),
        destinations: [&async_invoke.on_success, &async_invoke.on_failure].into_iter().flatten().collect(),
    };
    let permissions = permissions::read(place.get("Policies")?.as_ref(), &extras)?;
    Ok(Function {
        logical_id: resource.logical_id.to_owned(),
        arn: identity.arn(),
        name: identity.name,
        role_name: resource
            .resolver
            .identity(&format!("{}Role", resource.logical_id), resource.declared.line, resource.logical_id)?
            .name,
        binary: binary(resource)?,
        timeout_seconds: number("Timeout", 1..=900, 3)?,
        memory_mb: number("MemorySize", 128..=10_240, 128)?,
        environment,
        reserved_concurrency: place
            .get("ReservedConcurrentExecutions")?
            .map(|value| value.number(0..=u32::MAX))
            .transpose()?,
        layers: layers(resource, &place)?,
        policy: permissions.policy,
        own_statements: permissions.own,
        async_invoke,
        dead_letter_queue,
        events: events::read(resource, &place)?,
        tracing,
        architectures: architectures(&place)?,
    })
}

/// The name of the binary cannot be told from the template unless it says so: SAM hands `BuildProperties` to
/// `cargo lambda build`.
fn binary(resource: &Resource<'_>) -> Result<String, TemplateError> {
    const METHOD: &str = "rust-cargolambda";
    let whole = resource.declared;
    let missing = |property: &str| {
        let problem = Problem::Missing { property: property.to_owned() };
        TemplateError::at(whole.line, resource.logical_id, problem)
    };
    let Some(entry) = whole.whole.get("Metadata") else {
        return Err(missing("Metadata.BuildProperties.Binary"));
    };
    let at = format!("{}.Metadata", resource.logical_id);
    let resolved: Option<Node> = resource.resolver.resolve(&entry.value, &at, Mode::Needed)?;
    let Some(metadata) = resolved else { return Err(missing("Metadata.BuildProperties.Binary")) };
    let metadata = Place::new(&metadata, entry.line, at);
    let method = metadata.need("BuildMethod")?;
    if method.text()? != METHOD {
        return method.unsupported(
            format!("the build method `{}`", method.text()?),
            "set `BuildMethod: rust-cargolambda` and `BuildProperties: {Binary: <name>}`",
        );
    }
    match metadata.get("BuildProperties")?.map(|build| build.get("Binary")).transpose()?.flatten() {
        Some(binary) => binary.text(),
        None => metadata.fail(Problem::Missing { property: "BuildProperties.Binary".to_owned() }),
    }
}

fn tracing(mode: &Place<'_>) -> Result<Option<Tracing>, TemplateError> {
    match mode.text()?.as_str() {
        "Active" => Ok(Some(Tracing::Active)),
        "PassThrough" => Ok(Some(Tracing::PassThrough)),
        "Disabled" => Ok(None),
        _ => mode.wrong("`Active`, `PassThrough` or `Disabled`"),
    }
}

fn architectures(place: &Place<'_>) -> Result<Vec<String>, TemplateError> {
    let Some(list) = place.get("Architectures")? else { return Ok(vec!["x86_64".to_owned()]) };
    let names: Vec<String> = list.items()?.iter().map(Place::text).collect::<Result<_, _>>()?;
    match names.as_slice() {
        [one] if one == "x86_64" || one == "arm64" => Ok(names),
        _ => list.wrong("`[x86_64]` or `[arm64]`"),
    }
}

fn layers(resource: &Resource<'_>, place: &Place<'_>) -> Result<Vec<String>, TemplateError> {
    let Some(list) = place.get("Layers")? else { return Ok(Vec::new()) };
    list.items()?
        .iter()
        .map(|layer| {
            let arn = layer.text()?;
            match resource.owner(&["AWS::Serverless::LayerVersion"], &arn) {
                Some(logical_id) => Ok(logical_id),
                None => layer.fail(Problem::Elsewhere { arn }),
            }
        })
        .collect()
}

fn async_invoke(resource: &Resource<'_>, config: &Place<'_>) -> Result<AsyncInvoke, TemplateError> {
    config.only("property", &["MaximumRetryAttempts", "MaximumEventAgeInSeconds", "DestinationConfig"])?;
    let defaults = AsyncInvoke::default();
    let destinations = config.get("DestinationConfig")?;
    if let Some(destinations) = &destinations {
        destinations.only("property", &["OnFailure", "OnSuccess"])?;
    }
    let target = |key: &str| {
        let Some(place) = destinations.as_ref().map(|all| all.get(key)).transpose()?.flatten() else { return Ok(None) };
        destination(resource, &place).map(Some)
    };
    Ok(AsyncInvoke {
        max_retries: match config.get("MaximumRetryAttempts")? {
            Some(value) => value.number(0..=2)?,
            None => defaults.max_retries,
        },
        max_event_age_seconds: match config.get("MaximumEventAgeInSeconds")? {
            Some(value) => value.number(60..=21_600)?,
            None => defaults.max_event_age_seconds,
        },
        on_failure: target("OnFailure")?,
        on_success: target("OnSuccess")?,
    })
}

fn destination(resource: &Resource<'_>, place: &Place<'_>) -> Result<Destination, TemplateError> {
    place.only("property", &["Type", "Destination"])?;
    let kind = place.need("Type")?;
    let arn = |kinds: &[&str]| match place.get("Destination")? {
        Some(arn) => resource.owned_arn(kinds, &arn),
        None => place.unsupported(
            "a destination that SAM makes by itself",
            "write the queue or topic into the template and name it in `Destination`",
        ),
    };
    match kind.text()?.as_str() {
        "SQS" => arn(&["AWS::SQS::Queue"]).map(Destination::Queue),
        "SNS" => arn(&["AWS::SNS::Topic"]).map(Destination::Topic),
        "Lambda" => arn(&[FUNCTION]).map(Destination::Function),
        "EventBridge" => event_bus(place).map(Destination::EventBus),
        _ => kind.wrong("`SQS`, `SNS`, `Lambda` or `EventBridge`"),
    }
}

/// Only the default bus is rehearsed; it exists in every account without being declared.
fn event_bus(place: &Place<'_>) -> Result<String, TemplateError> {
    let bus = place.need("Destination")?;
    let arn = bus.text()?;
    let default = format!("arn:{}:events:{}:{}:event-bus/default", names::PARTITION, names::REGION, names::ACCOUNT);
    if arn == default { Ok(arn) } else { bus.fail(Problem::Elsewhere { arn }) }
}

fn dead_letter_queue(resource: &Resource<'_>, place: &Place<'_>) -> Result<String, TemplateError> {
    place.only("property", &["Type", "TargetArn"])?;
    let target = place.need("TargetArn")?;
    let kind = place.need("Type")?;
    match kind.text()?.as_str() {
        "SQS" => resource.owned_arn(&["AWS::SQS::Queue"], &target),
        "SNS" => resource.owned_arn(&["AWS::SNS::Topic"], &target),
        _ => kind.wrong("`SQS` or `SNS`"),
    }
}
