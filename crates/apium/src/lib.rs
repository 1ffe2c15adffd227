//! What a Rust program depends on: an [`App`] of tasks, a [`Client`] that sends them, a worker that runs them.
//!
//! ```
//! use apium::prelude::*;
//!
//! #[task(name = "demo.add")]
//! async fn add(x: i64, #[default(1)] y: i64) -> i64 {
//!     x + y
//! }
//!
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! let app = App::new("demo").task(add);
//! let backend = apium::open("memory://", None).await?;
//! let stop = Stop::new();
//! let worker = tokio::spawn(app.worker(&backend, WorkerOptions::default()).run(stop.clone()));
//! let sum: i64 = app.client(&backend).send(&add::s(2, 3)).await?.get(Duration::from_secs(5)).await?;
//! assert_eq!(sum, 5);
//! stop.request();
//! worker.await??;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! In tests and small programs, what is sent may run where it is sent, with no worker at all: the same code, the same
//! messages and results ([`Inline`], Celery's `task_always_eager`).
//!
//! ```
//! # use apium::prelude::*;
//! # #[task(name = "demo.add")]
//! # async fn add(x: i64, #[default(1)] y: i64) -> i64 { x + y }
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! let app = App::new("demo").task(add);
//! let client = app.inline(&apium::open("memory://", None).await?).client();
//! let sum = client.send(&add::s(2, 3).then(Signature::new("demo.add").arg(10))).await?;
//! assert_eq!(sum.get::<i64>(Duration::ZERO).await?, 15);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```

mod app;
mod backend;
mod shards;

pub mod isolation;
pub mod prelude;

pub use apium_beat as beat;
pub use apium_bodies as bodies;
pub use apium_core as core;
pub use apium_core::outbox;
pub use apium_core::{BackendError, Client, Context, ResultError, SendError, Signature, State, TaskError};
pub use apium_macros::task;
pub use apium_redis::SentinelSettings;
#[cfg(feature = "sql")]
pub use apium_sql as sql;
pub use apium_worker::{Inline, Stop, Vitals, Worker, WorkerError, WorkerOptions};
pub use app::App;
pub use backend::{Backend, BackendSettings, check_url, holds_login, is_memory, open, open_with, redact};
pub use shards::{ShardSettings, check_shards};
