//! Makes a fresh Debian machine able to run every test: the servers, and a Python peer per Celery version.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::shell::{Failure, find, run, succeeds};
use crate::venvs;

/// What the tests are told about the machine they run on.
pub struct Machine {
    /// The `redis-server` executable.
    pub redis_server: PathBuf,
    /// Celery series (`5.7`) and the Python interpreter that has it installed, oldest first.
    pub pythons: Vec<(String, PathBuf)>,
}

/// A program that tests start, and the Debian package that brings it.
struct Program {
    name: &'static str,
    package: &'static str,
}

const PROGRAMS: [Program; 10] = [
    Program { name: "redis-server", package: "redis-server" },
    Program { name: "knotd", package: "knot" },
    Program { name: "kdig", package: "knot-dnsutils" },
    Program { name: "pg_ctlcluster", package: "postgresql" },
    Program { name: "exiftool", package: "libimage-exiftool-perl" },
    Program { name: "whois", package: "whois" },
    Program { name: "promtool", package: "prometheus" },
    Program { name: "prometheus-redis-exporter", package: "prometheus-redis-exporter" },
    Program { name: "docker-compose", package: "docker-compose" },
    Program { name: "systemd-analyze", package: "systemd" },
];

/// What a browser is driven by.
const BROWSER: [Program; 2] =
    [Program { name: "chromium", package: "chromium" }, Program { name: "chromedriver", package: "chromium-driver" }];

/// What counts instructions.
const COUNTER: [Program; 1] = [Program { name: "valgrind", package: "valgrind" }];

/// Installs what is missing and says where the tests find it; a prepared machine is left untouched.
///
/// # Errors
/// When something is missing that we may not install, or an installation fails.
pub fn setup(root: &Path) -> Result<Machine, Failure> {
    install(&missing(&PROGRAMS))?;
    let python = capable_python().ok_or_else(|| lacking(&["python3-venv"]))?;
    let redis_server = find("redis-server").ok_or_else(|| lacking(&["redis-server"]))?;
    // The lists of sites that the scan service is tested with, and Sherlock, which judges the same sites.
    venvs::ensure_bare(root, "osint", &python)?;
    // What reads the files below `deploy/` that no Debian package reads.
    venvs::ensure_bare(root, "deploy", &python)?;
    // Who judges its API by the document of it.
    venvs::ensure_bare(root, "schemathesis", &python)?;
    Ok(Machine { redis_server, pythons: venvs::ensure(root, "celery", &python)? })
}

/// Installs a browser, and gives a Python for each series of Flower, oldest first.
///
/// # Errors
/// As [`setup`].
pub fn browser(root: &Path) -> Result<Vec<(String, PathBuf)>, Failure> {
    install(&missing(&BROWSER))?;
    let python = capable_python().ok_or_else(|| lacking(&["python3-venv"]))?;
    venvs::ensure(root, "flower", &python)
}

/// Installs valgrind where it is missing, and says where it is.
///
/// # Errors
/// As [`setup`].
pub fn valgrind() -> Result<PathBuf, Failure> {
    install(&lacked(&COUNTER))?;
    find("valgrind").ok_or_else(|| lacking(&["valgrind"]))
}

/// The Debian packages this machine lacks of these.
fn lacked(programs: &[Program]) -> Vec<&'static str> {
    programs.iter().filter(|program| find(program.name).is_none()).map(|program| program.package).collect()
}

/// The same, and Python.
fn missing(programs: &[Program]) -> Vec<&'static str> {
    let mut packages = lacked(programs);
    if capable_python().is_none() {
        packages.push("python3-venv");
    }
    packages
}

fn install(packages: &[&'static str]) -> Result<(), Failure> {
    if packages.is_empty() {
        return Ok(());
    }
    if find("apt-get").is_none() || !is_root() {
        return Err(lacking(packages));
    }
    run(apt_get().arg("update"))?;
    run(apt_get().args(["install", "--yes", "--no-install-recommends"]).args(packages))?;
    Ok(())
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command
}

/// The first Python 3 able to make a virtual environment: the person's own, else the system's
/// (Debian's lacks `ensurepip` until `python3-venv` is there).
fn capable_python() -> Option<PathBuf> {
    [find("python3"), Some(PathBuf::from("/usr/bin/python3"))]
        .into_iter()
        .flatten()
        .find(|python| succeeds(Command::new(python).args(["-c", "import ensurepip, venv"])))
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

fn lacking(packages: &[&str]) -> Failure {
    Failure::new(format!(
        "this needs software that this machine lacks; install the Debian packages {} (or your \
         system's equivalents) as root and run this again.",
        packages.join(" ")
    ))
}
