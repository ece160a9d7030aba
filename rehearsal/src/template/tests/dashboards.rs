//! Dashboards: a body is read as CloudWatch reads it, with the template's names in it.

use serde_json::json;

use super::{read, read_with};

/// A dashboard whose body, on line 8, is this.
fn sections(body: &str) -> String {
    format!(
        "Parameters: {{ Namespace: {{ Type: String, Default: Greenlight }} }}
Resources:
  Board:
    Type: AWS::CloudWatch::Dashboard
    Properties:
      DashboardName: delivery
      DashboardBody: {body}
  Red:
    Type: AWS::CloudWatch::Alarm
    Properties: {{ AlarmName: red }}
"
    )
}

#[test]
fn a_body_is_read_with_its_references_resolved() {
    let body = r#"!Sub '{"start": "-P6W", "widgets": [
        {"type": "metric", "x": 12, "y": 0, "width": 12, "height": 6, "properties": {
          "region": "${AWS::Region}", "metrics": [["${Namespace}", "Deployments", {"stat": "Sum"}]]}},
        {"type": "alarm", "properties": {"alarms": ["${Red.Arn}"]}},
        {"type": "text", "properties": {"markdown": "costs ${!nothing}"}}]}'"#;
    let board = read(&sections(body)).dashboards.pop().expect("the template has one dashboard");
    assert_eq!((board.logical_id.as_str(), board.name.as_str()), ("Board", "delivery"));
    let widgets = &board.body["widgets"];
    assert_eq!(widgets[0]["properties"]["metrics"], json!([["Greenlight", "Deployments", {"stat": "Sum"}]]));
    assert_eq!(widgets[0]["properties"]["region"], "eu-west-1");
    assert_eq!(widgets[1]["properties"]["alarms"], json!(["arn:aws:cloudwatch:eu-west-1:123456789012:alarm:red"]));
    assert_eq!(widgets[2]["properties"]["markdown"], "costs ${nothing}");
}

#[test]
fn a_board_that_cloudwatch_would_not_show_is_refused() {
    let widget = |more: &str| format!(r#"'{{"widgets": [{{{more}}}]}}'"#);
    let text = r#""properties": {"markdown": "x", "title": "Rates"}"#;
    for (body, message) in [
        ("'{widgets: []}'".to_owned(), "is not JSON: key must be a string at line 1 column 2"),
        ("'[]'".to_owned(), "is not a JSON object"),
        ("'{}'".to_owned(), "has no list `widgets`"),
        (r#"'{"widgets": [], "theme": 1}'"#.to_owned(), "has an unknown member `theme`"),
        (widget(&format!(r#""type": "graph", {text}"#)), "`widgets[0]` (`Rates`) the type `graph`, which CloudWatch"),
        (widget(text), "the type ``, which CloudWatch does not know; it knows alarm, chart"),
        (widget(&format!(r#""type": "text", "x": 24, {text}"#)), "`x` 24, which is no whole number from 0 to 23"),
        (widget(&format!(r#""type": "text", "y": -1, {text}"#)), "`y` -1, which is no whole number from 0"),
        (widget(&format!(r#""type": "text", "x": 20, {text}"#)), "reach beyond the 24 columns"),
        (widget(&format!(r#""type": "text", "height": "6", {text}"#)), "`height` \"6\", which is no whole number"),
        (widget(r#""type": "text""#), "no object `properties`"),
        (widget(r#""type": "text", "properties": {}"#), "no `markdown` in its `properties`"),
        (widget(r#""type": "metric", "properties": {"metrics": []}"#), "no `region` in its `properties`"),
        (widget(r#""type": "metric", "properties": {"region": "x"}"#), "neither `metrics` nor an alarm"),
    ] {
        let error = read_with(&sections(&body), &[]).expect_err("the dashboard should be refused").to_string();
        let begin = "template line 8, `Board.Properties.DashboardBody`: the dashboard's body ";
        assert!(error.starts_with(begin) && error.contains(message), "{error}");
    }
    let named = sections("'{\"widgets\": []}'").replace("DashboardName: delivery", "DashboardName: our board");
    let error = read_with(&named, &[]).unwrap_err().to_string();
    assert!(error.contains("needs a name of 1 to 255 letters"), "{error}");
}
