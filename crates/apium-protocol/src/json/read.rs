//! A serde deserializer over text that [`super::scan`] has judged: the second way into a Rust type, taken when
//! the text needs Python's dialect and `serde_json` would refuse or round it.

use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error as _, MapAccess, SeqAccess, Unexpected, VariantAccess, Visitor,
};

use super::{JsonError, MAX_DEPTH, RAW_TOKEN, read_key::KeyReader, scan::Scanner, string};

/// A place in the text, before a value.
pub(crate) struct Reader<'de> {
    text: &'de str,
    scanner: Scanner<'de>,
    depth: usize,
}

impl<'de> Reader<'de> {
    pub(crate) fn new(text: &'de str) -> Self {
        Self { text, scanner: Scanner::new(text, 0), depth: 0 }
    }

    fn next_byte(&mut self) -> Option<u8> {
        self.scanner.skip_space();
        self.scanner.peek()
    }

    /// The text of the next value, which is passed over.
    fn raw(&mut self) -> Result<&'de str, JsonError> {
        self.scanner.skip_space();
        let start = self.scanner.at;
        self.scanner.skip_value()?;
        Ok(self.text.get(start..self.scanner.at).unwrap_or_default())
    }

    fn string(&mut self) -> Result<std::borrow::Cow<'de, str>, JsonError> {
        string::unescape(self.raw()?)
    }

    fn visit_string<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, JsonError> {
        match self.string()? {
            std::borrow::Cow::Borrowed(value) => visitor.visit_borrowed_str(value),
            std::borrow::Cow::Owned(value) => visitor.visit_string(value),
        }
    }

    fn visit_number<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, JsonError> {
        let text = self.raw()?;
        if let Some(word) = word_as_float(text) {
            return visitor.visit_f64(word);
        }
        if text.contains(['.', 'e', 'E']) {
            return visitor.visit_f64(parse_float(text)?);
        }
        if let Ok(value) = text.parse::<u64>() {
            visitor.visit_u64(value)
        } else if let Ok(value) = text.parse::<i64>() {
            visitor.visit_i64(value)
        } else if let Ok(value) = text.parse::<u128>() {
            visitor.visit_u128(value)
        } else if let Ok(value) = text.parse::<i128>() {
            visitor.visit_i128(value)
        } else {
            Err(JsonError::new(format!("the integer {text} does not fit into 128 bits")))
        }
    }

    /// A whole array or object read by `visit`, one level deeper.
    fn nested<T>(
        &mut self,
        closing: u8,
        visit: impl FnOnce(&mut Self) -> Result<T, JsonError>,
    ) -> Result<T, JsonError> {
        if self.depth == MAX_DEPTH {
            return Err(JsonError::new("arrays and objects are nested too deep"));
        }
        self.scanner.skip_space();
        self.scanner.at += 1;
        self.depth += 1;
        let value = visit(self)?;
        self.depth -= 1;
        self.scanner.skip_space();
        if self.scanner.take(closing) {
            Ok(value)
        } else {
            Err(JsonError::new("more elements than the wanted type has"))
        }
    }

    fn visit_array<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, JsonError> {
        self.nested(b']', |reader| visitor.visit_seq(Members::new(reader)))
    }

    fn visit_object<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, JsonError> {
        self.nested(b'}', |reader| visitor.visit_map(Members::new(reader)))
    }
}

impl<'de> Deserializer<'de> for &mut Reader<'de> {
    type Error = JsonError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        match self.next_byte() {
            Some(b'n') => {
                self.raw()?;
                visitor.visit_unit()
            }
            Some(b't' | b'f') => visitor.visit_bool(self.raw()? == "true"),
            Some(b'"') => self.visit_string(visitor),
            Some(b'[') => self.visit_array(visitor),
            Some(b'{') => self.visit_object(visitor),
            _ => self.visit_number(visitor),
        }
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        match self.next_byte() {
            Some(b'-' | b'0'..=b'9' | b'N' | b'I') => {
                let text = self.raw()?;
                match word_as_float(text) {
                    Some(value) => visitor.visit_f64(value),
                    None => visitor.visit_f64(parse_float(text)?),
                }
            }
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_i128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        match self.raw()?.parse() {
            Ok(value) => visitor.visit_i128(value),
            Err(_) => Err(JsonError::new("expected an integer of at most 128 bits")),
        }
    }

    fn deserialize_u128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        match self.raw()?.parse() {
            Ok(value) => visitor.visit_u128(value),
            Err(_) => Err(JsonError::new("expected an integer of at most 128 bits that is not negative")),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        if self.next_byte() == Some(b'n') {
            self.raw()?;
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        match self.next_byte() {
            Some(b'"') => visitor.visit_bytes(self.string()?.as_bytes()),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, JsonError> {
        if name == RAW_TOKEN {
            let raw = self.raw()?;
            let pair = std::iter::once((RAW_TOKEN, raw));
            return visitor.visit_map(serde::de::value::MapDeserializer::new(pair));
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, JsonError> {
        match self.next_byte() {
            Some(b'"') => visitor.visit_enum(Variant { reader: self, bare: true }),
            Some(b'{') => self.nested(b'}', |reader| {
                reader.scanner.skip_space();
                visitor.visit_enum(Variant { reader, bare: false })
            }),
            _ => Err(JsonError::invalid_type(
                Unexpected::Other("another value"),
                &"the name of a variant or an object with one member",
            )),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        self.raw()?;
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 char str string unit unit_struct seq tuple tuple_struct map struct
        identifier
    }
}

fn word_as_float(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

fn parse_float(text: &str) -> Result<f64, JsonError> {
    text.parse().map_err(|_| JsonError::new(format!("{text} is not a number")))
}

/// What is between the brackets of one array or object.
struct Members<'r, 'de> {
    reader: &'r mut Reader<'de>,
    first: bool,
}

impl<'r, 'de> Members<'r, 'de> {
    fn new(reader: &'r mut Reader<'de>) -> Self {
        Self { reader, first: true }
    }

    /// Whether there is another element; stops before it.
    fn advance(&mut self) -> bool {
        match self.reader.next_byte() {
            None | Some(b']' | b'}') => return false,
            Some(b',') if !self.first => self.reader.scanner.at += 1,
            Some(_) => {}
        }
        self.first = false;
        true
    }
}

impl<'de> SeqAccess<'de> for Members<'_, 'de> {
    type Error = JsonError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, JsonError> {
        if self.advance() { seed.deserialize(&mut *self.reader).map(Some) } else { Ok(None) }
    }
}

impl<'de> MapAccess<'de> for Members<'_, 'de> {
    type Error = JsonError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, JsonError> {
        if !self.advance() {
            return Ok(None);
        }
        let key = self.reader.string()?;
        self.reader.scanner.skip_space();
        self.reader.scanner.take(b':');
        seed.deserialize(KeyReader { key }).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, JsonError> {
        seed.deserialize(&mut *self.reader)
    }
}

/// An enum: its bare name, or the one member of an object.
struct Variant<'r, 'de> {
    reader: &'r mut Reader<'de>,
    bare: bool,
}

impl<'de> EnumAccess<'de> for Variant<'_, 'de> {
    type Error = JsonError;
    type Variant = Self;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Self), JsonError> {
        let key = self.reader.string()?;
        if !self.bare {
            self.reader.scanner.skip_space();
            self.reader.scanner.take(b':');
        }
        Ok((seed.deserialize(KeyReader { key })?, self))
    }
}

impl Variant<'_, '_> {
    fn need_content(&self) -> Result<(), JsonError> {
        if self.bare {
            return Err(JsonError::new("the variant lacks its content"));
        }
        Ok(())
    }
}

impl<'de> VariantAccess<'de> for Variant<'_, 'de> {
    type Error = JsonError;

    fn unit_variant(self) -> Result<(), JsonError> {
        if self.bare {
            return Ok(());
        }
        match self.reader.raw()? {
            "null" => Ok(()),
            _ => Err(JsonError::new("the variant takes no content")),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, JsonError> {
        self.need_content()?;
        seed.deserialize(self.reader)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, JsonError> {
        self.need_content()?;
        self.reader.deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, JsonError> {
        self.need_content()?;
        self.reader.deserialize_any(visitor)
    }
}
