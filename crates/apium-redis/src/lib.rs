//! The ports kept on Redis, in exactly the key layout a Celery peer expects.
//!
//! Read in this order: `keys` (what lies where), `connection` (one line to Redis that mends itself) with `sentinel`,
//! `backend` (what is opened), `broker` (publish, claim, renew), `unanswered`, `settle`, `recover` with `clock`, `wake` (how a waiter
//! learns of a change), `results`, `chords`, `fleet`, `dead`, `uniques`, `limits`, `broadcast` with `ears`, `examine` (a look
//! that changes nothing). What must happen in one step is a script in `scripts/`.

mod address;
mod backend;
mod broadcast;
mod broker;
mod chords;
mod claims;
mod clock;
mod connection;
mod dead;
mod depths;
mod ears;
mod examine;
mod fleet;
mod keys;
mod limits;
mod misfit;
mod reads;
mod recover;
mod results;
mod schedules;
mod scripts;
mod sentinel;
mod settle;
mod shares;
mod unanswered;
mod uniques;
mod wake;

pub use address::{check_url, is_redis_url};
pub use backend::{RedisBackend, RedisSettings};
pub use sentinel::SentinelSettings;
