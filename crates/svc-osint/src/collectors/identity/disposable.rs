//! Domains whose addresses anybody gets for ten minutes: a short list of the best known, or the operator's.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

/// The setting with a file of domains.
pub const DISPOSABLE_DOMAINS: &str = "OSINT_DISPOSABLE_DOMAINS";

/// The bundled list.
const BUNDLED: &str = include_str!("../../../lists/disposable.txt");

/// The domains.
#[derive(Debug, Clone)]
pub struct Disposable(Arc<HashSet<String>>);

impl Disposable {
    /// Reads a file with a domain a line, `#` before remarks; without one, the bundled list.
    ///
    /// # Errors
    /// A sentence for the operator that names the file.
    pub fn read(file: Option<&Path>) -> Result<Self, String> {
        let text = match file {
            None => BUNDLED.to_owned(),
            Some(file) => std::fs::read_to_string(file)
                .map_err(|error| format!("{DISPOSABLE_DOMAINS}: {}: {error}", file.display()))?,
        };
        let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
        let domains: HashSet<_> = lines.filter(|line| !line.is_empty()).map(str::to_ascii_lowercase).collect();
        match file {
            Some(file) if domains.is_empty() => {
                Err(format!("{DISPOSABLE_DOMAINS}: {}: it holds no domain", file.display()))
            }
            _ => Ok(Self(Arc::new(domains))),
        }
    }

    /// Whether `domain` is one of them or lies below one.
    pub fn holds(&self, domain: &str) -> bool {
        let mut rest = Some(domain);
        while let Some(name) = rest {
            if self.0.contains(name) {
                return true;
            }
            rest = name.split_once('.').map(|(_, above)| above);
        }
        false
    }
}
