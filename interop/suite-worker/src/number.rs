//! Addition as Python does it, for the tasks whose callers expect its answers and its errors.

use apium::TaskError;
use serde_json::Value;

/// Python's `x + y` of numbers, texts and lists.
pub(crate) fn plus(x: &Value, y: &Value) -> Result<Value, TaskError> {
    if let (Some(x), Some(y)) = (x.as_i64(), y.as_i64()) {
        return x.checked_add(y).map(Value::from).ok_or_else(|| TaskError::new("OverflowError", "integer too large"));
    }
    if let (Some(x), Some(y)) = (x.as_f64(), y.as_f64()) {
        return Ok(Value::from(x + y));
    }
    match (x, y) {
        (Value::String(x), Value::String(y)) => Ok(Value::from(format!("{x}{y}"))),
        (Value::Array(x), Value::Array(y)) => Ok(Value::from([x.as_slice(), y].concat())),
        _ => {
            let sentence = format!("unsupported operand type(s) for +: '{}' and '{}'", python_type(x), python_type(y));
            Err(TaskError::new("TypeError", sentence))
        }
    }
}

/// Python's `sum(numbers)`.
pub(crate) fn sum(numbers: &[Value]) -> Result<Value, TaskError> {
    numbers.iter().try_fold(Value::from(0), |sum, number| plus(&sum, number))
}

fn python_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "NoneType",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float",
        Value::Number(_) => "int",
        Value::String(_) => "str",
        Value::Array(_) => "list",
        Value::Object(_) => "dict",
    }
}
