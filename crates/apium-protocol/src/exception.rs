//! An exception as it stands in a result record: a Python caller looks the type up by module and name and raises it
//! again with these arguments.

use crate::{RawJson, json::object::ObjectWriter, python_repr};

/// An exception by name, with its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExceptionRecord {
    /// The name of the class, possibly qualified (`Outer.Inner`).
    pub exc_type: String,
    /// The arguments of the exception, an array.
    pub exc_message: RawJson,
    /// The module of the class, such as `builtins`.
    pub exc_module: Option<String>,
}

impl ExceptionRecord {
    /// An exception with one argument, its message.
    pub fn new(module: impl Into<String>, exc_type: impl Into<String>, message: &str) -> Self {
        Self {
            exc_type: exc_type.into(),
            exc_message: RawJson::array(&[RawJson::string(message)]),
            exc_module: Some(module.into()),
        }
    }

    /// Reads the result of a failed task; `None` when it is not an exception. A message that is not a list of
    /// arguments, as old peers write it, counts as the only one.
    pub fn from_result(result: &RawJson) -> Option<Self> {
        let exc_type = result.member("exc_type")?.to().ok()?;
        let message = result.member("exc_message").unwrap_or_else(RawJson::empty_array);
        Some(Self {
            exc_type,
            exc_message: if message.is_array() { message } else { RawJson::array(&[message]) },
            exc_module: result.member("exc_module").and_then(|module| module.to().ok()),
        })
    }

    /// The object that is stored as the result of a failed task.
    pub fn to_json(&self) -> RawJson {
        let mut object = ObjectWriter::new();
        object.string("exc_type", &self.exc_type);
        object.raw("exc_message", self.exc_message.as_str());
        object.nullable("exc_module", self.exc_module.as_deref());
        RawJson::parse(&object.end()).unwrap_or_default()
    }

    /// The message as Python's `str(exc)` gives it: nothing without arguments, the argument if it is one, a tuple
    /// if there are more.
    pub fn message(&self) -> String {
        let args = self.exc_message.elements().unwrap_or_default();
        match args.as_slice() {
            [] => String::new(),
            [only] => match only.to::<String>() {
                // Python shows the missing key quoted.
                Ok(key) if self.exc_type == "KeyError" => python_repr::string(&key),
                Ok(text) => text,
                Err(_) => python_repr::full_value(only),
            },
            _ => python_repr::full_args(&self.exc_message),
        }
    }
}
