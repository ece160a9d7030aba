//! Slack's limits, and what text from outside cannot do, whatever it is.

use proptest::prelude::*;

use super::*;

/// Slack's documented limits, not ours (Block Kit reference).
#[track_caller]
pub(crate) fn check_limits(rendered: &Value) {
    let text = |value: &Value| value["text"].as_str().unwrap().to_owned();
    let longest = |value: &Value, limit: usize| {
        let text = text(value);
        assert!(!text.trim().is_empty(), "an empty text");
        assert!(text.encode_utf16().count() <= limit, "{} in {limit}: {text}", text.encode_utf16().count());
    };
    assert!(rendered["text"].as_str().unwrap().encode_utf16().count() <= 4000);
    let blocks = rendered["blocks"].as_array().unwrap();
    assert!(blocks.len() <= 50, "{} blocks", blocks.len());
    for block in blocks {
        match block["type"].as_str().unwrap() {
            "header" => {
                assert_eq!(block["text"]["type"], "plain_text");
                longest(&block["text"], 150);
            }
            "section" => {
                if let Some(fields) = block.get("fields") {
                    assert!(fields.as_array().unwrap().len() <= 10);
                    fields.as_array().unwrap().iter().for_each(|field| longest(field, 2000));
                } else {
                    longest(&block["text"], 3000);
                }
            }
            "context" => {
                assert!(block["elements"].as_array().unwrap().len() <= 10);
                block["elements"].as_array().unwrap().iter().for_each(|element| longest(element, 3000));
            }
            other => panic!("{other}"),
        }
    }
}

/// What no rendered text may have in it, whoever wrote what: a mention, a link that is not ours, half an entity, what is not seen, a secret.
#[track_caller]
pub(crate) fn check_harmless(rendered: &Value) {
    let mut texts = Vec::new();
    strings(rendered, &mut texts);
    for text in texts {
        let lower = text.to_lowercase();
        for ping in ["<!", "<@", "<#", "@here", "@channel", "@everyone"] {
            assert!(!lower.contains(ping), "{ping} in {text}");
        }
        for (at, _) in text.match_indices('<') {
            assert!(text[at..].starts_with("<https://") && text[at..].contains('>'), "{text}");
        }
        for (at, _) in text.match_indices('&') {
            let is_entity = ["&amp;", "&lt;", "&gt;"].iter().any(|entity| text[at..].starts_with(entity));
            assert!(is_entity, "{text}");
        }
        let unseen = |c: char| {
            c != '\n'
                && (c.is_control()
                    || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'))
        };
        assert!(!text.contains(unseen), "{text:?}");
        for secret in SECRETS {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
}

fn strings<'v>(value: &'v Value, found: &mut Vec<&'v str>) {
    match value {
        Value::String(text) => found.push(text),
        Value::Array(items) => items.iter().for_each(|item| strings(item, found)),
        Value::Object(members) => members.values().for_each(|member| strings(member, found)),
        _ => {}
    }
}

/// The secret parts of what [`hostile`] writes.
const SECRETS: [&str; 5] = ["hunter2", "AKIAIOSFODNN7EXAMPLE", "abc.DEF-123", "123456789012-abcdefAB", "pa55w0rd"];

/// Pieces of text that somebody would use to do harm, and any other text.
pub(crate) fn hostile() -> impl Strategy<Value = String> {
    let pieces = [
        "<!channel>",
        "<!here|x>",
        "<@U12345>",
        "<#C12345>",
        "<!subteam^S1>",
        "@here",
        "@Channel",
        "@everyone",
        "&",
        "<",
        ">",
        "&lt;",
        "|",
        "`",
        "*",
        "_",
        "~",
        "\n> ",
        "\u{202e}",
        "\u{200b}",
        "\u{0}",
        "\u{1b}[31m",
        "😀",
        "𝔘",
        "<https://evil.example|fine>",
        "https://evil.example",
        " ",
        " password=hunter2 ",
        " AKIAIOSFODNN7EXAMPLE ",
        " Bearer abc.DEF-123 ",
        " https://ada:pa55w0rd@host/ ",
        ":x:",
        "ü",
    ];
    let slack = format!(" xox{}-123456789012-abcdefAB ", "b");
    let piece = prop_oneof![
        6 => proptest::sample::select(pieces.to_vec()).prop_map(str::to_owned),
        1 => Just(slack),
        2 => any::<String>(),
        1 => (proptest::sample::select(vec!["&", "<", "😀", "x"]), 1_usize..3000).prop_map(|(what, often)| what.repeat(often)),
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn whatever_comes_from_outside_the_message_is_one_that_slack_takes_and_harms_nobody(
        texts in proptest::collection::vec(hostile(), 1..3),
        often in 1_usize..16,
    ) {
        let line = |text: &String| said!("*{}:* {} {} {}", text, Mrkdwn::code(text), Mrkdwn::link("https://h.example/?a=1&b=2", text), text);
        let whole = texts.join(" ");
        let message = Message {
            title: Some(format!(":red_circle: {}", outside(&whole))),
            fallback: format!("{}: {}.", outside(&whole), outside(&texts[0])),
            lines: texts.iter().map(line).cycle().take(often).collect(),
            fields: texts.iter().map(|text| ("Label", said!("{}", text))).cycle().take(often.min(14)).collect(),
            context: texts.iter().map(|text| said!("{}", text)).cycle().take(often.min(14)).collect(),
        };
        let rendered = render(&message);
        check_limits(&rendered);
        check_harmless(&rendered);
    }
}

#[test]
fn text_from_outside_cannot_ping_anyone_or_break_a_link() {
    assert_eq!(said!("*{}*: {}", "a & b", "<!channel>").said(), "*a &amp; b*: &lt;!channel&gt;");
    assert_eq!(
        said!("{}", "mail ada@example.com, not @here or @Channel").said(),
        "mail ada@example.com, not @ here or @ Channel"
    );
    assert_eq!(Mrkdwn::code("x`y").said(), "`x'y`");
    assert_eq!(Mrkdwn::link("https://h/?a=1&b=2", "d|1>").said(), "<https://h/?a=1&amp;b=2|d/1&gt;>");
    assert_eq!(Mrkdwn::link("https://h/|x", "there").said(), "there");
}

#[test]
fn a_name_that_is_called_like_a_secret_does_not_hide_what_stands_behind_it() {
    let fallback = format!("{}: 2 of 3 alarms in ALARM.", outside("session-service"));
    let rendered =
        render(&Message { fallback, lines: vec![said!("*{}:* {}", "session", "3 failed")], ..Message::default() });
    assert_eq!(rendered["text"], "session-service: 2 of 3 alarms in ALARM.");
    assert_eq!(rendered["blocks"][0]["text"]["text"], "*session:* 3 failed");
}

#[test]
fn nothing_is_longer_than_slack_allows_and_what_is_left_out_is_counted() {
    let flood = "&".repeat(20_000);
    let lines = vec![said!("{}{}{}{}{}{}", flood, flood, flood, flood, flood, flood); 120];
    let message = Message {
        title: Some(flood.clone()),
        fallback: flood.clone(),
        lines,
        fields: vec![("Label", said!("{}", flood)); 12],
        context: vec![said!("{}", flood); 12],
    };
    let rendered = render(&message);
    check_limits(&rendered);
    let blocks = rendered["blocks"].as_array().unwrap();
    let last = blocks.iter().rev().find_map(|block| block["text"]["text"].as_str()).unwrap();
    assert_eq!((blocks.len(), last), (8, "… and 116 more lines"));
    for text in [&blocks[1]["text"], &blocks[6]["fields"][0], &blocks[7]["elements"][0]] {
        assert_eq!((&text["type"], &text["verbatim"]), (&json!("mrkdwn"), &json!(true)));
    }
}

#[test]
fn an_emoji_counts_twice_and_no_character_is_cut() {
    let rendered = render(&Message { title: Some("😀".repeat(100)), ..Message::default() });
    assert_eq!(rendered["blocks"][0]["text"]["text"].as_str().unwrap(), format!("{}…", "😀".repeat(69)));
    check_limits(&rendered);
}

#[test]
fn a_cut_never_leaves_half_a_link() {
    let long = said!("{} {}", "x".repeat(20), Mrkdwn::link("https://example.com", "there"));
    assert_eq!(long.bounded(30), format!("{} …", "x".repeat(20)));
}

#[test]
fn a_text_from_outside_cannot_look_like_our_own() {
    let cases = [
        (":large_green_circle:*ok*", "∶large_green_circle:∗ok∗"),
        ("so ```all``` ~not~ `name`", "so ˋˋˋallˋˋˋ ∼not∼ `name`"),
        // What people compare and copy stays as it is.
        ("arn:aws:iam::1:role/a at 09:04:02", "arn:aws:iam::1:role/a at 09:04:02"),
        ("expected $.intent = \"order_return\": no", "expected $.intent = \"order_return\": no"),
    ];
    for (text, shown) in cases {
        assert_eq!(super::outside(text), shown);
    }
}
