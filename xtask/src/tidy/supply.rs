//! What we ship and what comes in with it: licences, lints, crates that stay out, the change log.

use super::manifest::{Entry, entries, quoted};
use super::{Finding, tree::Tree};

pub(super) const LICENCE: &str = "licence";
pub(super) const LINTS: &str = "lints";
pub(super) const BANNED: &str = "banned-crate";
pub(super) const CHANGES: &str = "changelog";
pub(super) const BUILD: &str = "build-script";
pub(super) const FAILPOINTS: &str = "failpoints";

const OUR_LICENCE: &str = "MIT OR Apache-2.0";
const LICENCE_TEXTS: [&str; 2] = ["LICENSE-MIT", "LICENSE-APACHE"];

/// Crates that would bring a second TLS stack or a foreign toolchain.
const BANNED_CRATES: [&str; 3] = ["openssl-sys", "native-tls", "aws-lc-sys"];

/// Both licence texts are there, and every crate says it is under them.
pub(super) fn licences(tree: &Tree) -> Vec<Finding> {
    let mut findings: Vec<Finding> = LICENCE_TEXTS
        .into_iter()
        .filter(|path| !tree.exists(path))
        .map(|path| Finding::new(LICENCE, path, 1, "the text of the licence is missing."))
        .collect();
    let root = tree.file("Cargo.toml").map_or("", |file| file.text.as_str());
    if !says(root, is_our_licence) {
        let sentence = format!("[workspace.package] does not say license = \"{OUR_LICENCE}\".");
        findings.push(Finding::new(LICENCE, "Cargo.toml", 1, sentence));
    }
    for manifest in tree.manifests() {
        let ours = |entry: &Entry| is_inherited_licence(entry) || is_our_licence(entry);
        if !says(&manifest.text, ours) {
            let sentence = "does not say `license.workspace = true`.";
            findings.push(Finding::new(LICENCE, &manifest.path, 1, sentence));
        }
    }
    findings
}

/// Every crate keeps the lints of the house.
pub(super) fn lints(tree: &Tree) -> Vec<Finding> {
    tree.manifests()
        .filter(|manifest| {
            !says(&manifest.text, |entry| entry.section == "lints" && entry.key == "workspace" && entry.value == "true")
        })
        .map(|manifest| {
            let sentence = "does not keep the lints of the house: [lints] workspace = true.";
            Finding::new(LINTS, &manifest.path, 1, sentence)
        })
        .collect()
}

/// One TLS stack, no foreign toolchain.
pub(super) fn banned(tree: &Tree) -> Vec<Finding> {
    let lock = tree.file("Cargo.lock").map_or("", |file| file.text.as_str());
    entries(lock)
        .into_iter()
        .filter(|entry| entry.section == "package" && entry.key == "name")
        .filter_map(|entry| {
            let name = quoted(&entry.value)?;
            BANNED_CRATES.contains(&name).then(|| {
                let sentence =
                    format!("`{name}` came in; find who brings it with `cargo tree --invert {name}` and switch that feature off.");
                Finding::new(BANNED, "Cargo.lock", entry.line, sentence)
            })
        })
        .collect()
}

/// The change log is there and has a place for what comes next.
pub(super) fn changes(tree: &Tree) -> Vec<Finding> {
    let text = tree.file("CHANGELOG.md").map_or("", |file| file.text.as_str());
    if text.contains("## [Unreleased]") {
        return Vec::new();
    }
    let sentence = "the change log has no `## [Unreleased]` section.";
    vec![Finding::new(CHANGES, "CHANGELOG.md", 1, sentence)]
}

/// Building needs the compiler and nothing else.
pub(super) fn build_scripts(tree: &Tree) -> Vec<Finding> {
    tree.rust()
        .filter(|file| file.path.ends_with("/build.rs") && !file.path.contains("/src/"))
        .map(|file| {
            let sentence = "a build script; building needs the compiler and nothing else.";
            Finding::new(BUILD, &file.path, 1, sentence)
        })
        .collect()
}

/// No manifest switches the points on at which workers are made to die: one that did would do it in every executable that
/// is built along with it. The tests that need them say so on their command line.
pub(super) fn failpoints(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for manifest in tree.files.iter().filter(|file| file.path.ends_with("Cargo.toml")) {
        let declared: Vec<usize> =
            entries(&manifest.text).iter().filter(|entry| declares(entry)).map(|entry| entry.line).collect();
        for (line, text) in (1..).zip(manifest.text.lines()) {
            let said = text.split('#').next().is_some_and(|text| text.contains(FAILPOINTS));
            if said && !declared.contains(&line) {
                let sentence =
                    "switches `failpoints` on for whatever is built along; only `cargo xtask failpoints` does that.";
                findings.push(Finding::new(FAILPOINTS, &manifest.path, line, sentence));
            }
        }
    }
    findings
}

/// The feature itself, or the tests that cannot do without.
fn declares(entry: &Entry) -> bool {
    (entry.section == "features" && entry.key == FAILPOINTS) || entry.section == "test"
}

fn says(manifest: &str, what: impl Fn(&Entry) -> bool) -> bool {
    entries(manifest).iter().any(what)
}

fn is_our_licence(entry: &Entry) -> bool {
    entry.section.ends_with("package") && entry.key == "license" && quoted(&entry.value) == Some(OUR_LICENCE)
}

fn is_inherited_licence(entry: &Entry) -> bool {
    entry.section == "package" && entry.key == "license.workspace" && entry.value == "true"
}
