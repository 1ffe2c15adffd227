//! Spans of time as they are written: a number of seconds, or a text such as `5m`; read as either, written as a number.

use std::time::Duration;

use jiff::SignedDuration;
use serde::de::{self, Visitor};
use serde::{Deserializer, Serializer};

/// What a span must be, in the words of an error.
const EXPECTED: &str = "a number of seconds, or a text such as `30s`, `5m` or `1h 30m`";

/// More seconds than any span here may have: some three thousand years.
const MOST: f64 = 1e11;

/// Seconds, as a whole number where they are whole.
pub(crate) fn serialize<S: Serializer>(span: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    if span.subsec_nanos() == 0 {
        serializer.serialize_u64(span.as_secs())
    } else {
        serializer.serialize_f64(span.as_secs_f64())
    }
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    deserializer.deserialize_any(SpanVisitor)
}

/// Reads a span from a text.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let span = match text.trim().parse::<f64>() {
        Ok(seconds) => return of_seconds(seconds),
        Err(_) => text.trim().parse::<SignedDuration>(),
    };
    span.ok().and_then(|span| Duration::try_from(span).ok()).ok_or_else(|| wrong(&format!("`{text}`")))
}

/// A span of so many seconds, to the microsecond, as Python keeps it.
pub(crate) fn of_seconds(seconds: f64) -> Result<Duration, String> {
    let span =
        Some(seconds).filter(|seconds| *seconds <= MOST).and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let nearest =
        |span: Duration| Duration::from_micros(u64::try_from((span.as_nanos() + 500) / 1000).unwrap_or(u64::MAX));
    span.map(nearest).ok_or_else(|| wrong(&seconds.to_string()))
}

fn wrong(given: &str) -> String {
    format!("must be {EXPECTED}, not {given}")
}

struct SpanVisitor;

impl Visitor<'_> for SpanVisitor {
    type Value = Duration;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(EXPECTED)
    }

    fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<Duration, E> {
        Ok(Duration::from_secs(seconds))
    }

    fn visit_i64<E: de::Error>(self, seconds: i64) -> Result<Duration, E> {
        u64::try_from(seconds).map(Duration::from_secs).map_err(|_| E::custom(wrong(&seconds.to_string())))
    }

    fn visit_f64<E: de::Error>(self, seconds: f64) -> Result<Duration, E> {
        of_seconds(seconds).map_err(E::custom)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Duration, E> {
        parse(text).map_err(E::custom)
    }
}
