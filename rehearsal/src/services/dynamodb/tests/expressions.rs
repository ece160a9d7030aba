//! Condition and update expressions, each asked of the same item.

use super::*;

/// Whether a condition holds for the item `a`; asked by a write that changes nothing.
#[track_caller]
fn holds(condition: &str, names: &Value, values: &Value) -> Result<bool, AwsError> {
    let input = json!({
        "TableName": "t", "Key": {"pk": {"S": "a"}}, "ConditionExpression": condition,
        "ExpressionAttributeNames": names, "ExpressionAttributeValues": values,
    });
    match tables().handle("UpdateItem", &input, NOW) {
        Ok(_) => Ok(true),
        Err(error) if error.code == "ConditionalCheckFailedException" => Ok(false),
        Err(error) => Err(error),
    }
}

/// The item `a` after an update expression.
#[track_caller]
fn updated(expression: &str, values: &Value) -> Result<Value, AwsError> {
    let mut tables = tables();
    let input = json!({
        "TableName": "t", "Key": {"pk": {"S": "a"}}, "UpdateExpression": expression,
        "ExpressionAttributeValues": values,
    });
    tables.handle("UpdateItem", &input, NOW).map(|_| item(&mut tables, "a"))
}

#[test]
fn conditions_hold_as_on_aws() {
    let values = json!({
        ":five": {"N": "5.0"}, ":six": {"N": "6"}, ":hello": {"S": "hello"}, ":he": {"S": "he"}, ":ell": {"S": "ell"},
        ":bin": {"B": "aGVs"}, ":true": {"BOOL": true}, ":words": {"SS": ["a", "b"]}, ":a": {"S": "a"},
        ":nine": {"N": "9"}, ":one": {"N": "1"}, ":type": {"S": "N"}, ":two": {"N": "2"},
    });
    for (condition, expected) in [
        ("num = :five", true),
        ("num <> :five", false),
        ("num < :six", true),
        ("num >= :six", false),
        ("num > :five", false),
        ("num <= :five", true),
        ("txt = :five", false),
        ("txt <> :five", true),
        ("absent = :five", false),
        ("absent <> :five", true),
        ("absent < :five", false),
        ("absent = also_absent", false),
        ("num BETWEEN :five AND :six", true),
        ("NOT num BETWEEN :five AND :six", false),
        ("num IN (:six, :five)", true),
        ("num IN (:six)", false),
        ("flag = :true", true),
        ("words = :words", true),
        ("attribute_exists(map_.inside)", true),
        ("attribute_exists(map_.outside)", false),
        ("attribute_not_exists(list_[9])", true),
        ("attribute_exists(list_[2].deep)", true),
        ("attribute_type(num, :type)", true),
        ("attribute_type(txt, :type)", false),
        ("begins_with(txt, :he)", true),
        ("begins_with(txt, :ell)", false),
        ("begins_with(num, :he)", false),
        ("begins_with(bin, :bin)", true),
        ("contains(txt, :ell)", true),
        ("contains(words, :a)", true),
        ("contains(nums, :nine)", true),
        ("contains(list_, :one)", true),
        ("contains(list_, :a)", false),
        ("size(txt) = :five", true),
        ("size(list_) > :two", true),
        ("size(num) = :one", false),
        (":five = num", true),
        ("num = :six OR num = :five AND txt = :hello", true),
        ("(num = :six OR num = :five) AND txt = :he", false),
        ("not num = :six and not txt = :he", true),
        ("NOT (num = :five OR num = :six)", false),
    ] {
        let mut used = values.clone();
        used.as_object_mut().unwrap().retain(|name, _| {
            condition.split(|letter: char| !letter.is_alphanumeric() && letter != ':').any(|word| word == name)
        });
        let used = if used == json!({}) { Value::Null } else { used };
        assert_eq!(holds(condition, &Value::Null, &used), Ok(expected), "{condition}");
    }
}

#[test]
fn a_name_placeholder_stands_for_any_attribute() {
    let names = json!({"#s": "status"});
    assert_eq!(holds("#s = :busy", &names, &json!({":busy": {"S": "busy"}})), Ok(true));
}

#[test]
fn a_condition_that_aws_would_refuse_is_refused() {
    let one = json!({":v": {"N": "1"}});
    for (condition, names, values, message) in [
        ("status = :v", Value::Null, &one, "Attribute name is a reserved keyword; reserved keyword: status"),
        ("#s = :v", Value::Null, &one, "attribute name used in the document path is not defined; attribute name: #s"),
        ("num = :w", Value::Null, &one, "attribute value used in expression is not defined; attribute value: :w"),
        ("num = :v", json!({"#x": "x"}), &one, "ExpressionAttributeNames unused in expressions: keys: {#x}"),
        ("attribute_exists(num)", Value::Null, &one, "ExpressionAttributeValues unused in expressions: keys: {:v}"),
        ("num = ", Value::Null, &one, "Syntax error; token: \"<EOF>\""),
        ("num = :v extra", Value::Null, &one, "Syntax error; token: \"extra\""),
        ("num ! :v", Value::Null, &one, "Syntax error; token: \"!\""),
        ("(num = :v", Value::Null, &one, "Syntax error"),
        ("is_set(num)", Value::Null, &one, "Invalid function name; function: is_set"),
        ("begins_with(num, :v)", Value::Null, &one, "function: begins_with, operand type: N"),
        ("num < :v", Value::Null, &json!({":v": {"BOOL": true}}), "operator: <, operand type: BOOL"),
        ("attribute_type(num, :v)", Value::Null, &json!({":v": {"S": "Number"}}), "Invalid attribute type name found"),
        ("num BETWEEN :v AND :w", Value::Null, &json!({":v": {"N": "2"}, ":w": {"N": "1"}}), "greater than or equal"),
        ("num BETWEEN :v AND :w", Value::Null, &json!({":v": {"N": "2"}, ":w": {"S": "x"}}), "same data type"),
        ("", Value::Null, &one, "The expression can not be empty"),
        ("num = attribute_exists(txt)", Value::Null, &one, "not allowed to be used this way"),
    ] {
        let error = holds(condition, &names, values).expect_err(condition);
        assert_eq!(error.code, "ValidationException");
        assert!(error.message.contains(message), "{condition}: {}", error.message);
    }
    let deep = format!("{}num = :v{}", "(".repeat(200), ")".repeat(200));
    assert!(holds(&deep, &Value::Null, &one).is_err());
    let long = "num = :v OR ".repeat(400);
    assert!(holds(&long, &Value::Null, &one).unwrap_err().message.contains("Expression size"));
}

#[test]
fn updates_change_what_they_name() {
    let values = json!({
        ":n": {"N": "2"}, ":s": {"S": "new"}, ":l": {"L": [{"S": "z"}]}, ":ss": {"SS": ["c"]}, ":a": {"SS": ["a"]},
        ":ab": {"SS": ["a", "b"]},
    });
    for (expression, attribute, expected) in [
        ("SET num = :n", "num", json!({"N": "2"})),
        ("SET num = num + :n", "num", json!({"N": "7"})),
        ("set num = num - :n", "num", json!({"N": "3"})),
        ("SET fresh = if_not_exists(fresh, :n) + :n", "fresh", json!({"N": "4"})),
        ("SET num = if_not_exists(num, :n)", "num", json!({"N": "5"})),
        (
            "SET list_ = list_append(:l, list_)",
            "list_",
            json!({"L": [
                {"S": "z"}, {"S": "x"}, {"N": "1"}, {"M": {"deep": {"S": "y"}}}
            ]}),
        ),
        ("SET list_ = list_append(if_not_exists(list_, :l), :l) REMOVE list_[0], list_[1]", "", Value::Null),
        ("SET list_[1] = :s", "list_", json!({"L": [{"S": "x"}, {"S": "new"}, {"M": {"deep": {"S": "y"}}}]})),
        (
            "SET list_[7] = :s REMOVE num",
            "list_",
            json!({"L": [
                {"S": "x"}, {"N": "1"}, {"M": {"deep": {"S": "y"}}}, {"S": "new"}
            ]}),
        ),
        ("SET map_.inside = :s, map_.added = :n", "map_", json!({"M": {"inside": {"S": "new"}, "added": {"N": "2"}}})),
        ("SET list_[2].deep = :s", "list_", json!({"L": [{"S": "x"}, {"N": "1"}, {"M": {"deep": {"S": "new"}}}]})),
        ("REMOVE list_[0], list_[1]", "list_", json!({"L": [{"M": {"deep": {"S": "y"}}}]})),
        ("REMOVE txt, absent", "txt", Value::Null),
        ("ADD num :n", "num", json!({"N": "7"})),
        ("ADD counter_ :n", "counter_", json!({"N": "2"})),
        ("ADD words :ss", "words", json!({"SS": ["a", "b", "c"]})),
        ("ADD fresh :ss", "fresh", json!({"SS": ["c"]})),
        ("DELETE words :a", "words", json!({"SS": ["b"]})),
        ("DELETE words :ab", "words", Value::Null),
        ("DELETE fresh :ab", "fresh", Value::Null),
        ("SET num = :n, txt = num", "txt", json!({"N": "5"})),
    ] {
        let mut used = values.clone();
        used.as_object_mut().unwrap().retain(|name, _| {
            expression.split(|letter: char| !letter.is_alphanumeric() && letter != ':').any(|word| word == name)
        });
        let used = if used == json!({}) { Value::Null } else { used };
        let after = updated(expression, &used);
        if attribute.is_empty() {
            assert!(after.unwrap_err().message.contains("overlap"), "{expression}");
        } else {
            assert_eq!(after.unwrap()[attribute], expected, "{expression}");
        }
    }
}

#[test]
fn an_update_that_aws_would_refuse_is_refused() {
    let n = json!({":v": {"N": "1"}});
    for (expression, values, message) in [
        ("SET pk = :v", &n, "Cannot update attribute pk. This attribute is part of the key"),
        ("SET num = absent + :v", &n, "refers to an attribute that does not exist in the item"),
        ("SET num = txt + :v", &n, "An operand in the update expression has an incorrect data type"),
        ("SET absent.inside = :v", &n, "The document path provided in the update expression is invalid for update"),
        ("SET num.inside = :v", &n, "invalid for update"),
        ("SET num = :v SET txt = :v", &n, "The \"SET\" section can only be used once in an update expression"),
        ("SET num = :v, num = :v", &n, "Two document paths overlap with each other"),
        ("SET map_ = :v REMOVE map_.inside", &n, "Two document paths overlap with each other"),
        ("PUT num = :v", &n, "Syntax error; token: \"PUT\""),
        ("SET num :v", &n, "Syntax error; token: \":v\""),
        ("SET num = sum(:v)", &n, "Invalid function name; function: sum"),
        ("ADD txt :v", &n, "incorrect data type"),
        ("ADD num :v", &json!({":v": {"S": "x"}}), "operator: ADD, operand type: S"),
        ("DELETE words :v", &n, "operator: DELETE, operand type: N"),
        ("DELETE words :v", &json!({":v": {"NS": ["1"]}}), "incorrect data type"),
        ("SET name = :v", &n, "reserved keyword: name"),
        ("SET num = list_append(txt, :v)", &json!({":v": {"L": []}}), "incorrect data type"),
    ] {
        let error = updated(expression, values).expect_err(expression);
        assert_eq!(error.code, "ValidationException", "{error}");
        assert!(error.message.contains(message), "{expression}: {}", error.message);
    }
}
