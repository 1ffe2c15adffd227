//! A database of a caller's own with an outbox in it, and relays from there to a broker in memory.

use std::sync::Arc;
use std::time::{Duration, Instant};

use apium_core::memory::Memory;
use apium_core::protocol::Message;
use apium_core::{Broker, Claim, Client, Routes};
use apium_sql::testing::Postgres;
use apium_sql::{Database, Outbox, Relay};
use sqlx::{AssertSqlSafe, PgPool, SqlitePool};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// The database, as its caller sees it.
pub(crate) struct Caller {
    pub(crate) url: String,
    pub(crate) outbox: Outbox,
    pool: Pool,
    _server: Option<Postgres>,
    _folder: tempfile::TempDir,
}

enum Pool {
    Postgres(PgPool),
    Sqlite(SqlitePool),
}

/// A relay that runs, and its stop.
pub(crate) struct Running(oneshot::Sender<()>, JoinHandle<()>);

impl Caller {
    pub(crate) async fn on_postgres() -> Self {
        let server = Postgres::start().unwrap();
        let pool = PgPool::connect(&server.url()).await.unwrap();
        Self::with(server.url(), Pool::Postgres(pool), Some(server), tempfile::tempdir().unwrap()).await
    }

    pub(crate) async fn on_sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("shop.db").display());
        let pool = SqlitePool::connect(&format!("{url}?mode=rwc")).await.unwrap();
        Self::with(url, Pool::Sqlite(pool), None, folder).await
    }

    async fn with(url: String, pool: Pool, server: Option<Postgres>, folder: tempfile::TempDir) -> Self {
        let outbox = Outbox::new(Database::open(&url).await.unwrap());
        outbox.create().await.unwrap();
        outbox.create().await.unwrap();
        let caller = Self { url, outbox, pool, _server: server, _folder: folder };
        caller.run("CREATE TABLE orders (number INTEGER)").await;
        caller
    }

    /// Runs statements as they stand.
    pub(crate) async fn run(&self, sql: &str) {
        let sql = AssertSqlSafe(sql.to_owned());
        match &self.pool {
            Pool::Postgres(pool) => drop(sqlx::raw_sql(sql).execute(pool).await.unwrap()),
            Pool::Sqlite(pool) => drop(sqlx::raw_sql(sql).execute(pool).await.unwrap()),
        }
    }

    /// Writes a row with the library's own statement, bound by the caller's driver.
    pub(crate) async fn insert(&self, row: &apium_core::OutboxRow) {
        use apium_core::outbox::INSERT;
        match &self.pool {
            Pool::Postgres(pool) => {
                let (id, signature) = (&row.task_id, &row.signature);
                sqlx::query(INSERT).bind(id).bind(signature).execute(pool).await.unwrap();
            }
            Pool::Sqlite(pool) => {
                let (id, signature) = (&row.task_id, &row.signature);
                sqlx::query(INSERT).bind(id).bind(signature).execute(pool).await.unwrap();
            }
        }
    }

    /// A relay of a process of its own, with connections of its own.
    pub(crate) async fn relay(&self, client: &Client, poll: Duration) -> Running {
        let outbox = Outbox::new(Database::open(&self.url).await.unwrap());
        let (stop, stopped) = oneshot::channel();
        let relay = Relay::new(outbox, client.clone(), poll);
        Running(stop, tokio::spawn(relay.run(async { drop(stopped.await) })))
    }

    /// Waits until no row waits.
    pub(crate) async fn until_sent(&self) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while self.outbox.state(0).await.unwrap().waiting > 0 {
            assert!(Instant::now() < deadline, "rows still wait");
            tokio::task::yield_now().await;
        }
    }
}

impl Running {
    pub(crate) async fn stop(self) {
        self.0.send(()).unwrap();
        self.1.await.unwrap();
    }
}

/// A client, and the broker it sends to.
pub(crate) fn client() -> (Client, Arc<Memory>) {
    let memory = Arc::new(Memory::default());
    (Client::new(memory.clone(), memory.clone(), Routes::default()), memory)
}

/// Takes everything that is due in a queue.
pub(crate) async fn taken(broker: &Memory, queue: &str) -> Vec<Message> {
    let queues = [queue.to_owned()];
    let mut messages = Vec::new();
    loop {
        let claim = Claim { queues: &queues, max: 1_000, lease: Duration::from_secs(30) };
        let deliveries = broker.claim(&claim).await.unwrap();
        if deliveries.is_empty() {
            return messages;
        }
        messages.extend(deliveries.iter().map(|delivery| Message::decode(&delivery.bytes).unwrap()));
    }
}
