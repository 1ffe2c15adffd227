//! The fields of one site of a list, read with a sentence for each that is not what it should be.
//!
//! Lists are written by hand by many people: one text stands where a list of texts might, a number where a text might.
//! Only what cannot mean anything is an error; what is not known is nobody's business here.

use serde_json::{Map, Value};

/// One site's fields, and how to name it in a sentence.
pub(super) struct Fields<'a> {
    site: &'a str,
    map: &'a Map<String, Value>,
    /// The fields of its engine.
    engine: Option<&'a Map<String, Value>>,
}

impl<'a> Fields<'a> {
    /// The fields of `site`.
    ///
    /// # Errors
    /// When it is no object.
    pub(super) fn of(site: &'a str, value: &'a Value) -> Result<Self, String> {
        let map = value.as_object().ok_or_else(|| format!("site `{site}` must be an object"))?;
        Ok(Self { site, map, engine: None })
    }

    /// With those of an engine: lists are joined, and of two single values the engine's counts, as in Maigret.
    pub(super) fn with_engine(mut self, engine: &'a Map<String, Value>) -> Self {
        self.engine = Some(engine);
        self
    }

    /// A text; empty texts count as none.
    pub(super) fn text(&self, name: &str) -> Result<Option<&'a str>, String> {
        match self.one(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str()).filter(|text| !text.trim().is_empty())),
            Some(_) => Err(self.wrong(name, "a text")),
        }
    }

    /// True where it says so.
    pub(super) fn flag(&self, name: &str) -> Result<bool, String> {
        match self.one(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(self.wrong(name, "true or false")),
        }
    }

    /// A whole number.
    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, String> {
        match self.one(name) {
            None => Ok(None),
            Some(value) => value.as_u64().map(Some).ok_or_else(|| self.wrong(name, "a whole number")),
        }
    }

    /// HTTP statuses: one, or a list of them.
    pub(super) fn codes(&self, name: &str) -> Result<Vec<u16>, String> {
        let wrong = || self.wrong(name, "an HTTP status or a list of them");
        let read = |value: &Value| value.as_u64().and_then(|code| u16::try_from(code).ok()).ok_or_else(wrong);
        self.all(name).map(read).collect()
    }

    /// Texts: one, or a list of them; empty ones are left out.
    pub(super) fn texts(&self, name: &str) -> Result<Vec<String>, String> {
        let wrong = || self.wrong(name, "a text or a list of texts");
        let read = |value: &'a Value| value.as_str().map(str::to_owned).ok_or_else(wrong);
        let texts: Vec<String> = self.all(name).map(read).collect::<Result<_, _>>()?;
        Ok(texts.into_iter().filter(|text| !text.is_empty()).collect())
    }

    /// Texts by name, in order; numbers count as texts.
    pub(super) fn pairs(&self, name: &str) -> Result<Vec<(String, String)>, String> {
        let wrong = || self.wrong(name, "texts by name");
        let mut pairs = Vec::new();
        for value in self.held(name) {
            let Some(map) = value.as_object() else {
                if is_nothing(value) {
                    continue;
                }
                return Err(wrong());
            };
            for (key, value) in map {
                let text = match value {
                    Value::String(text) => text.clone(),
                    Value::Number(number) => number.to_string(),
                    _ => return Err(wrong()),
                };
                pairs.push((key.clone(), text));
            }
        }
        Ok(pairs)
    }

    /// Whatever it is.
    pub(super) fn any(&self, name: &str) -> Option<&'a Value> {
        self.one(name)
    }

    fn one(&self, name: &str) -> Option<&'a Value> {
        self.held(name).find(|value| !value.is_null())
    }

    fn all(&self, name: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
        self.held(name).flat_map(|value| match value {
            Value::Array(values) => values.as_slice(),
            Value::Null => &[],
            one => std::slice::from_ref(one),
        })
    }

    fn held(&self, name: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
        let engine = self.engine.and_then(|engine| engine.get(name));
        engine.into_iter().chain(self.map.get(name))
    }

    fn wrong(&self, field: &str, expected: &str) -> String {
        format!("site `{}`: field `{field}` must be {expected}", self.site)
    }
}

/// How lists write "no such pairs" where they write them at all.
fn is_nothing(value: &Value) -> bool {
    value.is_null() || value.as_array().is_some_and(Vec::is_empty)
}
