//! Time: when something is due, and the schedulers that send it, of which one leads.
//!
//! What is due and what is to be done about it is decided without I/O and without a clock: what is now is told.
//! Read in this order: [`schedule`] (the four kinds, and the first due time after an instant), [`crontab`] (Celery's
//! grammar, and the rule for the nights in which clocks change), [`interval`], [`solar`], [`zone`]; [`entry`] (a
//! schedule with its task and its [`policy`]), [`celery`] (what Celery's `beat_schedule` means); [`mod@plan`] (which due
//! times are fired, wait or are skipped, and when to look again), [`identity`] (the id of each run).
//!
//! Around it stand the [`scheduler`] with its [`election`] and the office of the leader, which write into the store what
//! was decided ([`apium_core::schedules`]), the leader's watch with its [`roll`] call (will anybody run it, does anybody
//! else send it), and the [`catalogue`], by which others see and change the entries.

pub mod error;
pub mod zone;

pub mod crontab;
pub mod interval;
pub mod schedule;
pub mod solar;

pub mod celery;
pub mod entry;
pub mod policy;

pub mod identity;
pub mod plan;
pub mod state;

pub mod catalogue;
pub mod election;
pub mod roll;
pub mod scheduler;
pub mod told;

mod agenda;
mod office;
mod span;
mod watch;

pub use catalogue::{Catalogue, CatalogueError, Listed};
pub use crontab::Crontab;
pub use election::Pace;
pub use entry::Entry;
pub use error::ScheduleError;
pub use interval::Interval;
pub use plan::{Decision, Plan, Why, plan};
pub use policy::{Missed, Origin, Overlap};
pub use roll::Roll;
pub use schedule::Schedule;
pub use scheduler::Scheduler;
pub use solar::{Solar, SolarEvent};
pub use state::{Run, State};
pub use told::Told;
pub use zone::Zone;
