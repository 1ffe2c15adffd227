//! What a process needs, as Linux tells it: memory and descriptors. Where nobody tells, nothing is known.

/// Memory in KiB, and how many files and connections are open.
pub(super) fn of_process(pid: u32) -> Option<(u64, u64)> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count();
    Some((memory.split_whitespace().next()?.parse().ok()?, u64::try_from(descriptors).ok()?))
}
