//! Properties of substitution and of the matchers, over inputs that nobody chose.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::matcher::{Matcher, parse};
use crate::request::{Prepared, prepare};
use crate::template::{Scope, Unable, plain, references, render_value};
use crate::variables::{Given, Variables};

fn config() -> ProptestConfig {
    ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() }
}

/// Anything, and often braces and names.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("{{ word }}".to_owned()),
        Just("{{number}}".to_owned()),
        Just("{{ env:KEY }}".to_owned()),
        Just("{{ nobody }}".to_owned()),
        "[{} a-z:/#.é]{0,8}",
        "\\PC{0,8}",
    ];
    prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,10}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{1,4}", inner, 0..4).prop_map(|map| map.into_iter().collect()),
        ]
    })
}

fn with_scope<T>(word: &Value, use_it: impl FnOnce(Scope<'_>) -> T) -> T {
    let mut variables = Variables::from([("nobody".to_owned(), Err("there is none".to_owned()))]);
    variables.insert("env:KEY", Given::Sensitive("a {{ word }}".into()));
    let captured = BTreeMap::from([("word".to_owned(), word.clone()), ("number".to_owned(), json!(7))]);
    let promised = BTreeMap::new();
    use_it(Scope { variables: &variables, captured: &captured, promised: &promised })
}

/// A matcher of one word.
fn one_word(word: &str, operand: impl Into<Value>) -> Value {
    json!({ word: operand.into() })
}

/// A matcher of two.
fn bounds(lower: &str, least: &Value, upper: &str, most: &Value) -> Value {
    json!({ lower: least, upper: most })
}

#[track_caller]
fn holds(wanted: &Value, value: Option<&Value>) -> bool {
    parse(wanted).expect("a matcher").iter().all(|matcher: &Matcher| matcher.holds(value))
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_text_without_a_reference_stays_as_it_is(open in text(), odd in "(\\{\\{[\"',* {]{0,5}\\}\\}|[{} a-zé]{0,9}[{]?)") {
        // Nothing that is closed has a name in it.
        let text = format!("{}{odd}{}", open.replace("}}", "} }"), open.replace("{{", "{ {"));
        prop_assume!(references(&text).next().is_none());
        prop_assert_eq!(with_scope(&json!("w"), |scope| plain(&text, scope)), Ok(text));
    }

    #[test]
    fn what_stands_side_by_side_is_replaced_side_by_side(left in text(), right in text(), word in "\\PC{0,8}") {
        // A bar between them keeps a brace on the left from meeting one on the right.
        let whole = format!("{left}|{right}");
        prop_assume!(references(&whole).count() == references(&left).count() + references(&right).count());
        let (whole, left, right) = with_scope(&json!(word), |scope| (plain(&whole, scope), plain(&left, scope), plain(&right, scope)));
        match (left, right) {
            (Ok(left), Ok(right)) => prop_assert_eq!(whole, Ok(format!("{left}|{right}"))),
            (left, right) => prop_assert_eq!(whole.err(), left.err().or(right.err())),
        }
    }

    #[test]
    fn a_value_is_never_read_as_a_reference_itself(word in text()) {
        prop_assert_eq!(with_scope(&json!(word), |scope| plain("<{{ word }}>", scope)), Ok(format!("<{word}>")));
        prop_assert_eq!(with_scope(&json!(word), |scope| plain("{{ env:KEY }}", scope)), Ok("a {{ word }}".to_owned()));
    }

    #[test]
    fn nothing_breaks_it(text in any::<String>(), braces in "[{}a:/#= \\t\\n]{0,40}") {
        for text in [text, braces] {
            let outcome = with_scope(&json!("w"), |scope| plain(&text, scope));
            // A name that does not exist is told; it never passes for a text.
            prop_assert_eq!(outcome.is_err(), references(&text).any(|name| name != "word" && name != "number"));
        }
    }

    #[test]
    fn a_reference_alone_becomes_the_value_itself_however_deep(word in value()) {
        let body = json!({ "a": "{{ word }}", "b": ["{{word}}", { "c": "  {{ word }} " }], "d": "x{{ word }}" });
        let rendered = with_scope(&word, |scope| render_value(&body, scope)).unwrap();
        for place in ["/a", "/b/0", "/b/1/c"] {
            prop_assert_eq!(rendered.pointer(place), Some(&word));
        }
        prop_assert!(rendered["d"].is_string());
    }

    #[test]
    fn a_captured_value_leads_to_no_other_host_and_adds_no_segment(word in prop_oneof![any::<String>(), "[./@:?#%&\\\\a-z]{0,20}", "(\\.|%2[eE]){1,3}"]) {
        let host = "app.example.com:8443";
        let of = |path: &str| -> Result<http::Uri, Unable> {
            let check = serde_json::from_value(json!({ "name": "c", "get": path })).unwrap();
            let base = Ok(format!("https://{host}/base"));
            with_scope(&json!(word), |scope| {
                let Prepared::Http { request, .. } = prepare(&check, &base, scope)? else { panic!("not HTTP") };
                Ok(request.uri().clone())
            })
        };
        for path in ["/orders/{{ word }}/lines", "orders-{{ word }}/x/lines", "/x/y?q={{ word }}&n=1"] {
            let Ok(uri) = of(path) else { continue };
            prop_assert_eq!(uri.authority().map(http::uri::Authority::as_str), Some(host));
            // The client takes `.` and `..` out of a path (RFC 3986, 5.2.4), whichever way they are written.
            for segment in uri.path().split('/') {
                let decoded = segment.replace("%2e", ".").replace("%2E", ".");
                prop_assert!(decoded != "." && decoded != "..", "{}", uri);
            }
            let path_and_query = uri.path_and_query().unwrap();
            // "/base" and what the configuration writes: three segments below the root in each of the three.
            prop_assert_eq!(path_and_query.path().matches('/').count(), if path.contains('?') { 3 } else { 4 }, "{}", uri);
            prop_assert_eq!(path_and_query.query().is_some(), path.contains('?'));
            prop_assert_eq!(uri.query().unwrap_or("&").matches('&').count(), 1, "{}", uri);
        }
        if let Ok(uri) = of("{{ word }}") {
            prop_assert_eq!(uri.authority().map(http::uri::Authority::as_str), Some(host));
        }
    }

    #[test]
    fn a_value_equals_itself_and_ne_is_the_opposite_of_eq(one in value(), other in value()) {
        prop_assert!(holds(&one_word("eq", one.clone()), Some(&one)));
        for seen in [&one, &other] {
            let (eq, ne) = (holds(&json!({ "eq": one.clone() }), Some(seen)), holds(&json!({ "ne": one.clone() }), Some(seen)));
            prop_assert_ne!(eq, ne);
        }
        prop_assert!(!holds(&one_word("eq", one.clone()), None) && !holds(&one_word("ne", one), None));
    }

    #[test]
    fn of_two_numbers_one_is_the_greater_or_neither(one in any::<i64>(), other in any::<i64>(), near in -2_i64..3) {
        for other in [other, one.saturating_add(near)] {
            let holds = |word: &str| holds(&json!({ word: other }), Some(&json!(one)));
            prop_assert_ne!(holds("gte"), holds("lt"));
            prop_assert_ne!(holds("lte"), holds("gt"));
            prop_assert_eq!(holds("gte") && holds("lte"), one == other);
            prop_assert_eq!(holds("gte"), one >= other);
            prop_assert_eq!(holds("eq"), one == other);
        }
    }

    #[test]
    fn a_number_is_the_same_in_either_form(number in -1_000_000_i32..1_000_000) {
        let (whole, with_point) = (json!(number), json!(f64::from(number)));
        prop_assert!(holds(&whole, Some(&with_point)) && holds(&with_point, Some(&whole)));
        prop_assert!(holds(&bounds("gte", &whole, "lte", &whole), Some(&with_point)));
        prop_assert!(!holds(&whole, Some(&json!(f64::from(number) + 0.5))));
        prop_assert!(!holds(&json!(number.to_string()), Some(&whole)));
    }

    #[test]
    fn a_length_is_what_counting_says(text in "\\PC{0,20}", items in prop::collection::vec(value(), 0..6), off in 1_usize..3) {
        let map: serde_json::Map<String, Value> = items.iter().enumerate().map(|(n, item)| (n.to_string(), item.clone())).collect();
        for (seen, count) in [(json!(text), text.chars().count()), (json!(items), items.len()), (json!(map), items.len())] {
            prop_assert!(holds(&one_word("length", count), Some(&seen)));
            prop_assert!(holds(&one_word("length", bounds("gte", &json!(count), "lt", &json!(count + 1))), Some(&seen)));
            prop_assert!(!holds(&one_word("length", count + off), Some(&seen)));
        }
    }

    #[test]
    fn what_is_part_of_a_value_is_contained_in_it(before in "\\PC{0,8}", part in "\\PC{1,8}", after in "\\PC{0,8}", item in value(), others in prop::collection::vec(value(), 0..3)) {
        prop_assume!(item != json!(""));
        let (whole, longer) = (format!("{before}{part}{after}"), format!("{part}+"));
        prop_assert!(holds(&one_word("contains", part.clone()), Some(&json!(whole))));
        prop_assert!(!holds(&one_word("contains", longer), Some(&json!(part))));
        let mut list = others.clone();
        list.push(item.clone());
        list.extend(others);
        prop_assert!(holds(&one_word("contains", item), Some(&json!(list))));
        prop_assert!(!holds(&one_word("contains", [list.clone()]), Some(&json!([list]))));
    }
}
