//! Scans that are done again and again: entries of the engine's own schedules, which whoever leads the schedulers sends.
//!
//! The entry is all there is of one, so `apium beat` shows, pauses and drops it like any other. Each run asks everything anew,
//! because a result from the cache would hide what has changed.

use apium_beat::{Catalogue, CatalogueError, Entry, Listed, Missed, Overlap, Schedule, Zone};
use apium_core::SendError;
use apium_core::client::{REMEMBER_HEADER, fresh_id, iso};
use apium_core::protocol::{JsonError, RawJson};
use apium_web::ApiError;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::contract::{QUEUE, REMEMBER, Repeat, RequestOptions, SCAN, ScanOptions, When};
use crate::error::{self, ScanError};
use crate::history::told;
use crate::scans::{Caller, Scans};
use crate::store::Store;

/// What the names of all its entries begin with.
const PREFIX: &str = "osint-repeat-";
/// The shortest time between two runs.
const CLOSEST: SignedDuration = SignedDuration::from_mins(5);
/// Due times that are looked at to tell how close they are.
const LOOKED_AT: usize = 200;

/// Everything the API asks about repeated scans. Cheap to clone.
#[derive(Clone)]
pub struct Repeats {
    scans: Scans,
}

/// A scan that is to be repeated.
#[derive(Debug, Clone)]
pub struct NewRepeat {
    /// The target as it is shown.
    pub target: String,
    /// The type, the types with commas between, or `all`.
    pub collector: String,
    /// What else was chosen.
    pub options: ScanOptions,
    /// When.
    pub when: When,
    /// The time zone of its clock.
    pub zone: Option<String>,
}

impl Repeats {
    /// Keeps its entries where scans are sent, and notes what is done where they are remembered.
    pub fn new(scans: Scans) -> Self {
        Self { scans }
    }

    /// Has a scan done again and again.
    ///
    /// # Errors
    /// 422 when the schedule is none, is never due, or too often; 503 when the engine or the history does not answer.
    pub async fn keep(&self, new: NewRepeat, caller: &Caller) -> Result<Repeat, ApiError> {
        let id = fresh_id();
        let told = format!("{} {}", new.collector, new.target);
        let entry = new.entry(&id, caller)?;
        check_times(&entry, Timestamp::now())?;
        self.scans.note("repeat", &id, Some(&told), caller).await?;
        self.entries().put(&entry).await.map_err(refused)?;
        self.find(&id, caller).await
    }

    /// Those that the caller may see, by their names.
    ///
    /// # Errors
    /// 503 when the engine does not answer.
    pub async fn list(&self, caller: &Caller) -> Result<Vec<Repeat>, ApiError> {
        let all = self.entries().list().await.map_err(|error| error::backend(&error))?;
        let now = Timestamp::now();
        let repeats = all.iter().filter_map(|listed| repeat(listed, now));
        let mut seen: Vec<_> = repeats.filter(|repeat| caller.may_see(&repeat.owner)).collect();
        for repeat in &mut seen {
            self.check_last(repeat).await?;
        }
        Ok(seen)
    }

    /// One of them.
    ///
    /// # Errors
    /// 404 when there is none that the caller may see, 503 when the engine does not answer.
    pub async fn find(&self, id: &str, caller: &Caller) -> Result<Repeat, ApiError> {
        let listed = self.entries().get(&name(id)).await.map_err(refused)?;
        let found = repeat(&listed, Timestamp::now()).filter(|repeat| caller.may_see(&repeat.owner));
        let mut found = found.ok_or_else(error::unknown_repeat)?;
        self.check_last(&mut found).await?;
        Ok(found)
    }

    /// Has it done no more; what it has found stays in the history.
    ///
    /// # Errors
    /// As [`Repeats::find`].
    pub async fn discard(&self, id: &str, caller: &Caller) -> Result<(), ApiError> {
        let known = self.find(id, caller).await?;
        self.scans.note("repeat-discard", id, Some(&in_short(&known)), caller).await?;
        self.entries().discard(&name(id)).await.map_err(refused)
    }

    /// Has it not done for now, or again.
    ///
    /// # Errors
    /// As [`Repeats::find`].
    pub async fn pause(&self, id: &str, paused: bool, caller: &Caller) -> Result<Repeat, ApiError> {
        let known = self.find(id, caller).await?;
        let action = if paused { "repeat-pause" } else { "repeat-resume" };
        self.scans.note(action, id, Some(&in_short(&known)), caller).await?;
        self.entries().pause(&name(id), paused).await.map_err(refused)?;
        self.find(id, caller).await
    }

    /// Takes back the scan that was sent last while nobody could be told about it.
    async fn check_last(&self, repeat: &mut Repeat) -> Result<(), ApiError> {
        let Some(id) = &repeat.last_task_id else { return Ok(()) };
        let known = self.scans.store().scan(id).await.map_err(|error| error::history(&error))?;
        if known.is_none() {
            repeat.last_task_id = None;
        }
        Ok(())
    }

    fn entries(&self) -> Catalogue<'_> {
        Catalogue::new(self.scans.client())
    }
}

impl NewRepeat {
    /// The entry that has it done. A run that is due while the one before has not ended is left out.
    fn entry(self, id: &str, caller: &Caller) -> Result<Entry, ApiError> {
        let schedule = serde_json::to_value(&self.when).and_then(serde_json::from_value::<Schedule>);
        let schedule = schedule.map_err(|error| {
            let sentence = "«schedule» no vale: escriba una línea de crontab como «0 9 * * 1-5», un número de segundos, \
                            o una tabla con «crontab», «interval», «once» o «solar».";
            error::invalid_schedule("schedule", sentence, &error.to_string())
        })?;
        let zone = self.zone.as_deref().map(Zone::named).transpose().map_err(|error| {
            let sentence = "«zone» no es una zona horaria; un ejemplo es «Europe/Madrid».";
            error::invalid_schedule("zone", sentence, &error.to_string())
        })?;
        let on_behalf_of = Some(caller.name.clone()).filter(|name| !name.is_empty());
        let options = ScanOptions { force: true, on_behalf_of, ..self.options };
        let written = |error: JsonError| error::unencodable(&error);
        let headers = RawJson::from(&json!({REMEMBER_HEADER: REMEMBER.as_secs()})).map_err(written)?;
        let mut entry = Entry::new(name(id), SCAN, schedule);
        entry.zone = zone.unwrap_or(Zone::UTC);
        entry.args = vec![
            RawJson::string(&self.target),
            RawJson::string(&self.collector),
            RawJson::from(&options).map_err(written)?,
        ];
        entry.options = vec![("queue".to_owned(), RawJson::string(QUEUE)), ("headers".to_owned(), headers)];
        entry.missed = Missed::Latest;
        entry.overlap = Overlap::Skip;
        Ok(entry)
    }
}

/// Refuses to go on with what was scheduled for a token that is no good any more. Where that cannot be asked, the scan goes
/// on: the history is beside it, not in its way.
///
/// # Errors
/// [`ScanError::TokenRevoked`].
pub(crate) async fn check_token(store: &Store, options: &ScanOptions) -> Result<(), ScanError> {
    let Some(name) = &options.on_behalf_of else { return Ok(()) };
    match told(store.is_revoked(name).await) {
        Some(true) => Err(ScanError::TokenRevoked(name.clone())),
        Some(false) | None => Ok(()),
    }
}

/// Whether it is due at all, and not too often.
fn check_times(entry: &Entry, now: Timestamp) -> Result<(), ApiError> {
    let due: Vec<_> = entry.upcoming(now).take(LOOKED_AT).collect();
    if due.is_empty() {
        let sentence = "«schedule» no llega nunca: todas sus fechas han pasado.";
        return Err(error::invalid_schedule("schedule", sentence, ""));
    }
    if due.windows(2).any(|pair| pair[1].duration_since(pair[0]) < CLOSEST) {
        let sentence = "«schedule» es demasiado seguida: entre dos escaneos deben pasar al menos 5 minutos.";
        return Err(error::invalid_schedule("schedule", sentence, ""));
    }
    Ok(())
}

/// What an entry is about, if it is one of ours; an operator may have put anything under such a name.
fn repeat(listed: &Listed, now: Timestamp) -> Option<Repeat> {
    let Listed { entry, state } = listed;
    let id = entry.name.strip_prefix(PREFIX)?;
    let target: String = entry.args.first()?.to().ok()?;
    let collector_type: String = entry.args.get(1)?.to().ok()?;
    let options: ScanOptions = entry.args.get(2)?.to().ok()?;
    let next = entry.next(now).filter(|_| !entry.paused);
    Some(Repeat {
        repeat_id: id.to_owned(),
        target,
        collector_type,
        options: RequestOptions { axfr: options.axfr, history: options.history },
        schedule: serde_json::to_value(&entry.schedule).unwrap_or(Value::Null),
        zone: entry.zone.name().to_owned(),
        paused: entry.paused,
        next: next.map(iso),
        runs: state.as_ref().map_or(0, |state| state.runs),
        last_task_id: state.as_ref().and_then(|state| state.last.as_ref()).map(|run| run.task_id.clone()),
        owner: options.on_behalf_of.unwrap_or_default(),
    })
}

fn in_short(repeat: &Repeat) -> String {
    format!("{} {}", repeat.collector_type, repeat.target)
}

fn name(id: &str) -> String {
    format!("{PREFIX}{id}")
}

fn refused(error: CatalogueError) -> ApiError {
    match error {
        CatalogueError::Unknown(_) => error::unknown_repeat(),
        CatalogueError::Entry(error) => {
            error::invalid_schedule(error.field(), "La repetición no vale.", &error.to_string())
        }
        CatalogueError::Send(SendError::Backend(error)) | CatalogueError::Backend(error) => error::backend(&error),
        CatalogueError::Send(error) => error::unsent(&error),
        CatalogueError::Busy(_) => error::busy_repeat(),
    }
}
