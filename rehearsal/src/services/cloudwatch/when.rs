//! How CloudWatch writes times, each place its own way. Knows nothing of why. All times are epoch milliseconds, UTC.

use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

fn written(at_ms: i64, form: &[BorrowedFormatItem<'_>]) -> String {
    let nanos = i128::from(at_ms) * 1_000_000;
    // A time that cannot be written (far outside of any year that people use) is shown as the number it is.
    OffsetDateTime::from_unix_timestamp_nanos(nanos)
        .ok()
        .and_then(|time| time.format(form).ok())
        .unwrap_or_else(|| at_ms.to_string())
}

/// `2019-10-02T17:04:40.989+0000`: in the details of an event, without a colon in the offset.
pub(super) fn detail(at_ms: i64) -> String {
    written(at_ms, format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]+0000"))
}

/// `2019-10-02T17:04:40Z`: the envelope of an event.
pub(super) fn envelope(at_ms: i64) -> String {
    written(at_ms, format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z"))
}

/// `02/10/19 16:59:00`: a data point in a reason.
pub(super) fn point(at_ms: i64) -> String {
    written(at_ms, format_description!("[day]/[month]/[year repr:last_two] [hour]:[minute]:[second]"))
}

/// `Friday 22 July, 2022 15:57:45 UTC`: the reason of a composite alarm.
pub(super) fn prose(at_ms: i64) -> String {
    written(at_ms, format_description!("[weekday] [day] [month repr:long], [year] [hour]:[minute]:[second] UTC"))
}

/// Epoch seconds with a fraction: the neutral form of a timestamp.
pub(super) fn seconds(at_ms: i64) -> f64 {
    at_ms as f64 / 1000.0
}

/// The time of a timestamp in the neutral form.
pub(super) fn millis(seconds: f64) -> i64 {
    (seconds * 1000.0).round() as i64
}
