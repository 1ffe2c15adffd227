//! The machine a run was made on, in words; and loops of the lowest class that keep its cores awake.

use std::fs;
use std::num::NonZero;
use std::process::{Command, Stdio};
use std::thread::available_parallelism;

use super::guardian::{Group, Guardian};
use crate::shell::{find, succeeds};

/// How many cores there are.
pub(crate) fn cores() -> usize {
    available_parallelism().map_or(1, NonZero::get)
}

/// What a reader of the figures has to know of it: one fact each.
pub(crate) fn described() -> Vec<(&'static str, String)> {
    let of = |path: &str, name: &str| {
        let text = fs::read_to_string(path).unwrap_or_default();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name).map(|rest| rest.trim_start_matches([' ', '\t', ':', '='])));
        line.unwrap_or("unknown").trim().trim_matches('"').to_owned()
    };
    vec![
        ("system", of("/etc/os-release", "PRETTY_NAME")),
        ("kernel", fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned()),
        ("processor", of("/proc/cpuinfo", "model name")),
        ("cores", cores().to_string()),
        ("memory", of("/proc/meminfo", "MemTotal")),
        (
            "redis",
            said("redis-server", &["--version"]).split_whitespace().nth(2).unwrap_or("unknown").replace("v=", ""),
        ),
        ("rust", said("rustc", &["--version"])),
        ("python", said("python3", &["--version"])),
        ("commit", said("git", &["rev-parse", "--short", "HEAD"])),
        ("date", said("date", &["-u", "+%Y-%m-%d"])),
    ]
}

/// How many processes waited for a core on average in the last minute.
pub(crate) fn load() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(0.0)
}

/// One loop a core that runs only when nothing else wants to: a core that has gone to sleep wakes slowly on a virtual
/// machine, and makes whoever waits for it look slow. None where that class cannot be had.
pub(crate) fn spinners(guardian: &Guardian) -> Vec<Group> {
    if find("chrt").is_none() || !succeeds(Command::new("chrt").args(["-i", "0", "true"])) {
        return Vec::new();
    }
    let spin = || {
        let mut command = Command::new("chrt");
        command.args(["-i", "0", "sh", "-c", "while :; do :; done"]);
        guardian.start(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null())).ok()
    };
    (0..cores()).filter_map(|_| spin()).collect()
}

fn said(program: &str, words: &[&str]) -> String {
    let output = Command::new(program).args(words).stdin(Stdio::null()).stderr(Stdio::null()).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}
