//! Who may use the API, and who did what.

use apium_sql::{SqlError, Value};
use jiff::Timestamp;
use uuid::Uuid;

use super::{Store, micros, moment};
use crate::digest::sha256;

const ADD: &str = "INSERT INTO osint_token (name, sha256, per_minute, created) VALUES ($1, $2, $3, $4)
    ON CONFLICT (name) DO NOTHING";
const REVOKE: &str = "UPDATE osint_token SET revoked = $2 WHERE name = $1 AND revoked IS NULL";
const TOKENS: &str = "SELECT name, per_minute, created, revoked FROM osint_token ORDER BY created, name";
const BY_DIGEST: &str =
    "SELECT name, per_minute, created, revoked FROM osint_token WHERE sha256 = $1 AND revoked IS NULL";
const REVOKED: &str = "SELECT 1 FROM osint_token WHERE name = $1 AND revoked IS NOT NULL";
const ANY: &str = "SELECT 1 FROM osint_token LIMIT 1";
pub(super) const NOTE: &str = "INSERT INTO osint_audit (id, at, who, address, action, scan_id, target, detail)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
const DEEDS: &str = "SELECT at, who, address, action, scan_id, target, detail FROM osint_audit
    WHERE ($1 = '' OR who = $1) AND ($2 = '' OR scan_id = $2) AND at >= $3 ORDER BY at DESC, id DESC LIMIT $4";
const FORGET: &str = "DELETE FROM osint_audit WHERE at < $1";

/// A token as it is told of; the text itself is known to its holder alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Whose it is.
    pub name: String,
    /// Scans it may ask for in any minute.
    pub per_minute: u32,
    /// Since when there is one.
    pub created: Timestamp,
    /// Since when it is no good.
    pub revoked: Option<Timestamp>,
}

/// Something somebody did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deed {
    /// When.
    pub at: Timestamp,
    /// With whose token; empty: without one.
    pub who: String,
    /// From where.
    pub address: String,
    /// What: `scan`, `cancel`, `export`, `token` …
    pub action: String,
    /// To which scan.
    pub scan_id: Option<String>,
    /// To what target.
    pub target: Option<String>,
    /// What else.
    pub detail: Option<String>,
}

impl Store {
    /// Makes a token of this name and gives its text, which cannot be had again; `None` when the name is taken.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn add_token(&self, name: &str, per_minute: u32) -> Result<Option<String>, SqlError> {
        // Two random UUIDs: 244 bits that nobody guesses.
        let text = format!("osint_{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
        let values = vec![
            name.into(),
            sha256(text.as_bytes()).into(),
            i64::from(per_minute).into(),
            micros(Timestamp::now()).into(),
        ];
        Ok((self.execute(ADD, values).await? > 0).then_some(text))
    }

    /// Makes a token no good; false when there is none of this name that is.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn revoke_token(&self, name: &str) -> Result<bool, SqlError> {
        Ok(self.execute(REVOKE, vec![name.into(), micros(Timestamp::now()).into()]).await? > 0)
    }

    /// Every token, revoked ones too.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn tokens(&self) -> Result<Vec<Token>, SqlError> {
        self.read_tokens(TOKENS, vec![]).await
    }

    /// The token of this text, if it is good. Found by its digest, so that how long it takes tells nothing of the text.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn token(&self, text: &str) -> Result<Option<Token>, SqlError> {
        Ok(self.read_tokens(BY_DIGEST, vec![sha256(text.as_bytes()).into()]).await?.pop())
    }

    /// Whether the token of this name was made no good.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn is_revoked(&self, name: &str) -> Result<bool, SqlError> {
        Ok(!self.rows(REVOKED, vec![name.into()]).await?.is_empty())
    }

    /// Whether there ever was a token.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn has_tokens(&self) -> Result<bool, SqlError> {
        Ok(!self.rows(ANY, vec![]).await?.is_empty())
    }

    /// Notes a deed.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn note(&self, deed: &Deed) -> Result<(), SqlError> {
        self.execute(NOTE, deed.values()).await.map(drop)
    }

    /// Deeds since `then`, the newest first; an empty `who` or `scan` does not choose.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn deeds(&self, who: &str, scan: &str, then: Timestamp, most: u32) -> Result<Vec<Deed>, SqlError> {
        let database = self.open().await?;
        let values = vec![who.into(), scan.into(), micros(then).into(), i64::from(most).into()];
        let rows = database.rows(DEEDS, values).await?;
        let read = |row| {
            Ok(Deed {
                at: moment(database.read(row, 0)?),
                who: database.read(row, 1)?,
                address: database.read(row, 2)?,
                action: database.read(row, 3)?,
                scan_id: database.read(row, 4)?,
                target: database.read(row, 5)?,
                detail: database.read(row, 6)?,
            })
        };
        rows.iter().map(read).collect()
    }

    /// Deletes what was done before `then`; returns how much.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn forget_deeds(&self, then: Timestamp) -> Result<u64, SqlError> {
        self.execute(FORGET, vec![micros(then).into()]).await
    }

    async fn read_tokens(&self, sql: &'static str, values: Vec<Value>) -> Result<Vec<Token>, SqlError> {
        let database = self.open().await?;
        let rows = database.rows(sql, values).await?;
        let read = |row| {
            Ok(Token {
                name: database.read(row, 0)?,
                per_minute: u32::try_from(database.read::<i64>(row, 1)?).unwrap_or(u32::MAX),
                created: moment(database.read(row, 2)?),
                revoked: database.read::<Option<i64>>(row, 3)?.map(moment),
            })
        };
        rows.iter().map(read).collect()
    }
}

impl Deed {
    pub(super) fn values(&self) -> Vec<Value> {
        // Version 7: those of one moment keep their order.
        let id = Uuid::now_v7().simple().to_string();
        vec![
            id.into(),
            micros(self.at).into(),
            self.who.as_str().into(),
            self.address.as_str().into(),
            self.action.as_str().into(),
            self.scan_id.clone().into(),
            self.target.clone().into(),
            self.detail.clone().into(),
        ]
    }
}
