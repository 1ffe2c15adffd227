//! Who may lean on whom: the arrows between the rooms, and the heavy dependencies fenced into one of them.
//!
//! A new line in [`ROOMS`] or [`FENCES`] is an architectural decision; `docs/ARCHITECTURE.md` says it in words.

use super::manifest::{Use, dependencies};
use super::{Finding, tree::Tree};

pub(super) const ARROW: &str = "arrow";
pub(super) const FENCE: &str = "fence";
pub(super) const ROUTES: &str = "routes";

/// A crate, its layer, and the crates of lower layers it is built on.
pub(super) struct Room {
    name: &'static str,
    layer: u8,
    knows: &'static [&'static str],
}

/// The arrows. A name ending in `*` stands for every crate that begins so.
pub(super) const ROOMS: [Room; 14] = [
    room("apium-protocol", 0, &[]),
    room("apium-core", 1, &["apium-protocol"]),
    room("apium-beat", 2, &["apium-core", "apium-protocol"]),
    room("apium-bodies", 2, &["apium-core", "apium-protocol"]),
    room("apium-macros", 2, &[]),
    room("apium-redis", 2, &["apium-core", "apium-protocol"]),
    room("apium-sql", 2, &["apium-core"]),
    room("apium-sqlite", 2, &["apium-core", "apium-protocol"]),
    room("apium-web", 2, &["apium-core"]),
    room("apium-worker", 3, &["apium-core", "apium-protocol"]),
    room("svc-*", 3, &["apium-beat", "apium-core", "apium-macros", "apium-sql", "apium-web"]),
    room(
        "apium",
        4,
        &[
            "apium-beat",
            "apium-bodies",
            "apium-core",
            "apium-macros",
            "apium-protocol",
            "apium-redis",
            "apium-sql",
            "apium-sqlite",
            "apium-worker",
        ],
    ),
    room("apium-cli", 5, &["apium", "apium-core", "apium-protocol", "apium-web", "apium-worker", "svc-*"]),
    room("xtask", 6, &[]),
];

/// Heavy dependencies and the only rooms built with them. Tests may look at a server with its own client.
const FENCES: [(&str, &[&str]); 13] = [
    ("redis", &["apium-redis"]),
    ("rusqlite", &["apium-sqlite"]),
    ("axum", &["apium-web", "apium-api", "apium-cli", "svc-*"]),
    ("clap", &["apium-cli"]),
    ("sqlx", &["apium-sql"]),
    ("syn", &["apium-macros"]),
    ("brotli", &["apium-bodies"]),
    ("bzip2", &["apium-bodies"]),
    ("lzma-rust2", &["apium-bodies"]),
    ("rsa", &["apium-bodies"]),
    ("ruzstd", &["apium-bodies"]),
    ("saphyr-parser", &["apium-bodies"]),
    ("x509-cert", &["apium-bodies"]),
];

/// Rooms that stay without something (`*`: without any crate at all).
const ABSENCES: [(&str, &str); 3] = [("apium-protocol", "tokio"), ("apium-macros", "tokio"), ("xtask", "*")];

/// Each crate leans only on what the table allows; its tests may lean on any lower layer.
pub(super) fn arrows(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for manifest in tree.manifests() {
        let name = manifest.room().unwrap_or_default();
        let Some(own) = known(name) else {
            let sentence = format!(
                "`{name}` is not in the table of arrows (ROOMS in xtask/src/tidy/arrows.rs); give it a layer and a line."
            );
            findings.push(Finding::new(ARROW, &manifest.path, 1, sentence));
            continue;
        };
        for dependency in dependencies(&manifest.text) {
            let Some(other) = known(&dependency.name) else {
                continue;
            };
            let allowed = match dependency.purpose {
                Use::Build => any(own.knows, &dependency.name),
                // A crate's tests may lean on itself, with its test kit switched on.
                Use::Tests => other.layer < own.layer || dependency.name == name,
            };
            if !allowed {
                findings.push(Finding::new(
                    ARROW,
                    &manifest.path,
                    dependency.line,
                    refused(name, &dependency.name, dependency.purpose),
                ));
            }
        }
    }
    findings
}

/// Heavy dependencies stay in their rooms.
pub(super) fn fences(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for manifest in tree.manifests() {
        let name = manifest.room().unwrap_or_default();
        let built_on = dependencies(&manifest.text).into_iter().filter(|dependency| dependency.purpose == Use::Build);
        for dependency in built_on {
            let fenced = FENCES.iter().any(|(heavy, rooms)| *heavy == dependency.name && !any(rooms, name));
            let absent = ABSENCES.iter().any(|(room, without)| *room == name && matches(without, &dependency.name));
            if fenced || absent {
                let sentence = format!(
                    "`{}` is fenced off from `{name}` (FENCES and ABSENCES in xtask/src/tidy/arrows.rs); reach it through the crate that owns it.",
                    dependency.name
                );
                findings.push(Finding::new(FENCE, &manifest.path, dependency.line, sentence));
            }
        }
    }
    findings
}

/// A service speaks HTTP in its routes only.
pub(super) fn routes(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust() {
        let inside = match file.room() {
            Some(room) if room.starts_with("svc-") => file
                .path
                .strip_prefix("crates/")
                .and_then(|path| path.strip_prefix(room))
                .and_then(|path| path.strip_prefix("/src/")),
            _ => None,
        };
        let Some(inside) = inside else { continue };
        if inside == "routes.rs" || inside.starts_with("routes/") {
            continue;
        }
        for at in file.places("axum::") {
            findings.push(Finding::new(
                ROUTES,
                &file.path,
                file.line(at),
                "a service uses axum in its routes.rs only; move what speaks HTTP there.",
            ));
        }
    }
    findings
}

const fn room(name: &'static str, layer: u8, knows: &'static [&'static str]) -> Room {
    Room { name, layer, knows }
}

fn refused(from: &str, to: &str, purpose: Use) -> String {
    match purpose {
        Use::Build => {
            format!(
                "`{from}` may not lean on `{to}`: the table of arrows (ROOMS in xtask/src/tidy/arrows.rs) does not allow it."
            )
        }
        Use::Tests => {
            format!(
                "the tests of `{from}` may not lean on `{to}`, which is not in a lower layer (ROOMS in xtask/src/tidy/arrows.rs)."
            )
        }
    }
}

fn known(name: &str) -> Option<&'static Room> {
    ROOMS.iter().find(|room| matches(room.name, name))
}

fn any(patterns: &[&str], name: &str) -> bool {
    patterns.iter().any(|pattern| matches(pattern, name))
}

fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => pattern == name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_arrow_of_the_table_points_down() {
        for room in &ROOMS {
            for other in room.knows {
                let lower = ROOMS.iter().any(|known| known.name == *other && known.layer < room.layer);
                assert!(lower, "{} -> {other} does not point down", room.name);
            }
        }
    }
}
