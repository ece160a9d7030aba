//! Addresses that messages lead to. No text from outside ever makes a host: it is built from a region that looks like one, it is github.com, or a whole
//! address was written into the configuration or, by whoever deployed, into the deployment's description. Pure.

use std::fmt::Write;

use domain::events::LogPlace;
use domain::secrets::without;

/// The console's host in a region, for each of AWS's partitions ("Service endpoints", AWS General Reference, and the console's own addresses). `None` where
/// the region is none.
fn console(region: &str) -> Option<String> {
    let is_region = |text: &str| {
        let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        !text.is_empty() && text.len() <= 30 && text.chars().all(letters)
    };
    let domain = match region {
        _ if region.starts_with("cn-") => "console.amazonaws.cn",
        _ if region.starts_with("us-gov-") => "console.amazonaws-us-gov.com",
        _ => "console.aws.amazon.com",
    };
    is_region(region).then(|| format!("https://{region}.{domain}"))
}

/// The address of a deployment in the console. `None` when region or id hold what no region or id holds.
pub fn console_url(region: &str, deployment: &str) -> Option<String> {
    let is_id = !deployment.is_empty() && deployment.chars().all(|c| c == '-' || c.is_ascii_alphanumeric());
    let console = console(region).filter(|_| is_id)?;
    Some(format!("{console}/codesuite/codedeploy/deployments/{deployment}?region={region}"))
}

/// The address of a CloudWatch dashboard. Its name has letters, digits, `-` and `_` (`PutDashboard`, CloudWatch API reference).
pub fn dashboard_url(region: &str, name: &str) -> Option<String> {
    let is_name = !name.is_empty() && name.chars().all(|c| matches!(c, '-' | '_') || c.is_ascii_alphanumeric());
    let console = console(region).filter(|_| is_name)?;
    Some(format!("{console}/cloudwatch/home?region={region}#dashboards/dashboard/{name}"))
}

/// The address of a log stream in CloudWatch's console, narrowed to one request where it is known. `None` where group or stream hold what Lambda's do
/// not: letters, digits and a few signs (`CreateLogGroup`, CloudWatch Logs API reference; `2024/07/24/[$LATEST]3201…`).
pub fn log_url(region: &str, log: &LogPlace) -> Option<String> {
    let is_name = |text: &str, signs: &str| {
        (1..=512).contains(&text.len()) && text.chars().all(|c| c.is_ascii_alphanumeric() || signs.contains(c))
    };
    let fits = is_name(&log.group, "_-/.#") && is_name(&log.stream, "_-/.#$[]");
    let console = console(region).filter(|_| fits)?;
    let (group, stream) = (twice(&log.group), twice(&log.stream));
    let request = log.request_id.as_deref().filter(|id| is_name(id, "-"));
    let lines = request.map(|id| format!("$3FfilterPattern$3D{}", twice(&format!("\"{id}\"")))).unwrap_or_default();
    Some(format!(
        "{console}/cloudwatch/home?region={region}#logsV2:log-groups/log-group/{group}/log-events/{stream}{lines}"
    ))
}

/// As the CloudWatch console writes a value into its own address: percent-encoded twice, with `$` in place of the outer percent sign, so that `/` is
/// `$252F`. AWS does not document it; the console makes such addresses, and so does whoever leads there.
fn twice(value: &str) -> String {
    let mut out = String::new();
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            // Writing into a text cannot fail.
            let _ = write!(out, "$25{byte:02X}");
        }
    }
    out
}

/// The commit's id and address of a revision on GitHub (`domain::redeploy::Source::revision_id`: `github:owner/name@commit`).
pub fn commit_on_github(revision: &str) -> Option<(String, String)> {
    let (repository, commit) = revision.strip_prefix("github:")?.split_once('@')?;
    let (owner, name) = repository.split_once('/')?;
    let is_name = |text: &str| {
        !text.trim_matches('.').is_empty()
            && text.chars().all(|c| matches!(c, '-' | '_' | '.') || c.is_ascii_alphanumeric())
    };
    let is_commit = !commit.is_empty() && commit.chars().all(|c| c.is_ascii_hexdigit());
    let fits = is_name(owner) && is_name(name) && is_commit;
    fits.then(|| (commit.to_owned(), format!("https://github.com/{owner}/{name}/commit/{commit}")))
}

/// The host of an address that a deployment's description gives, `None` where it is not one that may be shown as a link: by `https`, without a user, and with
/// nothing in it that needs an escape or looks like a secret.
pub fn host_of(url: &str) -> Option<String> {
    let rest = url.strip_prefix("https://")?;
    let plain = |c: char| {
        c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '~' | '/' | ':' | '?' | '#' | '=' | '&' | '%' | '+')
    };
    let host = rest.split(['/', '?', '#']).next().filter(|host| !host.is_empty())?;
    let is_host = host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ':'));
    (is_host && rest.chars().all(plain) && without(url) == url).then(|| host.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_streams_address_is_the_one_that_the_console_makes() {
        // As somebody copied it from the console into a comment of public code, and the request as a test of other public code has it.
        let known = "https://us-west-2.console.aws.amazon.com/cloudwatch/home?region=us-west-2#logsV2:log-groups/log-group/\
                     $252Faws$252Flambda$252Fuds-sbx-cumulus-mock_daac_lambda/log-events/2024$252F07$252F24$252F$255B$2524LATEST$255D3201091732ed43f99d4a61ea1b4eda59";
        let log = LogPlace {
            group: "/aws/lambda/uds-sbx-cumulus-mock_daac_lambda".to_owned(),
            stream: "2024/07/24/[$LATEST]3201091732ed43f99d4a61ea1b4eda59".to_owned(),
            request_id: None,
        };
        assert_eq!(log_url("us-west-2", &log).unwrap(), known);
        let request = Some("69b3654a-89b8-453a-b42c-bb66ccfc6405".to_owned());
        let narrowed = log_url("us-west-2", &LogPlace { request_id: request, ..log.clone() }).unwrap();
        assert_eq!(narrowed, format!("{known}$3FfilterPattern$3D$252269b3654a-89b8-453a-b42c-bb66ccfc6405$2522"));
        assert_eq!(log_url("evil.example/", &log), None);
        assert_eq!(log_url("us-west-2", &LogPlace { group: String::new(), ..log }), None);
    }

    #[test]
    fn each_partition_has_its_own_console_and_no_text_from_outside_makes_a_host() {
        let url = |region: &str| console_url(region, "d-1").unwrap_or_default();
        assert!(url("cn-north-1").starts_with("https://cn-north-1.console.amazonaws.cn/"));
        assert!(url("us-gov-west-1").starts_with("https://us-gov-west-1.console.amazonaws-us-gov.com/"));
        for (region, id) in [("evil.com/", "d-1"), ("eu-west-1", "d-1?x"), ("", "d-1"), ("eu-west-1", "")] {
            assert_eq!(console_url(region, id), None, "{region} {id}");
        }
        assert_eq!(
            dashboard_url("eu-west-1", "greenlight-delivery-eu-west-1").unwrap(),
            "https://eu-west-1.console.aws.amazon.com/cloudwatch/home?region=eu-west-1#dashboards/dashboard/greenlight-delivery-eu-west-1"
        );
        assert_eq!(dashboard_url("eu-west-1", "a/../b"), None);
    }

    #[test]
    fn a_commit_is_linked_where_its_address_is_plain() {
        let github = commit_on_github("github:acme/web.app@3f9c2d71").unwrap();
        assert_eq!(github.1, "https://github.com/acme/web.app/commit/3f9c2d71");
        for wrong in
            ["s3:b/k?1", "github:acme@3f9c", "github:../..@3f9c", "github:a/b/c@3f9c", "github:a/b@x|y", "github:a/b@"]
        {
            assert_eq!(commit_on_github(wrong), None, "{wrong}");
        }
        assert_eq!(host_of("https://git.example.com:8443/a/b/commit/3f9c").as_deref(), Some("git.example.com:8443"));
        for wrong in [
            "http://a/b",
            "https://u:p@a/b",
            "https://",
            "https:///x",
            "https://a/<!channel>",
            "https://a/b|c",
            "javascript:x",
        ] {
            assert_eq!(host_of(wrong), None, "{wrong}");
        }
    }
}
