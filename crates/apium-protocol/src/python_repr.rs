//! Arguments for people to read, as Python's `repr` shows them.

use crate::RawJson;

/// Positional arguments as a tuple: `(1, 2)`, `(1,)`, `()`.
pub fn args(args: &RawJson) -> String {
    let items = args.elements().unwrap_or_default();
    let shown: Vec<_> = items.iter().map(value).collect();
    match shown.as_slice() {
        [only] => format!("({only},)"),
        all => format!("({})", all.join(", ")),
    }
}

/// Keyword arguments as a dict: `{'a': None, 'b': True}`.
pub fn kwargs(kwargs: &RawJson) -> String {
    value(kwargs)
}

/// One value.
pub fn value(value: &RawJson) -> String {
    value.to_string()
}
