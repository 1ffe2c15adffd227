//! `Retry-After` (RFC 9110, 10.2.3): seconds or a date, and what servers write instead.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;

/// The longest that is believed: a month and a day, as quotas are by the month.
const LONGEST: Duration = Duration::from_hours(32 * 24);

/// How long from `now`; `None` for what says nothing: no number, no date, less than nothing.
///
/// A date that is past means now, as its server's clock and ours need not agree.
pub fn retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        let wait = Duration::try_from_secs_f64(seconds).ok()?;
        return Some(wait.min(LONGEST));
    }
    // The other two forms of HTTP dates are obsolete since 1997.
    let date = DateTimeParser::new().relaxed_weekday(true).parse_timestamp(text).ok()?;
    Some(Duration::try_from(date.duration_since(now)).unwrap_or_default().min(LONGEST))
}
