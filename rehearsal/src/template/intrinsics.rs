//! CloudFormation's intrinsic functions, resolved against parameters, mappings, conditions and the declared resources.
//!
//! Knows nothing of what properties mean. What cannot be resolved is an error where the value is needed, and stays in
//! its long form in the parts of a template that are only kept; a reference to nothing is an error everywhere.

use std::cell::Cell;
use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::catalogue::{Catalogue, FUNCTION, no_such_name};
use super::error::{Problem, TemplateError};
use super::names::{self, Identity};
use super::parameters::Parameter;
use super::place::Place;
use super::yaml::{Data, Entry, Node};

/// Deeper than any honest chain of references, so reaching it means going round in a circle.
const DEEPEST: usize = 32;

/// How to treat what cannot be resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// An error.
    Needed,
    /// Left as written, because nothing here depends on it.
    Kept,
}

/// Everything that intrinsic functions can refer to.
pub(super) struct Resolver<'a> {
    pub(super) parameters: &'a BTreeMap<String, Parameter>,
    pub(super) mappings: Option<&'a Entry>,
    pub(super) conditions: Option<&'a Entry>,
    pub(super) resources: &'a Catalogue,
    depth: Cell<usize>,
}

/// A resolved value, or nothing for `AWS::NoValue`.
type Resolved = Result<Option<Node>, TemplateError>;

impl<'a> Resolver<'a> {
    pub(super) fn new(
        parameters: &'a BTreeMap<String, Parameter>,
        mappings: Option<&'a Entry>,
        conditions: Option<&'a Entry>,
        resources: &'a Catalogue,
    ) -> Self {
        Self { parameters, mappings, conditions, resources, depth: Cell::new(0) }
    }

    /// A copy of the value without intrinsic functions. `at` is where it stands, for messages.
    pub(super) fn resolve(&self, node: &Node, at: &str, mode: Mode) -> Resolved {
        if let Some(call) = node.intrinsic() {
            return match self.call(call, node.line, at, mode) {
                Err(error) if mode == Mode::Kept && !error.is_fatal_everywhere() => Ok(Some(node.clone())),
                outcome => outcome,
            };
        }
        let data = match &node.data {
            Data::List(items) => {
                let resolved =
                    items.iter().enumerate().map(|(i, item)| self.resolve(item, &format!("{at}[{i}]"), mode));
                Data::List(resolved.filter_map(Result::transpose).collect::<Result<_, _>>()?)
            }
            Data::Map(entries) => {
                let resolved = entries.iter().map(|entry| self.entry(entry, at, mode));
                Data::Map(resolved.filter_map(Result::transpose).collect::<Result<_, _>>()?)
            }
            scalar => scalar.clone(),
        };
        Ok(Some(Node { line: node.line, data }))
    }

    /// The same for one key of a map; nothing when its value is `AWS::NoValue`.
    pub(super) fn entry(&self, entry: &Entry, at: &str, mode: Mode) -> Result<Option<Entry>, TemplateError> {
        // The key's line is the better one to report: the value of a long text starts somewhere below it.
        let at = format!("{at}.{}", entry.key);
        let value = self.resolve(&entry.value, &at, mode)?;
        Ok(value.map(|value| Entry { key: entry.key.clone(), line: entry.line, value }))
    }

    /// Whether a named condition holds.
    pub(super) fn condition(&self, name: &str, line: usize, at: &str) -> Result<bool, TemplateError> {
        let found = self.conditions.and_then(|section| section.value.get(name));
        let Some(entry) = found else {
            let problem = Problem::NoSuchName { name: name.to_owned(), what: "condition" };
            return Err(TemplateError::at(line, at, problem));
        };
        self.deeper(name, line, at, || self.holds(&entry.value, &format!("Conditions.{name}")))
    }

    /// The names of a declared resource.
    pub(super) fn identity(&self, name: &str, line: usize, at: &str) -> Result<Identity, TemplateError> {
        let Some(declared) = self.resources.get(name) else {
            return Err(TemplateError::at(line, at, no_such_name(name)));
        };
        if let Some(condition) = &declared.condition
            && !self.condition(condition, declared.line, name)?
        {
            return Err(TemplateError::at(line, at, Problem::SwitchedOff { name: name.to_owned() }));
        }
        let chosen = match &declared.chosen_name {
            Some(node) => self.deeper(name, line, at, || {
                let resolved = self.resolve(node, name, Mode::Needed)?;
                resolved.map(|value| Place::new(&value, value.line, name).text()).transpose()
            })?,
            None => None,
        };
        names::identity(&declared.kind, name, chosen).ok_or_else(|| {
            let attribute = "Ref".to_owned();
            TemplateError::at(
                line,
                at,
                Problem::NoAttribute { name: name.to_owned(), kind: declared.kind.clone(), attribute },
            )
        })
    }

    fn deeper<T>(
        &self,
        name: &str,
        line: usize,
        at: &str,
        work: impl FnOnce() -> Result<T, TemplateError>,
    ) -> Result<T, TemplateError> {
        let depth = self.depth.get();
        if depth >= DEEPEST {
            return Err(TemplateError::at(line, at, Problem::Circular { name: name.to_owned() }));
        }
        self.depth.set(depth + 1);
        let outcome = work();
        self.depth.set(depth);
        outcome
    }

    fn call(&self, call: &Entry, line: usize, at: &str, mode: Mode) -> Resolved {
        let place = Place::new(&call.value, line, at);
        match call.key.as_str() {
            "Ref" => self.reference(&place.text()?, line, at),
            "Fn::GetAtt" => {
                let argument = self.argument(call, at, mode)?;
                let [name, attribute] = texts(&Place::new(&argument, line, at))?;
                self.attribute(&name, &attribute, line, at).map(|value| Some(Node::text(line, value)))
            }
            "Fn::Sub" => self.substitute(call, line, at, mode).map(|text| Some(Node::text(line, text))),
            "Fn::If" => {
                let Data::List(arguments) = &call.value.data else { return place.wrong("a list of three") };
                let [name, then, otherwise] = arguments.as_slice() else { return place.wrong("a list of three") };
                let name = Place::new(name, line, at).text()?;
                let chosen = if self.condition(&name, line, at)? { then } else { otherwise };
                self.resolve(chosen, at, mode)
            }
            "Fn::Join" => {
                let argument = self.argument(call, at, mode)?;
                let place = Place::new(&argument, line, at);
                let [delimiter, list] = pair(&place)?;
                let parts: Vec<String> = list.items()?.iter().map(Place::text).collect::<Result<_, _>>()?;
                Ok(Some(Node::text(line, parts.join(&delimiter.text()?))))
            }
            "Fn::Select" => {
                let argument = self.argument(call, at, mode)?;
                let place = Place::new(&argument, line, at);
                let [index, list] = pair(&place)?;
                let index = index.number(0..=u32::MAX)? as usize;
                match list.items()?.get(index) {
                    Some(item) => Ok(Some(item.node().clone())),
                    None => list.wrong(&format!("an item at index {index}")),
                }
            }
            "Fn::Split" => {
                let argument = self.argument(call, at, mode)?;
                let [delimiter, text] = texts(&Place::new(&argument, line, at))?;
                let parts = text.split(delimiter.as_str()).map(|part| Node::text(line, part)).collect();
                Ok(Some(Node { line, data: Data::List(parts) }))
            }
            "Fn::FindInMap" => {
                let argument = self.argument(call, at, mode)?;
                self.find_in_map(&texts(&Place::new(&argument, line, at))?, line, at)
            }
            "Fn::Base64" => {
                let argument = self.argument(call, at, mode)?;
                let text = Place::new(&argument, line, at).text()?;
                Ok(Some(Node::text(line, STANDARD.encode(text))))
            }
            "Fn::ImportValue" => {
                place.unsupported("a value of another stack (`Fn::ImportValue`)", "make it a parameter")
            }
            "Fn::Equals" | "Fn::And" | "Fn::Or" | "Fn::Not" => place
                .unsupported(format!("`{}` outside of `Conditions`", call.key), "name the condition and use `Fn::If`"),
            unknown => place.unsupported(format!("the function `{unknown}`"), "write the value without it"),
        }
    }

    /// The argument of a function, resolved itself.
    fn argument(&self, call: &Entry, at: &str, mode: Mode) -> Result<Node, TemplateError> {
        match self.resolve(&call.value, at, mode)? {
            Some(node) => Ok(node),
            None => Place::new(&call.value, call.line, at).wrong("a value, not `AWS::NoValue`"),
        }
    }

    fn reference(&self, name: &str, line: usize, at: &str) -> Resolved {
        if let Some(parameter) = self.parameters.get(name) {
            return Ok(Some(parameter.node(line)));
        }
        let text = match name {
            "AWS::NoValue" => return Ok(None),
            "AWS::Region" => names::REGION.to_owned(),
            "AWS::AccountId" => names::ACCOUNT.to_owned(),
            "AWS::Partition" => names::PARTITION.to_owned(),
            "AWS::StackName" => names::STACK.to_owned(),
            "AWS::URLSuffix" => names::URL_SUFFIX.to_owned(),
            "AWS::StackId" => format!(
                "arn:{}:cloudformation:{}:{}:stack/{}/00000000-0000-0000-0000-000000000000",
                names::PARTITION,
                names::REGION,
                names::ACCOUNT,
                names::STACK
            ),
            _ => match name.split_once('.') {
                Some((function, attribute)) => self.published(function, attribute, line, at)?,
                None => self.identity(name, line, at)?.reference,
            },
        };
        Ok(Some(Node::text(line, text)))
    }

    /// `Function.Alias` and `Function.Version`, which SAM resolves for functions with `AutoPublishAlias`.
    fn published(&self, function: &str, attribute: &str, line: usize, at: &str) -> Result<String, TemplateError> {
        let identity = self.identity(function, line, at)?;
        let alias = self.resources.get(function).and_then(|declared| declared.properties.get("AutoPublishAlias"));
        let alias = alias.and_then(|entry| entry.value.scalar());
        match (attribute, alias) {
            ("Alias", Some(alias)) => Ok(format!("{}:{alias}", identity.arn())),
            ("Version", Some(_)) => Ok(format!("{}:1", identity.arn())),
            _ => Err(TemplateError::at(line, at, no_such_name(&format!("{function}.{attribute}")))),
        }
    }

    fn attribute(&self, name: &str, attribute: &str, line: usize, at: &str) -> Result<String, TemplateError> {
        let identity = self.identity(name, line, at)?;
        if let Some(value) = identity.attribute(attribute) {
            return Ok(value.to_owned());
        }
        let kind = self.resources.get(name).map_or(FUNCTION, |declared| declared.kind.as_str()).to_owned();
        let problem = Problem::NoAttribute { name: name.to_owned(), kind, attribute: attribute.to_owned() };
        Err(TemplateError::at(line, at, problem))
    }

    fn find_in_map(&self, path: &[String; 3], line: usize, at: &str) -> Resolved {
        let [map, top, second] = path;
        let found = self
            .mappings
            .and_then(|mappings| mappings.value.get(map))
            .and_then(|entry| entry.value.get(top))
            .and_then(|entry| entry.value.get(second));
        found.map(|entry| Some(entry.value.clone())).ok_or_else(|| {
            let problem = Problem::NoSuchName { name: path.join("."), what: "mapping" };
            TemplateError::at(line, at, problem)
        })
    }

    fn substitute(&self, call: &Entry, line: usize, at: &str, mode: Mode) -> Result<String, TemplateError> {
        let (text, variables) = match &call.value.data {
            Data::List(arguments) => {
                let [text, variables] = arguments.as_slice() else {
                    return Place::new(&call.value, line, at).wrong("a text, or a list of a text and a map");
                };
                (Place::new(text, line, at).text()?, self.resolve(variables, at, mode)?)
            }
            _ => (Place::new(&call.value, line, at).text()?, None),
        };
        let variable = |name: &str| variables.as_ref()?.get(name).map(|entry| &entry.value);
        let mut result = String::new();
        let mut rest = text.as_str();
        while let Some((before, after)) = rest.split_once("${") {
            result.push_str(before);
            let Some((name, tail)) = after.split_once('}') else {
                return Place::new(&call.value, line, at).wrong("a closing `}` after every `${`");
            };
            rest = tail;
            if let Some(literal) = name.strip_prefix('!') {
                result.extend(["${", literal, "}"]);
                continue;
            }
            let name = name.trim();
            let value = match (variable(name), name.split_once('.')) {
                (Some(node), _) => node.clone(),
                (None, Some((function, published @ ("Alias" | "Version")))) => {
                    Node::text(line, self.published(function, published, line, at)?)
                }
                (None, Some((resource, attribute))) => Node::text(line, self.attribute(resource, attribute, line, at)?),
                (None, None) => match self.reference(name, line, at)? {
                    Some(node) => node,
                    None => return Err(TemplateError::at(line, at, no_such_name(name))),
                },
            };
            result.push_str(&Place::new(&value, line, at).text()?);
        }
        result.push_str(rest);
        Ok(result)
    }

    fn holds(&self, node: &Node, at: &str) -> Result<bool, TemplateError> {
        let place = Place::new(node, node.line, at);
        const NEEDS: &str = "a condition: `Fn::Equals`, `Fn::And`, `Fn::Or`, `Fn::Not` or `Condition`";
        let Some([call]) = node.entries() else { return place.wrong(NEEDS) };
        let arguments = Place::new(&call.value, node.line, at);
        let all = |least: usize, most: usize| -> Result<Vec<bool>, TemplateError> {
            let items = arguments.items()?;
            if !(least..=most).contains(&items.len()) {
                return arguments.wrong(&format!("{least} to {most} conditions"));
            }
            items.iter().map(|item| self.holds(item.node(), at)).collect()
        };
        match call.key.as_str() {
            "Condition" => self.condition(&arguments.text()?, node.line, at),
            "Fn::And" => Ok(all(2, 10)?.into_iter().all(|holds| holds)),
            "Fn::Or" => Ok(all(2, 10)?.into_iter().any(|holds| holds)),
            "Fn::Not" => Ok(!all(1, 1)?.into_iter().any(|holds| holds)),
            "Fn::Equals" => {
                let resolved = self.argument(call, at, Mode::Needed)?;
                let [left, right] = pair(&Place::new(&resolved, node.line, at))?.map(|side| side.text());
                Ok(left? == right?)
            }
            _ => place.wrong(NEEDS),
        }
    }
}

fn pair<'a>(place: &Place<'a>) -> Result<[Place<'a>; 2], TemplateError> {
    place.items()?.try_into().or_else(|_| place.wrong("a list of two"))
}

fn texts<const N: usize>(place: &Place<'_>) -> Result<[String; N], TemplateError> {
    let texts: Vec<String> = place.items()?.iter().map(Place::text).collect::<Result<_, _>>()?;
    texts.try_into().or_else(|_| place.wrong(&format!("a list of {N} texts")))
}
