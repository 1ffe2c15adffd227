//! Reads a table as JSON or as the Python literal that stands in a Celery settings file, comments, name and all.

use serde_json::{Map, Number, Value};

use super::RouteError;

/// Deeper than any table of routes.
const DEEPEST: usize = 16;

/// Reads the one value a text holds; `NAME = value` is the value.
pub(super) fn read(text: &str) -> Result<Value, RouteError> {
    let mut reader = Reader { text, at: 0 };
    reader.skip_name();
    let value = reader.value(0)?;
    match reader.peek() {
        None => Ok(value),
        Some(_) => Err(reader.wrong("the end")),
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn value(&mut self, depth: usize) -> Result<Value, RouteError> {
        match self.peek() {
            _ if depth > DEEPEST => Err(self.wrong("a table less deep")),
            Some('{') => self.dict(depth),
            Some('[') => self.list(']', depth),
            Some('(') => self.list(')', depth),
            Some('"' | '\'') => self.string().map(Value::String),
            Some(_) => self.word(),
            None => Err(self.wrong("a value")),
        }
    }

    fn dict(&mut self, depth: usize) -> Result<Value, RouteError> {
        let mut entries = Map::new();
        self.step();
        while self.peek() != Some('}') {
            if !matches!(self.peek(), Some('"' | '\'')) {
                return Err(self.wrong("a name in quotes (a compiled pattern cannot be read here)"));
            }
            let key = self.string()?;
            self.expect(':')?;
            let value = self.value(depth + 1)?;
            entries.insert(key, value);
            self.separator('}')?;
        }
        self.step();
        Ok(Value::Object(entries))
    }

    /// A list, or a tuple; one value in parentheses without a comma is that value.
    fn list(&mut self, close: char, depth: usize) -> Result<Value, RouteError> {
        let mut items = Vec::new();
        let mut commas = 0;
        self.step();
        while self.peek() != Some(close) {
            items.push(self.value(depth + 1)?);
            commas += usize::from(self.separator(close)?);
        }
        self.step();
        match items.pop() {
            Some(only) if close == ')' && commas == 0 => Ok(only),
            last => Ok(Value::Array(items.into_iter().chain(last).collect())),
        }
    }

    fn string(&mut self) -> Result<String, RouteError> {
        let mut text = String::new();
        // Strings that follow one another are one, in Python.
        while let Some(quote @ ('"' | '\'')) = self.peek() {
            self.step();
            loop {
                match self.step() {
                    Some(sign) if sign == quote => break,
                    Some('\\') => text.push(self.escape()?),
                    Some(sign) if sign != '\n' => text.push(sign),
                    _ => return Err(self.wrong("the end of the text in quotes")),
                }
            }
        }
        Ok(text)
    }

    fn escape(&mut self) -> Result<char, RouteError> {
        match self.step() {
            Some('n') => Ok('\n'),
            Some('t') => Ok('\t'),
            Some('r') => Ok('\r'),
            Some('u') => {
                let code = self.text.get(self.at..self.at + 4).and_then(|digits| u32::from_str_radix(digits, 16).ok());
                self.at += 4;
                code.and_then(char::from_u32).ok_or_else(|| self.wrong("a character after \\u"))
            }
            Some(sign @ ('"' | '\'' | '\\' | '/')) => Ok(sign),
            _ => Err(self.wrong("an escape that JSON knows")),
        }
    }

    fn word(&mut self) -> Result<Value, RouteError> {
        let rest = &self.text[self.at..];
        let end =
            rest.find(|sign: char| !(sign.is_ascii_alphanumeric() || "+-._".contains(sign))).unwrap_or(rest.len());
        let value = match &rest[..end] {
            "true" | "True" => Value::Bool(true),
            "false" | "False" => Value::Bool(false),
            "null" | "None" => Value::Null,
            number => match number.parse::<Number>() {
                Ok(number) => Value::Number(number),
                Err(_) => return Err(self.wrong("a text in quotes, a number, a list or a table")),
            },
        };
        self.at += end;
        Ok(value)
    }

    /// `NAME =` before the value.
    fn skip_name(&mut self) {
        self.peek();
        let rest = &self.text[self.at..];
        let end = rest.find(|sign: char| !(sign.is_ascii_alphanumeric() || "._".contains(sign))).unwrap_or(rest.len());
        let after = rest[end..].trim_start_matches([' ', '\t']);
        if end > 0 && after.starts_with('=') {
            self.at = self.text.len() - after.len() + 1;
        }
    }

    /// A comma, or the end; true for a comma.
    fn separator(&mut self, close: char) -> Result<bool, RouteError> {
        if self.peek() == Some(close) { Ok(false) } else { self.expect(',').map(|()| true) }
    }

    fn expect(&mut self, sign: char) -> Result<(), RouteError> {
        if self.peek() == Some(sign) {
            self.step();
            return Ok(());
        }
        Err(self.wrong(&format!("{sign:?}")))
    }

    /// The next sign that means something: blanks and comments do not.
    fn peek(&mut self) -> Option<char> {
        loop {
            let rest = &self.text[self.at..];
            let next = rest.trim_start_matches(|sign: char| sign.is_whitespace() || sign == '\u{feff}');
            self.at = self.text.len() - next.len();
            if !next.starts_with('#') {
                return next.chars().next();
            }
            self.at += next.find('\n').unwrap_or(next.len());
        }
    }

    fn step(&mut self) -> Option<char> {
        let sign = self.text.get(self.at..).and_then(|rest| rest.chars().next())?;
        self.at += sign.len_utf8();
        Some(sign)
    }

    fn wrong(&self, wanted: &str) -> RouteError {
        let line = self.text.get(..self.at).unwrap_or(self.text).matches('\n').count() + 1;
        RouteError::Unreadable(format!("is no table in JSON or Python: line {line} should have {wanted}"))
    }
}
