//! A look around that changes nothing, for whoever searches for risks: the server's own words, queues, bindings, and
//! samples of messages and results. However much there is, the work is bounded: no KEYS, a SCAN with an end.

use std::collections::{BTreeSet, HashMap};

use apium_core::BackendError;
use apium_core::inspection::{
    Durability, Facts, Held, Inspection, MESSAGES, READ_UP_TO, RESULTS, SAMPLE, Sample, Store,
};
use apium_protocol::RawJson;
use async_trait::async_trait;
use redis::Value;

use crate::backend::RedisBackend;
use crate::keys::{self, SEPARATOR, STEPS};
use crate::scripts;

/// Calls of SCAN at the most, and keys that each looks at: together some 100,000 keys.
const SCANS: usize = 100;
const SCANNED_AT_ONCE: usize = 1_000;
/// Queues whose length is asked for, and members read of one table of bindings.
const QUEUES: usize = 1_000;
/// Lists of which messages are read: those that hold any.
const LISTS: usize = 100;

/// Messages read at once by whoever looks through all of them.
const PAGE: usize = 500;

/// Who looks at each.
type Look<'l> = dyn for<'a> FnMut(&'a [u8]) + Send + 'l;

/// What a walk over some keys has found.
#[derive(Default)]
struct Keys {
    bindings: Vec<String>,
    results: Vec<String>,
    whole: bool,
}

/// What the script answers.
type Looked = (f64, Vec<Vec<u8>>, u64, u64, Vec<Vec<u8>>, Vec<Vec<u8>>);

#[async_trait]
impl Inspection for RedisBackend {
    async fn examine(&self) -> Result<Facts, BackendError> {
        let store = self.store().await?;
        let found = self.walk().await?;
        let bindings = self.bindings_in(&found.bindings).await?;
        let mut queues = self.lengths(&bindings).await?;
        let whole = found.whole && queues.len() <= QUEUES;
        queues.truncate(QUEUES);
        let steps = queues.iter().flat_map(|(queue, counts)| {
            STEPS.iter().zip(counts).filter(|(_, count)| **count > 0).map(move |(step, _)| (queue.as_str(), *step))
        });
        let lists: Vec<(&str, u8)> = steps.take(LISTS).collect();
        let mut script = scripts::EXAMINE.key(keys::UNACKED);
        script.key(keys::INDEX).key(keys::WORKERS).key(keys::CARDS).key(keys::DEAD);
        script.arg(self.offset()).arg(SAMPLE).arg(READ_UP_TO);
        for (queue, step) in &lists {
            script.key(keys::list(queue, *step));
        }
        let (now, cards, dead, orphans, held, waiting): Looked = self.inner.link.script(&script).await?;
        let held = held.chunks(4).filter_map(held_message);
        let messages = held.chain(waiting.chunks(4).filter_map(|fields| waiting_message(fields, &lists))).collect();
        let results = self.results_for_ever(&found.results).await?;
        let queues = queues.into_iter().map(|(queue, counts)| (queue, counts.iter().sum())).collect();
        let mut workers: Vec<apium_core::WorkerCard> =
            cards.iter().filter_map(|card| serde_json::from_slice(card).ok()).collect();
        workers.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(Facts { store, now, queues, bindings, messages, orphans, dead, workers, results, whole })
    }

    async fn look_through(&self, look: &mut (dyn for<'a> FnMut(&'a [u8]) + Send)) -> Result<bool, BackendError> {
        let found = self.walk().await?;
        let queues = self.lengths(&self.bindings_in(&found.bindings).await?).await?;
        let all = found.whole && queues.len() <= QUEUES;
        let queues: Vec<String> = queues.into_iter().map(|(queue, _)| queue).collect();
        let waiting = self.look_through_lists(&keys::lists(&queues), look).await?;
        let held = self.look_through_held(look).await?;
        Ok(all && waiting && held)
    }
}

impl RedisBackend {
    /// Shows what lies in these lists, from their newest end: what is taken at the other end meanwhile is found in
    /// `unacked`, which is looked at afterwards.
    async fn look_through_lists(&self, lists: &[String], look: &mut Look<'_>) -> Result<bool, BackendError> {
        let mut seen = 0;
        for list in lists {
            let mut from = 0;
            loop {
                let mut range = redis::cmd("LRANGE");
                range.arg(list).arg(from).arg(from + PAGE - 1);
                // A key of another type is no queue.
                let page: Vec<Vec<u8>> = match self.inner.link.command(&range).await {
                    Err(error) if !error.is_transient() => break,
                    page => page?,
                };
                for bytes in &page {
                    look(bytes);
                }
                (from, seen) = (from + PAGE, seen + page.len());
                if page.len() < PAGE {
                    break;
                }
                if seen >= MESSAGES {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    async fn look_through_held(&self, look: &mut Look<'_>) -> Result<bool, BackendError> {
        let (mut cursor, mut seen) = (0_u64, 0);
        loop {
            let mut scan = redis::cmd("HSCAN");
            scan.arg(keys::UNACKED).arg(cursor).arg("COUNT").arg(PAGE);
            let (next, fields): (u64, Vec<Vec<u8>>) = self.inner.link.command(&scan).await?;
            for value in fields.chunks(2).filter_map(|field| field.get(1)) {
                let entry = std::str::from_utf8(value).ok().and_then(|text| RawJson::parse(text).ok()?.elements().ok());
                if let Some(message) = entry.as_ref().and_then(|entry| entry.first()) {
                    look(message.as_str().as_bytes());
                }
                seen += 1;
            }
            cursor = next;
            if cursor == 0 || seen >= MESSAGES {
                return Ok(cursor == 0);
            }
        }
    }

    async fn store(&self) -> Result<Store, BackendError> {
        let info: String = self.inner.link.command(&redis::cmd("INFO")).await?;
        let field =
            |name: &str| info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim);
        let number = |name: &str| field(name).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
        // Where a provider forbids CONFIG, whether there are snapshots stays unknown.
        let mut config = redis::cmd("CONFIG");
        let saves: Option<HashMap<String, String>> = self.inner.link.command(config.arg("GET").arg("save")).await.ok();
        let durability = match saves.as_ref().and_then(|saves| saves.get("save")) {
            _ if field("aof_enabled") == Some("1") => Durability::Log,
            Some(times) if times.trim().is_empty() => Durability::None,
            Some(_) => Durability::Snapshots,
            None => Durability::Unknown,
        };
        let failed = ["rdb_last_bgsave_status", "aof_last_write_status", "aof_last_bgrewrite_status"];
        let trouble = failed.into_iter().find(|name| field(name).is_some_and(|status| status != "ok"));
        Ok(Store {
            kind: "Redis",
            version: field("redis_version").unwrap_or_default().to_owned(),
            eviction: field("maxmemory_policy").map(ToOwned::to_owned),
            memory_limit: Some(number("maxmemory")).filter(|limit| *limit > 0),
            memory_used: number("used_memory"),
            durability,
            trouble: trouble.map(|name| format!("{name} is {}", field(name).unwrap_or_default())),
        })
    }

    async fn walk(&self) -> Result<Keys, BackendError> {
        let mut found = Keys::default();
        let mut cursor = 0_u64;
        for _ in 0..SCANS {
            let mut scan = redis::cmd("SCAN");
            let (next, some): (u64, Vec<Vec<u8>>) =
                self.inner.link.command(scan.arg(cursor).arg("COUNT").arg(SCANNED_AT_ONCE)).await?;
            for key in some.into_iter().filter_map(|key| String::from_utf8(key).ok()) {
                if key.starts_with(keys::BINDING) {
                    found.bindings.push(key);
                } else if found.results.len() < RESULTS as usize && key.starts_with(&keys::meta("")) {
                    found.results.push(key);
                }
            }
            cursor = next;
            if cursor == 0 {
                found.whole = true;
                break;
            }
        }
        Ok(found)
    }

    async fn bindings_in(&self, tables: &[String]) -> Result<Vec<(String, String)>, BackendError> {
        let mut bindings = BTreeSet::new();
        for table in tables.iter().filter(|table| !table.ends_with(".pidbox") && !table.contains("celeryev")) {
            let mut members = redis::cmd("SRANDMEMBER");
            // A key of another type binds nothing.
            let members: Vec<String> =
                self.inner.link.command(members.arg(table).arg(QUEUES)).await.unwrap_or_default();
            let exchange = table.trim_start_matches(keys::BINDING);
            let queues = members.iter().filter_map(|member| member.split(SEPARATOR).nth(2));
            bindings.extend(queues.map(|queue| (exchange.to_owned(), queue.to_owned())));
        }
        Ok(bindings.into_iter().collect())
    }

    /// Each queue with what its steps hold; one more than are looked at when there are more.
    async fn lengths(&self, bindings: &[(String, String)]) -> Result<Vec<(String, Vec<u64>)>, BackendError> {
        let ours: Vec<String> =
            self.inner.link.command(redis::cmd("SRANDMEMBER").arg(keys::QUEUES).arg(QUEUES)).await?;
        let names: BTreeSet<String> = ours.into_iter().chain(bindings.iter().map(|(_, queue)| queue.clone())).collect();
        let names: Vec<String> = names.into_iter().take(QUEUES + 1).collect();
        let counts = self.list_lengths(&names).await?;
        Ok(names.into_iter().zip(counts.chunks(STEPS.len()).map(<[u64]>::to_vec)).collect())
    }

    async fn list_lengths(&self, queues: &[String]) -> Result<Vec<u64>, BackendError> {
        if queues.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipe = redis::pipe();
        pipe.ignore_errors();
        for queue in queues {
            for step in STEPS {
                pipe.cmd("LLEN").arg(keys::list(queue, step));
            }
        }
        let counts: Vec<Value> = self.inner.link.pipeline(&pipe).await?;
        // A key of another type is no queue.
        Ok(counts.into_iter().map(|count| redis::from_redis_value(count).unwrap_or(0)).collect())
    }

    async fn results_for_ever(&self, results: &[String]) -> Result<(u64, u64), BackendError> {
        if results.is_empty() {
            return Ok((0, 0));
        }
        let mut pipe = redis::pipe();
        for key in results {
            pipe.cmd("TTL").arg(key);
        }
        let left: Vec<i64> = self.inner.link.pipeline(&pipe).await?;
        // -2: it has gone meanwhile.
        let there = left.iter().filter(|left| **left != -2).count();
        Ok((there as u64, left.iter().filter(|left| **left == -1).count() as u64))
    }
}

/// `tag, score, size, text`
fn held_message(fields: &[Vec<u8>]) -> Option<Sample> {
    let [tag, score, size, text] = fields else { return None };
    let (tag, score) = (String::from_utf8_lossy(tag), number(score)?);
    let held = match keys::Tag::read(&tag) {
        Some(tag) if tag.delayed => Held::Delayed,
        Some(_) => Held::Leased { until: score },
        None => Held::Taken { since: score },
    };
    // What is too large to be read does not tell its queue.
    let entry = std::str::from_utf8(text).ok().and_then(|text| RawJson::parse(text).ok()?.elements().ok());
    let queue = entry.as_ref().and_then(|entry| entry.get(2)?.to::<String>().ok());
    let envelope = entry.as_ref().and_then(|entry| Some(entry.first()?.as_str().as_bytes().to_vec()));
    Some(Sample { queue: queue.unwrap_or_default(), bytes: whole(size)?, envelope, held })
}

/// `place of the list, 0, size, text`
fn waiting_message(fields: &[Vec<u8>], lists: &[(&str, u8)]) -> Option<Sample> {
    let [place, _, size, text] = fields else { return None };
    let (queue, _) = lists.get(usize::try_from(whole(place)?).ok()?)?;
    let envelope = (!text.is_empty()).then(|| text.clone());
    Some(Sample { queue: (*queue).to_owned(), bytes: whole(size)?, envelope, held: Held::Waiting })
}

fn number(text: &[u8]) -> Option<f64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn whole(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}
