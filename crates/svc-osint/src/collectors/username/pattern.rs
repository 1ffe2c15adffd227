//! Which names a site takes, as lists write it: a regular expression of Python.

use std::fmt;

use fancy_regex::{Regex, RegexBuilder};

/// Steps back a search may take. A list is the operator's, the name is anybody's, and together they could otherwise
/// keep a thread busy for ever.
const MOST_STEPS: usize = 50_000;

/// An expression that has been seen to be one. It is kept as text, because thousands of them ready for use would take a
/// hundred times the memory of all the rest of a list.
#[derive(Clone, PartialEq, Eq)]
pub struct Pattern(Box<str>);

/// The search took too many steps and was broken off.
#[derive(Debug, PartialEq, Eq)]
pub struct Unending;

impl Pattern {
    /// Reads an expression in the syntax of Python's `re`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(text: &str) -> Result<Self, String> {
        let pattern = Self(ours(text).into());
        pattern.ready()?;
        Ok(pattern)
    }

    /// Whether it occurs in `name`, as `re.search` finds it.
    ///
    /// # Errors
    /// When that took too long to find out.
    pub fn admits(&self, name: &str) -> Result<bool, Unending> {
        let regex = self.ready().map_err(|_| Unending)?;
        regex.is_match(name).map_err(|_| Unending)
    }

    fn ready(&self) -> Result<Regex, String> {
        RegexBuilder::new(&self.0).backtrack_limit(MOST_STEPS).build().map_err(|error| error.to_string())
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}/", self.0)
    }
}

/// The same expression in our syntax, which differs within brackets: there `[` begins another set, and `&&`, `--` and
/// `~~` reckon with sets. `\Z` is Python's end of the text.
fn ours(python: &str) -> String {
    let mut text = String::with_capacity(python.len() + 8);
    let mut letters = python.chars().peekable();
    let mut inside = false;
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => {
                let escaped = letters.next();
                text.push('\\');
                text.extend(escaped.map(|letter| if letter == 'Z' && !inside { 'z' } else { letter }));
            }
            '[' if inside => text.push_str("\\["),
            '[' => {
                inside = true;
                text.push('[');
                // A bracket that closes at once is a letter of the set.
                if letters.peek() == Some(&'^') {
                    text.extend(letters.next());
                }
                if letters.peek() == Some(&']') {
                    letters.next();
                    text.push_str("\\]");
                }
            }
            ']' => {
                inside = false;
                text.push(']');
            }
            '&' | '~' | '-' if inside && letters.peek() == Some(&letter) => {
                text.push('\\');
                text.push(letter);
            }
            letter => text.push(letter),
        }
    }
    text
}
