//! How the fields of an event are read and written: a struct's fields in their order, each under its own name.

use crate::{
    RawJson,
    control::envelope::{self, Members},
};

/// A value that can be a field of an event.
pub(super) trait Field: Sized {
    /// Reads the field; `None` when it is of another type. A field left out is null.
    fn read(value: &RawJson) -> Option<Self>;

    /// What is written.
    fn write(&self) -> RawJson;
}

/// Takes a field out.
pub(super) fn take<T: Field>(members: &mut Members, name: &str) -> Option<T> {
    T::read(&envelope::take(members, name).unwrap_or_default())
}

macro_rules! plain {
    ($($type:ty),*) => {$(
        impl Field for $type {
            fn read(value: &RawJson) -> Option<Self> {
                value.to().ok()
            }

            fn write(&self) -> RawJson {
                RawJson::from(self).unwrap_or_default()
            }
        }
    )*};
}

plain!(String, bool, u64, f64, [f64; 3]);

impl<T: Field> Field for Option<T> {
    fn read(value: &RawJson) -> Option<Self> {
        if value.is_null() { Some(None) } else { T::read(value).map(Some) }
    }

    fn write(&self) -> RawJson {
        self.as_ref().map_or_else(RawJson::null, Field::write)
    }
}

impl Field for RawJson {
    fn read(value: &RawJson) -> Option<Self> {
        Some(value.clone())
    }

    fn write(&self) -> RawJson {
        self.clone()
    }
}

/// Defines a struct whose fields are those of an event. `always` fields are written even when they are null,
/// `known` ones only when they are not.
macro_rules! event_fields {
    (
        $(#[$doc:meta])*
        pub struct $name:ident { $( $(#[$field_doc:meta])* $how:ident $field:ident: $type:ty, )* }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Default, PartialEq)]
        pub struct $name { $( $(#[$field_doc])* pub $field: $type, )* }

        impl $name {
            /// Takes the fields out of `members`; `None` when one is missing or of another type.
            pub(super) fn read(members: &mut $crate::control::envelope::Members) -> Option<Self> {
                Some(Self { $( $field: $crate::event::fields::take(members, stringify!($field))?, )* })
            }

            /// Adds the fields to `members`.
            pub(super) fn write(&self, members: &mut $crate::control::envelope::Members) {
                $(
                    let value = $crate::event::fields::Field::write(&self.$field);
                    if stringify!($how) == "always" || !value.is_null() {
                        members.push((stringify!($field).to_owned(), value));
                    }
                )*
            }
        }
    };
}

pub(super) use event_fields;
