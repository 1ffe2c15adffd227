//! Gets the peers' programs: Rust ones built by cargo, Python ones in an environment of their own, all in one cache.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::peers::Peer;
use crate::shell::{Failure, cargo, find, run, succeeds};
use crate::venvs;

/// The file that says what a peer's environment is made of, or what its crate is built from.
const LOCK: &str = "Cargo.lock";

/// A peer's program, ready to be run.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    /// The program itself, or the Python that runs it.
    pub(crate) executable: PathBuf,
    /// Where it is run.
    pub(crate) folder: PathBuf,
    /// What it is made of, as far as a reader wants to know.
    pub(crate) versions: String,
}

/// Where peers are built: `target/bench`, or where `APIUM_BENCH_CACHE` says.
pub(crate) fn cache(root: &Path) -> PathBuf {
    let named = std::env::var_os("APIUM_BENCH_CACHE").map_or_else(|| root.join("target/bench"), PathBuf::from);
    std::path::absolute(&named).unwrap_or(named)
}

/// The programs there are, and why the others are not, by what they are built from.
pub(crate) type Programs = BTreeMap<String, Result<Program, String>>;

/// Makes the programs of these peers, by what they are built from; what is there already is left alone. One that cannot be
/// built does not hold up the others.
///
/// # Errors
/// When the cache cannot be made, or the list names something that is no program.
pub(crate) fn install(root: &Path, peers: &[&Peer]) -> Result<Programs, Failure> {
    let cache = cache(root);
    fs::create_dir_all(&cache).map_err(|error| Failure::new(format!("cannot make {}: {error}.", cache.display())))?;
    let mut programs = BTreeMap::new();
    for peer in peers {
        if programs.contains_key(peer.build()) {
            continue;
        }
        let made = match peer.build().split_once('/') {
            Some(("rust", name)) => rust(root, &cache, name),
            Some(("python", name)) => python(root, &cache, name),
            _ => {
                let sentence =
                    format!("[{}] is built from `{}`: that is rust/NAME or python/NAME.", peer.name, peer.build());
                return Err(Failure::new(sentence));
            }
        };
        if let Err(failure) = &made {
            eprintln!("{} is left out: {failure}", peer.name);
        }
        programs.insert(peer.build().to_owned(), made.map_err(|failure| format!("it was not built: {failure}")));
    }
    Ok(programs)
}

/// Builds `bench/rust/<name>`. Ours has no lock file of its own: it is built from what the workspace is built from.
fn rust(root: &Path, cache: &Path, name: &str) -> Result<Program, Failure> {
    let folder = root.join("bench/rust").join(name);
    let target = cache.join("rust");
    let mut build = cargo(&folder, ["build", "--release", "--quiet"]);
    if name == "apium" {
        let copied = fs::copy(root.join(LOCK), folder.join(LOCK));
        copied.map_err(|error| Failure::new(format!("cannot copy {LOCK} to {}: {error}.", folder.display())))?;
    } else {
        build.arg("--locked");
    }
    run(build.env("CARGO_TARGET_DIR", &target).env("CARGO_INCREMENTAL", "0"))?;
    let lock = fs::read_to_string(folder.join(LOCK)).unwrap_or_default();
    Ok(Program { executable: target.join(format!("release/bench-{name}")), versions: locked(&lock, name), folder })
}

/// Makes an environment from `bench/python/<name>.txt`.
fn python(root: &Path, cache: &Path, name: &str) -> Result<Program, Failure> {
    let folder = root.join("bench/python");
    let list = folder.join(format!("{name}.txt"));
    let base = find("python3")
        .filter(|base| succeeds(Command::new(base).args(["-c", "import venv, ensurepip"]).stdin(Stdio::null())));
    let base = base.ok_or_else(|| {
        let sentence =
            "a Python with venv is missing: `apt-get install python3-venv`, or leave the Python peers out with --peer.";
        Failure::new(sentence)
    })?;
    let environment = cache.join(format!("python-{name}"));
    venvs::ensure_one(&environment, &list, &base)?;
    let pins = fs::read_to_string(&list).unwrap_or_default();
    let names = [name, "kombu", "redis", "hiredis"];
    let told = pins.lines().filter_map(|line| line.split_once("==")).filter(|(package, _)| names.contains(package));
    let versions = told.map(|(package, version)| format!("{package} {version}")).collect::<Vec<_>>().join(", ");
    Ok(Program { executable: environment.join("bin/python"), folder, versions })
}

/// The versions of what a peer is about, from its lock file.
fn locked(lock: &str, name: &str) -> String {
    let stem = name.trim_end_matches(char::is_numeric);
    let mut lines = lock.lines();
    let mut told = Vec::new();
    while let Some(line) = lines.next() {
        let Some(package) = line.strip_prefix("name = \"").and_then(|rest| rest.strip_suffix('"')) else { continue };
        let version = lines.next().and_then(|line| line.strip_prefix("version = \"")?.strip_suffix('"'));
        // Apium's own crates are one version, that of the commit.
        let ours = (package.starts_with(stem) && !package.starts_with("apium-")) || package == "redis";
        if let Some(version) = version.filter(|_| ours) {
            told.push(format!("{package} {version}"));
        }
    }
    told.join(", ")
}
