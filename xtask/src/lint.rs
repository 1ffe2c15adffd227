//! What a change must be before its tests are worth running: formatted, tidy, free of warnings, documented.

use std::path::Path;

use crate::failpoints::FEATURE;
use crate::shell::{Done, cargo, run};
use crate::tidy;

/// Formatting, tidy, clippy and documentation, the quick ones first.
///
/// # Errors
/// At the first of them that finds something.
pub fn lint(root: &Path) -> Done {
    run(&mut cargo(root, ["fmt", "--all", "--check"]))?;
    tidy::tidy(root)?;
    run(&mut cargo(root, ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    // What is held at a point is held twice, where there are points: futures may be large there.
    let dying = ["clippy", "--workspace", "--features", FEATURE, "--test", "failpoints"];
    run(cargo(root, dying).args(["--", "-D", "warnings", "-A", "clippy::large_futures"]))?;
    docs(root)
}

/// Formats every crate in place.
///
/// # Errors
/// When a file cannot be parsed.
pub fn format(root: &Path) -> Done {
    run(&mut cargo(root, ["fmt", "--all"]))
}

/// Builds the documentation of our own crates; a broken link is an error.
///
/// Libraries only: the executable `apium` would write over the pages of the crate `apium`.
///
/// # Errors
/// When rustdoc has anything to say.
pub fn docs(root: &Path) -> Done {
    run(cargo(root, ["doc", "--workspace", "--no-deps", "--lib"]).env("RUSTDOCFLAGS", "-D warnings"))
}
