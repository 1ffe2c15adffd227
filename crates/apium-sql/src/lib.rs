//! The SQL databases of Apium's users, SQLite or Postgres from one SQL text.
//!
//! Read in this order: [`database`] (a URL becomes a database), [`outbox`] (the table in which a caller's transaction
//! leaves what is to be sent), [`relay`] (the loop that sends it). A service's own tables: [`migrations`], [`step`],
//! [`together`] and [`statement`].

pub mod database;
pub mod migrations;
pub mod outbox;
pub mod relay;
pub mod statement;
pub mod step;
pub mod together;

#[cfg(feature = "testing")]
pub mod testing;

pub use database::{Database, SqlError, check_url};
pub use outbox::{Dialect, Outbox, OutboxState};
pub use relay::Relay;
pub use statement::{Row, Value};
pub use step::Step;
pub use together::Statement;
