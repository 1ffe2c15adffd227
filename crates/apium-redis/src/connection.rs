//! One connection to Redis that many tasks share and that mends itself.
//!
//! A command that was under way when the connection broke is not repeated here: whether Redis carried it out
//! is unknown, and only the caller can tell whether twice is harm. The next command reconnects, with back-off.
//!
//! A half-open connection takes what is sent and answers nothing. Redis answers in the order of the questions, so the
//! first that is not answered in time ends the connection for all that wait behind it, and with it the other connections
//! to the same place: what swallowed one has hardly spared them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use apium_core::BackendError;
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Cmd, ErrorKind, FromRedisValue, Pipeline, PushInfo, PushKind, RedisError, Script,
    ScriptInvocation, ServerErrorKind,
};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::address::Address;
use crate::ears::Listeners;
use crate::wake::Watchers;

/// How long Redis may take to accept a connection; a line with a latency of some seconds is a line.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// How long Redis may take to answer before the connection counts as dead. (The client's own default of half a second
/// would break connections whenever Redis saves or a script takes long. Longer than this, and a worker whose connection
/// is half open would not be back at work ten seconds after Redis could be reached again.)
const ANSWER_WITHIN: Duration = Duration::from_secs(6);
/// The first pause after a failed attempt to connect, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// A connection that is opened when first needed and again whenever it broke.
#[derive(Clone)]
pub(crate) struct Link {
    home: Arc<str>,
    line: Arc<Line>,
    dialler: Arc<Dialler>,
    /// Where the backend was opened. Every connection is driven there, whoever asks first: tasks run on a runtime
    /// of their own, and one that computes there without awaiting must not stall what others wait for.
    runtime: Handle,
}

/// What Redis says unasked on a connection, and to whom that goes.
pub(crate) enum Pushes {
    /// Nothing.
    None,
    /// That keys have changed which were read on it.
    Changed(Arc<Watchers>),
    /// What was said on the channels it is subscribed to.
    Said(Arc<Listeners>),
}

/// The connections to one place: a backend has several.
#[derive(Clone, Default)]
pub(crate) struct Siblings(Arc<Mutex<Vec<Weak<Line>>>>);

/// What opens the connection, one caller at a time.
struct Dialler {
    address: Address,
    line: Arc<Line>,
    dialling: tokio::sync::Mutex<Dialling>,
}

/// What the connection's own task must reach too: it is told when the connection ends.
pub(crate) struct Line {
    home: Arc<str>,
    live: Mutex<Option<Live>>,
    opened: AtomicU64,
    pushes: Pushes,
}

/// A connection that is thought to work.
struct Live {
    serial: u64,
    connection: MultiplexedConnection,
    /// Dropped with the connection: that is how those learn of it who wait for an answer.
    hold: watch::Sender<()>,
}

/// A connection in use for one question.
struct Held {
    serial: u64,
    connection: MultiplexedConnection,
    gone: watch::Receiver<()>,
}

#[derive(Default)]
struct Dialling {
    failures: u32,
    last: Option<(Instant, BackendError)>,
}

impl Link {
    /// A link that has not connected yet. For [`Pushes::Changed`] Redis is asked to track what is read through it. To
    /// be called on the runtime that is to drive the connection.
    pub(crate) fn new(address: &Address, pushes: Pushes) -> Self {
        let home: Arc<str> = address.home.as_str().into();
        let line = Line { home: home.clone(), live: Mutex::new(None), opened: AtomicU64::new(0), pushes };
        let line = Arc::new(line);
        address.siblings.add(&line);
        let dialling = tokio::sync::Mutex::default();
        let dialler = Arc::new(Dialler { address: address.clone(), line: line.clone(), dialling });
        Self { home, line, dialler, runtime: Handle::current() }
    }

    /// Runs one command.
    pub(crate) async fn command<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, BackendError> {
        let mut held = self.connection().await?;
        let asked = command.query_async(&mut held.connection);
        self.answer(held.serial, &mut held.gone, asked).await
    }

    /// Runs several commands in one round trip.
    pub(crate) async fn pipeline<T: FromRedisValue>(&self, pipeline: &Pipeline) -> Result<T, BackendError> {
        let mut held = self.connection().await?;
        let asked = pipeline.query_async(&mut held.connection);
        self.answer(held.serial, &mut held.gone, asked).await
    }

    /// Runs a script, which is loaded first where Redis does not know it yet.
    pub(crate) async fn script<T: FromRedisValue>(&self, script: &ScriptInvocation<'_>) -> Result<T, BackendError> {
        let mut held = self.connection().await?;
        let asked = script.invoke_async(&mut held.connection);
        self.answer(held.serial, &mut held.gone, asked).await
    }

    /// The same for a call of it that is ready.
    pub(crate) async fn call<T: FromRedisValue>(&self, script: &Script, call: &Cmd) -> Result<T, BackendError> {
        let mut held = self.connection().await?;
        let asked = async {
            match call.query_async(&mut held.connection).await {
                Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                    script.load_async(&mut held.connection).await?;
                    call.query_async(&mut held.connection).await
                }
                answer => answer,
            }
        };
        self.answer(held.serial, &mut held.gone, asked).await
    }

    /// Subscribes to patterns; what comes of them goes to [`Pushes::Said`].
    pub(crate) async fn subscribe(&self, patterns: &[String]) -> Result<(), BackendError> {
        let mut held = self.connection().await?;
        let asked = held.connection.psubscribe(patterns);
        self.answer(held.serial, &mut held.gone, asked).await
    }

    /// Leaves patterns.
    pub(crate) async fn unsubscribe(&self, patterns: &[String]) -> Result<(), BackendError> {
        let mut held = self.connection().await?;
        let asked = held.connection.punsubscribe(patterns);
        self.answer(held.serial, &mut held.gone, asked).await
    }

    /// The number of the living connection, 0 without one: what was written once is to be written again when
    /// this has changed, because the Redis behind may be another or an empty one.
    pub(crate) fn serial(&self) -> u64 {
        self.line.live().map_or(0, |held| held.serial)
    }

    /// Where the connection is driven.
    pub(crate) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// What Redis answers, unless the connection is given up first.
    async fn answer<T>(
        &self,
        serial: u64,
        gone: &mut watch::Receiver<()>,
        asked: impl Future<Output = Result<T, RedisError>>,
    ) -> Result<T, BackendError> {
        tokio::select! {
            biased;
            answer = asked => answer.map_err(|error| self.fault(serial, &error)),
            _ = gone.changed() => {
                let home = &self.home;
                Err(BackendError::Unavailable(format!("the connection to Redis at {home} was lost before it answered")))
            }
        }
    }

    async fn connection(&self) -> Result<Held, BackendError> {
        if let Some(live) = self.line.live() {
            return Ok(live);
        }
        let (dialler, asked) = (self.dialler.clone(), Instant::now());
        match self.runtime.spawn(async move { dialler.connection(asked).await }).await {
            Ok(connected) => connected,
            // The runtime of old is gone, and with it whatever could be stalled: this one is as good as any.
            Err(_) => self.dialler.connection(asked).await,
        }
    }

    /// Says in a sentence what went wrong, and lets go of the connection where it is no good any more.
    fn fault(&self, serial: u64, error: &RedisError) -> BackendError {
        let home = &self.home;
        // A transaction wraps what went wrong inside.
        let within = error.clone().into_server_errors();
        let first = within.as_deref().and_then(|errors| errors.first()).map(|(_, error)| error);
        let code = first.map_or("", |error| error.code());
        let kind = first.and_then(redis::ServerError::kind).map_or_else(|| error.kind(), ErrorKind::Server);
        match kind {
            ErrorKind::Server(ServerErrorKind::BusyLoading) => {
                BackendError::Unavailable(format!("Redis at {home} is still loading its data"))
            }
            // A replica after a fail-over: the name may lead to the new master by now.
            ErrorKind::Server(ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown) => {
                self.line.lost(serial);
                BackendError::Unavailable(format!("Redis at {home} is a replica and takes no writes: {error}"))
            }
            ErrorKind::Server(ServerErrorKind::TryAgain | ServerErrorKind::ClusterDown) => {
                BackendError::Unavailable(format!("Redis at {home} cannot serve now: {error}"))
            }
            _ if code == "OOM" => BackendError::Full(format!(
                "Redis at {home} has reached its maxmemory and takes nothing more until memory is freed"
            )),
            _ if code == "MISCONF" => BackendError::Full(format!("Redis at {home} refuses to write now: {error}")),
            _ if code == "BUSY" => BackendError::Unavailable(format!("Redis at {home} refuses to write now: {error}")),
            _ if code == "NOPERM" => BackendError::Broken(forbidden(home, &error.to_string())),
            _ if error.is_timeout() => {
                if self.line.lost(serial) {
                    self.dialler.address.siblings.end();
                }
                BackendError::Unavailable(format!("Redis at {home} did not answer within {ANSWER_WITHIN:?}"))
            }
            _ if error.is_io_error() || error.is_unrecoverable_error() => {
                self.line.lost(serial);
                BackendError::Unavailable(format!("the connection to Redis at {home} was lost: {error}"))
            }
            _ => BackendError::Broken(format!("Redis at {home} refused a command: {error}")),
        }
    }
}

impl Dialler {
    /// The living connection, else a new one; `asked` is when the caller began to wait for it.
    async fn connection(&self, asked: Instant) -> Result<Held, BackendError> {
        let mut dialling = self.dialling.lock().await;
        if let Some(live) = self.line.live() {
            return Ok(live);
        }
        if let Some((failed, error)) = &dialling.last {
            // Whoever queued up behind a failing attempt shares its failure, else they would fail one by one.
            if *failed > asked {
                return Err(error.clone());
            }
            let pause = FIRST_PAUSE.saturating_mul(1 << dialling.failures.min(10)).min(LONGEST_PAUSE);
            tokio::time::sleep_until(*failed + pause).await;
        }
        match self.dial().await {
            Ok(connection) => {
                if dialling.failures > 0 {
                    tracing::info!(redis = %self.line.home, "connected again");
                }
                *dialling = Dialling::default();
                Ok(connection)
            }
            Err(error) => {
                dialling.failures = dialling.failures.saturating_add(1);
                dialling.last = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    async fn dial(&self) -> Result<Held, BackendError> {
        let serial = self.line.opened.fetch_add(1, Ordering::Relaxed) + 1;
        // Weak, or the connection's task would keep the connection, and so itself, alive.
        let line = Arc::downgrade(&self.line);
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_WITHIN))
            .set_response_timeout(Some(ANSWER_WITHIN))
            .set_push_sender(move |push: PushInfo| {
                if let Some(line) = line.upgrade() {
                    line.told(serial, &push);
                }
                Ok::<(), redis::aio::SendError>(())
            });
        let client = self.address.client().await?;
        let connecting = client.get_multiplexed_async_connection_with_config(&config);
        let mut connection = connecting.await.map_err(|error| unreachable(&self.line.home, &error))?;
        if self.address.moves() {
            let role = redis::cmd("ROLE").query_async::<Vec<redis::Value>>(&mut connection).await;
            let role = role.map_err(|error| unreachable(&self.line.home, &error))?;
            if !matches!(role.first(), Some(redis::Value::BulkString(role)) if role == b"master") {
                let home = &self.line.home;
                return Err(BackendError::Unavailable(format!("what the Sentinels at {home} name is no master yet")));
            }
        }
        if matches!(self.line.pushes, Pushes::Changed(_)) {
            let tracking = redis::cmd("CLIENT").arg("TRACKING").arg("ON").query_async::<()>(&mut connection).await;
            tracking.map_err(|error| unreachable(&self.line.home, &error))?;
        }
        let (hold, gone) = watch::channel(());
        *self.line.shelf() = Some(Live { serial, connection: connection.clone(), hold });
        Ok(Held { serial, connection, gone })
    }
}

impl Siblings {
    fn add(&self, line: &Arc<Line>) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.retain(|line| line.strong_count() > 0);
        lines.push(Arc::downgrade(line));
    }

    /// Ends all that are open.
    pub(crate) fn end(&self) {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for line in lines.iter().filter_map(Weak::upgrade) {
            if let Some(held) = line.live() {
                line.lost(held.serial);
            }
        }
    }
}

impl Line {
    fn shelf(&self) -> MutexGuard<'_, Option<Live>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn live(&self) -> Option<Held> {
        let held = |live: &Live| {
            let (connection, gone) = (live.connection.clone(), live.hold.subscribe());
            Held { serial: live.serial, connection, gone }
        };
        self.shelf().as_ref().map(held)
    }

    /// Ends a connection; false when it has been ended before.
    fn lost(&self, serial: u64) -> bool {
        let gone = self.shelf().take_if(|live| live.serial == serial).is_some();
        if gone {
            tracing::warn!(redis = %self.home, "connection lost");
        }
        match &self.pushes {
            Pushes::None => {}
            // Nobody will push to those who wait on this connection: they look again, which reconnects.
            Pushes::Changed(watchers) => watchers.all_changed(),
            Pushes::Said(listeners) => listeners.lost(),
        }
        gone
    }

    fn told(&self, serial: u64, push: &PushInfo) {
        match (&push.kind, &self.pushes) {
            (PushKind::Disconnection, _) => drop(self.lost(serial)),
            (PushKind::Invalidate, Pushes::Changed(watchers)) => watchers.changed(&push.data),
            (PushKind::PMessage, Pushes::Said(listeners)) => listeners.heard(&push.data),
            _ => {}
        }
    }
}

fn forbidden(home: &str, told: &str) -> String {
    let channels = "its ACL needs the keys `~*` and, for remote control and events, the channels `&*`";
    format!("the Redis user at {home} may not do what Apium needs ({told}); {channels}")
}

/// Why no connection could be made, for the person who must act.
fn unreachable(home: &str, error: &RedisError) -> BackendError {
    let told = error.to_string();
    match error.code() {
        Some("WRONGPASS") => {
            return BackendError::Broken(format!(
                "Redis at {home} refused the user name or password; check them in the URL"
            ));
        }
        Some("NOAUTH") => {
            return BackendError::Broken(format!("Redis at {home} wants a password, but the URL gives none"));
        }
        Some("NOPERM") => {
            return BackendError::Broken(forbidden(home, &told));
        }
        Some("LOADING") => return BackendError::Unavailable(format!("Redis at {home} is still loading its data")),
        _ => {}
    }
    let too_old = || BackendError::Broken(format!("the server at {home} is too old: Apium needs Redis 6.2 or newer"));
    match error.kind() {
        ErrorKind::RESP3NotSupported => too_old(),
        ErrorKind::Server(ServerErrorKind::ResponseError) if told.contains("HELLO") => too_old(),
        ErrorKind::AuthenticationFailed => {
            BackendError::Broken(format!("Redis at {home} refused the login; check user and password in the URL"))
        }
        ErrorKind::Parse => BackendError::Broken(format!(
            "what answers at {home} does not speak Redis's protocol; check host and port in the URL"
        )),
        ErrorKind::Server(ServerErrorKind::ResponseError) if told.contains("database") => {
            BackendError::Broken(format!("Redis at {home} has no such database: {told}"))
        }
        ErrorKind::Server(_) => BackendError::Unavailable(format!("Redis at {home} refused the connection: {told}")),
        _ if error.is_timeout() => {
            BackendError::Unavailable(format!("Redis at {home} did not accept a connection within {CONNECT_WITHIN:?}"))
        }
        _ => BackendError::Unavailable(format!("Redis at {home} cannot be reached: {told}")),
    }
}
