//! The shards among the settings: a table of `apium.toml`, or JSON that says the same.

use apium::{ShardSettings, check_shards, redact};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::Settings;
use super::routing::read;
use crate::failure::Failure;

/// What stands under a shard's name.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    url: String,
    queues: Vec<String>,
}

/// The shards a setting means, in their written order:
/// `{"two": {"url": "redis://…", "queues": ["imports", "mail.*"]}}`, or the path of a file with that.
pub(super) fn shards(text: &str) -> Result<Vec<ShardSettings>, String> {
    read(text, parse)
}

fn parse(text: &str) -> Result<Vec<ShardSettings>, String> {
    let form = "it must be a table for each shard with its url and queues, such as \
                [shards.two] url = \"redis://two:6379/0\" queues = [\"imports\", \"mail.*\"]";
    let tables: Map<String, Value> = serde_json::from_str(text).map_err(|_| form.to_owned())?;
    let one = |(name, value): (String, Value)| {
        let table = serde_json::from_value::<Table>(value);
        // What was written in the wrong place may be a password: only where it stands is told.
        let Table { url, queues } = table.map_err(|_| format!("{form}; {:?} is not", redact(&name)))?;
        Ok(ShardSettings { name, url, queues })
    };
    let shards: Vec<_> = tables.into_iter().map(one).collect::<Result<_, String>>()?;
    check_shards(&shards).map_err(|error| error.to_string())?;
    Ok(shards)
}

/// The setting as it may be shown.
pub(super) fn shown(text: &str) -> String {
    let told =
        |shard: &ShardSettings| format!("{}: {} for {}", shard.name, redact(&shard.url), shard.queues.join(", "));
    shards(text).map(|shards| shards.iter().map(told).collect::<Vec<_>>().join("; ")).unwrap_or_default()
}

impl Settings {
    /// The further shards, in their written order.
    pub(crate) fn shards(&self) -> Result<Vec<ShardSettings>, Failure> {
        let wrong = |why: String| Failure::usage(format!("shards {why}"));
        self.text("shards").map_or(Ok(Vec::new()), shards).map_err(wrong)
    }
}
