//! Running other programs: each command is shown before it runs, and its exit code is kept.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// How every chore ends.
pub type Done = Result<(), Failure>;

/// Why a chore ended early: a sentence for the person at the terminal, and the exit code to leave with.
#[derive(Debug)]
pub struct Failure {
    /// What happened and what to do about it.
    pub sentence: String,
    /// The exit code of the program that failed, or 1; 2 for a wrong command line.
    pub code: u8,
}

impl Failure {
    /// A failure of the chore itself (exit code 1).
    pub fn new(sentence: impl Into<String>) -> Self {
        Self { sentence: sentence.into(), code: 1 }
    }

    /// A wrong command line (exit code 2).
    pub fn usage(sentence: impl Into<String>) -> Self {
        Self { sentence: sentence.into(), code: 2 }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

/// Cargo itself, in the repository, with the environment a person's shell would give it.
///
/// `cargo run` tells its child which package is running; a build script that watches those variables
/// (ring's does) would then be rebuilt at every turn between `cargo xtask` and plain `cargo`.
pub fn cargo<S: AsRef<OsStr>>(root: &Path, arguments: impl IntoIterator<Item = S>) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.current_dir(root).args(arguments);
    for (name, _) in std::env::vars_os() {
        if is_about_this_package(&name.to_string_lossy()) {
            command.env_remove(name);
        }
    }
    command
}

/// Shows a command, runs it with our own terminal, and fails with its exit code.
///
/// # Errors
/// When the program cannot be started or does not succeed.
pub fn run(command: &mut Command) -> Done {
    let line = shown(command);
    eprintln!("$ {line}");
    let status = command.status().map_err(|error| Failure::new(format!("`{line}` could not be started: {error}.")))?;
    if status.success() {
        return Ok(());
    }
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Err(Failure { sentence: format!("`{line}` failed ({status}); its own words are above."), code: code.unwrap_or(1) })
}

/// Whether a command can be started and succeeds, without a word on the terminal.
pub fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Where a program is: on the `PATH`, or in the system folders a plain user's `PATH` leaves out.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(SYSTEM_FOLDERS.iter().map(PathBuf::from))
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
}

/// Folders where Debian keeps servers such as `knotd`, often missing from a plain user's `PATH`.
pub const SYSTEM_FOLDERS: [&str; 2] = ["/usr/sbin", "/sbin"];

fn is_about_this_package(variable: &str) -> bool {
    ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|prefix| variable.starts_with(prefix))
        || ["CARGO_BIN_NAME", "CARGO_CRATE_NAME", "CARGO_PRIMARY_PACKAGE"].contains(&variable)
}

fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_name().unwrap_or(program.as_os_str());
    std::iter::once(name)
        .chain(command.get_args())
        .map(|word| word.to_string_lossy().into_owned())
        .collect::<Vec<_>>()
        .join(" ")
}
