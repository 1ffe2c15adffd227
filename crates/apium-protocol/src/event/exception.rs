//! An exception for people to read, as the events of failed and retried tasks show it.

use crate::{ExceptionRecord, RawJson, python_repr};

/// What Python's `repr` shows: `ValueError('boom')`. The arguments are shortened as [`python_repr`] shortens.
pub fn exception_repr(exception: &ExceptionRecord) -> String {
    let class = exception.exc_type.rsplit('.').next().unwrap_or_default();
    let args = exception.exc_message.elements().unwrap_or_default();
    let shown: Vec<_> = args.iter().map(argument).collect();
    format!("{class}({})", shown.join(", "))
}

fn argument(value: &RawJson) -> String {
    match value.to::<String>() {
        Ok(text) if text.chars().count() < python_repr::LIMIT => python_repr::string(&text),
        _ => python_repr::value(value),
    }
}
