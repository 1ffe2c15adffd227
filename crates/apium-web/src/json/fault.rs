//! What is wrong with the shape of a body, kept by kind and place until it is told, in Spanish.

use std::fmt;

use serde::de::{Error, Expected, Unexpected};

/// Longest piece of a client's own text shown, in characters.
const SHOWN: usize = 40;

/// A value that is not what its place wants.
#[derive(Debug)]
pub(crate) struct Fault {
    /// Where, innermost first.
    path: Vec<Step>,
    what: What,
}

/// One step towards a value.
#[derive(Debug)]
enum Step {
    Member(String),
    Element(usize),
}

#[derive(Debug)]
enum What {
    Missing(&'static str),
    Unknown(String, &'static [&'static str]),
    Twice(String),
    /// What is there, and what should be there if there is a word for it.
    Wrong(&'static str, Option<&'static str>),
    NotOneOf(&'static [&'static str]),
    /// The type that reads it refused the value for reasons of its own.
    Refused,
}

impl Fault {
    /// A list where an object is wanted.
    pub(super) fn list() -> Self {
        What::Wrong(kind_of(&Unexpected::Seq), Some(OBJECT)).into()
    }

    /// A member that is there twice.
    pub(super) fn twice(name: &str) -> Self {
        What::Twice(shown(name)).into()
    }

    /// The same fault, seen from the object around it.
    pub(super) fn within(mut self, member: &str) -> Self {
        self.path.push(Step::Member(shown(member)));
        self
    }

    /// The same fault, seen from the list around it.
    pub(super) fn at(mut self, index: usize) -> Self {
        self.path.push(Step::Element(index));
        self
    }

    /// The place of a member of the value that is at fault; of the value itself without one.
    fn place(&self, member: Option<&str>) -> Option<String> {
        let mut place = String::new();
        for step in self.path.iter().rev() {
            match step {
                Step::Member(name) if place.is_empty() => place.push_str(name),
                Step::Member(name) => place = format!("{place}.{name}"),
                Step::Element(index) => place = format!("{place}[{index}]"),
            }
        }
        match member {
            Some(name) if place.is_empty() => Some(name.to_owned()),
            Some(name) => Some(format!("{place}.{name}")),
            None => Some(place).filter(|place| !place.is_empty()),
        }
    }
}

impl From<What> for Fault {
    fn from(what: What) -> Self {
        Self { path: Vec::new(), what }
    }
}

impl Error for Fault {
    /// The text is not kept: it is in whatever language the refusing type speaks.
    fn custom<T: fmt::Display>(_: T) -> Self {
        What::Refused.into()
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        What::Wrong(kind_of(&found), wanted(&expected.to_string())).into()
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        match wanted(&expected.to_string()) {
            Some(wanted) => What::Wrong(kind_of(&found), Some(wanted)).into(),
            None => What::Refused.into(),
        }
    }

    fn invalid_length(_: usize, _: &dyn Expected) -> Self {
        What::Refused.into()
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        What::NotOneOf(expected).into()
    }

    fn unknown_field(name: &str, expected: &'static [&'static str]) -> Self {
        What::Unknown(shown(name), expected).into()
    }

    fn missing_field(name: &'static str) -> Self {
        What::Missing(name).into()
    }

    fn duplicate_field(name: &'static str) -> Self {
        Self::twice(name)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let member = |name: &str| self.place(Some(name)).unwrap_or_default();
        match &self.what {
            What::Missing(name) => write!(f, "falta el campo «{}»", member(name)),
            What::Unknown(name, []) => write!(f, "el campo «{}» no se conoce; no se admite ninguno", member(name)),
            What::Unknown(name, known) => {
                write!(f, "el campo «{}» no se conoce; se admiten {}", member(name), listed(known, "y"))
            }
            What::Twice(name) => write!(f, "el campo «{}» está dos veces", member(name)),
            What::Wrong(found, wanted) => {
                match self.place(None) {
                    Some(place) => write!(f, "el campo «{place}» ")?,
                    None => f.write_str("el cuerpo ")?,
                }
                match wanted {
                    Some(wanted) => write!(f, "debe ser {wanted}, no {found}"),
                    None => write!(f, "no puede ser {found}"),
                }
            }
            What::NotOneOf(known) => {
                write!(f, "el campo «{}» debe ser {}", self.place(None).unwrap_or_default(), listed(known, "o"))
            }
            What::Refused => match self.place(None) {
                Some(place) => write!(f, "el campo «{place}» no tiene un valor válido"),
                None => f.write_str("no tiene un valor válido"),
            },
        }
    }
}

impl std::error::Error for Fault {}

const OBJECT: &str = "un objeto";

fn kind_of(found: &Unexpected<'_>) -> &'static str {
    match found {
        Unexpected::Bool(_) => "verdadero o falso",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) | Unexpected::Float(_) => "un número",
        Unexpected::Char(_) | Unexpected::Str(_) | Unexpected::Bytes(_) => "un texto",
        Unexpected::Unit | Unexpected::Option => "null",
        Unexpected::Seq => "una lista",
        Unexpected::Map | Unexpected::NewtypeStruct => OBJECT,
        _ => "otra cosa",
    }
}

/// Serde's words for what it wants, as far as there are words for it here.
fn wanted(expected: &str) -> Option<&'static str> {
    Some(match expected {
        "a string" | "a borrowed string" | "a character" | "string" | "str" => "un texto",
        "a boolean" => "verdadero o falso",
        "i8" | "i16" | "i32" | "i64" | "i128" | "isize" => "un número entero de su tamaño",
        "u8" | "u16" | "u32" | "u64" | "u128" | "usize" => "un número entero no negativo de su tamaño",
        "f32" | "f64" => "un número",
        "a sequence" => "una lista",
        "a map" => OBJECT,
        "unit" => "null",
        _ if expected.starts_with("struct ") => OBJECT,
        _ if expected.starts_with("a tuple") || expected.starts_with("an array") => "una lista de otra longitud",
        _ => return None,
    })
}

fn listed(names: &[&str], and: &str) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("«{name}»")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} {and} {last}", rest.join(", ")),
        None => "ningún valor".to_owned(),
    }
}

fn shown(text: &str) -> String {
    let mut shown: String = text.chars().filter(|c| !c.is_control()).take(SHOWN).collect();
    if text.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    shown
}
