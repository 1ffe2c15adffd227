//! The outbox: what is to be sent is written as a row in the caller's own SQL transaction, and sent once that is
//! committed.
//!
//! [`OutboxRow::of`] makes the row, [`INSERT`] writes it with whatever driver the caller uses; a relay (`apium-sql`)
//! reads it and sends it here. A row is also what any other language writes: a signature as Celery writes it in JSON.

use std::time::Duration;

use apium_protocol::RawJson;
use jiff::Timestamp;

use crate::client::{Client, SendError, fresh_id, plan, unsendable};
use crate::signature::Signature;
use crate::unique::UniqueClaim;

/// Writes a row: its task id, then its signature.
pub const INSERT: &str = "INSERT INTO apium_outbox (task_id, signature) VALUES ($1, $2)";

/// For so long a broker knows what was sent from an outbox, and does not take it twice: ten minutes. A relay that is
/// killed between the sending and the deletion of a row, and comes back later than this, sends it again.
pub const KNOWN: Duration = Duration::from_mins(10);

/// What stands in an outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxRow {
    /// The id to send it under.
    pub task_id: String,
    /// What is to be sent, as Celery writes a signature in JSON; chains, groups and chords too.
    pub signature: String,
}

impl OutboxRow {
    /// The row of a signature, under its own id, if it names one.
    ///
    /// # Errors
    /// When an argument does not fit into JSON, or it is to be unique: the key could not be claimed in the caller's
    /// transaction.
    pub fn of(signature: &Signature) -> Result<Self, SendError> {
        let named = signature.canvas.options.get("task_id").and_then(|id| id.to::<String>().ok());
        let json = signature.to_json().map_err(|error| unsendable(signature.task(), error))?;
        Ok(Self { task_id: named.unwrap_or_else(fresh_id), signature: json.as_str().to_owned() })
    }
}

impl Client {
    /// Sends what stands in a row that was written at this time, from which a countdown is reckoned. Told twice within
    /// [`KNOWN`], it is sent once.
    ///
    /// # Errors
    /// As [`Client::send`]; also when the row holds no signature.
    pub async fn send_from_outbox(&self, row: &OutboxRow, written: Timestamp) -> Result<(), SendError> {
        let told = format!("what stands in the outbox as {}", row.task_id);
        let json = RawJson::parse(&row.signature).map_err(|error| unsendable(&told, error.into()))?;
        let signature = Signature::decode(&json).map_err(|error| unsendable(&told, error))?.task_id(&row.task_id);
        let messages = self.prepare_at(&plan(&signature, None)?, written).await?;
        let claim = UniqueClaim {
            key: format!("outbox:{}", row.task_id),
            task_id: row.task_id.clone(),
            keep: KNOWN,
            replace: false,
            over: None,
        };
        // Whoever holds this key has this id: it is the same row.
        self.broker().uniques().publish_unique(&messages, &claim).await?;
        Ok(())
    }
}
