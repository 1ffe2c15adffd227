//! The examples that are measured, built for release, without what no path of theirs touches.

use std::path::{Path, PathBuf};

use crate::shell::{Failure, cargo, run};

/// Builds an example of the crate `apium`, and tells where it is.
///
/// # Errors
/// When it does not compile.
pub(crate) fn example(root: &Path, name: &str) -> Result<PathBuf, Failure> {
    // Bodies in other forms than JSON are on no path, and take long to build.
    let build = ["build", "--release", "--package", "apium", "--no-default-features", "--example", name];
    run(&mut cargo(root, build))?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    Ok(target.join("release/examples").join(name))
}
