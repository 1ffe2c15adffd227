//! Arguments and results for people to read, as a Python peer shows them in its headers, events and logs.
//!
//! What Python's `repr` would show of the decoded value, shortened the way Celery does: at most [`LIMIT`] characters
//! (a string is cut at a space, what is left out becomes `...`), containers inside the third level shown as
//! `[...]`, quotes inside strings escaped and nothing else. Exact for JSON values; the tagged types of kombu are
//! shown shortly rather than as Python constructors where these are long.

use std::fmt::Write as _;

use crate::{RawJson, json::number, tagged::Tagged};

/// How many characters are shown, about.
pub const LIMIT: usize = 1024;

/// Positional arguments, an array, as a tuple: `(1, 2)`, `(1,)`, `()`.
pub fn args(args: &RawJson) -> String {
    shortened(|repr| match args.elements() {
        Ok(items) => repr.tuple(&items),
        Err(_) => repr.value(args),
    })
}

/// Keyword arguments, an object, as a dict: `{'a': None, 'b': True}`.
pub fn kwargs(kwargs: &RawJson) -> String {
    value(kwargs)
}

/// Any value; a result, for example.
pub fn value(value: &RawJson) -> String {
    shortened(|repr| repr.value(value))
}

/// Arguments in full, as Python's own `repr` shows a tuple.
pub(crate) fn full_args(args: &RawJson) -> String {
    let items = args.elements().unwrap_or_default();
    show(Style::Full, |repr| repr.tuple(&items))
}

/// A value in full, as Python's own `repr` shows it.
pub(crate) fn full_value(value: &RawJson) -> String {
    show(Style::Full, |repr| repr.value(value))
}

/// A string as Python's own `repr` shows it: in the quotes it chooses, with control characters escaped.
pub(crate) fn string(value: &str) -> String {
    let quote = if value.contains('\'') && !value.contains('"') { '"' } else { '\'' };
    let mut out = String::from(quote);
    for character in value.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            _ if character == quote => out.extend(['\\', quote]),
            '\0'..='\u{ff}' if character.is_control() => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\x{:02x}", u32::from(character));
            }
            _ => out.push(character),
        }
    }
    out.push(quote);
    out
}

fn shortened(what: impl FnOnce(&mut Repr) -> Result<(), Full>) -> String {
    show(Style::Short, what)
}

fn show(style: Style, what: impl FnOnce(&mut Repr) -> Result<(), Full>) -> String {
    let mut repr = Repr {
        out: String::new(),
        style,
        left: match style {
            Style::Short => LIMIT,
            Style::Full => usize::MAX,
        },
        level: 0,
    };
    // Full is how the end of the space unwinds the open containers; the text is complete either way.
    let _ = what(&mut repr);
    repr.out
}

/// Whose `repr` is meant.
#[derive(Clone, Copy, PartialEq)]
enum Style {
    /// Celery's, shortened.
    Short,
    /// Python's own.
    Full,
}

/// There is no room left; the open containers are to be closed and nothing more shown.
struct Full;

impl Style {
    /// How many containers may be open around a value that is shown.
    fn levels(self) -> usize {
        match self {
            Self::Short => 3,
            // Python knows no limit; this one keeps a hostile exception from taking long.
            Self::Full => 32,
        }
    }
}

struct Repr {
    out: String,
    style: Style,
    left: usize,
    level: usize,
}

impl Repr {
    /// Shows `text` if there is any room left, however long it is.
    fn token(&mut self, text: &str) -> Result<(), Full> {
        if self.left == 0 {
            self.out.push_str(", ...");
            return Err(Full);
        }
        self.out.push_str(text);
        self.left = self.left.saturating_sub(text.chars().count());
        Ok(())
    }

    fn string(&mut self, value: &str) -> Result<(), Full> {
        if self.style == Style::Full {
            return self.token(&string(value));
        }
        let shown = cut(value, self.left).replace('\'', "\\'");
        self.token(&format!("'{shown}'"))
    }

    fn value(&mut self, value: &RawJson) -> Result<(), Full> {
        let text = value.as_str();
        if let Ok(items) = value.elements() {
            return self.container("[", "]", &items, Self::value);
        }
        if let Ok(members) = value.members() {
            if let Some(tagged) = Tagged::from_members(&members) {
                return self.token(&tagged.repr());
            }
            return self.container("{", "}", &members, |repr, (key, value)| {
                repr.string(key)?;
                repr.token(": ")?;
                repr.value(value)
            });
        }
        if text.starts_with('"') {
            return self.string(&value.to::<String>().unwrap_or_default());
        }
        let shown = match text {
            "null" => "None".to_owned(),
            "true" => "True".to_owned(),
            "false" => "False".to_owned(),
            number => number_repr(number),
        };
        self.token(&cut(&shown, self.left))
    }

    fn tuple(&mut self, items: &[RawJson]) -> Result<(), Full> {
        let closing = if items.len() == 1 { ",)" } else { ")" };
        self.container("(", closing, items, Self::value)
    }

    fn container<T>(
        &mut self,
        opening: &str,
        closing: &str,
        items: &[T],
        show: impl Fn(&mut Self, &T) -> Result<(), Full>,
    ) -> Result<(), Full> {
        if self.level == self.style.levels() {
            return self.token(&format!("{opening}...{closing}"));
        }
        self.token(opening)?;
        self.level += 1;
        let shown = items.iter().enumerate().try_for_each(|(index, item)| {
            if index > 0 {
                self.token(", ")?;
            }
            show(self, item)
        });
        self.level -= 1;
        // A container that was opened is closed, room or not.
        self.out.push_str(closing);
        self.left = self.left.saturating_sub(closing.len());
        shown
    }
}

/// Integers as they are, floats as Python writes them back.
fn number_repr(text: &str) -> String {
    match text {
        "NaN" => "nan".to_owned(),
        "Infinity" => "inf".to_owned(),
        "-Infinity" => "-inf".to_owned(),
        _ if text.contains(['.', 'e', 'E']) => {
            let value: f64 = text.parse().unwrap_or(f64::NAN);
            number::float(value).replace("Infinity", "inf")
        }
        "-0" => "0".to_owned(),
        _ => text.to_owned(),
    }
}

/// At most `limit` characters, cut at a space if there is one.
fn cut(value: &str, limit: usize) -> String {
    let Some((end, _)) = value.char_indices().nth(limit.saturating_sub(1)) else {
        return value.to_owned();
    };
    let end = value[end..].chars().next().map_or(end, |last| end + last.len_utf8());
    let kept = &value[..end];
    let kept = kept.rsplit_once(' ').map_or(kept, |(kept, _)| kept);
    format!("{kept}...")
}
