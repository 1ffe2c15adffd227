//! Tidy over this very repository, so that plain `cargo test` keeps the habits too.

use std::fmt::Write as _;
use std::path::Path;

use xtask::tidy::check;

#[test]
fn this_repository_is_tidy() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut report = String::new();
    for finding in check(root).unwrap() {
        writeln!(report, "{finding}").unwrap();
    }
    assert!(report.is_empty(), "\n{report}");
}
