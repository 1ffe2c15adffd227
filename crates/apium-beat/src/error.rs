//! Why a schedule or an entry cannot be what was written: a sentence that names the field.

/// Something of a schedule or an entry that is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} {reason}")]
pub struct ScheduleError {
    field: String,
    reason: String,
}

impl ScheduleError {
    /// The field, and what is wrong with it; together they are a sentence.
    pub fn new(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { field: field.into(), reason: reason.into() }
    }

    /// The field that is to be mended, such as `day_of_week`.
    pub fn field(&self) -> &str {
        &self.field
    }

    /// The same of something that lies within another, such as an entry.
    pub(crate) fn within(self, outer: &str) -> Self {
        Self { field: format!("{outer}: {}", self.field), reason: self.reason }
    }
}
