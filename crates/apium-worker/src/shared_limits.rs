//! The limit loop: which shared limits are set, so that only a task that is under one asks for admission.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use apium_core::limits::{Definition, Definitions, Limit, TaskLimit, check_name, every};
use apium_core::protocol::Payload;
use apium_core::{BackendError, Registry, Task};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::retry::Backoff;
use crate::station::Station;
use crate::trouble::Errand;

/// How long one question to the backend stays open.
const LISTEN: Duration = Duration::from_secs(20);

/// What is set, and what tasks say of themselves.
pub(crate) struct SharedLimits {
    /// The arguments by which each task is limited.
    by: HashMap<String, Vec<TaskLimit>>,
    /// What this worker's tasks declare.
    declared: Vec<(String, Limit)>,
    /// What is set.
    set: watch::Sender<Arc<Known>>,
}

/// What is set, by what a worker has to know of it.
#[derive(Default)]
pub(crate) struct Known {
    /// The names that may hold somebody up.
    names: HashSet<String>,
    /// The queues that are shared, and by which argument.
    pub(crate) shared: HashMap<String, String>,
    /// The shares that have a weight.
    weights: HashMap<String, f64>,
}

impl Known {
    fn of(told: Definitions) -> Self {
        let mut known = Self::default();
        for Definition { name, limit, .. } in told.all {
            known.weights.extend(limit.weight.map(|weight| (name.clone(), weight)));
            let queue = name.strip_prefix("queue:");
            known.shared.extend(queue.zip(limit.share.clone()).map(|(queue, argument)| (queue.to_owned(), argument)));
            if limit.holds_up() {
                known.names.insert(name);
            }
        }
        known
    }

    /// How many turns a share gets while one without a weight gets one.
    pub(crate) fn weight(&self, share: &str) -> f64 {
        let of_kind = || self.weights.get(&every(share)?);
        self.weights.get(share).or_else(of_kind).copied().unwrap_or(1.0)
    }
}

impl SharedLimits {
    /// Nothing is known to be set yet.
    pub(crate) fn of_tasks(registry: &Registry) -> Self {
        let mut by: HashMap<String, Vec<TaskLimit>> = HashMap::new();
        let mut declared = BTreeMap::new();
        for task in registry.names() {
            let Some(known) = registry.get(&task) else { continue };
            for limit in known.options().limits {
                declare(&mut declared, &limit.name(known.name()), &limit.limit);
                if limit.by.is_some() {
                    by.entry(known.name().to_owned()).or_default().push(limit);
                }
            }
        }
        Self { by, declared: declared.into_iter().collect(), set: watch::Sender::default() }
    }

    /// The limits that a call of a task is under, as far as they are set.
    pub(crate) fn of(&self, task: &Arc<dyn Task>, queue: &str, payload: &Payload) -> Vec<String> {
        let set = &self.now().names;
        if set.is_empty() {
            return Vec::new();
        }
        let fixed = [format!("task:{}", task.name()), format!("queue:{queue}")];
        let mut names: Vec<_> = fixed.into_iter().filter(|name| set.contains(name)).collect();
        if let Some(limits) = self.by.get(task.name()) {
            // What cannot be read is under no limit, and fails once it runs.
            let args = payload.args.elements().unwrap_or_default();
            let kwargs = payload.kwargs.members().unwrap_or_default();
            let keys = limits.iter().filter_map(|limit| limit.key(task.parameters(), &args, &kwargs));
            let is_set = |name: &String| set.contains(name) || every(name).is_some_and(|every| set.contains(&every));
            names.extend(keys.filter(is_set));
        }
        // One name twice would need two places.
        names.sort();
        names.dedup();
        names
    }

    /// Whose share a call counts to, in a queue that is shared by this argument.
    pub(crate) fn share(&self, task: Option<&Arc<dyn Task>>, argument: &str, payload: &Payload) -> Option<String> {
        let parameters = task.map_or(&[][..], |task| task.parameters());
        let limits = task.and_then(|task| self.by.get(task.name()));
        let declared = limits.and_then(|limits| limits.iter().find(|limit| limit.by.as_deref() == Some(argument)));
        // One that is declared knows what the argument is where it is left out.
        let plain = || Cow::Owned(TaskLimit::new(Limit::default()).by(argument));
        let limit = declared.map_or_else(plain, Cow::Borrowed);
        limit.key(parameters, &payload.args.elements().ok()?, &payload.kwargs.members().ok()?)
    }

    /// What is set now.
    pub(crate) fn now(&self) -> Arc<Known> {
        self.set.borrow().clone()
    }

    /// Sees every change from now on.
    pub(crate) fn watch(&self) -> watch::Receiver<Arc<Known>> {
        self.set.subscribe()
    }

    fn learn(&self, told: Definitions) {
        self.set.send_replace(Arc::new(Known::of(told)));
    }
}

fn declare(declared: &mut BTreeMap<String, Limit>, name: &str, limit: &Limit) {
    if let Err(why) = check_name(name) {
        return tracing::warn!(name, why, "a task's limit cannot be set");
    }
    if limit.is_empty() {
        return;
    }
    if declared.entry(name.to_owned()).or_insert_with(|| limit.clone()) != limit {
        tracing::warn!(name, "two tasks declare this limit and differ; that of the first by name counts");
    }
}

/// Installs what the tasks declare and learns what is set; returns from which version to listen on. A worker that does
/// not know its limits must not begin.
pub(crate) async fn catch_up(station: &Station) -> Result<u64, BackendError> {
    let (limits, shared) = (station.broker().limits(), &station.shared_limits);
    if !shared.declared.is_empty() {
        limits.declare(&shared.declared).await?;
    }
    let told = limits.limits_set(None, Duration::ZERO).await?;
    let version = told.version;
    shared.learn(told);
    Ok(version)
}

/// Listens until told to end.
pub(crate) async fn run(station: Arc<Station>, mut version: u64, end: CancellationToken) {
    let mut trouble = Backoff::reconnecting();
    loop {
        let asked = listen(&station, version);
        let Some(told) = end.run_until_cancelled(asked).await else { return };
        match told {
            Ok(told) => {
                trouble.over();
                station.vitals.troubles.well(Errand::Limits);
                version = told;
            }
            Err(error) => {
                let delay = trouble.next_delay();
                station.vitals.troubles.failed(Errand::Limits, &error);
                if end.run_until_cancelled(tokio::time::sleep(delay)).await.is_none() {
                    return;
                }
            }
        }
    }
}

async fn listen(station: &Station, version: u64) -> Result<u64, BackendError> {
    let told = station.broker().limits().limits_set(Some(version), LISTEN).await?;
    if told.version == version {
        return Ok(version);
    }
    // A store that knows no limit any more has lost them: what the tasks declare is set again.
    if told.version == 0 {
        return catch_up(station).await;
    }
    let version = told.version;
    tracing::info!(limits = told.all.len(), "the shared limits have changed");
    station.shared_limits.learn(told);
    Ok(version)
}
