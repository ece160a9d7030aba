//! The wire formats, byte for byte as the protocol specifications and the SDK's own serializers have them.

use super::*;
use http::{HeaderName, HeaderValue};
use serde_json::json;

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())).collect()
}

const CBOR: &[(&str, &str)] = &[("smithy-protocol", "rpc-v2-cbor"), ("content-type", "application/cbor")];

#[track_caller]
fn form(body: &str) -> Result<Call, ProtocolError> {
    decode(&Method::POST, "/", &headers(&[("content-type", "application/x-www-form-urlencoded")]), body.as_bytes())
}

#[track_caller]
fn cbor(operation: &str, body: &[u8]) -> Result<Call, ProtocolError> {
    let path = format!("/service/GraniteServiceVersion20100801/operation/{operation}");
    decode(&Method::POST, &path, &headers(CBOR), body)
}

#[track_caller]
fn lambda(method: &Method, path: &str, body: &str) -> Call {
    decode(method, path, &HeaderMap::new(), body.as_bytes()).unwrap()
}

fn call(service: Service, operation: &str) -> Call {
    Call { service, operation: operation.to_owned(), input: json!({}), access_key: None }
}

fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
}

fn body(response: &Response) -> &str {
    std::str::from_utf8(&response.body).unwrap()
}

#[test]
fn a_target_header_names_the_service_and_the_operation() {
    for (target, service, operation) in [
        ("CodeDeploy_20141006.GetDeployment", Service::CodeDeploy, "GetDeployment"),
        ("AmazonEC2ContainerServiceV20141113.DescribeServices", Service::Ecs, "DescribeServices"),
        ("AWSEvents.PutEvents", Service::EventBridge, "PutEvents"),
        ("DynamoDB_20120810.PutItem", Service::DynamoDb, "PutItem"),
        ("secretsmanager.GetSecretValue", Service::SecretsManager, "GetSecretValue"),
    ] {
        let seen = decode(&Method::POST, "/", &headers(&[("x-amz-target", target)]), br#"{"a":1}"#).unwrap();
        assert_eq!((seen.service, seen.operation.as_str(), seen.input), (service, operation, json!({"a": 1})));
    }
}

#[test]
fn the_access_key_is_read_from_the_signature() {
    let signed = "AWS4-HMAC-SHA256 Credential=ALARMROLLBACK/20260101/eu-west-1/codedeploy/aws4_request, \
                  SignedHeaders=host;x-amz-date, Signature=00";
    let target = ("x-amz-target", "CodeDeploy_20141006.StopDeployment");
    let seen = decode(&Method::POST, "/", &headers(&[target, ("authorization", signed)]), b"{}").unwrap();
    assert_eq!(seen.access_key.as_deref(), Some("ALARMROLLBACK"));
    let seen = decode(&Method::POST, "/", &headers(&[target]), b"").unwrap();
    assert_eq!((seen.access_key, seen.input), (None, json!({})));
    let seen = decode(&Method::POST, "/", &headers(&[target, ("authorization", "Bearer x")]), b"").unwrap();
    assert_eq!(seen.access_key, None);
}

#[test]
fn a_json_answer_is_the_neutral_form_itself() {
    let answer = encode(&call(Service::CodeDeploy, "GetDeployment"), Ok(&json!({"createTime": 1.5, "list": []})));
    assert_eq!(answer.status, 200);
    assert_eq!(body(&answer), r#"{"createTime":1.5,"list":[]}"#);
    assert_eq!(header(&answer, "content-type"), Some("application/x-amz-json-1.1"));
    let empty = encode(&call(Service::DynamoDb, "PutItem"), Ok(&Value::Null));
    assert_eq!((body(&empty), header(&empty, "content-type")), ("{}", Some("application/x-amz-json-1.0")));
}

#[test]
fn a_json_error_names_its_code_in_header_and_body() {
    let error = AwsError::client("DeploymentDoesNotExistException", "no `d-1`");
    let answer = encode(&call(Service::CodeDeploy, "GetDeployment"), Err(&error));
    assert_eq!(answer.status, 400);
    assert_eq!(header(&answer, "x-amzn-errortype"), Some("DeploymentDoesNotExistException"));
    assert_eq!(body(&answer), r#"{"__type":"DeploymentDoesNotExistException","message":"no `d-1`"}"#);
}

#[test]
fn a_dynamodb_error_has_its_namespace_and_its_members() {
    let error = AwsError::client("ConditionalCheckFailedException", "failed").with("Item", json!({"pk": {"S": "a"}}));
    let answer = encode(&call(Service::DynamoDb, "PutItem"), Err(&error));
    assert_eq!(
        body(&answer),
        concat!(
            r#"{"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException","#,
            r#""message":"failed","Item":{"pk":{"S":"a"}}}"#
        )
    );
}

#[test]
fn denial_throttling_and_breakdown_have_the_code_and_status_of_the_service() {
    let code_and_status = |service, error: &AwsError| {
        let answer = encode(&call(service, "X"), Err(error));
        let named = header(&answer, "x-amzn-errortype").or(header(&answer, "x-amzn-query-error")).map(str::to_owned);
        let in_xml = || {
            let xml = body(&answer);
            xml.split_once("<Code>").and_then(|(_, rest)| rest.split_once('<')).map(|(code, _)| code.to_owned())
        };
        (named.or_else(in_xml).unwrap(), answer.status)
    };
    let denied = AwsError::access_denied("no policy allows it");
    assert_eq!(code_and_status(Service::Ecs, &denied), ("AccessDeniedException".to_owned(), 400));
    assert_eq!(code_and_status(Service::Lambda, &denied), ("AccessDeniedException".to_owned(), 403));
    assert_eq!(code_and_status(Service::Elb, &denied), ("AccessDenied".to_owned(), 403));
    assert_eq!(code_and_status(Service::CloudWatch, &denied), ("AccessDenied;Sender".to_owned(), 403));
    let slow = AwsError::throttling();
    assert_eq!(code_and_status(Service::CodeDeploy, &slow), ("ThrottlingException".to_owned(), 400));
    assert_eq!(code_and_status(Service::Lambda, &slow), ("TooManyRequestsException".to_owned(), 429));
    assert_eq!(code_and_status(Service::Elb, &slow), ("Throttling".to_owned(), 400));
    assert_eq!(code_and_status(Service::CloudWatch, &slow), ("Throttling;Sender".to_owned(), 400));
    let broken = AwsError::internal();
    assert_eq!(code_and_status(Service::SecretsManager, &broken).1, 500);
    assert_eq!(code_and_status(Service::CloudWatch, &broken), ("InternalFailure;Receiver".to_owned(), 500));
}

#[test]
fn a_cbor_request_of_the_sdk_is_read() {
    // {_ "Namespace": "N", "MetricData": [{_ "Value": 1.0, "Timestamp": 1(1.5)}], "Whole": 300, "Less": -1}
    let mut bytes = vec![0xbf, 0x69];
    bytes.extend(b"Namespace\x61N\x6aMetricData\x81\xbf\x65Value\xfb");
    bytes.extend(1.0_f64.to_be_bytes());
    bytes.extend(b"\x69Timestamp\xc1\xfb");
    bytes.extend(1.5_f64.to_be_bytes());
    bytes.extend(b"\xff\x65Whole\x19\x01\x2c\x64Less\x20\xff");
    let seen = cbor("PutMetricData", &bytes).unwrap();
    assert_eq!((seen.service, seen.operation.as_str()), (Service::CloudWatch, "PutMetricData"));
    assert_eq!(
        seen.input,
        json!({"Namespace": "N", "MetricData": [{"Value": 1.0, "Timestamp": 1.5}], "Whole": 300, "Less": -1})
    );
    assert_eq!(cbor("ListMetrics", b"").unwrap().input, json!({}));
    assert_eq!(cbor("ListMetrics", b"\xbf\xff").unwrap().input, json!({}));
}

#[test]
fn a_number_that_json_lacks_reaches_the_service_as_text() {
    let mut bytes = b"\xa1\x65Value\xfb".to_vec();
    bytes.extend(f64::NAN.to_be_bytes());
    assert_eq!(cbor("PutMetricData", &bytes).unwrap().input, json!({"Value": "NaN"}));
}

#[test]
fn a_cbor_answer_has_doubles_and_timestamps_where_the_model_has_them() {
    let output = json!({"Values": [1], "Timestamps": [2], "Period": 300, "Text": null, "Flag": true, "Less": -500});
    let answer = encode(&call(Service::CloudWatch, "GetMetricData"), Ok(&output));
    let mut bytes = b"\xa5\x66Values\x81\xfb".to_vec();
    bytes.extend(1.0_f64.to_be_bytes());
    bytes.extend(b"\x6aTimestamps\x81\xc1\xfb");
    bytes.extend(2.0_f64.to_be_bytes());
    bytes.extend(b"\x66Period\x19\x01\x2c\x64Flag\xf5\x64Less\x39\x01\xf3");
    assert_eq!(answer.body, bytes);
    assert_eq!(header(&answer, "smithy-protocol"), Some("rpc-v2-cbor"));
    assert_eq!(encode(&call(Service::CloudWatch, "PutMetricData"), Ok(&Value::Null)).body, b"\xa0");
}

#[test]
fn a_cbor_timestamp_keeps_its_millisecond_when_the_rest_is_cut_off() {
    for millis in [1_570_035_880_985_i64, 1_570_035_880_001, 1_570_035_880_999, 1_767_225_600_333] {
        let output = json!({"Timestamp": millis as f64 / 1000.0});
        let answer = encode(&call(Service::CloudWatch, "X"), Ok(&output));
        let seconds = cbor("X", &answer.body).unwrap().input["Timestamp"].as_f64().unwrap();
        assert_eq!((seconds.fract() * 1e9) as i64 / 1_000_000, millis % 1000);
    }
}

#[test]
fn cbor_survives_a_round_trip() {
    let long = "x".repeat(70_000);
    let value = json!({
        "MetricAlarms": [{"AlarmName": "ü", "Threshold": 5.0, "Dimensions": [{"Name": "a", "Value": "b"}]}],
        "ExtendedStatistics": {"p99": 1.25}, "Big": u64::MAX, "Small": i64::MIN, "Wide": 70_000, "Byte": 200,
        "Long": long, "Half": 0.5, "Empty": {}, "None": [],
    });
    let answer = encode(&call(Service::CloudWatch, "X"), Ok(&value));
    assert_eq!(cbor("X", &answer.body).unwrap().input, value);
}

#[test]
fn a_cbor_error_carries_code_and_message() {
    let error = AwsError::client("InvalidParameterValue", "too many");
    let answer = encode(&call(Service::CloudWatch, "PutMetricData"), Err(&error));
    assert_eq!(header(&answer, "x-amzn-query-error"), Some("InvalidParameterValue;Sender"));
    let seen = cbor("X", &answer.body).unwrap().input;
    assert_eq!(seen, json!({"__type": "com.amazonaws.cloudwatch#InvalidParameterValue", "message": "too many"}));
}

#[test]
fn a_form_becomes_lists_structures_and_numbers() {
    let seen = form(
        "Action=DescribeTargetHealth&Version=2015-12-01&TargetGroupArn=arn%3Aaws%3Atg%2F1&Targets.member.2.Id=b\
         &Targets.member.1.Id=a&Targets.member.1.Port=80&Targets.member.10.Id=c+d",
    )
    .unwrap();
    assert_eq!((seen.service, seen.operation.as_str()), (Service::Elb, "DescribeTargetHealth"));
    assert_eq!(
        seen.input,
        json!({"TargetGroupArn": "arn:aws:tg/1", "Targets": [{"Id": "a", "Port": 80}, {"Id": "b"}, {"Id": "c d"}]})
    );
    let seen = form("Action=DescribeTags&Version=2015-12-01&ResourceArns.member.1=x&PageSize=5").unwrap();
    assert_eq!(seen.input, json!({"PageSize": 5, "ResourceArns": ["x"]}));
    let seen = form("Action=DescribeLoadBalancers&Version=2015-12-01&Names=").unwrap();
    assert_eq!(seen.input, json!({"Names": []}));
}

#[test]
fn an_xml_answer_has_members_escapes_and_dates() {
    let output = json!({
        "LoadBalancers": [{"LoadBalancerName": "a<b&\"c\"", "CreatedTime": 0.5, "State": {"Code": "active"}}],
        "NextMarker": null, "Weight": 10, "On": false, "Nothing": [],
    });
    let answer = encode(&call(Service::Elb, "DescribeLoadBalancers"), Ok(&output));
    assert_eq!(header(&answer, "content-type"), Some("text/xml"));
    assert_eq!(
        body(&answer),
        concat!(
            r#"<DescribeLoadBalancersResponse xmlns="http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/">"#,
            "<DescribeLoadBalancersResult><LoadBalancers><member>",
            "<LoadBalancerName>a&lt;b&amp;&quot;c&quot;</LoadBalancerName>",
            "<CreatedTime>1970-01-01T00:00:00.500Z</CreatedTime><State><Code>active</Code></State>",
            "</member></LoadBalancers><Weight>10</Weight><On>false</On><Nothing></Nothing>",
            "</DescribeLoadBalancersResult><ResponseMetadata><RequestId>rehearsal</RequestId></ResponseMetadata>",
            "</DescribeLoadBalancersResponse>"
        )
    );
}

#[test]
fn an_xml_error_has_type_code_and_message() {
    let error = AwsError::client("TargetGroupNotFound", "no <tg>");
    assert_eq!(
        body(&encode(&call(Service::Elb, "DescribeTargetHealth"), Err(&error))),
        concat!(
            r#"<ErrorResponse xmlns="http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/"><Error>"#,
            "<Type>Sender</Type><Code>TargetGroupNotFound</Code><Message>no &lt;tg&gt;</Message></Error>",
            "<RequestId>rehearsal</RequestId></ErrorResponse>"
        )
    );
}

#[test]
fn lambda_routes_become_operations() {
    let arn = "arn%3Aaws%3Alambda%3Aeu-west-1%3A123456789012%3Afunction%3Ashop";
    let arn_decoded = "arn:aws:lambda:eu-west-1:123456789012:function:shop";
    for (method, path, operation, input) in [
        ("GET", format!("/2015-03-31/functions/{arn}"), "GetFunction", json!({"FunctionName": arn_decoded})),
        (
            "GET",
            "/2015-03-31/functions/shop/configuration?Qualifier=live".to_owned(),
            "GetFunctionConfiguration",
            json!({"FunctionName": "shop", "Qualifier": "live"}),
        ),
        (
            "GET",
            "/2015-03-31/functions/shop/aliases/live".to_owned(),
            "GetAlias",
            json!({"FunctionName": "shop", "Name": "live"}),
        ),
        (
            "GET",
            "/2019-09-30/functions/shop/provisioned-concurrency?Qualifier=7".to_owned(),
            "GetProvisionedConcurrencyConfig",
            json!({"FunctionName": "shop", "Qualifier": "7"}),
        ),
        (
            "GET",
            "/2015-03-31/functions/shop/versions?Marker=a%2Bb&MaxItems=10".to_owned(),
            "ListVersionsByFunction",
            json!({"FunctionName": "shop", "Marker": "a+b", "MaxItems": 10}),
        ),
    ] {
        let seen = lambda(&method.parse().unwrap(), &path, "");
        assert_eq!((seen.service, seen.operation.as_str(), seen.input), (Service::Lambda, operation, input));
    }
    let body = r#"{"FunctionVersion":"8","RoutingConfig":{"AdditionalVersionWeights":{"7":0.1}}}"#;
    let seen = lambda(&Method::PUT, "/2015-03-31/functions/shop/aliases/live", body);
    assert_eq!(seen.operation, "UpdateAlias");
    assert_eq!(seen.input["RoutingConfig"]["AdditionalVersionWeights"]["7"], json!(0.1));
    assert_eq!(seen.input["Name"], json!("live"));
}

#[test]
fn an_invocation_keeps_its_payload() {
    let path = "/2015-03-31/functions/shop/invocations?Qualifier=live";
    let asynchronous = headers(&[("x-amz-invocation-type", "Event")]);
    let seen = decode(&Method::POST, path, &asynchronous, br#"{"DeploymentId":"d-1"}"#).unwrap();
    assert_eq!(
        seen.input,
        json!({
            "FunctionName": "shop", "Qualifier": "live", "InvocationType": "Event", "Payload": {"DeploymentId": "d-1"},
        })
    );
    assert_eq!(lambda(&Method::POST, path, "not json").input["PayloadBase64"], json!("bm90IGpzb24="));
    assert_eq!(lambda(&Method::POST, path, "").input.get("Payload"), None);
}

#[test]
fn an_invocation_answer_is_spread_over_status_headers_and_body() {
    let invoke = call(Service::Lambda, "Invoke");
    let output = json!({
        "StatusCode": 200, "FunctionError": "Unhandled", "ExecutedVersion": "8", "Payload": {"errorMessage": "no"},
    });
    let answer = encode(&invoke, Ok(&output));
    assert_eq!((answer.status, body(&answer)), (200, r#"{"errorMessage":"no"}"#));
    assert_eq!(header(&answer, "x-amz-function-error"), Some("Unhandled"));
    assert_eq!(header(&answer, "x-amz-executed-version"), Some("8"));
    let accepted = encode(&invoke, Ok(&json!({"StatusCode": 202})));
    assert_eq!((accepted.status, body(&accepted)), (202, ""));
    let raw = encode(&invoke, Ok(&json!({"StatusCode": 200, "PayloadBase64": "bm90IGpzb24="})));
    assert_eq!(body(&raw), "not json");
}

#[test]
fn a_lambda_error_has_the_status_of_its_code() {
    let error = AwsError::client("ResourceNotFoundException", "Function not found: shop");
    let answer = encode(&call(Service::Lambda, "GetFunction"), Err(&error));
    assert_eq!(answer.status, 404);
    assert_eq!(header(&answer, "x-amzn-errortype"), Some("ResourceNotFoundException"));
    assert_eq!(body(&answer), r#"{"Type":"User","Message":"Function not found: shop"}"#);
}

#[test]
fn an_unknown_service_or_route_is_refused_by_name() {
    let s3 = decode(&Method::GET, "/bucket/key?x=1", &HeaderMap::new(), b"").unwrap_err();
    assert!(s3.to_string().contains("`GET /bucket/key`"), "{s3}");
    assert_eq!(refuse(&s3).status, 400);
    let ssm = decode(&Method::POST, "/", &headers(&[("x-amz-target", "AmazonSSM.GetParameter")]), b"{}").unwrap_err();
    assert!(ssm.to_string().starts_with("`AmazonSSM.GetParameter` belongs to no service"), "{ssm}");
    let route = decode(&Method::DELETE, "/2015-03-31/functions/shop", &HeaderMap::new(), b"").unwrap_err();
    assert_eq!(
        route.to_string(),
        "`DELETE /2015-03-31/functions/shop` is no operation of `lambda` that the rehearsal knows"
    );
    let listed =
        decode(&Method::GET, "/2019-09-30/functions/shop/provisioned-concurrency?List=ALL", &HeaderMap::new(), b"");
    assert!(matches!(listed, Err(ProtocolError::UnknownOperation { .. })));
    let sns = form("Action=Publish&Version=2010-03-31").unwrap_err();
    assert!(sns.to_string().starts_with("`Action=Publish&Version=2010-03-31` belongs to no service"), "{sns}");
    let elsewhere = decode(&Method::POST, "/service/Other/operation/X", &headers(CBOR), b"").unwrap_err();
    assert!(matches!(elsewhere, ProtocolError::UnknownService { .. }));
}

#[test]
fn a_garbage_body_is_refused_in_the_protocol_of_the_request() {
    let target = headers(&[("x-amz-target", "DynamoDB_20120810.PutItem")]);
    let json = decode(&Method::POST, "/", &target, b"{").unwrap_err();
    assert!(json.to_string().starts_with("could not read the body of `PutItem` as JSON"), "{json}");
    assert_eq!(header(&refuse(&json), "x-amzn-errortype"), Some("SerializationException"));
    let list = decode(&Method::POST, "/", &target, b"[]").unwrap_err();
    assert!(list.to_string().ends_with("the input has to be an object"), "{list}");

    for garbage in [&b"\xff"[..], b"\xbf\x61", b"\xa0\xa0", b"\x80", b"\xa1\x01\x02", b"\xa1\x61a\xd8\x20\x61b"] {
        let error = cbor("PutMetricData", garbage).unwrap_err();
        assert!(error.to_string().starts_with("could not read the body of `PutMetricData` as CBOR"), "{error}");
        assert_eq!(header(&refuse(&error), "x-amzn-query-error"), Some("SerializationException;Sender"));
    }
    let path = "/service/GraniteServiceVersion20100801/operation/ListMetrics";
    let bare = decode(&Method::POST, path, &HeaderMap::new(), b"").unwrap_err();
    assert!(bare.to_string().contains("`smithy-protocol: rpc-v2-cbor` is missing"), "{bare}");

    for garbage in [
        "Version=2015-12-01",
        "Action=X&Version=2015-12-01&A=1&A.B=2",
        "Action=X&Version=2015-12-01&A.member.x=2",
        "Action=X&Version=2015-12-01&PageSize=many",
    ] {
        let error = form(garbage).unwrap_err();
        assert!(matches!(error, ProtocolError::Body { service: Service::Elb, .. }), "{error}");
        assert!(body(&refuse(&error)).contains("<Code>SerializationException</Code>"));
    }
}

#[test]
fn a_body_packed_by_gzip_is_unpacked_and_a_broken_one_refused() {
    let mut packed = headers(CBOR);
    packed.insert("content-encoding", HeaderValue::from_static("gzip"));
    let path = "/service/GraniteServiceVersion20100801/operation/PutMetricData";
    // `{"Namespace": "X"}` in CBOR, packed by Python's gzip.
    let body = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\x5b\x98\xe9\x97\x98\x9b\x5a\x5c\x90\x98\x9c\x9a\x18\x01\x00\x7b\x79\x18\xf7\x0d\x00\x00\x00";
    let call = decode(&Method::POST, path, &packed, body).unwrap();
    assert_eq!(call.input, json!({ "Namespace": "X" }));
    let error = decode(&Method::POST, path, &packed, b"\x1f\x8b").unwrap_err();
    assert!(error.to_string().starts_with("cannot unpack a request body with content-encoding `gzip`"), "{error}");
}

#[test]
fn every_service_has_its_iam_prefix() {
    let prefixes: Vec<_> = Service::ALL.iter().map(|service| service.iam_prefix()).collect();
    assert_eq!(
        prefixes,
        ["codedeploy", "ecs", "elasticloadbalancing", "cloudwatch", "events", "dynamodb", "secretsmanager", "lambda"]
    );
}
