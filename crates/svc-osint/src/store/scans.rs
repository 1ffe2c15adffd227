//! Scans: asked for, begun, ended, found again.

use apium_sql::{Database, Row, SqlError, Statement, Value};
use jiff::Timestamp;
use serde_json::Value as Json;

use super::access::{Deed, NOTE};
use super::{Store, micros, moment, packed, unpacked};
use crate::contract::ALL;

const EXPECT: &str = "INSERT INTO osint_scan
    (id, parent_id, owner, target, target_key, target_kind, collector, options, state, created)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'PENDING', $9) ON CONFLICT (id) DO NOTHING";
const BEGAN: &str = "UPDATE osint_scan SET started = $2 WHERE id = $1 AND finished IS NULL";
const ENDED: &str = "UPDATE osint_scan SET state = $2, error = $3, result = $4, finished = $5, cached_from = $6
    WHERE id = $1 AND finished IS NULL";
const REOPEN: &str = "UPDATE osint_scan SET state = 'PENDING', error = NULL, finished = NULL
    WHERE id = $1 AND state IN ('FAILURE', 'REVOKED')";
const UNEXPECT: &str = "DELETE FROM osint_scan WHERE id = $1 AND started IS NULL AND finished IS NULL";
const CALLED_OFF: &str = "UPDATE osint_scan SET cancelled_by = $2 WHERE (id = $1 OR parent_id = $1)
    AND cancelled_by IS NULL AND finished IS NULL";
const ONE: &str =
    "SELECT id, parent_id, owner, target, target_kind, collector, options, state, error, created, started,
    finished, cancelled_by, target_key FROM osint_scan WHERE id = $1";
const PARTS: &str =
    "SELECT id, parent_id, owner, target, target_kind, collector, options, state, error, created, started,
    finished, cancelled_by, target_key FROM osint_scan WHERE parent_id = $1 ORDER BY collector";
const LIST: &str =
    "SELECT id, parent_id, owner, target, target_kind, collector, options, state, error, created, started,
    finished, cancelled_by, target_key FROM osint_scan
    WHERE parent_id IS NULL AND ($1 = '' OR owner = $1) AND ($2 = '' OR target_key = $2) AND ($3 = '' OR collector = $3)
    AND ($4 = '' OR state = $4) AND (created < $5 OR (created = $5 AND id < $6))
    ORDER BY created DESC, id DESC LIMIT $7";
const UNFINISHED: &str = "SELECT id, parent_id, owner, target, target_kind, collector, options, state, error, created,
    started, finished, cancelled_by, target_key FROM osint_scan WHERE state = 'PENDING' AND created < $1
    ORDER BY created LIMIT $2";
const PREVIOUS: &str = "SELECT id, parent_id, owner, target, target_kind, collector, options, state, error, created,
    started, finished, cancelled_by, target_key FROM osint_scan WHERE target_key = $1 AND collector = $2
    AND options = $3 AND state = 'SUCCESS' AND ($4 = '' OR owner = '' OR owner = $4)
    AND (finished < $5 OR (finished = $5 AND id < $6)) AND COALESCE(cached_from, id) <> $7
    ORDER BY finished DESC, id DESC LIMIT 1";
const RESULT: &str = "SELECT result FROM osint_scan WHERE id = $1";
const CACHED: &str = "SELECT id, finished, result FROM osint_scan WHERE target_key = $1 AND collector = $2
    AND options = $3 AND state = 'SUCCESS' AND cached_from IS NULL AND finished > $4 ORDER BY finished DESC LIMIT 1";
const FORGET: &str = "DELETE FROM osint_scan WHERE created < $1 AND state <> 'PENDING'";

/// A scan that is asked for.
#[derive(Debug, Clone)]
pub struct NewScan {
    /// The task's id.
    pub id: String,
    /// The scan it is a part of.
    pub parent_id: Option<String>,
    /// Whose token it was asked for with; empty: nobody's.
    pub owner: String,
    /// The target as it was written.
    pub target: String,
    /// The target in its one spelling.
    pub target_key: String,
    /// The kind of the target.
    pub target_kind: &'static str,
    /// One type, several, or `all`.
    pub collector: String,
    /// What else was asked, as JSON with its keys in order.
    pub options: String,
    /// When.
    pub created: Timestamp,
}

/// A scan as the history knows it; its result is read apart ([`Store::result`]).
#[derive(Debug, Clone)]
pub struct Scan {
    /// The task's id.
    pub id: String,
    /// The scan it is a part of.
    pub parent_id: Option<String>,
    /// Whose token it was asked for with; empty: nobody's.
    pub owner: String,
    /// The target as it was written.
    pub target: String,
    /// Its kind.
    pub target_kind: String,
    /// One type, several, or `all`.
    pub collector: String,
    /// What else was asked, as JSON.
    pub options: String,
    /// PENDING until it is known how it ended.
    pub state: String,
    /// Why it gave nothing.
    pub error: Option<String>,
    /// When it was asked for.
    pub created: Timestamp,
    /// When its last attempt began.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub finished: Option<Timestamp>,
    /// Who called it off.
    pub cancelled_by: Option<String>,
    /// The target in its one spelling.
    pub target_key: String,
}

/// How a scan ended.
#[derive(Debug, Clone)]
pub struct Finished<'a> {
    /// SUCCESS, FAILURE or REVOKED.
    pub state: &'a str,
    /// Why it gave nothing.
    pub error: Option<&'a str>,
    /// Its result.
    pub result: Option<&'a Json>,
    /// The scan whose result it is, where it was not asked anew.
    pub cached_from: Option<&'a str>,
    /// When.
    pub at: Timestamp,
}

/// What two scans must have in common to be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The target in its one spelling.
    pub target_key: String,
    /// One type, several, or `all`.
    pub collector: String,
    /// What else was asked, as JSON with its keys in order.
    pub options: String,
}

/// Which scans are wanted; what is empty does not choose.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Whose.
    pub owner: String,
    /// Of this target, in its one spelling.
    pub target_key: String,
    /// Of this type.
    pub collector: String,
    /// In this state.
    pub state: String,
    /// Older than this one: when it was created, and its id.
    pub before: Option<(Timestamp, String)>,
    /// At most so many.
    pub limit: u32,
}

impl Store {
    /// Notes that these will be scanned; one that is known stays as it is.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn expect(&self, scans: &[NewScan]) -> Result<(), SqlError> {
        self.together(scans.iter().map(|scan| Statement::new(EXPECT, scan.values())).collect()).await
    }

    /// Notes that this will be scanned, and who asks for it, in one step.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn announce(&self, scan: &NewScan, deed: &Deed) -> Result<(), SqlError> {
        self.together(vec![Statement::new(EXPECT, scan.values()), Statement::new(NOTE, deed.values())]).await
    }

    /// Takes back what was announced and then could not be sent.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn unexpect(&self, id: &str) -> Result<(), SqlError> {
        self.execute(UNEXPECT, vec![id.into()]).await.map(drop)
    }

    /// Notes that an attempt begins, also of a scan nobody announced.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn began(&self, scan: &NewScan, at: Timestamp) -> Result<(), SqlError> {
        let id = || scan.id.as_str().into();
        self.together(vec![
            Statement::new(EXPECT, scan.values()),
            // A dead letter that is replayed runs again under its id.
            Statement::new(REOPEN, vec![id()]),
            Statement::new(BEGAN, vec![id(), micros(at).into()]),
        ])
        .await
    }

    /// Notes how a scan ended; the first word counts.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn ended(&self, id: &str, how: &Finished<'_>) -> Result<(), SqlError> {
        let result = how.result.map(|result| packed(result.to_string().as_bytes()));
        let values = vec![
            id.into(),
            how.state.into(),
            how.error.into(),
            result.into(),
            micros(how.at).into(),
            how.cached_from.into(),
        ];
        self.execute(ENDED, values).await.map(drop)
    }

    /// Notes who called a scan off, and with it its parts.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn called_off(&self, id: &str, who: &str) -> Result<(), SqlError> {
        self.execute(CALLED_OFF, vec![id.into(), who.into()]).await.map(drop)
    }

    /// The scan of this id.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn scan(&self, id: &str) -> Result<Option<Scan>, SqlError> {
        Ok(self.scans(ONE, vec![id.into()]).await?.pop())
    }

    /// The parts of a scan, by their type.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn parts(&self, id: &str) -> Result<Vec<Scan>, SqlError> {
        self.scans(PARTS, vec![id.into()]).await
    }

    /// Scans that were asked for as such, the newest first.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn list(&self, filter: &Filter) -> Result<Vec<Scan>, SqlError> {
        let (created, id) = filter.before.clone().map_or((i64::MAX, String::new()), |(at, id)| (micros(at), id));
        let Filter { owner, target_key, collector, state, limit, .. } = filter;
        let chosen = [owner, target_key, collector, state].map(|text| Value::from(text.as_str()));
        let page = [created.into(), id.into(), i64::from(*limit).into()];
        self.scans(LIST, chosen.into_iter().chain(page).collect()).await
    }

    /// Scans asked for before `then` of which it is not known how they ended, the oldest first.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn unfinished(&self, then: Timestamp, most: u32) -> Result<Vec<Scan>, SqlError> {
        self.scans(UNFINISHED, vec![micros(then).into(), i64::from(most).into()]).await
    }

    /// The result of a scan, if it has one.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn result(&self, id: &str) -> Result<Option<Json>, SqlError> {
        let database = self.open().await?;
        let Some(row) = database.row(RESULT, vec![id.into()]).await? else { return Ok(None) };
        Ok(json(database.read(&row, 0)?))
    }

    /// The newest result of the same question since `then`: of which scan, when it ended, and what it was.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn cached(&self, scan: &NewScan, then: Timestamp) -> Result<Option<(String, Timestamp, Json)>, SqlError> {
        let database = self.open().await?;
        let same = [&scan.target_key, &scan.collector, &scan.options].map(|text| Value::from(text.as_str()));
        let values = same.into_iter().chain([micros(then).into()]).collect();
        let Some(row) = database.row(CACHED, values).await? else { return Ok(None) };
        let (id, finished) = (database.read(&row, 0)?, moment(database.read(&row, 1)?));
        Ok(json(database.read(&row, 2)?).map(|result| (id, finished, result)))
    }

    /// The newest successful scan that asked the same and ended before `then`: a moment, and the id that breaks a tie. It
    /// may be one of `owner`'s or of nobody's, of anybody's where `owner` is empty; never one with the answers of the
    /// scan `origin`.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn previous(
        &self,
        question: &Question,
        owner: &str,
        then: (Timestamp, &str),
        origin: &str,
    ) -> Result<Option<Scan>, SqlError> {
        let Question { target_key, collector, options } = question;
        let same = [target_key.as_str(), collector, options, owner].map(Value::from);
        let (at, id) = (micros(then.0), then.1);
        let values = same.into_iter().chain([at.into(), id.into(), origin.into()]).collect();
        Ok(self.scans(PREVIOUS, values).await?.pop())
    }

    /// Deletes the scans asked for before `then` that have ended; returns how many.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn forget_scans(&self, then: Timestamp) -> Result<u64, SqlError> {
        self.execute(FORGET, vec![micros(then).into()]).await
    }

    async fn scans(&self, sql: &'static str, values: Vec<Value>) -> Result<Vec<Scan>, SqlError> {
        let database = self.open().await?;
        database.rows(sql, values).await?.iter().map(|row| Scan::of(database, row)).collect()
    }
}

impl NewScan {
    fn values(&self) -> Vec<Value> {
        vec![
            self.id.as_str().into(),
            self.parent_id.clone().into(),
            self.owner.as_str().into(),
            self.target.as_str().into(),
            self.target_key.as_str().into(),
            self.target_kind.into(),
            self.collector.as_str().into(),
            self.options.as_str().into(),
            micros(self.created).into(),
        ]
    }
}

impl From<Scan> for Question {
    fn from(scan: Scan) -> Self {
        Self { target_key: scan.target_key, collector: scan.collector, options: scan.options }
    }
}

impl Scan {
    /// Whether it is one of several types, whose parts are scans of their own.
    pub fn is_several(&self) -> bool {
        self.collector == ALL || self.collector.contains(',')
    }

    fn of(database: &Database, row: &Row) -> Result<Self, SqlError> {
        let time = |column| database.read::<Option<i64>>(row, column).map(|micros| micros.map(moment));
        Ok(Self {
            id: database.read(row, 0)?,
            parent_id: database.read(row, 1)?,
            owner: database.read(row, 2)?,
            target: database.read(row, 3)?,
            target_kind: database.read(row, 4)?,
            collector: database.read(row, 5)?,
            options: database.read(row, 6)?,
            state: database.read(row, 7)?,
            error: database.read(row, 8)?,
            created: moment(database.read(row, 9)?),
            started: time(10)?,
            finished: time(11)?,
            cancelled_by: database.read(row, 12)?,
            target_key: database.read(row, 13)?,
        })
    }
}

fn json(packed: Option<Vec<u8>>) -> Option<Json> {
    serde_json::from_slice(&unpacked(&packed?)?).ok()
}
