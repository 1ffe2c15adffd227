//! What is opened: one Redis as broker, fleet and result store, cheap to clone.

use std::collections::HashSet;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use apium_core::bodies::{Bodies, PlainBodies};
use apium_core::clock::Drift;
use apium_core::{BackendError, Clock, SystemClock};

use crate::address::Address;
use crate::claims::Plenty;
use crate::connection::{Link, Pushes};
use crate::ears::Ears;
use crate::keys;
use crate::misfit::Misfits;
use crate::sentinel::{self, SentinelSettings};
use crate::unanswered::UnansweredClaims;
use crate::wake::Wake;

/// The oldest Redis that has every command used here.
const OLDEST: (u32, u32) = (6, 2);

/// What can be set about a Redis backend.
#[derive(Clone)]
pub struct RedisSettings {
    /// After how long a delivery of a *Python* worker counts as lost: Celery's `visibility_timeout`, which all
    /// peers should agree on. Our own deliveries go by their leases. Default: one hour.
    pub visibility_timeout: Duration,
    /// Milliseconds added to the server's clock wherever it is read. Tests step time with it; default 0.
    pub clock_offset: Arc<AtomicI64>,
    /// This machine's clock, by which a message's time is read. Default: the machine's own.
    pub clock: Arc<dyn Clock>,
    /// What a `sentinel://` URL does not tell.
    pub sentinel: SentinelSettings,
    /// How results, parts of chords and saved groups are compressed here, and opened. Default: not at all.
    pub bodies: Arc<dyn Bodies>,
    /// Whether a Redis that is out of reach is no error yet when it is opened, but only once something is asked of it.
    /// Default false.
    pub may_be_away: bool,
}

/// Broker, fleet and result store on one Redis database. Clones share their connections.
#[derive(Clone)]
pub struct RedisBackend {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) home: String,
    pub(crate) settings: RedisSettings,
    /// Claims, publishing, everything asked in passing.
    pub(crate) link: Link,
    /// Settlements have their own connection: Redis settles one batch while the next is on its way.
    pub(crate) settling: Link,
    /// Where waiters are told of changes.
    pub(crate) wake: Wake,
    /// Where one listens to what is said to everyone.
    pub(crate) ears: Ears,
    /// Sets this process's tags apart from every other's.
    pub(crate) instance: String,
    pub(crate) numbers: AtomicU64,
    /// Beats of this process.
    pub(crate) beats: AtomicU64,
    /// Keys of another type than they should be.
    pub(crate) misfits: Misfits,
    /// Whether a limit has ever been set, as far as this process knows: without any there are no lines to look after.
    pub(crate) limited: AtomicBool,
    /// Whether the server's clock was set.
    pub(crate) drift: Mutex<Drift>,
    /// Whether there is more than claims take.
    pub(crate) plenty: Plenty,
    /// Claims that may have taken something which nobody knows of.
    pub(crate) unanswered: UnansweredClaims,
    bound: Mutex<(u64, HashSet<String>)>,
    /// Queues that Python peers have bound, and when they were looked up: that takes a walk over all keys.
    pub(crate) bindings: Mutex<Option<(Instant, Vec<String>)>>,
}

impl RedisBackend {
    /// Connects and makes sure that what answers can keep the ports.
    ///
    /// `url` is what Celery calls `broker_url`: `redis://:password@host:port/db`, `rediss://…` for TLS or
    /// `redis+socket:///path?virtual_host=db`, or `sentinel://host:26379/db;sentinel://host2:26379` together with
    /// [`RedisSettings::sentinel`]. Fails with [`BackendError::Unavailable`] where trying later may
    /// help, else with [`BackendError::Broken`]; neither shows the password.
    ///
    /// Its connections are driven by the runtime this is called on, whichever runtimes use the backend later: let
    /// it be one that nothing blocks.
    pub async fn connect(url: &str, settings: RedisSettings) -> Result<Self, BackendError> {
        let address = Address::read(url, &settings.sentinel)?;
        let backend = Self {
            inner: Arc::new(Inner {
                home: address.home.clone(),
                settings,
                link: Link::new(&address, Pushes::None),
                settling: Link::new(&address, Pushes::None),
                wake: Wake::new(&address),
                ears: Ears::new(&address),
                instance: uuid::Uuid::new_v4().simple().to_string().chars().take(16).collect(),
                numbers: AtomicU64::new(1),
                beats: AtomicU64::new(0),
                misfits: Misfits::default(),
                limited: AtomicBool::new(false),
                drift: Mutex::default(),
                plenty: Plenty::default(),
                unanswered: UnansweredClaims::default(),
                bound: Mutex::default(),
                bindings: Mutex::default(),
            }),
        };
        let met = async {
            backend.inspect().await?;
            backend.begin_to_watch().await
        };
        match met.await {
            Err(error) if error.is_transient() && backend.inner.settings.may_be_away => {
                tracing::warn!(%error, "opened while it is out of reach; it is asked again when it is needed");
            }
            met => met?,
        }
        if address.moves() {
            tokio::spawn(sentinel::watch(Arc::downgrade(&backend.inner), address));
        }
        Ok(backend)
    }

    /// Refuses a server that is too old; warns of one that would throw queued tasks away.
    async fn inspect(&self) -> Result<(), BackendError> {
        let info: String = self.inner.link.command(&redis::cmd("INFO")).await?;
        let field = |name: &str| {
            info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim).unwrap_or_default()
        };
        let home = &self.inner.home;
        let version = field("redis_version");
        let mut numbers = version.split('.').map(|part| part.parse().unwrap_or(0));
        let found = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        if !version.is_empty() && found < OLDEST {
            let (major, minor) = OLDEST;
            return Err(BackendError::Broken(format!(
                "Redis at {home} is version {version}; Apium needs {major}.{minor} or newer"
            )));
        }
        let policy = field("maxmemory_policy");
        if !policy.is_empty() && policy != "noeviction" {
            tracing::warn!(
                redis = %home,
                policy,
                "this Redis throws keys away when its memory is full, waiting tasks among them; \
                 set maxmemory-policy noeviction"
            );
        }
        Ok(())
    }

    /// Tells peers of queues, once each: kombu finds a queue through the binding of its exchange.
    pub(crate) async fn bind<'a>(&self, queues: impl Iterator<Item = &'a str>) -> Result<(), BackendError> {
        let fresh = self.unbound(queues);
        if fresh.is_empty() {
            return Ok(());
        }
        let mut pipe = redis::pipe();
        pipe.atomic();
        for queue in &fresh {
            let member = keys::binding_member(queue);
            pipe.cmd("SADD").arg(keys::binding(queue)).arg(&member).ignore();
            pipe.cmd("SADD").arg(keys::binding_permanent(queue)).arg(&member).ignore();
            pipe.cmd("SADD").arg(keys::QUEUES).arg(queue).ignore();
        }
        self.inner.link.pipeline::<()>(&pipe).await?;
        self.inner.bound.lock().unwrap_or_else(PoisonError::into_inner).1.extend(fresh);
        Ok(())
    }

    /// Names a worker's mailbox, once, as a Python worker does: out of courtesy, because the channel of remote control
    /// reaches everyone and nobody looks there.
    pub(crate) async fn bind_mailbox(&self, node: &str) -> Result<(), BackendError> {
        let (exchange, member) = self.inner.ears.channels.mailbox(node);
        let fresh = self.unbound(std::iter::once(member.as_str()));
        if !fresh.is_empty() {
            let mut add = redis::cmd("SADD");
            add.arg(keys::binding(&exchange)).arg(&member);
            match self.inner.link.command::<redis::Value>(&add).await {
                // A Redis that is full.
                Err(error) if error.is_transient() => return Ok(()),
                told => told?,
            };
            self.inner.bound.lock().unwrap_or_else(PoisonError::into_inner).1.extend(fresh);
        }
        Ok(())
    }

    /// Which of these were not bound yet on this connection.
    fn unbound<'a>(&self, queues: impl Iterator<Item = &'a str>) -> Vec<String> {
        let serial = self.inner.link.serial();
        let mut bound = self.inner.bound.lock().unwrap_or_else(PoisonError::into_inner);
        if bound.0 != serial {
            *bound = (serial, HashSet::new());
        }
        let mut fresh: Vec<String> = queues.filter(|queue| !bound.1.contains(*queue)).map(ToOwned::to_owned).collect();
        fresh.sort();
        fresh.dedup();
        fresh
    }

    /// How the tags of this process's claims begin. They tell how long their leases are, so that one that reaches further
    /// ahead, because the clock was set back, is known as such.
    pub(crate) fn claim_prefix(&self, lease: Duration) -> String {
        format!("{}{}-{}:", keys::CLAIMED, self.inner.instance, millis(lease))
    }

    /// A tag no one else makes, of a message that waits for its time.
    pub(crate) fn delayed_tag(&self, queue: &str, step: u8) -> String {
        let number = self.inner.numbers.fetch_add(1, Ordering::Relaxed);
        format!("{}{}:{number}:{step}:{queue}", keys::DELAYED, self.inner.instance)
    }

    /// What opens and compresses what is stored.
    pub(crate) fn bodies(&self) -> &dyn Bodies {
        &*self.inner.settings.bodies
    }

    /// What scripts add to the server's clock, in seconds.
    pub(crate) fn offset(&self) -> String {
        seconds(self.inner.settings.clock_offset.load(Ordering::Relaxed))
    }
}

impl Default for RedisSettings {
    fn default() -> Self {
        Self {
            visibility_timeout: Duration::from_hours(1),
            clock_offset: Arc::default(),
            clock: Arc::new(SystemClock),
            sentinel: SentinelSettings::default(),
            bodies: Arc::new(PlainBodies),
            may_be_away: false,
        }
    }
}

impl fmt::Debug for RedisSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisSettings").field("visibility_timeout", &self.visibility_timeout).finish_non_exhaustive()
    }
}

impl fmt::Debug for RedisBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisBackend").field("home", &self.inner.home).finish_non_exhaustive()
    }
}

/// Milliseconds as seconds with a fraction.
fn seconds(millis: i64) -> String {
    let sign = if millis < 0 { "-" } else { "" };
    let millis = millis.unsigned_abs();
    format!("{sign}{}.{:03}", millis / 1_000, millis % 1_000)
}

/// A span as Redis's `PX` takes it: whole milliseconds, at least one.
pub(crate) fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX).clamp(1, 10_u64.pow(15))
}
