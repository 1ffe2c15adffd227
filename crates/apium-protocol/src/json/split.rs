//! Arrays and objects taken apart one level deep, each part a slice of the text it stands in.

use std::borrow::Cow;
use std::mem;

use super::{JsonError, scan::Scanner, string};

/// One value inside a text, white space around it left out.
#[derive(Clone, Copy)]
pub(crate) struct Part<'a> {
    pub(crate) text: &'a str,
    /// Whether it needs Python's dialect, see [`Scanner::dialect`].
    pub(crate) dialect: bool,
}

/// The one value that makes up the whole of `text`.
pub(crate) fn whole(text: &str) -> Result<Part<'_>, JsonError> {
    let mut scanner = Scanner::new(text, 0);
    let part = next_part(text, &mut scanner)?;
    scanner.finish()?;
    Ok(part)
}

/// The elements of the array that makes up the whole of `text`.
pub(crate) fn elements(text: &str) -> Result<Vec<Part<'_>>, JsonError> {
    let mut scanner = open(text, b'[', "an array")?;
    let mut parts = Vec::new();
    if !scanner.take(b']') {
        loop {
            parts.push(next_part(text, &mut scanner)?);
            scanner.skip_space();
            if scanner.take(b']') {
                break;
            }
            if !scanner.take(b',') {
                return Err(scanner.unexpected("a comma or ]"));
            }
        }
    }
    scanner.finish()?;
    Ok(parts)
}

/// The members of the object that makes up the whole of `text`, in its order; a key given twice appears twice.
pub(crate) fn members(text: &str) -> Result<Vec<(Cow<'_, str>, Part<'_>)>, JsonError> {
    let mut members = Members::of(text)?;
    let mut parts = Vec::new();
    while let Some(member) = members.next()? {
        parts.push(member);
    }
    members.finish()?;
    Ok(parts)
}

/// The members of an object one after the other, and of objects in it on the way: each byte is looked at once.
pub(crate) struct Members<'a> {
    text: &'a str,
    scanner: Scanner<'a>,
    /// No member of the object was met yet.
    first: bool,
}

impl<'a> Members<'a> {
    /// Those of the object that `text` begins with.
    pub(crate) fn of(text: &'a str) -> Result<Self, JsonError> {
        Ok(Self { text, scanner: open(text, b'{', "an object")?, first: true })
    }

    /// Those of the object behind whose bracket `text` begins.
    pub(crate) fn within(text: &'a str) -> Self {
        Self { text, scanner: Scanner::new(text, 0), first: true }
    }

    /// The key of the next one; `None` at the end of the object.
    pub(crate) fn key(&mut self) -> Result<Option<Cow<'a, str>>, JsonError> {
        self.scanner.skip_space();
        if self.scanner.take(b'}') {
            self.first = false;
            return Ok(None);
        }
        if !mem::take(&mut self.first) {
            if !self.scanner.take(b',') {
                return Err(self.scanner.unexpected("a comma or }"));
            }
            self.scanner.skip_space();
        }
        next_key(self.text, &mut self.scanner).map(Some)
    }

    /// Its value, as a whole.
    pub(crate) fn value(&mut self) -> Result<Part<'a>, JsonError> {
        next_part(self.text, &mut self.scanner)
    }

    /// Goes into its value if that is an object: what comes next are the members of that one, up to its end.
    pub(crate) fn enter(&mut self) -> bool {
        self.scanner.skip_space();
        self.first = self.scanner.take(b'{');
        self.first
    }

    /// The next one, with its value as a whole.
    pub(crate) fn next(&mut self) -> Result<Option<(Cow<'a, str>, Part<'a>)>, JsonError> {
        match self.key()? {
            Some(key) => Ok(Some((key, self.value()?))),
            None => Ok(None),
        }
    }

    /// Refuses a text in which anything follows the object.
    pub(crate) fn finish(&mut self) -> Result<(), JsonError> {
        self.scanner.finish()
    }

    /// The text from here on.
    pub(crate) fn rest(&self) -> &'a str {
        self.text.get(self.scanner.at..).unwrap_or_default()
    }
}

fn open<'a>(text: &'a str, bracket: u8, wanted: &str) -> Result<Scanner<'a>, JsonError> {
    let mut scanner = Scanner::new(text, 0);
    scanner.skip_space();
    if !scanner.take(bracket) {
        return Err(scanner.unexpected(wanted));
    }
    scanner.skip_space();
    Ok(scanner)
}

fn next_part<'a>(text: &'a str, scanner: &mut Scanner<'a>) -> Result<Part<'a>, JsonError> {
    scanner.skip_space();
    let start = scanner.at;
    scanner.dialect = false;
    scanner.skip_value()?;
    Ok(Part { text: slice(text, start, scanner.at)?, dialect: scanner.dialect })
}

fn next_key<'a>(text: &'a str, scanner: &mut Scanner<'a>) -> Result<Cow<'a, str>, JsonError> {
    let start = scanner.at;
    scanner.skip_key()?;
    let key = slice(text, start, scanner.at - 1)?;
    string::unescape(key.trim_ascii_end())
}

fn slice(text: &str, start: usize, end: usize) -> Result<&str, JsonError> {
    text.get(start..end).ok_or_else(|| JsonError::at("the text is cut inside a character", start))
}
