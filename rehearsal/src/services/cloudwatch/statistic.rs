//! The names of statistics. Knows nothing of how they are computed.

use super::invalid;
use crate::protocol::AwsError;

/// A statistic that can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Statistic {
    /// How many samples.
    SampleCount,
    /// Their sum.
    Sum,
    /// Their mean.
    Average,
    /// The smallest.
    Minimum,
    /// The largest.
    Maximum,
    /// A percentile, in thousandths of a percent: p99.9 is 99900.
    Percentile(u32),
}

impl Statistic {
    /// Reads a name such as `Sum` or `p99.9`.
    pub(super) fn parse(name: &str) -> Result<Self, AwsError> {
        Ok(match name {
            "SampleCount" => Self::SampleCount,
            "Sum" => Self::Sum,
            "Average" => Self::Average,
            "Minimum" => Self::Minimum,
            "Maximum" => Self::Maximum,
            other => {
                let percent = other.strip_prefix('p').and_then(|number| number.parse::<f64>().ok());
                match percent.filter(|percent| (0.0..=100.0).contains(percent)) {
                    Some(percent) => Self::Percentile((percent * 1000.0).round() as u32),
                    None => {
                        return Err(invalid(format!(
                            "the statistic `{other}` is not implemented by the rehearsal; it has Sum, Average, Minimum, \
                             Maximum, SampleCount and percentiles such as p95 or p99.9"
                        )));
                    }
                }
            }
        })
    }
}
