//! Settings, declared once: flag, environment, `apium.toml` and the manual page all come from [`table::SETTINGS`].

mod manual;
mod sources;
mod table;
mod values;

pub use manual::manual;
pub(crate) use sources::resolve;
pub(crate) use table::{SETTINGS, Scope};
pub(crate) use values::{Settings, Told};
