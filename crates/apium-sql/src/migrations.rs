//! The tables of a service, made and changed step by step: each step once, whichever process comes first.

use crate::database::{Database, SqlError};
use crate::outbox::Dialect;

const TABLE: &str = "CREATE TABLE IF NOT EXISTS apium_migration (
    service TEXT NOT NULL, version BIGINT NOT NULL, PRIMARY KEY (service, version))";
const DONE: &str = "SELECT COALESCE(MAX(version), 0) FROM apium_migration WHERE service = $1";
const NOTE: &str = "INSERT INTO apium_migration (service, version) VALUES ($1, $2)";
/// Any number, as long as it is always the same.
const ALONE: &str = "SELECT pg_advisory_xact_lock(4720146155)";

impl Database {
    /// Carries out those of a service's steps that were not yet carried out here, in their order and in one
    /// transaction. A step that was ever released is never changed; what comes later is one more.
    ///
    /// # Errors
    /// When the database refuses, or was already changed by a newer program.
    pub async fn migrate(&self, service: &str, steps: &[&'static str]) -> Result<(), SqlError> {
        let mut step = self.begin().await?;
        if self.dialect() == Dialect::Postgres {
            step.rows(ALONE, vec![]).await?;
        }
        step.execute(TABLE, vec![]).await?;
        let done = step.rows(DONE, vec![service.into()]).await?;
        let done = done.first().map(|row| self.read::<i64>(row, 0)).transpose()?.unwrap_or_default();
        let known = i64::try_from(steps.len()).unwrap_or(i64::MAX);
        if done > known {
            return Err(self.refused(&format!(
                "the tables of {service} are of version {done}, and this program knows only {known}: it is too old for them"
            )));
        }
        for (version, sql) in (1..).zip(steps).filter(|(version, _)| *version > done) {
            step.script(sql).await?;
            step.execute(NOTE, vec![service.into(), version.into()]).await?;
        }
        step.commit().await
    }
}
