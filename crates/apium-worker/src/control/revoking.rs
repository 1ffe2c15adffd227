//! The commands that call tasks off: by id or by stamp, those that wait and, if asked to, those that run.

use std::str::FromStr as _;

use apium_core::client::iso;
use apium_core::protocol::control::{Answer, Command, Refusal, Signal, StampedHeaders};
use apium_core::protocol::{ExceptionRecord, Message, RawJson, ResultRecord};
use apium_core::revocation::{KEEP, Revocation, stamps};
use apium_core::state::Overwrite;
use apium_core::{BackendError, StoredResult, TaskState};
use futures_util::future::join_all;

use crate::station::Station;
use crate::trouble::Errand;

/// Records stored at the same time: other commands wait meanwhile.
const TOGETHER: usize = 100;

/// Carries out revoke, terminate and revoke_by_stamped_headers; the reply.
pub(super) async fn revoke(station: &Station, command: Command) -> RawJson {
    let answer = match command {
        Command::Revoke { task_ids, terminate: false, .. } => by_id(station, task_ids).await,
        Command::Revoke { task_ids, signal, .. } | Command::Terminate { task_ids, signal } => {
            terminate(station, task_ids, &signal).await
        }
        Command::RevokeByStampedHeaders { headers, terminate, signal } => {
            by_stamps(station, headers, terminate, &signal).await
        }
        _ => Ok(Answer::UnknownTask),
    };
    answer.unwrap_or_else(Answer::Refused).to_json()
}

/// Those that run go on running: so it is in Celery, and whoever wants another thing says terminate.
async fn by_id(station: &Station, ids: Vec<String>) -> Result<Answer, Refusal> {
    remember(station, &ids).await;
    tracing::info!(?ids, "tasks revoked by remote control");
    Ok(Answer::Revoked(ids))
}

async fn terminate(station: &Station, ids: Vec<String>, signal: &Signal) -> Result<Answer, Refusal> {
    let signal = number(signal)?;
    let mut ended = Vec::new();
    for held in station.leases.in_hand() {
        let Some(id) = message(&held.delivery.bytes).map(|message| message.headers.id) else { continue };
        if ids.contains(&id) {
            // Remembered first, called off second: an attempt that begins in between looks in what is remembered.
            station.revoked.insert(id.clone());
            held.call_off.by_signal(signal);
            ended.push(id);
        }
    }
    remember(station, &ids).await;
    tracing::info!(?ids, ?ended, "tasks revoked by remote control, and ended where they ran");
    Ok(Answer::Terminated(ended))
}

async fn by_stamps(
    station: &Station,
    headers: StampedHeaders,
    terminate: bool,
    signal: &Signal,
) -> Result<Answer, Refusal> {
    let signal = if terminate { number(signal)? } else { 0 };
    keep(station, Revocation { stamps: headers.pairs().into_iter().collect(), ..Revocation::default() }).await;
    tracing::info!(headers = headers.as_json().as_str(), terminate, "stamps revoked by remote control");
    if !terminate {
        return Ok(Answer::StampsRevoked(headers));
    }
    let mut ended: Vec<(String, Vec<String>)> = Vec::new();
    for held in station.leases.in_hand() {
        let Some(message) = message(&held.delivery.bytes) else { continue };
        for (name, values) in headers.pairs() {
            let worn = stamps(&message.headers, &name).into_iter().filter(|stamp| values.contains(stamp));
            for stamp in worn {
                station.revoked.insert(message.headers.id.clone());
                held.call_off.by_signal(signal);
                note(&mut ended, &name, stamp);
            }
        }
    }
    Ok(if ended.is_empty() { Answer::StampsNotRunning(headers) } else { Answer::StampsTerminated(ended) })
}

fn note(ended: &mut Vec<(String, Vec<String>)>, name: &str, stamp: String) {
    match ended.iter_mut().find(|(known, _)| known == name) {
        Some((_, stamps)) if stamps.contains(&stamp) => {}
        Some((_, stamps)) => stamps.push(stamp),
        None => ended.push((name.to_owned(), vec![stamp])),
    }
}

/// Keeps the ids in mind, and tells who waits for tasks that nobody has begun. Whether one has is known here for those
/// that run here, and else by what is stored.
async fn remember(station: &Station, ids: &[String]) {
    keep(station, Revocation { ids: ids.to_vec(), ..Revocation::default() }).await;
    let waiting: Vec<_> = ids.iter().filter(|id| !id.is_empty() && !station.leases.runs(id)).collect();
    for some in waiting.chunks(TOGETHER) {
        let stored = join_all(some.iter().map(|id| store(station, id))).await;
        if let Some(Err(error)) = stored.into_iter().find(Result::is_err) {
            station.vitals.troubles.failed(Errand::Answer, &error);
            return;
        }
    }
}

/// Keeps it in mind, and what of it is new in the store too: for workers that start later, Python's among them, who ask
/// one of ours.
async fn keep(station: &Station, what: Revocation) {
    let Some(mut news) = station.revoked.learn(&what, station.now()) else { return };
    // Of more than are kept in mind, those that were forgotten already are no news to anybody.
    news.ids.retain(|id| station.revoked.contains(id));
    if let Err(error) = station.broker().call_off(&news, KEEP).await {
        station.vitals.troubles.failed(Errand::Answer, &error);
    }
}

async fn store(station: &Station, id: &str) -> Result<bool, BackendError> {
    let why = ExceptionRecord::new("celery.exceptions", "TaskRevokedError", "revoked");
    let mut record = ResultRecord::new(id, TaskState::Revoked.name(), why.to_json());
    record.date_done = Some(iso(station.now()));
    let result = StoredResult::of(&record, station.options.result_expires);
    station.client.results().store(&StoredResult { over: Overwrite::Waiting, ..result }).await
}

fn message(bytes: &[u8]) -> Option<Message> {
    Message::decode(bytes).ok()
}

/// There are no processes to send it to: an attempt is ended in its name.
fn number(signal: &Signal) -> Result<i64, Refusal> {
    match signal {
        Signal::Number(number) => Ok(*number),
        Signal::Name(name) => match nix::sys::signal::Signal::from_str(name) {
            Ok(known) => Ok(i64::from(known as i32)),
            Err(_) => Err(Signal::unknown(name)),
        },
    }
}
