//! Patterns against lines, with the lines of AWS's own examples.

use super::*;

#[track_caller]
fn check(pattern: &str, lines: &[&str], others: &[&str]) {
    let read = LogPattern::parse(pattern).unwrap();
    assert!(lines.iter().all(|line| read.fits(line)), "`{pattern}` is to fit {lines:?}");
    assert!(!others.iter().any(|line| read.fits(line)), "`{pattern}` is to fit none of {others:?}");
}

#[test]
fn terms_fit_as_in_the_user_guide() {
    // CloudWatch Logs user guide, "Filter pattern syntax": "Matching terms in log events" and "OR pattern matching".
    check(
        "ERROR",
        &["[ERROR] A fatal exception has occurred", "Exiting with ERRORCODE: -1"],
        &["[error] in lower case"],
    );
    check("\"ERROR\" -\"Exiting\"", &["[ERROR] A fatal exception has occurred"], &["Exiting with ERRORCODE: -1"]);
    check(
        "ERROR Exception",
        &["[ERROR] Caught IllegalArgumentException", "[ERROR] Unhandled Exception"],
        &["[ERROR] 404", "an Exception"],
    );
    check("?ERROR ?WARN", &["ERROR WARN message", "ERROR message", "WARN message"], &["INFO message"]);
    check("ERROR -WARN", &["ERROR message"], &["ERROR WARN message", "WARN message"]);
    check("\"in two words\"", &["all in two words"], &["in words, two"]);
    check("", &["anything", ""], &[]);
}

#[test]
fn a_quote_inside_of_quotes_is_escaped() {
    check(
        r#"?ERROR ?"\"level\":\"error\"""#,
        &[r#"{"level":"error"}"#, "ERROR"],
        &[r#"{"level":"info"}"#, "level:error"],
    );
    check(r#""a\\b""#, &[r"a\b"], &["ab"]);
}

#[test]
fn what_cannot_be_counted_is_refused() {
    for (pattern, problem) in [
        ("{ $.level = \"error\" }", "a pattern on the fields of JSON lines (`{ $.level = \"error\" }`)"),
        ("[ip, user, status = 5*]", "a pattern on columns (`[ip, user, status = 5*]`)"),
        ("%[Ee]rror%", "a regular expression (`%[Ee]rror%`)"),
        (
            "level:error",
            "the pattern `level:error`, in which a term that is more than letters and digits has no quotes,",
        ),
        ("?", "the pattern `?`, in which a term that is more than letters and digits has no quotes,"),
        ("\"open", "the pattern `\"open`, in which a quote does not end,"),
        ("?ERROR -health", "the pattern `?ERROR -health`, which has terms with `?` beside others,"),
    ] {
        assert_eq!(LogPattern::parse(pattern), Err(problem.to_owned()), "{pattern}");
    }
}
