//! The windows of providers: the engine's shared limits, by which all workers count together, and the word of a provider
//! that nothing is left, which is kept in the store.

use std::sync::Arc;
use std::time::Duration;

use apium_core::limits::{Limit, Limits, Pace, Spent};
use apium_core::{BackendError, Client};
use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::OnceCell;

use crate::enquiry::{Leave, Quotas};
use crate::history::told;
use crate::metrics;
use crate::providers::{PROVIDERS, Provider, ProviderSettings};
use crate::scans::Scans;
use crate::settings::Osint;
use crate::store::Store;

/// How much longer a window is kept than the provider says, at most a tenth of it.
const SLACK: Duration = Duration::from_secs(2);
/// A shorter window is a pace: it says how fast, and has room again in a moment.
const QUOTA: Duration = Duration::from_hours(1);

/// The windows as all workers use them.
pub(crate) struct SharedQuotas<'a> {
    client: &'a Client,
    osint: &'a Osint,
}

/// The name of the limit that is one window of a provider: `provider=virustotal` for the first, by which an operator
/// knows it, and `provider=virustotal/2` and so on for longer ones.
fn limit_name(provider: &Provider, window: usize) -> String {
    match window {
        0 => format!("provider={}", provider.name),
        further => format!("provider={}/{}", provider.name, further + 1),
    }
}

/// What is left of the quota of a provider, over all workers.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Left {
    /// Requests, where they are limited and somebody can tell.
    pub(crate) requests: Option<u32>,
    /// When there are some again, where the provider has said that none is left.
    pub(crate) resets: Option<Timestamp>,
}

/// Looks at the windows of providers without taking from them. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Gauge {
    declared: Arc<OnceCell<()>>,
}

impl Gauge {
    /// What is left of a provider's quota; nothing is known where the broker or the store does not answer.
    pub(crate) async fn look(&self, scans: &Scans, settings: &ProviderSettings, provider: &'static Provider) -> Left {
        let now = Timestamp::now();
        if let Some(until) = told(scans.store().spent_until(provider.name).await).flatten().filter(|until| *until > now)
        {
            return Left { requests: Some(0), resets: Some(until) };
        }
        let engine = scans.client().broker().limits();
        let looked = async {
            // Before the first scan nobody else has told the broker of them.
            self.declared.get_or_try_init(async || engine.declare(&limits(settings)).await).await?;
            Ok(Left { requests: quota_left(engine, settings, provider).await?, resets: None })
        };
        let looked: Result<Left, BackendError> = looked.await;
        looked.inspect_err(|error| tracing::warn!(%error, "the windows cannot be looked at")).unwrap_or_default()
    }
}

/// The limits that are the quota of a provider, as against its pace.
fn quota_names(settings: &ProviderSettings, provider: &Provider) -> Vec<String> {
    let windows = settings.windows(provider).iter().enumerate();
    let long = windows.filter(|(_, window)| window.parse().is_ok_and(|pace: Pace| pace.within >= QUOTA));
    long.map(|(at, _)| limit_name(provider, at)).collect()
}

/// How many requests are left of a provider's quota; `None` where it has none.
async fn quota_left(
    engine: &dyn Limits,
    settings: &ProviderSettings,
    provider: &Provider,
) -> Result<Option<u32>, BackendError> {
    let names = quota_names(settings, provider);
    if names.is_empty() {
        return Ok(None);
    }
    match engine.spend(&names, 0).await? {
        Spent::Now { left } => Ok(left),
        Spent::After { .. } => Ok(Some(0)),
    }
}

/// Every window as a limit, to be declared before the first is used.
fn limits(settings: &ProviderSettings) -> Vec<(String, Limit)> {
    let of = |provider: &'static Provider| {
        let windows = settings.windows(provider).iter().enumerate();
        windows.map(move |(at, window)| (limit_name(provider, at), with_slack(window)))
    };
    PROVIDERS.into_iter().flat_map(of).collect()
}

/// The limit for a window, a little longer than it: a request is counted before it is sent, and one that takes its time on
/// the way arrives in the window of those that are sent after it.
fn with_slack(window: &str) -> Limit {
    let limit = Limit::written(Some(window), None, None);
    let longer = |pace: Pace| Pace { within: pace.within + SLACK.min(pace.within / 10), ..pace };
    Limit { rate: limit.rate.map(longer), ..limit }
}

impl<'a> SharedQuotas<'a> {
    pub(crate) fn new(client: &'a Client, osint: &'a Osint) -> Self {
        Self { client, osint }
    }

    fn store(&self) -> &Store {
        &self.osint.store
    }

    async fn spend(&self, provider: &'static Provider, windows: usize) -> Result<Spent, BackendError> {
        let engine = self.client.broker().limits();
        let declare = async || engine.declare(&limits(&self.osint.settings.providers)).await;
        self.osint.declared.get_or_try_init(declare).await?;
        let names: Vec<_> = (0..windows).map(|window| limit_name(provider, window)).collect();
        engine.spend(&names, 1).await
    }

    async fn tell_what_is_left(&self, provider: &'static Provider) {
        let engine = self.client.broker().limits();
        match quota_left(engine, &self.osint.settings.providers, provider).await {
            Ok(left) => metrics::quota_left(provider.name, left),
            Err(error) => tracing::warn!(provider = provider.name, %error, "it is not known what is left of a quota"),
        }
    }
}

#[async_trait]
impl Quotas for SharedQuotas<'_> {
    async fn take(&self, provider: &'static Provider, windows: &[String]) -> Leave {
        let now = Timestamp::now();
        match self.store().spent_until(provider.name).await {
            Ok(Some(until)) if until > now => return Leave::SpentUntil(until),
            Ok(_) => {}
            Err(error) => tracing::warn!(provider = provider.name, %error, "it is not known whether a quota is spent"),
        }
        match self.spend(provider, windows.len()).await {
            Ok(Spent::Now { .. }) => {
                self.tell_what_is_left(provider).await;
                Leave::Now
            }
            Ok(Spent::After { wait, .. }) => {
                self.tell_what_is_left(provider).await;
                Leave::After(wait)
            }
            Err(error) => {
                // Who cannot count asks nobody: a window that is run over may cost the key.
                tracing::warn!(provider = provider.name, %error, "the windows cannot be counted");
                Leave::After(self.osint.settings.patience.longest)
            }
        }
    }

    async fn spent(&self, provider: &'static Provider, until: Timestamp) {
        metrics::quota_left(provider.name, Some(0));
        if let Err(error) = self.store().spent(provider.name, until).await {
            tracing::warn!(provider = provider.name, %error, "a spent quota could not be noted");
        }
    }
}
