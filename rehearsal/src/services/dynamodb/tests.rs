//! The behaviour of tables and expressions, case by case, through the same door as the SDK.

use super::*;
use std::borrow::Borrow;

mod expressions;

const NOW: i64 = 1_767_225_600_000;

/// A table `t` with one item under the key `a` that has an attribute of every type.
fn tables() -> Tables {
    let mut tables = Tables::new([("t", "pk")]);
    let item = json!({
        "pk": {"S": "a"}, "txt": {"S": "hello"}, "num": {"N": "5"}, "flag": {"BOOL": true}, "none": {"NULL": true},
        "bin": {"B": "aGVsbG8="}, "list_": {"L": [{"S": "x"}, {"N": "1"}, {"M": {"deep": {"S": "y"}}}]},
        "map_": {"M": {"inside": {"N": "1"}}}, "words": {"SS": ["b", "a"]}, "nums": {"NS": ["10", "9.0"]},
        "status": {"S": "busy"},
    });
    ok(&mut tables, "PutItem", json!({"TableName": "t", "Item": item}));
    tables
}

#[track_caller]
fn ok(tables: &mut Tables, operation: &str, input: impl Borrow<Value>) -> Value {
    let input = input.borrow();
    tables.handle(operation, input, NOW).unwrap_or_else(|error| panic!("{operation} {input}: {error}"))
}

#[track_caller]
fn fails(tables: &mut Tables, operation: &str, input: impl Borrow<Value>, code: &str, message: &str) -> AwsError {
    let error = tables.handle(operation, input.borrow(), NOW).expect_err(operation);
    assert_eq!(error.code, code, "{error}");
    assert!(error.message.contains(message), "`{}` lacks `{message}`", error.message);
    error
}

fn item(tables: &mut Tables, key: &str) -> Value {
    ok(tables, "GetItem", json!({"TableName": "t", "Key": {"pk": {"S": key}}}))["Item"].clone()
}

#[test]
fn an_item_is_kept_until_it_is_deleted() {
    let mut tables = tables();
    assert_eq!(item(&mut tables, "a")["txt"], json!({"S": "hello"}));
    assert_eq!(item(&mut tables, "a")["nums"], json!({"NS": ["9", "10"]}));
    assert_eq!(item(&mut tables, "b"), Value::Null);
    let old =
        ok(&mut tables, "DeleteItem", json!({"TableName": "t", "Key": {"pk": {"S": "a"}}, "ReturnValues": "ALL_OLD"}));
    assert_eq!(old["Attributes"]["num"], json!({"N": "5"}));
    assert_eq!(item(&mut tables, "a"), Value::Null);
    assert_eq!(ok(&mut tables, "DeleteItem", json!({"TableName": "t", "Key": {"pk": {"S": "a"}}})), json!({}));
}

#[test]
fn a_put_replaces_and_can_return_what_was_there() {
    let mut tables = tables();
    let put = json!({"TableName": "t", "Item": {"pk": {"S": "a"}, "n": {"N": "1"}}, "ReturnValues": "ALL_OLD"});
    assert_eq!(ok(&mut tables, "PutItem", put)["Attributes"]["txt"], json!({"S": "hello"}));
    assert_eq!(item(&mut tables, "a"), json!({"pk": {"S": "a"}, "n": {"N": "1"}}));
}

#[test]
fn a_claim_is_granted_once() {
    let mut tables = tables();
    let claim = json!({
        "TableName": "t", "Item": {"pk": {"S": "claim"}, "owner_": {"S": "one"}},
        "ConditionExpression": "attribute_not_exists(pk)", "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    });
    ok(&mut tables, "PutItem", claim.clone());
    let error =
        fails(&mut tables, "PutItem", claim, "ConditionalCheckFailedException", "The conditional request failed");
    assert_eq!(error.members, [("Item".to_owned(), json!({"pk": {"S": "claim"}, "owner_": {"S": "one"}}))]);
}

#[test]
fn an_update_creates_the_item_it_does_not_find() {
    let mut tables = tables();
    let input = json!({
        "TableName": "t", "Key": {"pk": {"S": "new"}}, "UpdateExpression": "ADD seen :one SET first_ = :now",
        "ExpressionAttributeValues": {":one": {"N": "1"}, ":now": {"N": "10"}}, "ReturnValues": "ALL_NEW",
    });
    let new = ok(&mut tables, "UpdateItem", input);
    assert_eq!(new["Attributes"], json!({"pk": {"S": "new"}, "first_": {"N": "10"}, "seen": {"N": "1"}}));
}

#[test]
fn an_update_returns_what_was_asked_for() {
    for (wanted, expected) in [
        ("NONE", Value::Null),
        ("UPDATED_OLD", json!({"num": {"N": "5"}, "map_": {"M": {"inside": {"N": "1"}}}})),
        ("UPDATED_NEW", json!({"num": {"N": "6"}, "map_": {"M": {"inside": {"N": "9"}}}, "fresh": {"N": "9"}})),
    ] {
        let input = json!({
            "TableName": "t", "Key": {"pk": {"S": "a"}},
            "UpdateExpression": "SET num = num + :one, map_.inside = :nine, fresh = :nine",
            "ExpressionAttributeValues": {":one": {"N": "1"}, ":nine": {"N": "9"}}, "ReturnValues": wanted,
        });
        assert_eq!(ok(&mut tables(), "UpdateItem", input)["Attributes"], expected, "{wanted}");
    }
}

#[test]
fn a_read_can_name_its_attributes() {
    let input = json!({
        "TableName": "arn:aws:dynamodb:eu-west-1:123456789012:table/t", "Key": {"pk": {"S": "a"}},
        "ProjectionExpression": "num, #s, list_[2].deep, map_.absent", "ExpressionAttributeNames": {"#s": "status"},
        "ConsistentRead": true,
    });
    assert_eq!(
        ok(&mut tables(), "GetItem", input)["Item"],
        json!({"num": {"N": "5"}, "status": {"S": "busy"}, "list_": {"L": [{"M": {"deep": {"S": "y"}}}]}})
    );
}

#[test]
fn malformed_keys_items_and_values_are_refused() {
    let mut tables = tables();
    let invalid = "ValidationException";
    let item = |item: Value| json!({"TableName": "t", "Item": item});
    fails(&mut tables, "PutItem", item(json!({"x": {"S": "a"}})), invalid, "Missing the key pk in the item");
    fails(&mut tables, "PutItem", item(json!({"pk": {"N": "1"}})), invalid, "expected: S actual: N");
    fails(&mut tables, "PutItem", item(json!({"pk": {"S": ""}})), invalid, "empty string value. Key: pk");
    for (value, message) in [
        (json!({}), "is empty"),
        (json!({"S": "a", "N": "1"}), "more than one datatypes"),
        (json!({"N": "one"}), "cannot be converted to a numeric value: one"),
        (json!({"N": 1}), "`1` is not a value of type `N`"),
        (json!({"SS": []}), "may not be empty"),
        (json!({"NS": ["1", "1.0"]}), "contains duplicates"),
        (json!({"X": "a"}), "not a value of type `X`"),
        (json!({"B": "*"}), "not a value of type `B`"),
        (json!("a"), "not an attribute value"),
        (json!({"L": [{"N": "x"}]}), "numeric value: x"),
    ] {
        fails(&mut tables, "PutItem", item(json!({"pk": {"S": "a"}, "x": value})), invalid, message);
    }
    let huge = item(json!({"pk": {"S": "a"}, "x": {"S": "x".repeat(410_000)}}));
    fails(&mut tables, "PutItem", huge, invalid, "Item size has exceeded the maximum allowed size");
    let schema = "The provided key element does not match the schema";
    for key in [json!({"pk": {"N": "1"}}), json!({"x": {"S": "a"}}), json!({"pk": {"S": "a"}, "x": {"S": "a"}})] {
        fails(&mut tables, "GetItem", json!({"TableName": "t", "Key": key}), invalid, schema);
    }
    let unknown = json!({"TableName": "other", "Key": {"pk": {"S": "a"}}});
    fails(&mut tables, "GetItem", unknown, "ResourceNotFoundException", "Table: other not found");
    fails(&mut tables, "GetItem", json!({"Key": {}}), invalid, "`TableName` is missing");
}

#[test]
fn what_is_not_implemented_is_refused_by_name() {
    let mut tables = tables();
    let invalid = "ValidationException";
    fails(&mut tables, "CreateTable", json!({}), invalid, "`CreateTable` is not implemented");
    let key = json!({"TableName": "t", "Key": {"pk": {"S": "a"}}, "AttributesToGet": ["num"]});
    fails(&mut tables, "GetItem", key, invalid, "`AttributesToGet`");
    let index = json!({"TableName": "t", "IndexName": "by_time"});
    fails(&mut tables, "Scan", index, invalid, "`IndexName` = `\"by_time\"` of `Scan`");
    let capacity = json!({"TableName": "t", "Key": {"pk": {"S": "a"}}, "ReturnConsumedCapacity": "TOTAL"});
    fails(&mut tables, "GetItem", capacity, invalid, "`ReturnConsumedCapacity` = `\"TOTAL\"`");
    let put = json!({"TableName": "t", "Item": {"pk": {"S": "a"}}, "ReturnValues": "ALL_NEW"});
    fails(&mut tables, "PutItem", put, invalid, "`ALL_NEW` is no value of ReturnValues here");
    let names = json!({"TableName": "t", "Key": {"pk": {"S": "a"}}, "ExpressionAttributeNames": {}});
    fails(&mut tables, "GetItem", names, invalid, "ExpressionAttributeNames must not be empty");
}

#[test]
fn a_scan_filters_counts_and_pages() {
    let mut tables = tables();
    for (key, number) in [("b", "1"), ("c", "2"), ("d", "3")] {
        ok(&mut tables, "PutItem", json!({"TableName": "t", "Item": {"pk": {"S": key}, "num": {"N": number}}}));
    }
    let filter = json!({
        "TableName": "t", "FilterExpression": "num >= :two", "ProjectionExpression": "pk",
        "ExpressionAttributeValues": {":two": {"N": "2"}},
    });
    let found = ok(&mut tables, "Scan", filter);
    assert_eq!(found["Items"], json!([{"pk": {"S": "a"}}, {"pk": {"S": "c"}}, {"pk": {"S": "d"}}]));
    assert_eq!((&found["Count"], &found["ScannedCount"]), (&json!(3), &json!(4)));
    let page = ok(&mut tables, "Scan", json!({"TableName": "t", "Limit": 3, "ProjectionExpression": "pk"}));
    assert_eq!(page["LastEvaluatedKey"], json!({"pk": {"S": "c"}}));
    let next = json!({"TableName": "t", "Limit": 3, "ExclusiveStartKey": page["LastEvaluatedKey"], "Select": "COUNT"});
    let next = ok(&mut tables, "Scan", next);
    assert_eq!((&next["Count"], next.get("LastEvaluatedKey"), next.get("Items")), (&json!(1), None, None));
}

#[test]
fn a_query_finds_the_item_of_its_key() {
    let mut tables = tables();
    let query = |condition: &str, key: Value| {
        json!({
            "TableName": "t", "KeyConditionExpression": condition, "ProjectionExpression": "num",
            "ExpressionAttributeValues": {":k": key},
        })
    };
    let found = ok(&mut tables, "Query", query("pk = :k", json!({"S": "a"})));
    assert_eq!(found, json!({"Count": 1, "ScannedCount": 1, "Items": [{"num": {"N": "5"}}]}));
    assert_eq!(ok(&mut tables, "Query", query("pk = :k", json!({"S": "z"})))["Count"], json!(0));
    for (condition, key) in
        [("pk > :k", json!({"S": "a"})), ("num = :k", json!({"N": "5"})), ("pk = :k", json!({"N": "5"}))]
    {
        fails(&mut tables, "Query", query(condition, key), "ValidationException", "Query condition missed key schema");
    }
    fails(&mut tables, "Query", json!({"TableName": "t"}), "ValidationException", "must be specified");
}

#[test]
fn batches_read_and_write_several_items() {
    let mut tables = tables();
    let write = json!({"RequestItems": {"t": [
        {"PutRequest": {"Item": {"pk": {"S": "b"}}}}, {"DeleteRequest": {"Key": {"pk": {"S": "a"}}}}
    ]}});
    assert_eq!(ok(&mut tables, "BatchWriteItem", write), json!({"UnprocessedItems": {}}));
    let read = json!({"RequestItems": {"t": {"Keys": [{"pk": {"S": "a"}}, {"pk": {"S": "b"}}]}}});
    assert_eq!(
        ok(&mut tables, "BatchGetItem", read),
        json!({"Responses": {"t": [{"pk": {"S": "b"}}]}, "UnprocessedKeys": {}})
    );
    let twice = json!({"RequestItems": {"t": {"Keys": [{"pk": {"S": "a"}}, {"pk": {"S": "a"}}]}}});
    fails(&mut tables, "BatchGetItem", twice, "ValidationException", "duplicates");
    let many: Vec<Value> = (0..26).map(|n| json!({"PutRequest": {"Item": {"pk": {"S": n.to_string()}}}})).collect();
    let many = json!({"RequestItems": {"t": many}});
    fails(&mut tables, "BatchWriteItem", many, "ValidationException", "between 1 and 25 items, but was given 26");
    assert_eq!(tables.items("t").len(), 1);
}

#[test]
fn a_transaction_happens_as_a_whole_or_not_at_all() {
    let mut tables = tables();
    let transaction = |condition: &str| {
        json!({"TransactItems": [
            {"Put": {"TableName": "t", "Item": {"pk": {"S": "b"}}}},
            {"Update": {
                "TableName": "t", "Key": {"pk": {"S": "a"}}, "UpdateExpression": "ADD num :one",
                "ExpressionAttributeValues": {":one": {"N": "1"}}, "ConditionExpression": condition,
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            }},
            {"ConditionCheck": {
                "TableName": "t", "Key": {"pk": {"S": "z"}}, "ConditionExpression": "attribute_not_exists(pk)",
            }},
        ]})
    };
    let refused = transaction("attribute_not_exists(num)");
    let error = fails(&mut tables, "TransactWriteItems", refused, "TransactionCanceledException", "specific reasons");
    assert!(error.message.ends_with("[None, ConditionalCheckFailed, None]"), "{error}");
    assert_eq!(error.members[0].1[1]["Item"]["num"], json!({"N": "5"}));
    assert_eq!(item(&mut tables, "b"), Value::Null);
    ok(&mut tables, "TransactWriteItems", transaction("attribute_exists(num)"));
    assert_eq!(item(&mut tables, "a")["num"], json!({"N": "6"}));
    let read = json!({"TransactItems": [
        {"Get": {"TableName": "t", "Key": {"pk": {"S": "a"}}, "ProjectionExpression": "num"}},
        {"Get": {"TableName": "t", "Key": {"pk": {"S": "z"}}}},
    ]});
    assert_eq!(ok(&mut tables, "TransactGetItems", read), json!({"Responses": [{"Item": {"num": {"N": "6"}}}, {}]}));
    let twice = json!({"TransactItems": [
        {"Put": {"TableName": "t", "Item": {"pk": {"S": "b"}}}}, {"Delete": {"TableName": "t", "Key": {"pk": {"S": "b"}}}},
    ]});
    fails(&mut tables, "TransactWriteItems", twice, "ValidationException", "multiple operations on one item");
}

#[test]
fn a_transaction_that_comes_again_with_its_token_is_not_done_again() {
    let mut tables = tables();
    let add = |amount: &str| {
        json!({"ClientRequestToken": "token", "TransactItems": [{"Update": {
            "TableName": "t", "Key": {"pk": {"S": "a"}}, "UpdateExpression": "ADD num :n",
            "ExpressionAttributeValues": {":n": {"N": amount}},
        }}]})
    };
    ok(&mut tables, "TransactWriteItems", add("1"));
    ok(&mut tables, "TransactWriteItems", add("1"));
    assert_eq!(item(&mut tables, "a")["num"], json!({"N": "6"}));
    fails(&mut tables, "TransactWriteItems", add("2"), "IdempotentParameterMismatchException", "same client token");
    tables.handle("TransactWriteItems", &add("2"), NOW + 600_000).unwrap();
    assert_eq!(item(&mut tables, "a")["num"], json!({"N": "8"}));
}

#[test]
fn a_table_describes_itself() {
    let described = ok(&mut tables(), "DescribeTable", json!({"TableName": "t"}));
    assert_eq!(described["Table"]["KeySchema"], json!([{"AttributeName": "pk", "KeyType": "HASH"}]));
    assert_eq!(described["Table"]["TableStatus"], json!("ACTIVE"));
}
