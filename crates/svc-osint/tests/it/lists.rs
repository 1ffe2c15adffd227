//! The lists of others as PyPI carries them, and the Python they are written for.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Map, Value};
use svc_osint::collectors::username::SiteLists;

/// The Python environment that `cargo xtask setup` makes from `interop/requirements/osint-1.txt`.
fn environment() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let home = std::env::var_os("APIUM_VENVS").map_or_else(|| root.join(".venvs"), PathBuf::from);
    home.join("osint-1")
}

/// A file that one of its packages carries.
fn packaged(file: &str) -> PathBuf {
    let libraries = std::fs::read_dir(environment().join("lib"));
    let libraries = libraries.expect("the Python environment is needed: cargo xtask setup makes it");
    let found = libraries.flatten().map(|library| library.path().join("site-packages").join(file));
    found.into_iter().find(|path| path.exists()).unwrap_or_else(|| panic!("no package carries {file}"))
}

/// Sherlock's list.
pub(crate) fn sherlock() -> PathBuf {
    packaged("sherlock_project/resources/data.json")
}

/// Maigret's list.
pub(crate) fn maigret() -> PathBuf {
    packaged("maigret/resources/data.json")
}

/// The JSON in a file.
pub(crate) fn json(file: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
}

/// Writes a list into a file and reads it as the service does.
pub(crate) fn read(list: &Value) -> Result<SiteLists, String> {
    read_all(&[list.to_string()])
}

/// The same of several lists.
pub(crate) fn read_all(lists: &[String]) -> Result<SiteLists, String> {
    let folder = tempfile::tempdir().unwrap();
    let written = lists.iter().enumerate().map(|(place, list)| {
        let file = folder.path().join(format!("{place}-list.json"));
        std::fs::write(&file, list).unwrap();
        file
    });
    SiteLists::read(&written.collect::<Vec<_>>())
}

/// Runs a Python program, `input` on its standard input, and reads the JSON it prints.
pub(crate) fn python(program: &str, input: &Value) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("input.json");
    std::fs::write(&file, input.to_string()).unwrap();
    let output = Command::new(environment().join("bin/python"))
        .args(["-c", program])
        .stdin(Stdio::from(std::fs::File::open(&file).unwrap()))
        .env("NO_PROXY", "*")
        .current_dir(folder.path())
        .output()
        .expect("the Python environment is needed: cargo xtask setup makes it");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let printed = String::from_utf8(output.stdout).unwrap();
    let last = printed.lines().last().unwrap_or_default();
    serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}: {printed}"))
}

/// The sites of a list of Sherlock's or Maigret's, by name.
pub(crate) fn entries(list: &Value) -> &Map<String, Value> {
    list.get("sites").unwrap_or(list).as_object().unwrap()
}
