//! DynamoDB's numbers: decimals of up to 38 digits, exact. Knows nothing of attribute values.

use std::cmp::Ordering;
use std::fmt;

/// The most significant digits that DynamoDB keeps.
const DIGITS: u32 = 38;

/// `mantissa` times ten to the power of `exponent`, without trailing zeros in the mantissa, so that equal numbers are
/// equal values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Decimal {
    mantissa: i128,
    exponent: i32,
}

impl Decimal {
    /// Reads a number as DynamoDB takes it: `12`, `-0.5`, `1e3`; `None` for anything else and for too many digits.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (number, exponent) = match text.split_once(['e', 'E']) {
            Some((number, exponent)) => (number, exponent.parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (negative, number) = match number.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, number.strip_prefix('+').unwrap_or(number)),
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let mut mantissa: i128 = 0;
        // Zeros wait here until a digit follows, so that trailing ones cost no precision.
        let mut zeros = 0;
        for letter in whole.chars().chain(fraction.chars()) {
            let digit = i128::from(letter.to_digit(10)?);
            if digit == 0 {
                zeros += 1;
            } else {
                mantissa = mantissa.checked_mul(10_i128.checked_pow(zeros + 1)?)?.checked_add(digit)?;
                zeros = 0;
            }
        }
        let shift = i32::try_from(zeros).ok()?.checked_sub(i32::try_from(fraction.len()).ok()?)?;
        Self { mantissa: if negative { -mantissa } else { mantissa }, exponent: exponent.checked_add(shift)? }.settled()
    }

    /// The sum; `None` when it needs more digits than DynamoDB keeps.
    pub(super) fn plus(self, other: Self) -> Option<Self> {
        let exponent = self.exponent.min(other.exponent);
        let mantissa = self.scaled_to(exponent)?.checked_add(other.scaled_to(exponent)?)?;
        Self { mantissa, exponent }.settled()
    }

    /// The same number with the other sign.
    pub(super) const fn negated(self) -> Self {
        Self { mantissa: -self.mantissa, exponent: self.exponent }
    }

    fn scaled_to(self, exponent: i32) -> Option<i128> {
        if self.mantissa == 0 {
            return Some(0);
        }
        let steps = u32::try_from(self.exponent.checked_sub(exponent)?).ok()?;
        self.mantissa.checked_mul(10_i128.checked_pow(steps)?)
    }

    /// Without trailing zeros, if it has few enough digits and is of a size that DynamoDB takes.
    fn settled(mut self) -> Option<Self> {
        if self.mantissa == 0 {
            return Some(Self { mantissa: 0, exponent: 0 });
        }
        while self.mantissa % 10 == 0 {
            self.mantissa /= 10;
            self.exponent = self.exponent.checked_add(1)?;
        }
        let fits = self.digits() <= DIGITS && (-130..=125).contains(&self.magnitude());
        fits.then_some(self)
    }

    fn digits(self) -> u32 {
        self.mantissa.unsigned_abs().checked_ilog10().map_or(1, |log| log + 1)
    }

    /// The power of ten of the first digit.
    fn magnitude(self) -> i64 {
        i64::from(self.digits()) + i64::from(self.exponent) - 1
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        let signs = self.mantissa.signum().cmp(&other.mantissa.signum());
        if signs != Ordering::Equal || self.mantissa == 0 {
            return signs;
        }
        let exponent = self.exponent.min(other.exponent);
        match (self.scaled_to(exponent), other.scaled_to(exponent)) {
            (Some(one), Some(two)) => one.cmp(&two),
            // Numbers too far apart to be written with one exponent differ in their size already.
            _ if self.mantissa > 0 => self.magnitude().cmp(&other.magnitude()),
            _ => other.magnitude().cmp(&self.magnitude()),
        }
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.mantissa < 0 { "-" } else { "" };
        let digits = self.mantissa.unsigned_abs().to_string();
        let point = self.magnitude() + 1;
        if self.exponent >= 0 && point <= 40 {
            return write!(out, "{sign}{digits}{}", "0".repeat(usize::try_from(self.exponent).unwrap_or_default()));
        }
        match usize::try_from(point) {
            Ok(point) if point > 0 && self.exponent < 0 => {
                let (whole, fraction) = digits.split_at_checked(point).unwrap_or((&digits, "0"));
                write!(out, "{sign}{whole}.{fraction}")
            }
            _ if self.exponent < 0 && point > -40 => {
                write!(out, "{sign}0.{}{digits}", "0".repeat(usize::try_from(-point).unwrap_or_default()))
            }
            _ => write!(out, "{sign}{digits}E{}", self.exponent),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn number(text: &str) -> Decimal {
        Decimal::parse(text).unwrap()
    }

    #[test]
    fn numbers_are_written_in_one_way() {
        for (text, written) in [
            ("0", "0"),
            ("-0.0", "0"),
            ("007", "7"),
            ("1.0", "1"),
            ("1.50", "1.5"),
            ("-12.340", "-12.34"),
            ("1e3", "1000"),
            ("+5E-3", "0.005"),
            (".5", "0.5"),
            ("5.", "5"),
            ("1700000000000", "1700000000000"),
            ("1e100", "1E100"),
            ("12345678901234567890123456789012345678", "12345678901234567890123456789012345678"),
        ] {
            assert_eq!(number(text).to_string(), written, "{text}");
        }
    }

    #[test]
    fn what_is_no_number_or_too_long_is_refused() {
        for text in
            ["", ".", "-", "1x", "1e", "--1", "NaN", "1e126", "1e-131", "123456789012345678901234567890123456789"]
        {
            assert_eq!(Decimal::parse(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_compare_by_value() {
        let ordered = ["-1e120", "-2", "-1.5", "0", "1e-120", "0.5", "1", "9", "10", "10.01", "1e120"];
        for pair in ordered.windows(2) {
            assert!(number(pair[0]) < number(pair[1]), "{pair:?}");
        }
        assert_eq!(number("1.0"), number("1"));
    }

    #[test]
    fn sums_are_exact_or_absent() {
        assert_eq!(number("0.1").plus(number("0.2")), Some(number("0.3")));
        assert_eq!(number("5").plus(number("7").negated()), Some(number("-2")));
        assert_eq!(number("1e60").plus(number("1")), None);
    }
}
