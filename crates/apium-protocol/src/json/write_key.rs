//! Keys of objects: only strings exist in JSON, so other simple keys become the strings Python makes of them
//! (`1` → `"1"`, `true` → `"true"`, none → `"null"`).

use serde::ser::{self, Impossible, Serialize};

use super::{JsonError, number};

/// The key as text, not yet in quotes.
pub(crate) fn text<T: Serialize + ?Sized>(key: &T) -> Result<String, JsonError> {
    key.serialize(KeyWriter)
}

struct KeyWriter;

macro_rules! display {
    ($($method:ident: $type:ty,)*) => {$(
        fn $method(self, value: $type) -> Result<String, JsonError> {
            Ok(value.to_string())
        }
    )*};
}

macro_rules! refused {
    ($($method:ident($($argument:ty),*) -> $result:ty,)*) => {$(
        fn $method(self, $(_: $argument),*) -> Result<$result, JsonError> {
            Err(not_a_key())
        }
    )*};
}

type Never = Impossible<String, JsonError>;

impl ser::Serializer for KeyWriter {
    type Ok = String;
    type Error = JsonError;
    type SerializeSeq = Never;
    type SerializeTuple = Never;
    type SerializeTupleStruct = Never;
    type SerializeTupleVariant = Never;
    type SerializeMap = Never;
    type SerializeStruct = Never;
    type SerializeStructVariant = Never;

    display! {
        serialize_bool: bool,
        serialize_i8: i8,
        serialize_i16: i16,
        serialize_i32: i32,
        serialize_i64: i64,
        serialize_i128: i128,
        serialize_u8: u8,
        serialize_u16: u16,
        serialize_u32: u32,
        serialize_u64: u64,
        serialize_u128: u128,
        serialize_char: char,
        serialize_str: &str,
    }

    fn serialize_f32(self, value: f32) -> Result<String, JsonError> {
        Ok(number::float(value))
    }

    fn serialize_f64(self, value: f64) -> Result<String, JsonError> {
        Ok(number::float(value))
    }

    fn serialize_none(self) -> Result<String, JsonError> {
        Ok("null".to_owned())
    }

    fn serialize_unit(self) -> Result<String, JsonError> {
        self.serialize_none()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<String, JsonError> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        value: &T,
    ) -> Result<String, JsonError> {
        value.serialize(self)
    }

    fn serialize_unit_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
    ) -> Result<String, JsonError> {
        Ok(variant.to_owned())
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        _variant: &'static str,
        _value: &T,
    ) -> Result<String, JsonError> {
        Err(not_a_key())
    }

    refused! {
        serialize_bytes(&[u8]) -> String,
        serialize_unit_struct(&'static str) -> String,
        serialize_seq(Option<usize>) -> Never,
        serialize_tuple(usize) -> Never,
        serialize_tuple_struct(&'static str, usize) -> Never,
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Never,
        serialize_map(Option<usize>) -> Never,
        serialize_struct(&'static str, usize) -> Never,
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> Never,
    }
}

fn not_a_key() -> JsonError {
    JsonError::new("a key must be a string, a number, a boolean or null")
}
