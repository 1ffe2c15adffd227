//! The store under measurement: what `BENCH_URL` names, on SQLite as safe as `BENCH_SYNCHRONOUS` says.

use std::env::var;
use std::sync::Arc;

use apium::Backend;
use apium::bodies::WireBodies;
use apium_sqlite::{SqliteBackend, SqliteSettings, Synchronous};

use crate::Mishap;

/// Opens it. Safe against power loss (`full`) is the product's default; the other is reached by a program only.
pub(crate) async fn open() -> Result<Backend, Mishap> {
    let url = var("BENCH_URL")?;
    match (url.strip_prefix("sqlite:"), var("BENCH_SYNCHRONOUS").as_deref()) {
        (Some(path), Ok("normal")) => {
            let settings = SqliteSettings { synchronous: Synchronous::Normal, ..SqliteSettings::default() };
            let store = SqliteBackend::open(path, settings)?;
            let bodies = Arc::new(WireBodies::default());
            Ok(Backend { broker: Arc::new(store.clone()), results: Arc::new(store), bodies })
        }
        (_, Ok("normal")) => Err("BENCH_SYNCHRONOUS is for SQLite".into()),
        _ => Ok(apium::open(&url, None).await?),
    }
}
