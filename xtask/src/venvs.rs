//! One Python environment per series of Celery and of Flower, made once from a pinned list and remade when the list changes.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::shell::{Failure, run};

const LISTS: &str = "interop/requirements";

/// Makes those environments of `what` (`celery`) that are missing or stale; returns series (`5.7`) and interpreter, oldest first.
///
/// # Errors
/// When the lists cannot be read or an environment cannot be made (most often: no way to PyPI).
pub fn ensure(root: &Path, what: &str, python: &Path) -> Result<Vec<(String, PathBuf)>, Failure> {
    ensure_with(root, what, python, &[])
}

/// The same of lists that name all they want: what their packages ask for besides is left out.
///
/// # Errors
/// As [`ensure`].
pub fn ensure_bare(root: &Path, what: &str, python: &Path) -> Result<Vec<(String, PathBuf)>, Failure> {
    ensure_with(root, what, python, &["--no-deps"])
}

fn ensure_with(root: &Path, what: &str, python: &Path, how: &[&str]) -> Result<Vec<(String, PathBuf)>, Failure> {
    let home = home(root);
    fs::create_dir_all(&home).map_err(|error| cannot("make the folder", &home, &error))?;
    let _turn = take_turn(&home)?;
    let mut made = Vec::new();
    for (series, list) in lists(root, what)? {
        let folder = home.join(format!("{what}-{series}"));
        install(&folder, &list, python, how)?;
        made.push((series, folder.join("bin/python")));
    }
    Ok(made)
}

/// Where they live: in `.venvs`, or where `APIUM_VENVS` says.
pub fn home(root: &Path) -> PathBuf {
    std::env::var_os("APIUM_VENVS").map_or_else(|| root.join(".venvs"), PathBuf::from)
}

/// Makes one environment, unless it was made from exactly this list and its interpreter still exists.
///
/// # Errors
/// As [`ensure`].
pub(crate) fn ensure_one(folder: &Path, list: &Path, python: &Path) -> Result<(), Failure> {
    install(folder, list, python, &[])
}

fn install(folder: &Path, list: &Path, python: &Path, how: &[&str]) -> Result<(), Failure> {
    let wanted = fs::read_to_string(list).map_err(|error| cannot("read", list, &error))?;
    // The list itself is the stamp, written last: an installation cut short is simply made again.
    let stamp = folder.join("made-from.txt");
    let interpreter = folder.join("bin/python");
    if interpreter.exists() && fs::read_to_string(&stamp).is_ok_and(|old| old == wanted) {
        return Ok(());
    }
    run(Command::new(python).args(["-m", "venv", "--clear"]).arg(folder))?;
    run(Command::new(&interpreter)
        .args(["-m", "pip", "install", "--quiet", "--no-input"])
        .args(how)
        .args(["--disable-pip-version-check", "--requirement"])
        .arg(list))?;
    fs::write(&stamp, wanted).map_err(|error| cannot("write", &stamp, &error))
}

/// Every `<what>-<series>.txt`, by series.
fn lists(root: &Path, what: &str) -> Result<Vec<(String, PathBuf)>, Failure> {
    let folder = root.join(LISTS);
    let entries = fs::read_dir(&folder).map_err(|error| cannot("read", &folder, &error))?;
    let mut found: Vec<(String, PathBuf)> = entries
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let series = name.strip_prefix(what)?.strip_prefix('-')?.strip_suffix(".txt")?;
            Some((series.to_owned(), entry.path()))
        })
        .collect();
    found.sort();
    Ok(found)
}

/// Two runs at once would build into the same folder: the second waits until the first lets go.
fn take_turn(home: &Path) -> Result<File, Failure> {
    let path = home.join("lock");
    let file = File::create(&path).map_err(|error| cannot("write", &path, &error))?;
    file.lock().map_err(|error| cannot("lock", &path, &error))?;
    Ok(file)
}

fn cannot(verb: &str, path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("cannot {verb} {}: {error}.", path.display()))
}
