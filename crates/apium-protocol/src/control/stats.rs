//! What a worker counts and measures, in the shape Flower reads it. Members of other pools and versions are passed
//! over when it is read.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::RawJson;

/// The reply to stats.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Stats {
    /// How many tasks were taken, by the name shown.
    pub total: BTreeMap<String, u64>,
    /// The process id.
    pub pid: u64,
    /// The Lamport clock; a text on the wire.
    #[serde(serialize_with = "write_clock", deserialize_with = "read_clock")]
    pub clock: u64,
    /// Seconds since the start.
    pub uptime: u64,
    /// What runs the tasks.
    pub pool: PoolInfo,
    /// The range within which the worker sizes itself, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub autoscaler: Option<Autoscaler>,
    /// The connection.
    pub broker: BrokerInfo,
    /// How many messages are taken at most before one is acknowledged; 0 for no limit.
    pub prefetch_count: u64,
    /// What the process has used up.
    pub rusage: ResourceUsage,
}

/// What runs the tasks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct PoolInfo {
    /// Its name, `module:Class` in Python.
    pub implementation: String,
    /// How many tasks run at once.
    pub max_concurrency: u64,
    /// The ids of its processes.
    pub processes: Vec<u64>,
    /// After how many tasks a process is replaced: a number, null, or `"N/A"`.
    pub max_tasks_per_child: RawJson,
    /// Tasks that have ended for everybody else, and still hold a thread: of an Apium worker, when there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stuck: Option<u64>,
    /// A detail of Python's.
    pub put_guarded_by_semaphore: bool,
    /// The soft and the hard time limit in seconds, 0 for none; empty for a pool that has none.
    pub timeouts: RawJson,
    /// How the tasks were spread over its processes, for a pool of these.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub writes: Option<RawJson>,
}

/// The range within which a worker sizes itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Autoscaler {
    /// At most.
    pub max: i64,
    /// At least.
    pub min: i64,
    /// Now.
    pub current: i64,
    /// How many tasks it has in hand.
    pub qty: i64,
}

/// The connection to the broker, without its password.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BrokerInfo {
    /// The host.
    pub hostname: Option<String>,
    /// The user.
    pub userid: Option<String>,
    /// The number of the database, on Redis.
    pub virtual_host: Option<String>,
    /// The port.
    pub port: Option<u16>,
    /// A detail of AMQP.
    pub insist: bool,
    /// Whether the connection is encrypted; an object of options in Python.
    pub ssl: RawJson,
    /// The kind of broker, `redis`.
    pub transport: String,
    /// Seconds to wait for a connection. Default 4.
    pub connect_timeout: RawJson,
    /// Options of kombu's.
    pub transport_options: RawJson,
    /// How to log in, if it matters.
    pub login_method: Option<String>,
    /// What stands before the scheme of the address.
    pub uri_prefix: Option<String>,
    /// Seconds between signs of life on the connection.
    pub heartbeat: RawJson,
    /// How the next of several brokers is chosen.
    pub failover_strategy: Option<String>,
    /// Further addresses.
    pub alternates: Vec<String>,
    /// Since kombu 5.6.
    pub credential_provider: RawJson,
}

/// What `getrusage` says of the process, under its names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ResourceUsage {
    /// Seconds of computing.
    pub utime: f64,
    /// Seconds of computing for it in the system.
    pub stime: f64,
    /// The most memory it ever held, in kilobytes.
    pub maxrss: i64,
    /// Not kept by Linux.
    pub ixrss: i64,
    /// Not kept by Linux.
    pub idrss: i64,
    /// Not kept by Linux.
    pub isrss: i64,
    /// Page faults served from memory.
    pub minflt: i64,
    /// Page faults served from a disk.
    pub majflt: i64,
    /// Not kept by Linux.
    pub nswap: i64,
    /// Blocks read from a disk.
    pub inblock: i64,
    /// Blocks written to a disk.
    pub oublock: i64,
    /// Not kept by Linux.
    pub msgsnd: i64,
    /// Not kept by Linux.
    pub msgrcv: i64,
    /// Not kept by Linux.
    pub nsignals: i64,
    /// How often it gave the processor away.
    pub nvcsw: i64,
    /// How often the processor was taken away from it.
    pub nivcsw: i64,
}

impl Default for PoolInfo {
    fn default() -> Self {
        Self {
            implementation: String::new(),
            max_concurrency: 0,
            processes: Vec::new(),
            max_tasks_per_child: RawJson::null(),
            stuck: None,
            put_guarded_by_semaphore: false,
            timeouts: RawJson::empty_array(),
            writes: None,
        }
    }
}

impl Default for BrokerInfo {
    fn default() -> Self {
        let number = |number: f64| RawJson::from(&number).unwrap_or_default();
        Self {
            hostname: None,
            userid: None,
            virtual_host: None,
            port: None,
            insist: false,
            ssl: RawJson::from(&false).unwrap_or_default(),
            transport: String::new(),
            connect_timeout: RawJson::from(&4).unwrap_or_default(),
            transport_options: RawJson::empty_object(),
            login_method: None,
            uri_prefix: None,
            heartbeat: number(0.0),
            failover_strategy: Some("round-robin".to_owned()),
            alternates: Vec::new(),
            credential_provider: RawJson::null(),
        }
    }
}

// Serde asks for a reference.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn write_clock<S: Serializer>(clock: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&clock.to_string())
}

fn read_clock<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
}
