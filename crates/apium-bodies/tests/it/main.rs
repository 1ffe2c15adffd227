//! Bodies from real Celery are opened, and ours come back as they were; nothing grows beyond the limit.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod bombs;
mod golden;
mod kit;
mod laws;
mod pickles;
mod scalars;
mod signed;
