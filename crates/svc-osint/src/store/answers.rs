//! Raw answers of providers, and until when a provider has nothing left.

use apium_sql::SqlError;
use async_trait::async_trait;
use jiff::Timestamp;

use super::{Store, micros, moment, packed, unpacked};
use crate::connector::Fetched;
use crate::digest::sha256;
use crate::enquiry::Answers;

const KEEP: &str = "INSERT INTO osint_answer (scan_id, question, sha256, answer, kept) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (scan_id, question) DO NOTHING";
const RECALL: &str = "SELECT answer FROM osint_answer WHERE scan_id = $1 AND question = $2";
const FORGET: &str = "DELETE FROM osint_answer WHERE kept < $1";
const SPENT: &str = "INSERT INTO osint_quota (provider, spent_until) VALUES ($1, $2)
    ON CONFLICT (provider) DO UPDATE SET spent_until = $2";
const SPENT_UNTIL: &str = "SELECT spent_until FROM osint_quota WHERE provider = $1";

/// The answers that one scan has had.
pub struct Kept<'a> {
    store: &'a Store,
    scan: &'a str,
}

impl Store {
    /// The answers of this scan.
    pub fn answers<'a>(&'a self, scan: &'a str) -> Kept<'a> {
        Kept { store: self, scan }
    }

    /// Deletes the answers kept before `then`; returns how many.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn forget_answers(&self, then: Timestamp) -> Result<u64, SqlError> {
        self.execute(FORGET, vec![micros(then).into()]).await
    }

    /// Notes that a provider has nothing left until then.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn spent(&self, provider: &str, until: Timestamp) -> Result<(), SqlError> {
        self.execute(SPENT, vec![provider.into(), micros(until).into()]).await.map(drop)
    }

    /// Until when a provider has nothing left, also if that is past.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn spent_until(&self, provider: &str) -> Result<Option<Timestamp>, SqlError> {
        let database = self.open().await?;
        let row = database.row(SPENT_UNTIL, vec![provider.into()]).await?;
        row.map(|row| database.read(&row, 0).map(moment)).transpose()
    }

    async fn keep(&self, scan: &str, question: &str, answer: &Fetched) -> Result<(), SqlError> {
        let text = serde_json::to_vec(answer).unwrap_or_default();
        let digest = sha256(&answer.body);
        let values =
            vec![scan.into(), question.into(), digest.into(), packed(&text).into(), micros(Timestamp::now()).into()];
        self.execute(KEEP, values).await.map(drop)
    }

    async fn recall(&self, scan: &str, question: &str) -> Result<Option<Fetched>, SqlError> {
        let database = self.open().await?;
        let Some(row) = database.row(RECALL, vec![scan.into(), question.into()]).await? else { return Ok(None) };
        let kept: Vec<u8> = database.read(&row, 0)?;
        Ok(unpacked(&kept).and_then(|text| serde_json::from_slice(&text).ok()))
    }
}

/// A database that does not answer costs a question asked twice at the worst, not the scan.
#[async_trait]
impl Answers for Kept<'_> {
    async fn recall(&self, question: &str) -> Option<Fetched> {
        let recalled = self.store.recall(self.scan, question).await;
        recalled.inspect_err(|error| tracing::warn!(%error, "no answer could be recalled")).ok().flatten()
    }

    async fn keep(&self, question: &str, answer: &Fetched) {
        if let Err(error) = self.store.keep(self.scan, question, answer).await {
            tracing::warn!(%error, "an answer could not be kept");
        }
    }
}
