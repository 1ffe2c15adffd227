//! What processes and the machine did, from `/proc`: memory, time on the cores, and what else ran meanwhile.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

/// The kernel tells times in these, whatever its own clock: `USER_HZ` is 100 on every Linux one meets.
const TICK: Duration = Duration::from_millis(10);

/// Memory of a group of processes, in KiB; what several share is counted in each, but for `own`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Memory {
    /// In memory now (RSS).
    pub(crate) resident: u64,
    /// The most that was ever (the sum of each one's peak).
    pub(crate) peak: u64,
    /// Now, what is shared divided by those who share it (PSS).
    pub(crate) own: u64,
}

/// Those who run on the machine beside the bench, with their time on the cores so far.
pub(crate) struct Neighbours {
    began: Instant,
    cpu: BTreeMap<u32, Duration>,
}

/// What the machine does beside the bench, from one look to the next.
pub(crate) struct Beside {
    began: Instant,
    busy: Duration,
    ours: Duration,
}

/// One line of `/proc/PID/stat`, as far as it is read.
struct Stat {
    pid: u32,
    name: String,
    group: u32,
    /// On the cores so far.
    own: Duration,
    /// The same with the children it has waited for.
    cpu: Duration,
}

/// Time on the cores of all processes of these groups.
pub(crate) fn cpu(groups: &[u32]) -> Duration {
    members(groups).map(|stat| stat.cpu).sum()
}

/// The memory of all processes of these groups.
pub(crate) fn memory(groups: &[u32]) -> Memory {
    let mut sum = Memory::default();
    for stat in members(groups) {
        let status = read(&format!("/proc/{}/status", stat.pid));
        sum.resident += kib(&status, "VmRSS:");
        sum.peak += kib(&status, "VmHWM:");
        sum.own += kib(&read(&format!("/proc/{}/smaps_rollup", stat.pid)), "Pss:");
    }
    sum
}

impl Beside {
    /// Begins to watch; these groups, and we, are the bench.
    pub(crate) fn begin(groups: &[u32]) -> Self {
        let (busy, ours) = (busy(), ours(groups));
        Self { began: Instant::now(), busy, ours }
    }

    /// The share of all cores' time, in per cent, that others have had since then; these groups, of which some may have
    /// begun meanwhile, and we are the bench.
    pub(crate) fn share(&self, groups: &[u32]) -> f64 {
        let others = busy().saturating_sub(self.busy).saturating_sub(ours(groups).saturating_sub(self.ours));
        let cores = u32::try_from(super::machine::cores()).unwrap_or(1);
        let whole = (self.began.elapsed() * cores).as_secs_f64();
        if whole > 0.0 { 100.0 * others.as_secs_f64() / whole } else { 0.0 }
    }
}

impl Neighbours {
    /// Looks at them for the first time.
    pub(crate) fn begin() -> Self {
        Self { began: Instant::now(), cpu: everybody().map(|stat| (stat.pid, stat.own)).collect() }
    }

    /// The busiest of those who are there now, with the share of one core each has had since then; these groups, and we, are
    /// the bench. What began and ended in between is only seen as a share of its run.
    pub(crate) fn busiest(&self, groups: &[u32]) -> String {
        let seconds = self.began.elapsed().as_secs_f64();
        let others = everybody().filter(|stat| stat.pid != std::process::id() && !groups.contains(&stat.group));
        let mut busy: Vec<(f64, String)> = others
            .map(|stat| {
                let before = self.cpu.get(&stat.pid).copied().unwrap_or_default();
                (100.0 * stat.own.saturating_sub(before).as_secs_f64() / seconds, stat.name)
            })
            .filter(|(share, _)| *share >= 1.0)
            .collect();
        busy.sort_by(|left, right| right.0.total_cmp(&left.0));
        let told: Vec<String> = busy.iter().take(5).map(|(share, name)| format!("{name} {share:.0} %")).collect();
        if told.is_empty() { "nobody above 1 % of a core".to_owned() } else { told.join(", ") }
    }
}

fn ours(groups: &[u32]) -> Duration {
    let own = read("/proc/self/stat");
    cpu(groups) + Stat::read(&own).map_or(Duration::ZERO, |stat| stat.cpu)
}

/// Time all cores were not idle, stolen time included.
fn busy() -> Duration {
    let text = read("/proc/stat");
    let ticks: Vec<u32> = text
        .lines()
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .skip(1)
        .filter_map(|word| word.parse().ok())
        .collect();
    // user, nice, system, idle, iowait, irq, softirq, steal; guests are in user already.
    let sum = ticks.iter().take(8).enumerate().filter(|(place, _)| ![3, 4].contains(place)).map(|(_, ticks)| *ticks);
    TICK * sum.sum::<u32>()
}

fn members(groups: &[u32]) -> impl Iterator<Item = Stat> {
    everybody().filter(|stat| groups.contains(&stat.group))
}

fn everybody() -> impl Iterator<Item = Stat> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbered = entries.filter(|entry| entry.file_name().to_string_lossy().parse::<u32>().is_ok());
    numbered.filter_map(|entry| Stat::read(&fs::read_to_string(entry.path().join("stat")).ok()?))
}

impl Stat {
    fn read(line: &str) -> Option<Self> {
        // The name, in parentheses, may hold anything.
        let (before, after) = line.rsplit_once(')')?;
        let fields: Vec<&str> = after.split_whitespace().collect();
        let ticks =
            |from: usize, to: usize| (from..to).filter_map(|place| fields.get(place)?.parse::<u32>().ok()).sum::<u32>();
        Some(Self {
            pid: before.split_whitespace().next()?.parse().ok()?,
            name: before.split_once('(')?.1.to_owned(),
            group: fields.get(2)?.parse().ok()?,
            own: TICK * ticks(11, 13),
            cpu: TICK * ticks(11, 15),
        })
    }
}

fn kib(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}
