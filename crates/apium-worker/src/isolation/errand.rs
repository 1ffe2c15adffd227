//! The worker's side of the ports: what a child's task asks for is done with the worker's own client.

use apium_core::protocol::RawJson;
use apium_core::state::Overwrite;
use apium_core::{BackendError, Client, Lookup, Outgoing, StoredResult, TaskState};
use serde::Serialize;

use super::frame::{Errand, Known, Parcel, Record};

/// Does it.
pub(super) async fn run(client: &Client, errand: Errand) -> Result<RawJson, BackendError> {
    let (broker, results) = (client.broker(), client.results());
    match errand {
        Errand::Publish(parcels) => json(&broker.publish(&messages(parcels)).await?),
        Errand::PublishUnique(parcels, claim) => {
            json(&broker.uniques().publish_unique(&messages(parcels), &claim).await?)
        }
        Errand::Holder(key) => json(&broker.uniques().holder(&key).await?),
        Errand::Revoke(id, keep) => json(&broker.revoke(&id, keep).await?),
        Errand::Store(record) => json(&results.store(&stored(record)).await?),
        Errand::Lookup(id) => json(&match results.lookup(&id).await? {
            Lookup::Stored(record) => Known::Stored(text(record.encode())),
            Lookup::Waiting => Known::Waiting,
            Lookup::Expired => Known::Expired,
            Lookup::Unknown => Known::Unknown,
        }),
        Errand::Wait(id, at_most) => json(&results.wait(&id, at_most).await?.map(|record| text(record.encode()))),
        Errand::Forget(id) => json(&results.forget(&id).await?),
        Errand::Remember(id, keep) => json(&results.remember(&id, keep).await?),
        Errand::AnnounceChord(group, size, keep) => json(&results.chords().announce(&group, size, keep).await?),
        Errand::GrowChord(group, by, keep) => json(&results.chords().grow(&group, by, keep).await?),
        Errand::SaveGroup(group, record, keep) => json(&results.chords().save_group(&group, &record, keep).await?),
        Errand::Group(group) => Ok(results.chords().group(&group).await?.unwrap_or_default()),
        Errand::ForgetGroup(group) => json(&results.chords().forget_group(&group).await?),
        Errand::Spend(limits, starts) => json(&broker.limits().spend(&limits, starts).await?),
    }
}

fn json(value: &impl Serialize) -> Result<RawJson, BackendError> {
    RawJson::from(value).map_err(|error| BackendError::Broken(error.to_string()))
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_default()
}

fn messages(parcels: Vec<Parcel>) -> Vec<Outgoing> {
    let message = |parcel: Parcel| Outgoing {
        queue: parcel.queue,
        priority: parcel.priority,
        bytes: parcel.message.into_bytes(),
        not_before: parcel.not_before,
    };
    parcels.into_iter().map(message).collect()
}

fn stored(record: Record) -> StoredResult {
    StoredResult {
        task_id: record.task_id,
        state: TaskState::from_name(&record.state),
        record: record.text.into_bytes(),
        expires: record.expires,
        over: if record.only_over_waiting { Overwrite::Waiting } else { Overwrite::Unsuccessful },
        remember: record.remember,
    }
}
