//! What is told of a wrong `ticket` section, in the words and at the places that a person sees.

use super::super::load::load;
use super::*;

const TICKET: &str = "\
version: 1
ticket:
  url: https://api.github.com/repos/acme/shop/issues
  authorization: secret:greenlight#github
  headers: { X-GitHub-Api-Version: \"2022-11-28\" }
  body: { title: \"{{ title }}\", labels: [incident, \"{{service}}\"], body: \"{{ cause }} {{ deployment.id }}\" }
  link: \"{{ answer.html_url }}\"
  find:
    url: https://api.github.com/search/issues?q=repo:acme/shop+%22{{ deployment.id }}%22
    link: \"{{ answer.items.0.html_url }}\"
  environments: [production]
services: [{ name: a, codedeploy: { application: app, deployment_group: grp } }]
";

/// Each problem as `line:column: message`.
fn told(text: &str) -> Vec<String> {
    let problems = load("greenlight.yaml", text).map_or_else(|error| error.problems, |_| Vec::new());
    let line = |problem: &super::super::load::Problem| {
        format!("{}:{}: {}", problem.place.line, problem.place.column, problem.message)
    };
    problems.iter().map(line).collect()
}

/// The section with one thing written differently, and what is told of that.
#[track_caller]
fn check(from: &str, to: &str, expected: &[&str]) {
    assert!(TICKET.contains(from), "{from}");
    assert_eq!(told(&TICKET.replacen(from, to, 1)), expected, "{to}");
}

#[test]
fn a_sound_section_has_nothing_to_be_told_of() {
    assert_eq!(told(TICKET), Vec::<String>::new());
    check("\"{{ answer.html_url }}\"", "https://acme.atlassian.net/browse/{{ answer.key }}?d={{ deployment.id }}", &[]);
    check("environments: [production]", "environments: [elsewhere]", &[]);
}

#[test]
fn a_name_that_nothing_is_filled_in_for_is_told_with_the_nearest() {
    check(
        "{{ deployment.id }}\" }",
        "{{ deploymnt.id }}\" }",
        &["6:68: nothing is filled in for `deploymnt.id`; did you mean `{{ deployment.id }}`?"],
    );
    check(
        "\"{{service}}\"",
        "\"{{ services }}\"",
        &["6:52: nothing is filled in for `services`; did you mean `{{ service }}`?"],
    );
    let all = TICKET_NAMES.join(", ");
    check("{{ title }}", "{{ xyz-1 }}", &[&format!("6:11: nothing is filled in for `xyz-1`; there are {all}")]);
    check("{{ title }}", "{{ }}", &[&format!("6:11: nothing is filled in for ``; there are {all}")]);
    check("{{ title }}", "{{ title", &["6:11: `{{` is opened here and not closed; write `{{ name }}`"]);
    check(
        "{{ title }}",
        "{{ answer.id }}",
        &["6:11: nothing is answered yet when this is filled in; `{{ answer.… }}` is for links"],
    );
    check(
        "title: \"{{ title }}\"",
        "\"{{ title }}\": x",
        &["6:11: a key is posted as it stands; `{{ … }}` is replaced in texts only"],
    );
}

#[test]
fn an_address_is_encrypted_and_has_a_host_of_its_own() {
    let url = "https://api.github.com/repos/acme/shop/issues";
    check(
        url,
        "http://a.example/x",
        &["3:3: `http://a.example/x` is not encrypted; write `https://`: credentials go along"],
    );
    check(url, "a.example/x", &["3:3: `a.example/x` is not a URL; did you mean `https://a.example/x`?"]);
    check(url, "https:///x", &["3:3: `https://` has no host; write it behind `://`"]);
    check(
        url,
        "https://ada:pw@a.example/x",
        &[
            "3:3: `https://***@a.example/x` holds credentials; take them out and give the header's value by reference in `authorization`",
        ],
    );
    check(
        url,
        "https://a.example/{{ service }}",
        &["3:3: `https://a.example/{{ service }}` holds a reference; tickets are posted to the address as it stands"],
    );
    check(
        url,
        "https://{{ service }}.example/",
        &["3:3: the host of `https://{{ service }}.example/` holds a reference; write the host itself"],
    );
    check(
        "https://api.github.com/search/issues?q=repo:acme/shop+%22{{ deployment.id }}%22",
        "https://api.github.com/search/issues?q=incident",
        &[
            "9:5: `https://api.github.com/search/issues?q=incident` finds the same for every deployment; name one, such as `{{ deployment.id }}`",
        ],
    );
    check(
        "%22{{ deployment.id }}",
        "%22{{ deployment.id }} x",
        &[
            "9:5: `https://api.github.com/search/issues?q=repo:acme/shop+%22{{ deployment.id }} x%22` has a blank in it; write `%20`",
        ],
    );
}

#[test]
fn a_link_is_one() {
    let link = "\"{{ answer.html_url }}\"\n  find";
    let with = |link: &str| format!("{link}\n  find");
    check(
        link,
        &with("browse/{{ answer.key }}"),
        &[
            "7:3: `browse/{{ answer.key }}` is no link; begin with `https://`, or with the part of the answer that is one",
        ],
    );
    check(
        link,
        &with("https://{{ answer.host }}/x"),
        &["7:3: the host of `https://{{ answer.host }}/x` holds a reference; write the host itself"],
    );
    check(
        link,
        &with("\"{{ anser.key }}\""),
        &[&format!("7:3: nothing is filled in for `anser.key`; there are {}", TICKET_NAMES.join(", "))],
    );
    check(
        link,
        &with("\"{{ answer }}\""),
        &[
            "7:3: `answer` names no part of what is answered; write `{{ answer.number }}`, or `{{ answer.issues.0.key }}` for a list's first entry",
        ],
    );
    check(
        "{{ answer.items.0.html_url }}",
        "https://a.example/{{ deployment.id }}",
        &[
            "10:5: a search whose link takes nothing from its answer always finds something; write `{{ answer.… }}` into it",
        ],
    );
}

#[test]
fn a_header_is_none_that_is_a_secret_or_written_anyway() {
    let header = "X-GitHub-Api-Version: \"2022-11-28\"";
    check(header, "a b: x", &["5:14: `a b` is no header's name: letters, digits and `-`"]);
    check(
        header,
        "authorization: x",
        &["5:14: this header is a secret; take it out and give its value by reference in `authorization`"],
    );
    check(header, "Host: x", &["5:14: `Host` is written by whoever sends the request; take it out"]);
    check(header, "x: \"{{ service }}\"", &["5:14: the value of `x` holds a reference; a header is sent as it stands"]);
    check(header, "x: \"a\\nb\"", &["5:14: the value of `x` has a '\\n' in it, which no header has"]);
}

#[test]
fn a_body_is_an_object_and_an_environment_one_of_the_services() {
    check(
        "{ title: \"{{ title }}\", labels: [incident, \"{{service}}\"], body: \"{{ cause }} {{ deployment.id }}\" }",
        "[1]",
        &["6:3: `body` needs a map of keys and values: the JSON object that is posted"],
    );
    check(
        "environments: [production]",
        "environments: [producton]",
        &["11:18: no service has the environment `producton`; did you mean `production`?"],
    );
    check(
        "environments: [production]",
        "environments: []",
        &["11:3: no environment's deployments become tickets; name one, or leave `environments` out for all"],
    );
}

#[test]
fn a_text_is_taken_apart_and_nothing_is_lost() {
    let parts = pieces("a {{x}}{{ y.z }} }} b").unwrap();
    assert_eq!(parts, [Piece::Text("a "), Piece::Name("x"), Piece::Name("y.z"), Piece::Text(" }} b")]);
    assert!(pieces("").unwrap().is_empty());
    assert!(pieces("{{ a }} {{").is_err());
}
