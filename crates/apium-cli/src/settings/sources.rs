//! Where values come from: flag before environment before `apium.toml` before default.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::check::shown;
use super::routing;
use super::table::{Kind, Setting};
use super::values::{Settings, Value};
use crate::failure::Failure;

/// The file that is read when nobody names another.
const DEFAULT_FILE: &str = "apium.toml";

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The table.
    Default,
    /// A file.
    File(PathBuf),
    /// An environment variable.
    Environment(&'static str),
    /// The command line.
    Flag,
}

/// Collects every setting from its sources and checks it.
pub(crate) fn resolve(
    table: Vec<Setting>,
    flags: impl Fn(&str) -> Option<String>,
    environment: impl Fn(&str) -> Option<String>,
    file: Option<&Path>,
) -> Result<Settings, Failure> {
    let (path, filed) = read_file(&table, file)?;
    let mut values = BTreeMap::new();
    for setting in &table {
        let found = flags(setting.key)
            .map(|text| (text, Origin::Flag))
            .or_else(|| from_environment(setting, &environment))
            .or_else(|| filed.get(setting.key).map(|text| (text.clone(), Origin::File(path.clone()))))
            .or_else(|| setting.default.map(|text| (text.to_owned(), Origin::Default)));
        if let Some((text, origin)) = found {
            setting.kind.check(&text).map_err(|why| Failure::usage(format!("{} {why} ({origin})", setting.key)))?;
            values.insert(setting.key, Value { text, origin });
        }
    }
    Ok(Settings::new(table, values))
}

/// An empty variable counts as unset, as shells and compose files leave them.
fn from_environment(setting: &Setting, environment: &impl Fn(&str) -> Option<String>) -> Option<(String, Origin)> {
    let set = |name: &str| environment(name).filter(|text| !text.is_empty());
    let named = setting.env.iter().find_map(|name| set(name).map(|text| (text, Origin::Environment(name))));
    if setting.kind == Kind::Address && named.is_none() {
        // Some shells export HOST as the machine's name: only an address counts as a wish to listen there.
        let host = set("HOST").filter(|host| host.parse::<std::net::IpAddr>().is_ok());
        let (default_host, default_port) = setting.default.and_then(|text| text.rsplit_once(':')).unwrap_or_default();
        return match (host, set("PORT")) {
            (None, None) => None,
            (Some(host), None) => Some((join(&host, default_port), Origin::Environment("HOST"))),
            (host, Some(port)) => {
                Some((join(host.as_deref().unwrap_or(default_host), &port), Origin::Environment("PORT")))
            }
        };
    }
    named
}

fn join(host: &str, port: &str) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// Reads `apium.toml`; one that was named must be there, the default one need not.
fn read_file(table: &[Setting], named: Option<&Path>) -> Result<(PathBuf, BTreeMap<String, String>), Failure> {
    let path = named.unwrap_or(Path::new(DEFAULT_FILE));
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => {
            return Err(Failure::usage(format!("the settings file {} cannot be read: {error}", name(path))));
        }
    };
    let filed: toml::Table = text.parse().map_err(|error| not_toml(path, &text, &error))?;
    let mut values = BTreeMap::new();
    for (key, value) in filed {
        let Some(setting) = table.iter().find(|setting| setting.key == key) else {
            let known: Vec<_> = table.iter().map(|setting| setting.key).collect();
            let (key, file, known) = (shown(&key), name(path), known.join(", "));
            return Err(Failure::usage(format!("{key} in {file} is not a setting; known are {known}")));
        };
        let (text, form) = if routing::is_table(setting.kind) {
            (routing::text(&value), "a table or the path of a file")
        } else {
            (plain(&value), "a plain value")
        };
        let text = text.ok_or_else(|| Failure::usage(format!("{} in {} must be {form}", setting.key, name(path))))?;
        values.insert(key, text);
    }
    Ok((path.to_owned(), values))
}

/// Names the line and does not show it: it may hold a password.
fn not_toml(path: &Path, text: &str, error: &toml::de::Error) -> Failure {
    let before = error.span().and_then(|span| text.get(..span.start));
    let line = before.map(|before| format!(" in line {}", before.matches('\n').count() + 1)).unwrap_or_default();
    let why = shown(&error.message().replace('\n', ", "));
    Failure::usage(format!("the settings file {} is not TOML{line}: {why}", name(path)))
}

/// What `--config` was given may be anything.
fn name(path: &Path) -> String {
    shown(&path.display().to_string())
}

/// A value as the text a flag would have; a list of texts is one with commas between.
fn plain(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Float(number) => Some(number.to_string()),
        toml::Value::Boolean(switch) => Some(switch.to_string()),
        toml::Value::Array(items) => {
            let texts: Option<Vec<_>> = items.iter().map(toml::Value::as_str).collect();
            texts.map(|texts| texts.join(","))
        }
        toml::Value::Datetime(_) | toml::Value::Table(_) => None,
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "from {}", name(path)),
            Self::Environment(name) => write!(f, "from {name}"),
            Self::Flag => f.write_str("from the command line"),
        }
    }
}
