//! What a worker counts and measures, for `inspect stats`, Flower, and who asks for its memory.

use std::collections::VecDeque;

use apium_core::protocol::RawJson;
use apium_core::protocol::control::{PoolInfo, ResourceUsage, Stats};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use serde_json::json;

use crate::control::broker;
use crate::station::Station;

/// Samples of the memory in use that are kept.
const SAMPLES: usize = 100;

/// The reply to stats.
pub(super) fn stats(station: &Station) -> Stats {
    let slots = u64::try_from(station.slots.count()).unwrap_or(u64::MAX);
    Stats {
        total: station.vitals.totals(),
        pid: std::process::id().into(),
        clock: station.events.clock(),
        uptime: station.vitals.uptime().as_secs(),
        pool: PoolInfo {
            // Module and class in Python; what runs tasks here is the runtime.
            implementation: "apium.worker:tokio".to_owned(),
            max_concurrency: slots,
            processes: vec![std::process::id().into()],
            max_tasks_per_child: match station.options.max_tasks_per_child {
                Some(most) => RawJson::from(&most).unwrap_or_default(),
                None => RawJson::string("N/A"),
            },
            stuck: Some(station.vitals.stuck_now().into()).filter(|stuck| *stuck > 0),
            put_guarded_by_semaphore: true,
            timeouts: RawJson::from(&[0, 0]).unwrap_or_default(),
            writes: None,
        },
        autoscaler: None,
        broker: broker::info(station.broker().home()),
        // No more is ever claimed than can be begun at once.
        prefetch_count: slots,
        rusage: usage(),
    }
}

fn usage() -> ResourceUsage {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) else { return ResourceUsage::default() };
    ResourceUsage {
        utime: seconds(usage.user_time()),
        stime: seconds(usage.system_time()),
        maxrss: usage.max_rss(),
        minflt: usage.minor_page_faults(),
        majflt: usage.major_page_faults(),
        inblock: usage.block_reads(),
        oublock: usage.block_writes(),
        nvcsw: usage.voluntary_context_switches(),
        nivcsw: usage.involuntary_context_switches(),
        ..ResourceUsage::default()
    }
}

#[allow(clippy::cast_precision_loss, reason = "no process computes for three hundred years")]
fn seconds(time: nix::sys::time::TimeVal) -> f64 {
    time.num_microseconds() as f64 / 1_000_000.0
}

/// Samples of the memory in use, made when somebody asks.
#[derive(Default)]
pub(super) struct Memory(VecDeque<String>);

impl Memory {
    /// The reply to memsample: the memory in use now; null where the system does not tell.
    pub(super) fn sample(&mut self) -> RawJson {
        let Some(now) = resident() else { return RawJson::null() };
        if self.0.len() == SAMPLES {
            self.0.pop_front();
        }
        self.0.push_back(now.clone());
        RawJson::string(&now)
    }

    /// The reply to memdump: earlier samples, and the memory in use now.
    pub(super) fn dump(&self, samples: i64) -> RawJson {
        let shown = usize::try_from(samples).unwrap_or(0).min(self.0.len());
        let earlier = self.0.iter().skip(self.0.len() - shown);
        let earlier = earlier.map(|sample| format!("-    > {sample},\n")).collect::<Vec<_>>().concat();
        let now = resident().unwrap_or_else(|| "unknown".to_owned());
        let text = format!("- rss (sample):\n{earlier}- rss (end): {now}.\n");
        RawJson::from(&json!({"ok": text})).unwrap_or_default()
    }
}

/// The memory in use, in megabytes as Celery writes it.
fn resident() -> Option<String> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u32 = line.split_ascii_whitespace().next()?.parse().ok()?;
    Some(format!("{:.2}MB", f64::from(kilobytes) / 1024.0))
}
