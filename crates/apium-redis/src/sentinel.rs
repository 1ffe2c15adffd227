//! Sentinels: those who know which Redis is the master now.
//!
//! They are asked for every connection, and every second besides: a server that was the master goes on taking writes until
//! Sentinel has made it a replica, which may be ten seconds later, and what it hands out meanwhile its successor hands
//! out too. What counts is the word of the one who knows the latest election.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use apium_core::BackendError;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ConnectionAddr, ProtocolVersion, RedisConnectionInfo, RedisError};
use tokio::task::JoinSet;
use url::Url;

use crate::address::{Address, bare, broken, database, info, login, open, plain_host};
use crate::backend::Inner;

/// Where a Sentinel listens unless the URL says otherwise.
const PORT: u16 = 26_379;
/// How long one of them may take to answer: there are others.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);
/// How often they are asked whether the master is still the same.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// What a `sentinel://` URL does not tell, as in Celery.
#[derive(Clone, Default)]
pub struct SentinelSettings {
    /// Which master is meant: Celery's transport option `master_name`. Needed for a `sentinel://` URL.
    pub master_name: Option<String>,
    /// The password of the Sentinels themselves: Celery's `sentinel_kwargs["password"]`. Default: none. (What stands in
    /// the URL is the login of the master.)
    pub password: Option<String>,
}

/// One of them, with the connection to it if there is one.
struct Sentinel {
    client: Client,
    line: tokio::sync::Mutex<Option<MultiplexedConnection>>,
}

/// Host and port.
type Place = (String, u16);

/// The Sentinels of one master.
#[derive(Clone)]
pub(crate) struct Sentinels {
    asked: Vec<Arc<Sentinel>>,
    master: String,
    /// Where the master was when they were last asked.
    known: Arc<Mutex<Option<Place>>>,
    /// With which login and in which database one works there.
    login: RedisConnectionInfo,
    pub(crate) database: i64,
    pub(crate) home: String,
}

impl Sentinels {
    /// Understands `sentinel://:password@host:26379/0;sentinel://host2:26379`. As in Celery, login and database stand in
    /// the first of them.
    pub(crate) fn read(text: &str, settings: &SentinelSettings) -> Result<Self, BackendError> {
        let master = settings.master_name.clone().filter(|name| !name.is_empty()).ok_or_else(|| {
            broken("a sentinel:// URL names no master: set master_name to what the Sentinels call it, such as mymaster")
        })?;
        let (mut asked, mut homes, mut first) = (Vec::new(), Vec::new(), None);
        for piece in text.split(';') {
            let url = Url::parse(piece).ok().filter(|url| url.scheme() == "sentinel" && url.query().is_none());
            let url = url.ok_or_else(|| {
                broken("the Sentinel URL cannot be read; it looks like sentinel://host:26379/0;sentinel://host2:26379")
            })?;
            let (host, port, number) = (plain_host(&url)?, url.port().unwrap_or(PORT), database(url.path(), &url)?);
            if asked.is_empty() {
                first = Some((login(&url, number), number));
            } else if number != 0 && first.as_ref().is_none_or(|(_, first)| *first != number) {
                return Err(broken("the database stands behind the first Sentinel of the URL, as in Celery"));
            }
            homes.push(format!("sentinel://{host}:{port}"));
            let mut own = RedisConnectionInfo::default().set_protocol(ProtocolVersion::RESP2);
            if let Some(password) = &settings.password {
                own = own.set_password(password.clone());
            }
            let client = open(info(ConnectionAddr::Tcp(bare(&host), port), own)?)?;
            asked.push(Arc::new(Sentinel { client, line: tokio::sync::Mutex::default() }));
        }
        let (login, database) = first.ok_or_else(|| broken("the Sentinel URL names nobody"))?;
        let home = format!("{}/{database}?master_name={master}", homes.join(";"));
        Ok(Self { asked, master, known: Arc::default(), login, database, home })
    }

    /// What opens a connection to the master, and whether it is another one than before.
    pub(crate) async fn master(&self) -> Result<(Client, bool), BackendError> {
        let (mut asking, mut latest, mut why) = (JoinSet::new(), None, None);
        for sentinel in &self.asked {
            let (sentinel, master) = (sentinel.clone(), self.master.clone());
            asking.spawn(async move { sentinel.ask(&master).await });
        }
        let mut answered = false;
        while let Some(answer) = asking.join_next().await {
            match answer {
                Ok(Ok(Some(told))) => latest = latest.max(Some(told)),
                Ok(Ok(None)) => answered = true,
                Ok(Err(error)) => why = Some(error.to_string()),
                Err(_) => {}
            }
        }
        let (home, master) = (&self.home, &self.master);
        let Some((_, place)) = latest else {
            return Err(if answered {
                broken(&format!("the Sentinels at {home} know no master named {master}: check master_name"))
            } else {
                let why = why.unwrap_or_default();
                BackendError::Unavailable(format!("none of the Sentinels at {home} answers: {why}"))
            });
        };
        let client = open(info(ConnectionAddr::Tcp(place.0.clone(), place.1), self.login.clone())?)?;
        let before = self.known.lock().unwrap_or_else(PoisonError::into_inner).replace(place.clone());
        Ok((client, before.is_some_and(|before| before != place)))
    }
}

impl Sentinel {
    /// The number of the election that made it the master, and where it is; `None` where nobody of this name is known.
    async fn ask(&self, master: &str) -> Result<Option<(u64, Place)>, RedisError> {
        let mut line = self.line.lock().await;
        let mut connection = match line.take() {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        let mut told = redis::cmd("SENTINEL");
        let told: Result<Vec<String>, _> = told.arg("MASTER").arg(master).query_async(&mut connection).await;
        let told = match told {
            Err(error) if !error.is_io_error() && !error.is_unrecoverable_error() => return Ok(None),
            told => told?,
        };
        let mut place = redis::cmd("SENTINEL");
        place.arg("GET-MASTER-ADDR-BY-NAME").arg(master);
        let place: Option<Place> = place.query_async(&mut connection).await?;
        *line = Some(connection);
        let epoch = told.chunks(2).find(|pair| pair.first().is_some_and(|name| name == "config-epoch"));
        let epoch = epoch.and_then(|pair| pair.get(1)?.parse().ok()).unwrap_or(0);
        Ok(place.map(|place| (epoch, place)))
    }

    async fn connect(&self) -> Result<MultiplexedConnection, RedisError> {
        let within = Some(ANSWER_WITHIN);
        let config = AsyncConnectionConfig::new().set_connection_timeout(within).set_response_timeout(within);
        self.client.get_multiplexed_async_connection_with_config(&config).await
    }
}

/// Asks every second, as long as the backend is there, and ends the connections to a server that is master no longer.
pub(crate) async fn watch(backend: Weak<Inner>, address: Address) {
    loop {
        tokio::time::sleep(ASK_EVERY).await;
        if backend.strong_count() == 0 {
            return;
        }
        if let Err(error) = address.client().await {
            tracing::debug!(%error, "the Sentinels could not be asked");
        }
    }
}
