//! Serialisers under kombu's names and content types.

use std::fmt;

/// A serialisation of Celery's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Serializer {
    /// `json`, what everyone reads.
    Json,
    /// `msgpack`.
    Msgpack,
    /// `yaml`.
    Yaml,
    /// `pickle`; read as data, nothing in it is called.
    Pickle,
    /// `auth`: one of the others, signed.
    Auth,
}

impl Serializer {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Json, Self::Msgpack, Self::Yaml, Self::Pickle, Self::Auth];

    /// The one that kombu knows by this name or content type.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name() == name || known.content().0 == name)
    }

    /// Its name in settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Msgpack => "msgpack",
            Self::Yaml => "yaml",
            Self::Pickle => "pickle",
            Self::Auth => "auth",
        }
    }

    /// Its content type and content encoding.
    pub fn content(self) -> (&'static str, &'static str) {
        match self {
            Self::Json => ("application/json", "utf-8"),
            Self::Msgpack => ("application/x-msgpack", "binary"),
            Self::Yaml => ("application/x-yaml", "utf-8"),
            Self::Pickle => ("application/x-python-serialize", "binary"),
            Self::Auth => ("application/data", "utf-8"),
        }
    }

    /// Whether it was compiled in, by the feature of its name.
    pub fn is_built_in(self) -> bool {
        match self {
            Self::Yaml => cfg!(feature = "yaml"),
            Self::Auth => cfg!(feature = "auth"),
            Self::Json | Self::Msgpack | Self::Pickle => true,
        }
    }
}

/// The name in settings.
impl fmt::Display for Serializer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
