//! What the API does, without HTTP: scans are asked for, looked up, listed and called off.
//!
//! How a scan stands, the engine's results tell as long as they are kept; how an older one ended, and who asked for it, the
//! history.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use apium_core::client::REMEMBER_HEADER;
use apium_core::{Client, Lookup, Signature, TaskState};
use apium_web::ApiError;
use jiff::Timestamp;

use crate::contract::{Cancelled, PartStatus, Progress, QUEUE, REMEMBER, ScanEntry, ScanStatus};
use crate::error;
use crate::housekeeping;
use crate::store::{Deed, Filter, NewScan, Scan, Store};
use crate::turns::Turns;
use crate::view;

/// A scan announced by another process, and not yet sent, is given so long.
const SENDING: Duration = Duration::from_secs(10);

/// Everything the API asks of the engine and of the history. Cheap to clone.
#[derive(Clone)]
pub struct Scans {
    client: Client,
    store: Arc<Store>,
    /// Held while a keyed scan is looked up and sent, so that two requests at once do not send twice.
    keyed: Arc<Turns>,
}

/// Who asks.
#[derive(Debug, Clone, Default)]
pub struct Caller {
    /// The name of the token; empty where none is needed.
    pub name: String,
    /// From where.
    pub address: String,
}

impl Caller {
    /// Who holds a token sees what was asked for with it, and what was asked for with none, as by a program that sends to
    /// the queue itself.
    pub fn may_see(&self, owner: &str) -> bool {
        self.name.is_empty() || owner.is_empty() || owner == self.name
    }

    /// What they do now, for whoever asks later.
    fn deed(&self, action: &str, id: &str, target: Option<&str>) -> Deed {
        Deed {
            at: Timestamp::now(),
            who: self.name.clone(),
            address: self.address.clone(),
            action: action.to_owned(),
            scan_id: Some(id.to_owned()),
            target: target.map(str::to_owned),
            detail: None,
        }
    }
}

impl Scans {
    /// Sends with `client` and remembers in `store`.
    pub fn new(client: Client, store: Arc<Store>) -> Self {
        Self { client, store, keyed: Arc::default() }
    }

    /// The engine.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The history.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Asks for a scan, once for each `announced.id` that a client's key has made; gives its id and the state it is in.
    ///
    /// # Errors
    /// 503 when the engine or the history does not answer: what nobody remembers is not done.
    pub async fn ask(
        &self,
        announced: NewScan,
        signature: Signature,
        keyed: bool,
        caller: &Caller,
    ) -> Result<(String, TaskState), ApiError> {
        let id = announced.id.clone();
        if !keyed {
            self.announce(&announced, caller).await?;
            self.send(&id, signature).await?;
            return Ok((id, TaskState::Pending));
        }
        let _alone = self.keyed.take(&id).await;
        if let Some(state) = self.known(&id).await? {
            return Ok((id, state));
        }
        self.announce(&announced, caller).await?;
        self.send(&id, signature).await?;
        Ok((id, TaskState::Pending))
    }

    /// How a scan stands.
    ///
    /// # Errors
    /// 404 when it was never seen, 410 when its result is gone, 503 when the engine or the history does not answer.
    pub async fn find(&self, id: &str, caller: &Caller) -> Result<ScanStatus, ApiError> {
        let known = self.store.scan(id).await.map_err(|error| error::history(&error))?;
        if known.as_ref().is_some_and(|scan| !caller.may_see(&scan.owner)) {
            return Err(error::unknown_scan());
        }
        let ended = known.as_ref().filter(|scan| scan.finished.is_some());
        let looked = self.client.pending(id).lookup().await.map_err(|error| error::backend(&error))?;
        let mut status = match (looked, ended) {
            (Lookup::Stored(record), _) => {
                if let Some(scan) = known.as_ref().filter(|scan| scan.finished.is_none()) {
                    // The worker could not say so itself: it was killed, or called off.
                    let noted = housekeeping::note(&self.store, scan, &record).await;
                    noted.map_err(|error| error::history(&error))?;
                }
                view::stored(id, &record).map_err(|error| error::backend(&error))?
            }
            (_, Some(scan)) => self.remembered(scan).await?,
            (Lookup::Waiting, None) => view::waiting(id),
            (Lookup::Expired, None) => return Err(error::expired_scan()),
            // Announced, and on its way.
            (Lookup::Unknown, None) if known.is_some() => view::waiting(id),
            (Lookup::Unknown, None) => return Err(error::unknown_scan()),
        };
        if let Some(scan) = known.filter(Scan::is_several) {
            self.tell_parts(&mut status).await?;
            status = view::called_off(&scan, status);
        }
        Ok(status)
    }

    /// Scans that were asked for, the newest first, and where the next page begins.
    ///
    /// # Errors
    /// 503 when the history does not answer.
    pub async fn list(&self, filter: &Filter) -> Result<(Vec<ScanEntry>, Option<String>), ApiError> {
        let scans = self.store.list(filter).await.map_err(|error| error::history(&error))?;
        let full = scans.len() >= usize::try_from(filter.limit).unwrap_or(usize::MAX);
        let next = scans.last().filter(|_| full).map(|last| format!("{}.{}", last.created.as_microsecond(), last.id));
        Ok((scans.iter().map(view::entry).collect(), next))
    }

    /// Calls a scan off, and with it its parts.
    ///
    /// # Errors
    /// As [`Scans::find`]; 409 when it has ended.
    pub async fn call_off(&self, id: &str, caller: &Caller) -> Result<Cancelled, ApiError> {
        let found = self.find(id, caller).await?;
        let before = TaskState::from_name(&found.status);
        let mut revoked = before == TaskState::Revoked;
        if !revoked {
            revoked = self.revoke(id).await?;
            if revoked {
                // Before its parts are told: one that begins from now on looks here, and asks nobody.
                let noted = self.store.called_off(id, &caller.name).await;
                noted.map_err(|error| error::history(&error))?;
                self.note("cancel", id, None, caller).await?;
            }
            for part in self.store.parts(id).await.map_err(|error| error::history(&error))? {
                self.revoke(&part.id).await?;
            }
        }
        let after = self.find(id, caller).await?;
        let state = TaskState::from_name(&after.status);
        // It may have ended, or been called off by another, since it was looked up.
        if !revoked && state != TaskState::Revoked {
            return Err(error::ended_scan(&state));
        }
        let message = match state {
            TaskState::Revoked => "Escaneo cancelado",
            _ => "Cancelación pedida: el escaneo se está deteniendo",
        };
        Ok(Cancelled { task_id: after.task_id, status: after.status, message: message.to_owned() })
    }

    /// Notes a deed for whoever asks later who did what.
    ///
    /// # Errors
    /// 503 when the history does not answer.
    pub async fn note(&self, action: &str, id: &str, target: Option<&str>, caller: &Caller) -> Result<(), ApiError> {
        let deed = caller.deed(action, id, target);
        self.store.note(&deed).await.map_err(|error| error::history(&error))
    }

    /// The state of a scan that was asked for under this id already; `None` when it is still to be sent.
    async fn known(&self, id: &str) -> Result<Option<TaskState>, ApiError> {
        let scan = self.store.scan(id).await.map_err(|error| error::history(&error))?;
        match self.client.pending(id).lookup().await.map_err(|error| error::backend(&error))? {
            Lookup::Stored(record) => return Ok(Some(TaskState::from_name(&record.status))),
            Lookup::Waiting => return Ok(Some(TaskState::Pending)),
            Lookup::Expired if scan.as_ref().is_none_or(|scan| scan.finished.is_none()) => {
                return Err(error::expired_scan());
            }
            Lookup::Expired | Lookup::Unknown => {}
        }
        Ok(scan.and_then(|scan| match scan.finished {
            Some(_) => Some(TaskState::from_name(&scan.state)),
            // Another process may be about to send it.
            None => (Timestamp::now() < scan.created + SENDING).then_some(TaskState::Pending),
        }))
    }

    /// Remembers who asks for what, before it is done.
    async fn announce(&self, scan: &NewScan, caller: &Caller) -> Result<(), ApiError> {
        let deed = caller.deed("scan", &scan.id, Some(&format!("{} {}", scan.collector, scan.target)));
        self.store.announce(scan, &deed).await.map_err(|error| error::history(&error))
    }

    async fn send(&self, id: &str, signature: Signature) -> Result<(), ApiError> {
        let signature = signature.queue(QUEUE).task_id(id).header(REMEMBER_HEADER, REMEMBER.as_secs());
        let sent = match self.client.send(&signature).await {
            Ok(_) => self.client.results().remember(id, REMEMBER).await.map_err(|error| error::backend(&error)),
            Err(error) => Err(error::unsent(&error)),
        };
        if sent.is_err()
            && let Err(error) = self.store.unexpect(id).await
        {
            tracing::error!(id, %error, "a scan that was not sent stays in the history");
        }
        sent
    }

    async fn revoke(&self, id: &str) -> Result<bool, ApiError> {
        self.client.revoke(id).await.map_err(|error| error::backend(&error))
    }

    /// A scan that has ended, as the history tells it.
    async fn remembered(&self, scan: &Scan) -> Result<ScanStatus, ApiError> {
        let succeeded = scan.state == TaskState::Success.name();
        let result = if succeeded { self.store.result(&scan.id).await } else { Ok(None) };
        Ok(view::remembered(scan, result.map_err(|error| error::history(&error))?))
    }

    /// Adds how the parts stand.
    async fn tell_parts(&self, status: &mut ScanStatus) -> Result<(), ApiError> {
        let parts = self.store.parts(&status.task_id).await.map_err(|error| error::history(&error))?;
        let mut states: HashMap<&str, String> = HashMap::new();
        for part in parts.iter().filter(|part| part.finished.is_none()) {
            let looked = self.client.pending(part.id.as_str()).lookup().await;
            if let Lookup::Stored(record) = looked.map_err(|error| error::backend(&error))? {
                states.insert(part.id.as_str(), record.status.clone());
            }
        }
        let told = parts.iter().map(|part| PartStatus {
            collector_type: part.collector.clone(),
            task_id: part.id.clone(),
            status: states.remove(part.id.as_str()).unwrap_or_else(|| part.state.clone()),
            error: part.error.clone(),
        });
        status.parts = told.collect();
        let done = parts.iter().filter(|part| part.finished.is_some()).count();
        let steps = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        if status.result.is_none() {
            status.progress = Some(Progress { done: steps(done), total: steps(parts.len()) });
        }
        Ok(())
    }
}
