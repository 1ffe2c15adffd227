//! What the records of an attempt tell besides, where `result_extended` is on: the call, and who ran it.

use apium_core::protocol::{Extended, Message, RawJson};

use crate::outcome::Subject;
use crate::station::Station;

/// The further fields of a record; none where they are not asked for. The arguments are read from the message once
/// more, because the task has taken them.
pub(crate) fn fields(station: &Station, subject: Subject<'_>) -> Vec<(String, RawJson)> {
    if !station.options.result_extended {
        return Vec::new();
    }
    let message = Message::decode(&subject.delivery.bytes).ok();
    let payload = message.as_ref().and_then(|message| station.client.bodies().open(message).ok()).unwrap_or_default();
    let extended = Extended {
        name: Some(subject.headers.task.clone()),
        args: payload.args,
        kwargs: payload.kwargs,
        worker: Some(station.options.name.clone()),
        retries: Some(subject.headers.retries.into()),
        queue: message.map(|message| message.properties.delivery_info.routing_key),
    };
    extended.to_members(subject.headers)
}
