//! Points in time and spans of time as the domain and the configuration write them. Knows nothing of the clock: a
//! [`Timestamp`] always comes from outside.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

/// A point in time: milliseconds since the Unix epoch, UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// From seconds since the epoch, as CodeDeploy's wire protocol writes its times.
    pub fn from_seconds(seconds: f64) -> Self {
        Self((seconds * 1000.0).round() as i64)
    }

    /// Seconds since the epoch, with fractions.
    pub fn seconds(self) -> f64 {
        self.0 as f64 / 1000.0
    }

    /// This point moved forward by `by`; saturates at the end of time.
    pub fn plus(self, by: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
    }

    /// This point moved back by `by`.
    pub fn minus(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
    }

    /// How long after `earlier` this is; zero when it is not after it. AWS's own clocks run backwards at times: "in some
    /// cases the start time may be later than the complete time" (CodeDeploy API reference, `DeploymentInfo`).
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Reads every form of time that AWS puts into its events: RFC 3339, the offset without its colon (`+0000`, CloudWatch's
    /// alarms) and the stray blanks of the documented direct-alarm sample.
    pub fn parse(text: &str) -> Option<Self> {
        let compact: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let with_colon = match compact.char_indices().rev().nth(4) {
            Some((at, '+' | '-')) if compact.len() > 19 && !compact.ends_with('Z') => {
                let (head, zone) = compact.split_at(at);
                format!("{head}{}:{}", zone.get(..3)?, zone.get(3..)?)
            }
            _ => compact,
        };
        let parsed = OffsetDateTime::parse(&with_colon, &Rfc3339).ok()?;
        Some(Self(i64::try_from(parsed.unix_timestamp_nanos() / 1_000_000).ok()?))
    }

    fn to_offset(self) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000_000).unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }

    /// Day and time in UTC to the minute, `2026-03-17 10:00 UTC`, as a person reads it in a finding.
    pub fn day_and_time(self) -> String {
        let form = format_description!("[year]-[month]-[day] [hour]:[minute] UTC");
        self.to_offset().format(form).unwrap_or_default()
    }

    /// The time of day in UTC, `14:05:09`, as a person reads it in a message.
    pub fn time_of_day(self) -> String {
        self.to_offset().format(format_description!("[hour]:[minute]:[second]")).unwrap_or_default()
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 with milliseconds: `2026-01-05T09:00:00.000Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let form = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
        f.write_str(&self.to_offset().format(form).map_err(|_| fmt::Error)?)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Timestamp::parse(&text).ok_or_else(|| de::Error::custom(format!("`{text}` is not a time")))
    }
}

/// A span of time as the configuration writes it: a number and a unit, `300ms`, `3s`, `2m`, `1h`, `14d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

impl Span {
    /// Reads `300ms`, `3s`, `2m`, `1h` or `14d`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{text}` is not a span of time: write a number and a unit, such as `300ms`, `3s`, `2m`, `1h` or `14d`"
            )
        };
        let split = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let (number, unit) = text.split_at(split);
        let number: u64 = number.parse().map_err(|_| wrong())?;
        let milliseconds = match unit {
            "ms" => Some(number),
            "s" => number.checked_mul(1000),
            "m" => number.checked_mul(60_000),
            "h" => number.checked_mul(3_600_000),
            "d" => number.checked_mul(86_400_000),
            _ => None,
        };
        milliseconds.map(|ms| Self(Duration::from_millis(ms))).ok_or_else(wrong)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.0.as_millis();
        match ms {
            _ if ms == 0 || !ms.is_multiple_of(1000) => write!(f, "{ms}ms"),
            _ if ms.is_multiple_of(86_400_000) => write!(f, "{}d", ms / 86_400_000),
            _ if ms.is_multiple_of(3_600_000) => write!(f, "{}h", ms / 3_600_000),
            _ if ms.is_multiple_of(60_000) => write!(f, "{}m", ms / 60_000),
            _ => write!(f, "{}s", ms / 1000),
        }
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Written;
        impl de::Visitor<'_> for Written {
            type Value = Span;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a span of time such as `2m`")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Span, E> {
                Span::parse(text).map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Written)
    }
}

/// How a span reads in a message: `340 ms`, `4.2 s`, `3 min 20 s`, `1 h 5 min`, `14 d`.
pub fn spoken(span: Duration) -> String {
    let ms = span.as_millis();
    let seconds = span.as_secs();
    match ms {
        0..1000 => format!("{ms} ms"),
        1000..60_000 if ms.is_multiple_of(1000) => format!("{seconds} s"),
        1000..60_000 => format!("{:.1} s", ms as f64 / 1000.0),
        60_000..3_600_000 if seconds.is_multiple_of(60) => format!("{} min", seconds / 60),
        60_000..3_600_000 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ if seconds >= 172_800 && (seconds / 3600).is_multiple_of(24) => format!("{} d", seconds / 86_400),
        _ if seconds >= 172_800 => format!("{} d {} h", seconds / 86_400, seconds / 3600 % 24),
        _ if (seconds / 60).is_multiple_of(60) => format!("{} h", seconds / 3600),
        _ => format!("{} h {} min", seconds / 3600, (seconds / 60) % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_time_in_aws_events_is_read() {
        // AWS's documented samples: CodeDeploy and EventBridge, CloudWatch's alarm state, the direct alarm action.
        let cases = [
            ("2016-06-30T22:06:31Z", 1_467_324_391_000),
            ("2019-10-02T17:04:40.989+0000", 1_570_035_880_989),
            ("2023-08-04T12: 36: 15.490+0000", 1_691_152_575_490),
            ("2019-11-14T18:16:05.568Z", 1_573_755_365_568),
        ];
        for (text, expected) in cases {
            assert_eq!(Timestamp::parse(text), Some(Timestamp(expected)), "{text}");
        }
        assert_eq!(Timestamp::parse("yesterday"), None);
    }

    #[test]
    fn a_span_without_a_unit_is_refused_with_an_example() {
        assert_eq!(Span::parse("120s").unwrap().0, Duration::from_mins(2));
        assert!(Span::parse("120").unwrap_err().contains("such as"));
        assert!(Span::parse("99999999999999999999d").is_err());
    }

    #[test]
    fn days_are_told_from_two_on() {
        let hours = |hours: u64| spoken(Duration::from_secs(hours * 3600 + 59));
        assert_eq!([hours(47), hours(72), hours(77)], ["47 h", "3 d", "3 d 5 h"]);
        assert_eq!(Timestamp(1_773_741_600_000).day_and_time(), "2026-03-17 10:00 UTC");
    }

    #[test]
    fn clocks_that_run_backwards_give_no_negative_span() {
        assert_eq!(Timestamp(5).since(Timestamp(9)), Duration::ZERO);
    }
}
