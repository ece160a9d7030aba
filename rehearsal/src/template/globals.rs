//! SAM's `Globals`: properties that every resource of a type inherits.
//!
//! Knows nothing of what the properties mean. Runs before intrinsic functions are resolved, as SAM itself does.

use super::error::TemplateError;
use super::place::Place;
use super::yaml::{Data, Entry, Node};

/// What makes each function itself, which is why SAM does not let functions share it.
const NOT_SHARED: [&str; 4] = ["FunctionName", "Role", "Policies", "Events"];

/// The properties that resources of this type inherit.
pub(super) fn of_type<'a>(globals: Option<&'a Entry>, kind: &str) -> Result<Option<&'a Node>, TemplateError> {
    let (Some(globals), Some(short)) = (globals, kind.strip_prefix("AWS::Serverless::")) else { return Ok(None) };
    let globals = Place::new(&globals.value, globals.line, "Globals");
    let Some(shared) = globals.get(short)? else { return Ok(None) };
    for (key, place) in shared.entries()? {
        if short == "Function" && NOT_SHARED.contains(&key) {
            return place
                .unsupported(format!("`{key}` in `Globals.Function`"), "SAM refuses it; write it in each function");
        }
    }
    Ok(Some(shared.node()))
}

/// Maps are merged key by key, lists are joined (global first), and of anything else the local value wins. An intrinsic
/// function counts as a value, not as a map.
pub(super) fn merge(global: &Node, local: &Node) -> Node {
    match (&global.data, &local.data) {
        (Data::List(global), Data::List(own)) => {
            Node { line: local.line, data: Data::List(global.iter().chain(own).cloned().collect()) }
        }
        (Data::Map(entries), Data::Map(own)) if global.intrinsic().is_none() && local.intrinsic().is_none() => {
            let inherited = entries.iter().map(|entry| match local.get(&entry.key) {
                Some(override_) => Entry { value: merge(&entry.value, &override_.value), ..override_.clone() },
                None => entry.clone(),
            });
            let added = own.iter().filter(|entry| global.get(&entry.key).is_none()).cloned();
            Node { line: local.line, data: Data::Map(inherited.chain(added).collect()) }
        }
        _ => local.clone(),
    }
}
