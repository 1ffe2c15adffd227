//! The ports kept in one SQLite file, the embedded default: broker, fleet and result store without a server.
//!
//! Read in this order: `schema.sql` (what is kept), [`backend`] (the handle), `writer` (one thread that commits
//! for all; when nobody waits, `vacuum`), `reader` (threads that only look), `wake` (how a waiter hears of work, in this process and in
//! others); then the ports: `broker` with `line`, `settle` and `dead`, `results`, `chords`, `uniques`, `limits` with `limit_rows`, `fleet`, `broadcast`; `examine` looks at all and changes nothing. `place`, `schema`
//! and `soundness` open the file, `anchor` notices when it is taken away, `fault` says in a sentence what is wrong.

pub mod backend;

mod anchor;
mod broadcast;
mod broker;
mod chords;
mod dead;
mod deaths;
mod examine;
mod fault;
mod fleet;
mod judge;
mod limit_rows;
mod limits;
mod line;
mod place;
mod reader;
mod results;
mod schedules;
mod schema;
mod settle;
mod shares;
mod soundness;
mod uniques;
mod vacuum;
mod wake;
mod writer;

pub use backend::{SqliteBackend, SqliteSettings, Synchronous};
