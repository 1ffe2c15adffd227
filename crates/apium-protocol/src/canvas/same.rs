//! Whether two JSON values are the same to Python: the order of the members of an object does not count.

use std::collections::HashMap;

use crate::RawJson;

/// Whether `one` and `other` are equal. Numbers are compared as they are written.
pub(super) fn same(one: &RawJson, other: &RawJson) -> bool {
    if one == other {
        return true;
    }
    if let (Ok(left), Ok(right)) = (one.elements(), other.elements()) {
        return left.len() == right.len() && left.iter().zip(&right).all(|(left, right)| same(left, right));
    }
    let (Ok(left), Ok(right)) = (one.members(), other.members()) else {
        return false;
    };
    let left: HashMap<_, _> = left.into_iter().collect();
    let right: HashMap<_, _> = right.into_iter().collect();
    left.len() == right.len() && left.iter().all(|(key, value)| right.get(key).is_some_and(|twin| same(value, twin)))
}
