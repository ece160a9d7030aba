//! Places.

use super::*;

#[test]
fn another_account_or_region_is_told_apart_where_both_are_known() {
    let here = Place::of("arn:aws:lambda:eu-west-1:123456789012:function:greenlight-alarm-rollback");
    let alarm = |region: &str, account: &str| {
        here.differs(&Place::of(&format!("arn:aws:cloudwatch:{region}:{account}:alarm:a:b c")))
    };
    assert_eq!(alarm("eu-west-1", "123456789012"), None);
    assert_eq!(alarm("eu-west-1", "111122223333").as_deref(), Some("the account 111122223333"));
    assert_eq!(alarm("us-east-1", "123456789012").as_deref(), Some("the region us-east-1"));
    // The samples in AWS's documentation, and functions that are invoked by their bare name.
    assert_eq!(alarm("REGION", "ACCOUNT_NUMBER"), None);
    assert_eq!(Place::of("my-function").differs(&Place::of("arn:aws:cloudwatch:eu-west-1:123456789012:alarm:a")), None);
    assert_eq!(here.alarm("x y").unwrap(), "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:x y");
}
