//! An exception for people to read, as the events of failed and retried tasks show it.

use crate::{ExceptionRecord, python_repr};

/// What Python's `repr` shows, in full: `ValueError('boom')`.
pub fn exception_repr(exception: &ExceptionRecord) -> String {
    let class = exception.exc_type.rsplit('.').next().unwrap_or_default();
    let args = exception.exc_message.elements().unwrap_or_default();
    let shown: Vec<_> = args.iter().map(python_repr::full_value).collect();
    format!("{class}({})", shown.join(", "))
}
