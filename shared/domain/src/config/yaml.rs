//! YAML text as a JSON value that remembers on which line and in which column each key and each value stands, so that an error about
//! a value can point at it. Knows nothing of what the document means.

use std::collections::BTreeMap;

use saphyr::{Scalar, ScalarStyle};
use saphyr_parser::{Event, Marker, Parser, Tag};
use serde_json::{Map, Number, Value};

pub use super::path::Path;
use crate::text::bounded;

/// How deep a document may be nested. What reads the value afterwards calls itself for each level, and a function's stack ends.
const DEPTH: usize = 100;

/// How many values all aliases together may stand for: a few lines of nested aliases would otherwise fill the memory.
const ALIASED: usize = 100_000;

/// Where something stands: line and column, both from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

impl Default for Place {
    /// The beginning of the file.
    fn default() -> Self {
        Self { line: 1, column: 1 }
    }
}

/// A document and where everything in it stands.
#[derive(Clone, Debug, Default)]
pub struct Document {
    /// The document as JSON.
    pub value: Value,
    /// The place of each value, or of its key where it has one.
    places: BTreeMap<Path, Place>,
}

impl Document {
    /// The place of what is at a path, or of the nearest thing around it.
    pub fn nearest_place(&self, path: &Path) -> Place {
        let mut path = Some(path.clone());
        while let Some(at) = path {
            if let Some(place) = self.places.get(&at) {
                return *place;
            }
            path = at.parent();
        }
        Place::default()
    }

    /// Whether something is written at a path.
    pub(super) fn has(&self, path: &Path) -> bool {
        self.places.contains_key(path)
    }

    /// From now on, what stands at `from` is known as `to` as well.
    pub(super) fn call(&mut self, from: &Path, to: &Path) {
        let copied: Vec<(Path, Place)> =
            self.places.iter().filter_map(|(path, place)| Some((to.join(&path.below(from)?), *place))).collect();
        self.places.extend(copied);
    }
}

/// Text that is not YAML, or YAML that has no JSON form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {}, column {}: {message}", place.line, place.column)]
pub struct YamlError {
    /// Where.
    pub place: Place,
    /// What.
    pub message: String,
}

/// A mistake that leaves the rest of the document readable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Slip {
    pub(super) error: YamlError,
    /// Where nothing stands now in place of what could not be read.
    pub(super) stand_in: Option<Path>,
}

/// Reads one YAML document (JSON is YAML too).
pub fn parse(text: &str) -> Result<Document, YamlError> {
    let (document, slips) = read(text)?;
    match slips.into_iter().next() {
        Some(slip) => Err(slip.error),
        None => Ok(document),
    }
}

/// Reads one YAML document and goes on behind a key that stands twice and behind a tag.
pub(super) fn read(text: &str) -> Result<(Document, Vec<Slip>), YamlError> {
    let mut builder = Builder::default();
    let mut parser = Parser::new_from_str(text);
    // Event by event: the parser's own way to load a document calls itself for each level.
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| YamlError {
            place: place_of(*error.marker()),
            message: format!("this is not YAML: {}", error.info()),
        })?;
        builder.take(event, place_of(span.start))?;
    }
    Ok((builder.document, builder.slips))
}

fn place_of(marker: Marker) -> Place {
    Place { line: marker.line().max(1), column: marker.col() + 1 }
}

/// A list or a map that has not ended yet.
enum Open {
    List(Vec<Value>),
    Map {
        entries: Map<String, Value>,
        /// The key whose value comes next.
        key: Option<String>,
        /// Whether that key stands here for a second time, so that its value is dropped.
        is_dropped: bool,
    },
}

/// What an alias can stand for.
struct Anchored {
    value: Value,
    size: usize,
    depth: usize,
}

#[derive(Default)]
struct Builder {
    document: Document,
    slips: Vec<Slip>,
    /// What is open, with its anchor and its path.
    open: Vec<(Open, usize, Path)>,
    anchors: BTreeMap<usize, Anchored>,
    aliased: usize,
    /// Documents that have ended; only the first is built.
    ended: usize,
    /// How many of what is open stand below a key that is dropped.
    dropped: usize,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, place: Place) -> Result<(), YamlError> {
        if matches!(event, Event::DocumentEnd) {
            self.ended += 1;
        }
        if self.ended > 0 {
            return Ok(());
        }
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                if self.wants_key() {
                    return self.take_key(scalar(&text, style, tag.as_deref()), place);
                }
                let path = self.begin(place, tag.as_deref());
                let is_plain = tag.as_ref().is_none_or(|tag| tag.is_yaml_core_schema());
                let value = scalar(&text, style, tag.as_deref().filter(|_| is_plain)).unwrap_or_else(|| {
                    let message =
                        format!("`{}` does not fit the tag in front of it; take the tag out", bounded(&text, 60));
                    self.slip(Some(path), place, message);
                    Value::Null
                });
                self.put(value, anchor);
                Ok(())
            }
            Event::SequenceStart(anchor, tag) => self.open(Open::List(Vec::new()), anchor, tag.as_deref(), place),
            Event::MappingStart(anchor, tag) => {
                let map = Open::Map { entries: Map::new(), key: None, is_dropped: false };
                self.open(map, anchor, tag.as_deref(), place)
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some((open, anchor, _)) = self.open.pop() {
                    let value = match open {
                        Open::List(items) => Value::Array(items),
                        Open::Map { entries, .. } => Value::Object(entries),
                    };
                    self.put(value, anchor);
                }
                Ok(())
            }
            Event::Alias(anchor) => self.alias(anchor, place),
            _ => Ok(()),
        }
    }

    fn wants_key(&self) -> bool {
        matches!(self.open.last(), Some((Open::Map { key: None, .. }, ..)))
    }

    /// The path of the value that begins now.
    fn path(&self) -> Path {
        match self.open.last() {
            None => Path::top(),
            Some((Open::List(items), _, path)) => path.entry(items.len()),
            Some((Open::Map { key, .. }, _, path)) => path.key(key.as_deref().unwrap_or_default()),
        }
    }

    fn slip(&mut self, stand_in: Option<Path>, place: Place, message: String) {
        if self.dropped == 0 {
            self.slips.push(Slip { error: YamlError { place, message }, stand_in });
        }
    }

    /// A value begins: its place is noted, and its tag means nothing.
    fn begin(&mut self, place: Place, tag: Option<&Tag>) -> Path {
        let path = self.path();
        if self.dropped == 0 {
            self.document.places.entry(path.clone()).or_insert(place);
        }
        if let Some(tag) = tag.filter(|tag| !tag.is_yaml_core_schema()) {
            self.slip(
                None,
                place,
                format!("the tag `{}` means nothing here; take it out", bounded(&tag.to_string(), 60)),
            );
        }
        path
    }

    fn open(&mut self, open: Open, anchor: usize, tag: Option<&Tag>, place: Place) -> Result<(), YamlError> {
        if self.wants_key() {
            return Err(YamlError {
                place,
                message: "a key must be a plain word; quote a value that begins with `{` or `[`".to_owned(),
            });
        }
        if self.open.len() >= DEPTH {
            return Err(YamlError { place, message: format!("this is nested more than {DEPTH} levels deep") });
        }
        let path = self.begin(place, tag);
        self.open.push((open, anchor, path));
        Ok(())
    }

    fn take_key(&mut self, key: Option<Value>, place: Place) -> Result<(), YamlError> {
        let name = match key {
            Some(Value::String(name)) => name,
            Some(other) => other.to_string(),
            None => return Err(YamlError { place, message: "a key must be a plain word".to_owned() }),
        };
        let Some((Open::Map { entries, key, is_dropped }, _, path)) = self.open.last_mut() else { return Ok(()) };
        let inner = path.key(&name);
        let is_second = entries.contains_key(&name);
        (*key, *is_dropped) = (Some(name.clone()), is_second);
        if is_second {
            let first = self.document.nearest_place(&inner).line;
            let message = format!("the key `{name}` stands here twice, first in line {first}; keep one of them");
            self.slip(None, place, message);
            self.dropped += 1;
        } else if self.dropped == 0 {
            self.document.places.insert(inner, place);
        }
        Ok(())
    }

    fn alias(&mut self, anchor: usize, place: Place) -> Result<(), YamlError> {
        let wrong = |message: String| YamlError { place, message };
        let Some(anchored) = self.anchors.get(&anchor) else {
            return Err(wrong("this alias stands within what it is an alias of".to_owned()));
        };
        self.aliased += anchored.size;
        if self.aliased > ALIASED {
            return Err(wrong(format!("the aliases stand for more than {ALIASED} values")));
        }
        if self.open.len() + anchored.depth > DEPTH {
            return Err(wrong(format!("this alias is nested more than {DEPTH} levels deep")));
        }
        let value = anchored.value.clone();
        if self.wants_key() {
            return self.take_key(Some(value).filter(|value| !value.is_array() && !value.is_object()), place);
        }
        self.begin(place, None);
        self.put(value, 0);
        Ok(())
    }

    /// A value has ended: it goes where it belongs.
    fn put(&mut self, value: Value, anchor: usize) {
        if anchor > 0 {
            let (size, depth) = measure(&value);
            self.anchors.insert(anchor, Anchored { value: value.clone(), size, depth });
        }
        match self.open.last_mut() {
            None => self.document.value = value,
            Some((Open::List(items), ..)) => items.push(value),
            Some((Open::Map { entries, key, is_dropped }, ..)) => {
                if let Some(key) = key.take() {
                    if std::mem::take(is_dropped) {
                        self.dropped -= 1;
                    } else {
                        entries.insert(key, value);
                    }
                }
            }
        }
    }
}

/// How many values there are in it, and how deep it is.
fn measure(value: &Value) -> (usize, usize) {
    let inner: Vec<(usize, usize)> = match value {
        Value::Array(items) => items.iter().map(measure).collect(),
        Value::Object(members) => members.values().map(measure).collect(),
        _ => return (1, 0),
    };
    let depth = inner.iter().map(|(_, depth)| *depth).max().unwrap_or_default();
    (1 + inner.iter().map(|(size, _)| *size).sum::<usize>(), 1 + depth)
}

/// A scalar's value; `None` when it is not what its tag says.
fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Option<Value> {
    let tag = tag.cloned().map(std::borrow::Cow::Owned);
    Some(match Scalar::parse_from_cow_and_metadata(text.into(), style, tag.as_ref())? {
        Scalar::Null => Value::Null,
        Scalar::Boolean(truth) => Value::Bool(truth),
        Scalar::Integer(number) => Value::Number(number.into()),
        // What JSON has no number for stays the text that it was.
        Scalar::FloatingPoint(number) => {
            Number::from_f64(number.into_inner()).map_or_else(|| Value::String(text.to_owned()), Value::Number)
        }
        Scalar::String(text) => Value::String(text.into_owned()),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check_error(text: &str, expected: &str) {
        assert_eq!(parse(text).unwrap_err().to_string(), expected);
    }

    #[test]
    fn a_document_becomes_json_and_every_key_has_its_place() {
        let text = "a: { $.b.c: [1, 2.5, ~, yes, \"7\"] }\nd: &x\n  - e\nf: *x\n---\nignored: true\n";
        let document = parse(text).unwrap();
        let expected = json!({ "a": { "$.b.c": [1, 2.5, null, "yes", "7"] }, "d": ["e"], "f": ["e"] });
        assert_eq!(document.value, expected);
        let place = |path: &Path| {
            let place = document.nearest_place(path);
            (place.line, place.column)
        };
        let list = Path::top().key("a").key("$.b.c");
        assert_eq!(place(&list), (1, 6));
        assert_eq!(place(&list.entry(1)), (1, 17));
        assert_eq!(place(&Path::top().key("d").entry(0)), (3, 5));
        assert_eq!(place(&Path::top().key("f").entry(0)), (4, 1), "what an alias stands for is where the alias is");
        assert_eq!(place(&Path::top().key("nowhere")), (1, 1));
    }

    #[test]
    fn every_key_that_stands_twice_and_every_tag_is_told_and_the_rest_is_read() {
        let (document, slips) = read("a: 1\nb: { c: 1, c: { d: !x 1 }, e: 2 }\na: 3\nf: !y 4\n").unwrap();
        assert_eq!(document.value, json!({ "a": 1, "b": { "c": 1, "e": 2 }, "f": 4 }));
        let told: Vec<String> = slips.iter().map(|slip| slip.error.to_string()).collect();
        assert_eq!(
            told,
            [
                "line 2, column 12: the key `c` stands here twice, first in line 2; keep one of them",
                "line 3, column 1: the key `a` stands here twice, first in line 1; keep one of them",
                "line 4, column 4: the tag `!y` means nothing here; take it out",
            ]
        );
    }

    #[test]
    fn what_no_json_can_hold_is_refused() {
        check_error(
            "? [a]\n: 1\n",
            "line 1, column 3: a key must be a plain word; quote a value that begins with `{` or `[`",
        );
        check_error("a: &x [*x]\n", "line 1, column 8: this alias stands within what it is an alias of");
        check_error("a: !!int b\n", "line 1, column 4: `b` does not fit the tag in front of it; take the tag out");
    }

    #[test]
    fn a_document_that_would_exhaust_the_stack_or_the_memory_is_refused() {
        check_error(&"- ".repeat(50_000), "line 1, column 201: this is nested more than 100 levels deep");
        let deep =
            format!("a: &a {}{}\nb: &b {}*a{}\n", "[".repeat(80), "]".repeat(80), "[".repeat(80), "]".repeat(80));
        assert!(parse(&deep).unwrap_err().message.contains("100 levels"));
        let mut laughs = "a: &a [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for (name, of) in "bcdefghi".chars().zip("abcdefgh".chars()) {
            laughs.push_str(&format!("{name}: &{name} [{}]\n", vec![format!("*{of}"); 10].join(", ")));
        }
        assert!(parse(&laughs).unwrap_err().message.contains("100000 values"));
    }
}
