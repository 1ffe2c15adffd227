//! The Python types that kombu writes into JSON as `{"__type__": …, "__value__": …}`.
