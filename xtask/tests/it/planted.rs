//! A small tree in a temporary folder that breaks no rule, into which a test plants one fault.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use xtask::tidy::{Finding, check};

/// The six files of a newcomer, in reading order.
pub(crate) const SIX: [&str; 6] = [
    "crates/apium-core/src/client.rs",
    "crates/apium-protocol/src/message.rs",
    "crates/apium-core/src/broker.rs",
    "crates/apium-worker/src/consumer.rs",
    "crates/apium-worker/src/executor.rs",
    "crates/apium-worker/src/outcome.rs",
];

/// An opening no rule has anything against.
pub(crate) const OPENING: &str = "//! A file planted so that a rule can find it.\n";

/// A tree of its own, gone when dropped.
pub(crate) struct Planted {
    root: PathBuf,
}

impl Planted {
    /// A tree without a file.
    pub(crate) fn empty() -> Self {
        static TREES: AtomicU32 = AtomicU32::new(0);
        let number = TREES.fetch_add(1, Ordering::Relaxed);
        let root = std::env::temp_dir().join(format!("apium-xtask-{}-{number}", std::process::id()));
        Self { root }
    }

    /// A tree that breaks no rule.
    pub(crate) fn sound() -> Self {
        let tree = Self::empty();
        tree.write("LICENSE-MIT", "MIT").write("LICENSE-APACHE", "Apache");
        tree.write("CHANGELOG.md", "# Changes\n\n## [Unreleased]\n");
        tree.write("docs/ARCHITECTURE.md", "# The house\n");
        tree.write("README.md", &format!("# Apium\n\n{}\n", SIX.join("\n")));
        tree.write("Cargo.toml", "[workspace.package]\nlicense = \"MIT OR Apache-2.0\"\n");
        for path in SIX {
            tree.write(path, OPENING);
        }
        tree.write(SIX[3], &format!("{OPENING}async fn run() {{}}\n"));
        tree.write(SIX[4], &format!("{OPENING}async fn attempt() {{}}\n"));
        for (crate_name, dependencies) in [
            ("apium-protocol", ""),
            ("apium-core", "apium-protocol = { workspace = true }\n"),
            ("apium-worker", "apium-core.workspace = true\n"),
            ("svc-osint", "apium-core = { workspace = true }\naxum = { workspace = true }\n"),
        ] {
            tree.manifest(crate_name, &format!("[dependencies]\n{dependencies}"));
        }
        tree.write("crates/svc-osint/src/routes.rs", &format!("{OPENING}use axum::Router;\n"));
        tree
    }

    /// Writes a file, folders included.
    pub(crate) fn write(&self, path: &str, text: &str) -> &Self {
        let file = self.root.join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
        self
    }

    /// Writes a crate's manifest: seven sound lines, then `rest` from line 8.
    pub(crate) fn manifest(&self, crate_name: &str, rest: &str) -> &Self {
        let text = format!(
            "[package]\nname = \"{crate_name}\"\nlicense.workspace = true\n\n[lints]\nworkspace = true\n\n{rest}"
        );
        self.write(&format!("crates/{crate_name}/Cargo.toml"), &text)
    }

    pub(crate) fn remove(&self, path: &str) -> &Self {
        fs::remove_file(self.root.join(path)).unwrap();
        self
    }

    /// Writes a shell script that can be run.
    pub(crate) fn script(&self, path: &str, body: &str) -> PathBuf {
        self.write(path, &format!("#!/bin/sh\n{body}\n"));
        let file = self.root.join(path);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        file
    }

    /// The workshop's own program, working on this tree.
    pub(crate) fn xtask(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        // The workshop asks cargo's variable which tree it is in.
        command.args(words).env("CARGO_MANIFEST_DIR", self.root.join("xtask"));
        command
    }

    pub(crate) fn findings(&self) -> Vec<Finding> {
        check(&self.root).unwrap()
    }

    /// Asserts that tidy finds this one fault and nothing else.
    #[track_caller]
    pub(crate) fn shows(&self, rule: &str, path: &str, line: usize) {
        let findings = self.findings();
        let found: Vec<(&str, &str, usize)> =
            findings.iter().map(|finding| (finding.rule, finding.path.as_str(), finding.line)).collect();
        assert_eq!(found, [(rule, path, line)], "{findings:?}");
    }

    /// Asserts that tidy has nothing to say.
    #[track_caller]
    pub(crate) fn is_sound(&self) {
        assert_eq!(self.findings(), []);
    }
}

impl Drop for Planted {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.root);
    }
}

#[test]
fn the_tree_without_a_fault_breaks_no_rule() {
    Planted::sound().is_sound();
}
