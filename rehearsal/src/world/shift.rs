//! Deployment configurations: how traffic moves from the old version to the new one. Knows nothing of who moves it.

use std::time::Duration;

use regex_lite::Regex;

/// How traffic moves: at which time after the shift's start the new version has which percentage.
pub(crate) type Shift = Vec<(Duration, f64)>;

/// The steps of a deployment configuration, by its name. CodeDeploy's canary has two increments, its linear shift equal ones
/// (`TimeBasedCanary` and `TimeBasedLinear`, CodeDeploy API reference); custom configurations are read by the same words in
/// their names, `MyCanary25Percent10Minutes`.
pub(crate) fn steps(configuration: &str) -> Result<Shift, String> {
    if configuration.ends_with("AllAtOnce") {
        return Ok(vec![(Duration::ZERO, 100.0)]);
    }
    let unknown = || {
        format!(
            "the deployment configuration `{configuration}` is not known; use `…AllAtOnce`, `…Canary10Percent5Minutes` or `…Linear10PercentEvery1Minute`"
        )
    };
    let pattern = Regex::new(r"(Canary|Linear)(\d{1,2})Percent(?:Every)?(\d{1,4})Minutes?$").map_err(|_| unknown())?;
    let found = pattern.captures(configuration).ok_or_else(unknown)?;
    let part = |index: usize| found.get(index).map_or("", |part| part.as_str());
    let percent: u32 = part(2).parse().map_err(|_| unknown())?;
    let minutes: u32 = part(3).parse().map_err(|_| unknown())?;
    let interval = Duration::from_secs(u64::from(minutes) * 60);
    if percent == 0 {
        return Err(unknown());
    }
    Ok(match part(1) {
        "Canary" => vec![(Duration::ZERO, f64::from(percent)), (interval, 100.0)],
        _ => (1..=100_u32.div_ceil(percent))
            .map(|step| (interval * (step - 1), f64::from((step * percent).min(100))))
            .collect(),
    })
}

/// Whether a deployment configuration is one that is known.
pub(crate) fn check(configuration: &str) -> Result<(), String> {
    steps(configuration).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canary_is_two_increments_and_linear_equal_ones() {
        // CodeDeploy user guide, "Predefined deployment configurations".
        let minutes = |number: u64| Duration::from_secs(number * 60);
        let cases: [(&str, Shift); 4] = [
            ("CodeDeployDefault.ECSAllAtOnce", vec![(minutes(0), 100.0)]),
            ("CodeDeployDefault.ECSCanary10Percent5Minutes", vec![(minutes(0), 10.0), (minutes(5), 100.0)]),
            ("CodeDeployDefault.LambdaCanary10Percent30Minutes", vec![(minutes(0), 10.0), (minutes(30), 100.0)]),
            ("Half.Linear50PercentEvery2Minutes", vec![(minutes(0), 50.0), (minutes(2), 100.0)]),
        ];
        for (name, expected) in cases {
            assert_eq!(steps(name).unwrap(), expected, "{name}");
        }
        let linear = steps("CodeDeployDefault.LambdaLinear10PercentEvery1Minute").unwrap();
        assert_eq!((linear.len(), linear.last().copied()), (10, Some((minutes(9), 100.0))));
        assert!(steps("CodeDeployDefault.OneAtATime").unwrap_err().contains("is not known"));
    }
}
