//! What a result record tells of its task besides, where `result_extended` is on.

use crate::{Headers, RawJson, ResultRecord};

/// The call a result is of, and who ran it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extended {
    /// The task's name.
    pub name: Option<String>,
    /// Its positional arguments, as they came.
    pub args: RawJson,
    /// Its keyword arguments, as they came.
    pub kwargs: RawJson,
    /// The node name of the worker.
    pub worker: Option<String>,
    /// Retries made before this attempt.
    pub retries: Option<u64>,
    /// The routing key it was sent by, which mostly is its queue.
    pub queue: Option<String>,
}

impl Extended {
    /// The fields as they stand in a record, in Celery's order; the stamps of the task follow.
    pub fn to_members(&self, headers: &Headers) -> Vec<(String, RawJson)> {
        let text = |text: &Option<String>| text.as_deref().map_or_else(RawJson::null, RawJson::string);
        let retries = self.retries.and_then(|retries| RawJson::from(&retries).ok()).unwrap_or_default();
        let fields = [
            ("name", text(&self.name)),
            ("args", self.args.clone()),
            ("kwargs", self.kwargs.clone()),
            ("worker", text(&self.worker)),
            ("retries", retries),
            ("queue", text(&self.queue)),
        ];
        let stamped = headers.stamped_headers.as_deref().unwrap_or_default();
        let stamps = headers.stamps.members().unwrap_or_default();
        let mut members = fields.map(|(name, value)| (name.to_owned(), value)).to_vec();
        if !stamps.is_empty() {
            let names: Vec<_> = stamped.iter().map(|name| RawJson::string(name)).collect();
            members.push(("stamped_headers".to_owned(), RawJson::array(&names)));
            members.extend(stamps.into_iter().filter(|(name, _)| stamped.contains(name)));
        }
        members
    }
}

impl ResultRecord {
    /// What an extended record tells besides; `None` of a plain one.
    pub fn extended(&self) -> Option<Extended> {
        let find = |name: &str| self.other.iter().find(|(key, _)| key == name).map(|(_, value)| value);
        let text = |name: &str| find(name).and_then(|value| value.to::<String>().ok());
        let raw = |name: &str| find(name).cloned().unwrap_or_default();
        find("name").or(find("worker")).map(|_| Extended {
            name: text("name"),
            args: raw("args"),
            kwargs: raw("kwargs"),
            worker: text("worker"),
            retries: find("retries").and_then(|value| value.to().ok()),
            queue: text("queue"),
        })
    }
}
