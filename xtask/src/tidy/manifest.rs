//! Reads a `Cargo.toml` as far as tidy needs it: sections, keys, and which crates a crate leans on.

/// One `key = value` of a manifest.
pub(super) struct Entry {
    /// `dependencies`, `dev-dependencies`, `target.'cfg(unix)'.dependencies`, `package`, …
    pub(super) section: String,
    pub(super) key: String,
    pub(super) value: String,
    /// The line, from 1.
    pub(super) line: usize,
}

/// What a dependency is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// Part of the built crate (build scripts included).
    Build,
    /// Part of its tests only.
    Tests,
}

/// A crate another leans on.
pub(super) struct Dependency {
    /// The crate's own name, whatever it is called here.
    pub(super) name: String,
    pub(super) purpose: Use,
    pub(super) line: usize,
}

/// Every `key = value` of the text. Lines inside a list that runs over several lines are left out.
pub(super) fn entries(text: &str) -> Vec<Entry> {
    let mut found = Vec::new();
    let mut section = String::new();
    let mut open = 0_usize;
    for (index, line) in text.lines().enumerate() {
        let line = without_comment(line).trim();
        let inside = open > 0;
        if !inside && line.starts_with('[') {
            line.trim_matches(['[', ']']).trim().clone_into(&mut section);
            continue;
        }
        open = (open + line.matches(['[', '{']).count()).saturating_sub(line.matches([']', '}']).count());
        if let Some((key, value)) = line.split_once('=').filter(|_| !inside) {
            found.push(Entry {
                section: section.clone(),
                key: key.trim().trim_matches('"').to_owned(),
                value: value.trim().to_owned(),
                line: index + 1,
            });
        }
    }
    found
}

/// What the manifest's crate leans on, in order; a dependency written over several lines counts once.
pub(super) fn dependencies(text: &str) -> Vec<Dependency> {
    let mut found: Vec<Dependency> = Vec::new();
    for entry in entries(text) {
        let Some((purpose, table)) = purpose(&entry.section) else {
            continue;
        };
        let local = table.unwrap_or_else(|| entry.key.split('.').next().unwrap_or_default());
        let renamed = if entry.key == "package" {
            quoted(&entry.value)
        } else {
            entry.value.split_once("package").and_then(|(_, rest)| quoted(rest))
        };
        if let Some(known) =
            found.iter_mut().find(|known| table.is_some() && known.name == local && known.purpose == purpose)
        {
            renamed.unwrap_or(local).clone_into(&mut known.name);
            continue;
        }
        found.push(Dependency { name: renamed.unwrap_or(local).to_owned(), purpose, line: entry.line });
    }
    found
}

/// The text between the first two quotes.
pub(super) fn quoted(value: &str) -> Option<&str> {
    value.split('"').nth(1)
}

/// What the dependencies in a section are for, and the one crate the section describes, if it is about one.
fn purpose(section: &str) -> Option<(Use, Option<&str>)> {
    let kinds = [("dev-dependencies", Use::Tests), ("build-dependencies", Use::Build), ("dependencies", Use::Build)];
    // `target.'cfg(unix)'.dependencies` is `dependencies` for our purposes.
    let section = match section.strip_prefix("target.") {
        Some(rest) => rest.rsplit_once("'.").map_or(rest, |(_, kind)| kind),
        None => section,
    };
    kinds.into_iter().find_map(|(name, purpose)| {
        let rest = section.strip_prefix(name)?;
        match rest.strip_prefix('.') {
            Some(table) => Some((purpose, Some(table))),
            None if rest.is_empty() => Some((purpose, None)),
            None => None,
        }
    })
}

fn without_comment(line: &str) -> &str {
    match line.find('#') {
        Some(at) if line[..at].matches('"').count().is_multiple_of(2) => &line[..at],
        _ => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_are_found_however_they_are_written() {
        let text = "\
[package]
name = \"a\" # not a dependency
[dependencies]
one = \"1\"
two.workspace = true
three = { version = \"3\", features = [
  \"x=y\",
] }
four = { package = \"quatre\", version = \"4\" }
[dependencies.five]
version = \"5\"
features = [\"x\"]
[target.'cfg(unix)'.dependencies]
six = \"6\"
[dev-dependencies]
seven = \"7\"
[build-dependencies]
eight = \"8\"
";
        let found: Vec<(String, Use, usize)> = dependencies(text)
            .into_iter()
            .map(|dependency| (dependency.name, dependency.purpose, dependency.line))
            .collect();
        let expected = [
            ("one", Use::Build, 4),
            ("two", Use::Build, 5),
            ("three", Use::Build, 6),
            ("quatre", Use::Build, 9),
            ("five", Use::Build, 11),
            ("six", Use::Build, 14),
            ("seven", Use::Tests, 16),
            ("eight", Use::Build, 18),
        ];
        let expected: Vec<(String, Use, usize)> =
            expected.into_iter().map(|(name, purpose, line)| (name.to_owned(), purpose, line)).collect();
        assert_eq!(found, expected);
    }
}
