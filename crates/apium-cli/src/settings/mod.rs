//! Settings, declared once: flag, environment, `apium.toml` and the manual page all come from one table (`table.rs`).

mod check;
mod level;
mod manual;
mod node;
mod routing;
mod shards;
mod sources;
mod table;
mod values;

pub(crate) use check::{name, quoted, shown};
pub(crate) use sources::resolve;
pub(crate) use table::{HUNDRED_YEARS, Kind, Scope, Setting, table};
pub(crate) use values::{Settings, Told};
