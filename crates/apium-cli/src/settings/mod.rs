//! Settings, declared once: flag, environment, `apium.toml` and the manual page all come from one table (`table.rs`).

mod manual;
mod sources;
mod table;
mod values;

pub(crate) use sources::resolve;
pub(crate) use table::{Scope, Setting, table};
pub(crate) use values::{Settings, Told};
