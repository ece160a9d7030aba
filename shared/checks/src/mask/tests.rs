//! Tests of the mask on known secrets: tables, and properties over whatever surrounds a secret.

use proptest::prelude::*;

use base64::engine::general_purpose::STANDARD;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use super::*;

fn hiding(secret: &str) -> Mask {
    let mut mask = Mask::default();
    mask.hide(secret);
    mask
}

#[test]
fn a_secret_is_hidden_in_every_form_in_which_it_is_repeated() {
    let mask = hiding("pä/ss \"w&rd'");
    // Written by hand after RFC 3986, RFC 8259, RFC 4648 and the HTML and form-encoding standards.
    for form in [
        "pä/ss \"w&rd'",
        "p%C3%A4%2Fss%20%22w%26rd%27",
        "p%c3%a4%2fss%20%22w%26rd%27",
        "p%C3%A4%2Fss+%22w%26rd%27",
        r#"pä/ss \"w&rd'"#,
        r#"pä\/ss \"w&rd'"#,
        r#"p\u00e4/ss \"w&rd'"#,
        "pä/ss &quot;w&amp;rd&#39;",
        "pä/ss &quot;w&amp;rd&#x27;",
        "cMOkL3NzICJ3JnJkJw",
        // As Go's encoding/json and html/template write it, and Python's html.escape leaves quotes on request.
        r#"pä/ss \"w\u0026rd'"#,
        r"p\u00e4/ss \u0022w\u0026rd\u0027",
        "pä/ss \"w&amp;rd'",
        "pä/ss &#34;w&amp;rd&#39;",
        // In JSON within JSON, in a form within a URL, in HTML within JSON.
        r#"pä/ss \\\"w&rd'"#,
        "p%25C3%25A4%252Fss%2B%2522w%2526rd%2527",
        r"pä/ss \u0026quot;w\u0026amp;rd'",
    ] {
        assert_eq!(mask.own(&format!("<{form}>")), "<***>", "{form}");
    }
}

#[test]
fn base64_of_a_longer_text_does_not_show_the_secret_in_it() {
    let secret = "s3cr3t-t0ken-0815";
    for before in ["", "a", "ab", "Bearer ", "{\"token\":\"", "user:"] {
        for after in ["", "x", "\"}"] {
            let encoded = STANDARD.encode(format!("{before}{secret}{after}"));
            let shown = hiding(secret).own(&encoded);
            // What is left of it at either end are four bits, and the neighbours.
            assert!(shown.contains("***") && shown.len() <= encoded.len() - secret.len(), "{encoded}: {shown}");
        }
    }
}

#[test]
fn what_is_captured_as_a_secret_is_hidden_from_then_on() {
    let check: Check = serde_json::from_value(json!({ "name": "login", "post": "/", "capture": {
        "token": { "regex": "t=(.*)" }, "a": "$.access_token", "b": "$['x-api-key'][0]", "c": { "header": "set-cookie" }, "pin": "$.n",
        "id": "$.id", "used": "$.total_tokens", "session": "$.s"
    } }))
    .unwrap();
    let captured = serde_json::from_value(json!({
        "token": "one-11", "a": "two-22", "b": ["three-33"], "c": "four-44", "pin": 55555, "id": "six-66", "used": 77777,
        "session": { "deep": "eight-88" }
    }));
    let mut mask = Mask::default();
    mask.hide_captured(&check, &captured.unwrap());
    let said = mask.said("one-11 two-22 three-33 four-44 55555 six-66 77777 eight-88");
    assert_eq!(said, "*** *** *** *** *** six-66 77777 ***");
}

#[test]
fn what_is_said_is_one_visible_line_and_hides_what_comes_to_light_by_that() {
    let mask = hiding("hunter22");
    assert_eq!(mask.said("a\u{1b}[31m\nb\u{9b}2J hun\u{200b}ter22 \u{202e}x"), "a[31m b2J *** x");
}

#[test]
fn the_password_of_a_url_is_hidden_alone_and_as_basic_authentication_writes_it() {
    let mut mask = Mask::default();
    mask.hide_credentials_of("https://ada:p%40ss@host:8443/x?y=a@b");
    assert_eq!(mask.own("ada at host said p@ss, p%40ss, ada:p@ss"), "ada at host said ***, ***, ***");
    // printf 'ada:p@ss' | base64
    assert_eq!(mask.own("YWRhOnBAc3M="), "***=");
    mask.hide_credentials_of("https://host/nobody@home");
    assert_eq!(mask.own("nobody@home"), "nobody@home");
}

#[test]
fn a_secret_that_is_too_short_to_be_told_from_a_word_is_left() {
    assert_eq!(hiding("abc").own("abc abcd"), "abc abcd");
    assert_eq!(hiding("abcd").own("abc abcd"), "abc ***");
}

#[test]
fn secrets_that_overlap_are_hidden_together() {
    let mut mask = hiding("abcdef");
    mask.hide("defghi");
    assert_eq!(mask.own("<abcdefghi> abcdefabcdef"), "<***> ******");
    // What is put in the place of one must not complete another.
    mask.hide("****");
    assert!(!mask.own("*abcdef").contains("****"));
}

#[test]
fn half_a_secret_at_the_cut_is_hidden() {
    let mask = hiding("0123456789abcdef");
    // The head of a text for 10 characters is 40 characters long; the second secret is cut by it.
    let shown = mask.outside(&format!("0123456789abcdef {} 0123456789abcdef", "x".repeat(12)), 10);
    assert_eq!(shown, "*** xxxxx…");
    let shown = mask.outside(&format!("{} 0123456789abcdef", "0123456789abcdef".repeat(2)), 10);
    assert_eq!(shown, "****** …");
    let token = "Bearer abcdefghijklmnopqrstuvwxyz";
    assert_eq!(Mask::default().outside(token, 7), "Bearer…");
    assert_eq!(Mask::default().outside(token, 8), "Bearer …");
    let cut = Mask::default().outside(&format!("{{\"token\":\"{}\"}}", "s3cr3t".repeat(20)), 15);
    assert_eq!(cut, "{\"token\":\"…");
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["\\PC{0,60}", "[a-c*\"\\\\{}:=& ]{0,60}", any::<String>()]
}

fn secret() -> impl Strategy<Value = String> {
    prop_oneof!["\\PC{4,20}", "[a-c*]{4,8}", "[ -~]{4,40}"]
}

fn quoted(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

fn html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_secret_is_ever_shown(secret in secret(), other in secret(), before in text(), after in text(), limit in 1_usize..80) {
        let mut mask = hiding(&secret);
        mask.hide(&other);
        let around = format!("{before}{secret}{after}{other}{secret}");
        for shown in [mask.own(&around), mask.outside(&around, limit), mask.outside(&around, 1000)] {
            prop_assert!(!shown.contains(&secret), "{shown}");
            prop_assert!(!shown.contains(&other), "{shown}");
        }
        for form in forms(&secret) {
            let shown = mask.own(&format!("{before}{form}{after}"));
            prop_assert!(form.chars().count() < SHORTEST || !shown.contains(&form), "{form}: {shown}");
        }
        let twice = |text: &str| quoted(&quoted(text));
        let url_in_html = |text: &str| html(&encoded(text));
        let html_in_json = |text: &str| quoted(&html(text));
        for way in [&quoted as &dyn Fn(&str) -> String, &html, &encoded, &twice, &url_in_html, &html_in_json] {
            let shown = mask.own(&way(&format!("{before}{secret}{after}")));
            prop_assert!(!shown.contains(&way(&secret)), "{}: {shown}", way(&secret));
        }
    }

    #[test]
    fn no_beginning_of_a_secret_is_shown_at_a_cut(before in "[a-f ]{0,90}", limit in 4_usize..30) {
        // Its characters stand nowhere else, so whatever is seen of it is of it.
        let secret = "0123456789@#0123456789";
        let shown = hiding(secret).outside(&format!("{before}{secret}"), limit);
        prop_assert!(!shown.contains("0123"), "{shown}");
        prop_assert!(shown.chars().count() <= limit, "{shown}");
    }

    #[test]
    fn a_text_without_secrets_stays_as_it_is(text in text()) {
        let mask = hiding("ZZZZ-0123456789-ZZZZ");
        prop_assert_eq!(mask.own(&text), text);
    }

    #[test]
    fn a_password_in_json_is_never_shown_whatever_it_is(value in "Q7[A-Z0-9\"\\\\/{}\\[\\]:,=& äö]{4,28}", key in "(password|apiKey|x-token|client_secret|sessionId)") {
        let body = serde_json::json!({ "a": 1, key: value.clone(), "b": { "c": [value.len()] } });
        let escaped = serde_json::Value::from(value.as_str()).to_string();
        for text in [body.to_string(), format!("{body:#}")] {
            let shown = Mask::default().outside(&text, 1000);
            prop_assert!(!shown.contains(escaped.trim_matches('"')), "{shown}");
            prop_assert!(shown.contains("\"b\""), "{shown}");
        }
    }
}
