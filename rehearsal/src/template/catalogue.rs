//! Which resources the template declares, including those that SAM adds on its own.
//!
//! Knows nothing of what they are for.

use std::collections::BTreeMap;

use super::error::{Problem, TemplateError};
use super::globals;
use super::names;
use super::place::Place;
use super::yaml::{Data, Entry, Node};

/// Type of the functions of the fleet.
pub(super) const FUNCTION: &str = "AWS::Serverless::Function";

const ATTRIBUTES: [&str; 9] = [
    "Type",
    "Properties",
    "Metadata",
    "DependsOn",
    "Condition",
    "DeletionPolicy",
    "UpdateReplacePolicy",
    "UpdatePolicy",
    "CreationPolicy",
];

/// One resource as declared, with what it inherits from `Globals` merged in but nothing resolved.
#[derive(Debug)]
pub(super) struct Declared {
    pub(super) kind: String,
    /// Line of the logical id.
    pub(super) line: usize,
    pub(super) condition: Option<String>,
    pub(super) properties: Node,
    /// The whole resource, for keeping it raw.
    pub(super) whole: Node,
    /// The name that the template chooses, unresolved.
    pub(super) chosen_name: Option<Node>,
    /// SAM adds it; the template does not write it.
    pub(super) implicit: bool,
}

pub(super) type Catalogue = BTreeMap<String, Declared>;

impl Declared {
    /// The properties, for messages that begin with the logical id.
    pub(super) fn property_at(logical_id: &str) -> String {
        format!("{logical_id}.Properties")
    }

    fn implicit(kind: &str, line: usize, condition: Option<&String>, chosen_name: Option<Node>) -> Self {
        let empty = Node { line, data: Data::Map(Vec::new()) };
        Self {
            kind: kind.to_owned(),
            line,
            condition: condition.cloned(),
            properties: empty.clone(),
            whole: empty,
            chosen_name,
            implicit: true,
        }
    }
}

/// Lists the resources of a template.
pub(super) fn read(resources: &Entry, globals: Option<&Entry>) -> Result<Catalogue, TemplateError> {
    let mut catalogue = Catalogue::new();
    for (logical_id, place) in Place::new(&resources.value, resources.line, "Resources").entries()? {
        let declared = declared(&Place::new(place.node(), place.line(), logical_id), globals)?;
        catalogue.insert(logical_id.to_owned(), declared);
    }
    let mut added = Catalogue::new();
    for (logical_id, function) in catalogue.iter().filter(|(_, declared)| declared.kind == FUNCTION) {
        implicit(logical_id, function, &mut added);
    }
    for (logical_id, declared) in added {
        catalogue.entry(logical_id).or_insert(declared);
    }
    Ok(catalogue)
}

fn declared(place: &Place<'_>, globals: Option<&Entry>) -> Result<Declared, TemplateError> {
    if place.get("Connectors")?.is_some() {
        return place.unsupported("a SAM connector", "write the statements into the function's `Policies`");
    }
    place.only("attribute", &ATTRIBUTES)?;
    let kind = place.need("Type")?.text()?;
    let condition = place.get("Condition")?.map(|name| name.text()).transpose()?;
    let own = match place.get("Properties")? {
        Some(properties) if properties.node().entries().is_some() => properties.node().clone(),
        Some(properties) => return properties.wrong("a map"),
        None => Node { line: place.line(), data: Data::Map(Vec::new()) },
    };
    let properties = match globals::of_type(globals, &kind)? {
        Some(shared) => globals::merge(shared, &own),
        None => own,
    };
    let mut whole = place.node().clone();
    if let Data::Map(entries) = &mut whole.data {
        entries.retain(|entry| entry.key != "Properties");
        entries.push(Entry { key: "Properties".to_owned(), line: properties.line, value: properties.clone() });
    }
    let chosen_name =
        names::name_property(&kind).and_then(|name| properties.get(name)).map(|entry| entry.value.clone());
    Ok(Declared { kind, line: place.line(), condition, properties, whole, chosen_name, implicit: false })
}

/// The resources that SAM makes for a function and that a template may refer to by their logical ids.
fn implicit(logical_id: &str, function: &Declared, added: &mut Catalogue) {
    let mut add = |suffix: &str, kind: &str, name: Option<Node>| {
        let resource = Declared::implicit(kind, function.line, function.condition.as_ref(), name);
        added.insert(format!("{logical_id}{suffix}"), resource);
    };
    add("Role", "AWS::IAM::Role", None);
    if function.properties.get("DeploymentPreference").is_some() {
        add("DeploymentGroup", "AWS::CodeDeploy::DeploymentGroup", None);
    }
    let events = function.properties.get("Events").and_then(|events| events.value.entries()).unwrap_or_default();
    for event in events {
        let name = |key: &str| Some(event.value.get("Properties")?.value.get(key)?.value.clone());
        match event.value.get("Type").and_then(|kind| kind.value.scalar()).as_deref() {
            Some("EventBridgeRule" | "CloudWatchEvent") => add(&event.key, "AWS::Events::Rule", name("RuleName")),
            Some("Schedule") => add(&event.key, "AWS::Events::Rule", name("Name")),
            Some("ScheduleV2") => add(&event.key, "AWS::Scheduler::Schedule", name("Name")),
            _ => {}
        }
    }
    if function.properties.get("DeploymentPreference").is_some() {
        let application = Declared::implicit("AWS::CodeDeploy::Application", function.line, None, None);
        added.insert("ServerlessDeploymentApplication".to_owned(), application);
    }
}

/// A resource that nothing of the kind declares.
pub(super) fn no_such_name(name: &str) -> Problem {
    Problem::NoSuchName { name: name.to_owned(), what: "parameter, pseudo parameter or resource" }
}
