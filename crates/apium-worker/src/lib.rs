//! One process's work: consume, attempt, settle, keep limits, beat the heart, stop well.
//!
//! The heart is three files: [`consumer`](self) claims and judges, `executor` runs one attempt, `outcome` is the
//! table of verdicts. Around them stand one file a loop (`leases`, `revoked`, `shared_limits`, `recovery`, `heart`,
//! `settler`, `control`, `events`) and one file a policy (`retry`, `limits`, `stuck`, `rates`, `unique`, `admission`).

mod admission;
mod builtins;
mod chord_unlock;
mod consumer;
mod errbacks;
mod executor;
mod extended;
mod outcome;

mod judge;
mod limits;
mod poison;
mod put_off;
mod rates;
mod retry;
mod stuck;
mod unique;

mod alarm;
mod alerts;
mod control;
mod events;
mod handover;
mod heart;
mod leases;
mod narration;
mod recovery;
mod revoked;
mod settler;
mod shared_limits;
mod shares;

mod inline;
pub mod isolation;
mod job;
mod looks;
mod options;
pub mod points;
mod queues;
mod slots;
mod station;
mod stop;
mod threads;
mod trouble;
mod vitals;
mod worker;
mod workflow;

pub use alarm::WorkerError;
pub use inline::Inline;
pub use options::WorkerOptions;
pub use stop::Stop;
pub use vitals::Vitals;
pub use worker::Worker;
