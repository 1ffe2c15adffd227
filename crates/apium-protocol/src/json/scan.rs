//! One pass over a text that finds where a value ends, without recursion and without building anything; it is
//! the only judge of what counts as JSON here, everything after it trusts the text.

use super::{JsonError, MAX_DEPTH, number, string};

/// Deeper than this `serde_json` refuses a text (its own limit is 128), so our reader takes over.
const SERDE_JSON_DEPTH: usize = 120;

/// A place in a text, moved forward over one value at a time.
pub(crate) struct Scanner<'a> {
    bytes: &'a [u8],
    pub(crate) at: usize,
    /// Whether anything passed so far needs Python's dialect, or is otherwise beyond what `serde_json` reads the
    /// way Python does.
    pub(crate) dialect: bool,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(text: &'a str, at: usize) -> Self {
        Self { bytes: text.as_bytes(), at, dialect: false }
    }

    pub(crate) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    pub(crate) fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    /// Takes `wanted` if it is next.
    pub(crate) fn take(&mut self, wanted: u8) -> bool {
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    /// Refuses anything but white space up to the end of the text.
    pub(crate) fn finish(&mut self) -> Result<(), JsonError> {
        self.skip_space();
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.unexpected("nothing more after the value")),
        }
    }

    pub(crate) fn unexpected(&self, wanted: &str) -> JsonError {
        match self.peek() {
            None => JsonError::at(format!("the text ends where {wanted} is expected"), self.at),
            Some(byte) => JsonError::at(format!("expected {wanted}, found {:?}", char::from(byte)), self.at),
        }
    }

    /// Passes over one value, leading white space included.
    pub(crate) fn skip_value(&mut self) -> Result<(), JsonError> {
        self.skip_space();
        if !matches!(self.peek(), Some(b'[' | b'{')) {
            return self.skip_scalar();
        }
        let mut open = Nesting::new();
        loop {
            self.skip_space();
            if self.open_container(&mut open)? {
                continue;
            }
            // A value has just ended; so do the containers that close behind it.
            loop {
                let Some(container) = open.innermost() else {
                    return Ok(());
                };
                self.skip_space();
                if self.take(b',') {
                    if container == Container::Object {
                        self.skip_space();
                        self.skip_key()?;
                    }
                    break;
                }
                if !self.take(container.closing()) {
                    return Err(self.unexpected(container.wanted()));
                }
                open.pop();
            }
        }
    }

    /// Passes over a scalar or an empty container (false), or opens a container and stops before its first value
    /// (true).
    fn open_container(&mut self, open: &mut Nesting) -> Result<bool, JsonError> {
        let container = match self.peek() {
            Some(b'[') => Container::Array,
            Some(b'{') => Container::Object,
            _ => {
                self.skip_scalar()?;
                return Ok(false);
            }
        };
        if open.depth == MAX_DEPTH {
            return Err(JsonError::at(format!("arrays and objects are nested more than {MAX_DEPTH} deep"), self.at));
        }
        self.at += 1;
        self.skip_space();
        if self.take(container.closing()) {
            return Ok(false);
        }
        open.push(container);
        self.dialect |= open.depth > SERDE_JSON_DEPTH;
        if container == Container::Object {
            self.skip_key()?;
        }
        Ok(true)
    }

    /// Passes over `"key" :`.
    pub(crate) fn skip_key(&mut self) -> Result<(), JsonError> {
        if self.peek() != Some(b'"') {
            return Err(self.unexpected("a key in double quotes"));
        }
        self.skip_string()?;
        self.skip_space();
        if self.take(b':') { Ok(()) } else { Err(self.unexpected("a colon")) }
    }

    fn skip_scalar(&mut self) -> Result<(), JsonError> {
        match self.peek() {
            Some(b'"') => self.skip_string(),
            Some(b'-' | b'0'..=b'9') => {
                let number = number::scan(self.bytes, self.at)?;
                self.at = number.end;
                self.dialect |= number.dialect;
                Ok(())
            }
            _ => self.skip_word(),
        }
    }

    fn skip_string(&mut self) -> Result<(), JsonError> {
        let string = string::scan(self.bytes, self.at)?;
        self.at = string.end;
        self.dialect |= string.lone_surrogate;
        Ok(())
    }

    fn skip_word(&mut self) -> Result<(), JsonError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        for (word, dialect) in [("null", false), ("true", false), ("false", false), ("NaN", true), ("Infinity", true)] {
            if rest.starts_with(word.as_bytes()) {
                self.at += word.len();
                self.dialect |= dialect;
                return Ok(());
            }
        }
        Err(self.unexpected("a value"))
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Container {
    Array,
    Object,
}

impl Container {
    fn closing(self) -> u8 {
        match self {
            Self::Array => b']',
            Self::Object => b'}',
        }
    }

    fn wanted(self) -> &'static str {
        match self {
            Self::Array => "a comma or ]",
            Self::Object => "a comma or }",
        }
    }
}

/// Which containers are open, one bit each: no allocation and no recursion, whatever comes.
struct Nesting {
    objects: [u64; MAX_DEPTH / 64],
    depth: usize,
}

impl Nesting {
    fn new() -> Self {
        Self { objects: [0; MAX_DEPTH / 64], depth: 0 }
    }

    fn push(&mut self, container: Container) {
        let bit = 1 << (self.depth % 64);
        if let Some(word) = self.objects.get_mut(self.depth / 64) {
            match container {
                Container::Array => *word &= !bit,
                Container::Object => *word |= bit,
            }
        }
        self.depth += 1;
    }

    fn pop(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    fn innermost(&self) -> Option<Container> {
        let index = self.depth.checked_sub(1)?;
        let word = self.objects.get(index / 64)?;
        Some(if word >> (index % 64) & 1 == 1 { Container::Object } else { Container::Array })
    }
}
