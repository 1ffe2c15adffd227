//! The asking of one scan: every request to a provider goes through here, so that keys, windows, spent quotas, answers
//! already paid for, retries and the report of each source are one matter and not eleven.
//!
//! A collector says what it wants to know ([`Question`]) and how to read the answer; the enquiry gives back what was
//! read, or nothing, and has written into the gathering why.

mod alone;
mod answer;
mod object;
mod question;
mod retry_after;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::time::{Instant, sleep};

pub use alone::Alone;
pub use answer::{
    Refusal, asked_to_wait, filled, is_page, json, json_into, object, plain, said, text, to_next_month, whole_seconds,
};
pub use object::Object;
pub use question::{KeyPlace, Question};
pub use retry_after::retry_after;

use crate::connector::{Connector, FetchError, Fetched, Limits, is_forbidden};
use crate::digest::sha256;
use crate::model::{Gathering, SourceReport, SourceStatus};
use crate::providers::{Provider, ProviderSettings};

/// A provider that told no time is left alone for so long.
const SPENT: Duration = Duration::from_mins(1);
/// No provider is left alone for longer, whatever it says: it may have been mistaken, or the plan is another by then.
/// One request a day is a small price for that.
const LONGEST_SPENT: Duration = Duration::from_hours(24);
/// The largest answer that is kept, in bytes: 1 MiB. To ask again for a larger one costs less than to store it.
const KEPT: usize = 1 << 20;

/// How patient an enquiry is.
#[derive(Debug, Clone)]
pub struct Patience {
    /// Times a question is asked that fails for reasons that may pass. Default: 3.
    pub tries: u32,
    /// How long it waits before the second time; twice as long before each further one. Default: 1 s.
    pub pause: Duration,
    /// The longest wait for a window, or that a provider asked for; what takes longer is told instead. Default: 10 s.
    pub longest: Duration,
    /// The longest that any answer may take, whatever its question allows. Default: 2 min.
    pub answer: Duration,
    /// The longest silence before an answer and within it, whatever its question allows. Default: 1 min.
    pub silence: Duration,
}

/// What came of asking for leave to send a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Leave {
    /// It counts as sent.
    Now,
    /// A window is full for so long.
    After(Duration),
    /// The provider has said that nothing is left until then.
    SpentUntil(Timestamp),
}

/// The windows of providers, kept by all workers together.
#[async_trait]
pub trait Quotas: Send + Sync {
    /// Takes one request out of every window of `provider`, or none.
    async fn take(&self, provider: &'static Provider, windows: &[String]) -> Leave;

    /// The provider has said that nothing is left until `until`.
    async fn spent(&self, provider: &'static Provider, until: Timestamp);
}

/// Answers this very scan has had already, in an attempt that was broken off.
#[async_trait]
pub trait Answers: Send + Sync {
    /// The answer to this question, if there was one.
    async fn recall(&self, question: &str) -> Option<Fetched>;

    /// Keeps it, in case this attempt is broken off too.
    async fn keep(&self, question: &str, answer: &Fetched);
}

/// What an enquiry works with.
#[derive(Clone, Copy)]
pub struct Tools<'a> {
    /// The door to the web.
    pub connector: &'a Connector,
    /// Addresses, keys, windows.
    pub providers: &'a ProviderSettings,
    /// The windows as all workers have used them.
    pub quotas: &'a dyn Quotas,
    /// What this scan has been answered already.
    pub answers: &'a dyn Answers,
    /// How patient it is.
    pub patience: &'a Patience,
}

/// What came of one question, for those who must tell "there is none" from "nobody said".
#[derive(Debug)]
pub struct Asked<T> {
    /// What was read; `Ok(None)`: there is nothing.
    pub outcome: Result<Option<T>, Refusal>,
    /// The HTTP status of the last answer.
    pub http_status: Option<u16>,
    /// Requests sent.
    pub requests: u32,
    /// Milliseconds it took, pauses included.
    pub ms: u64,
}

/// The asking of one scan.
pub struct Enquiry<'a> {
    tools: Tools<'a>,
    /// Where it all goes.
    pub out: &'a Gathering,
    /// Providers that will not answer in this scan any more, and why.
    closed: Mutex<HashMap<String, Refusal>>,
}

/// How one source came out.
struct Ending {
    requests: u32,
    http_status: Option<u16>,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            tries: 3,
            pause: Duration::from_secs(1),
            longest: Duration::from_secs(10),
            answer: Duration::from_mins(2),
            silence: Duration::from_mins(1),
        }
    }
}

impl Patience {
    fn within(&self, limits: &Limits) -> Limits {
        Limits { total: limits.total.min(self.answer), idle: limits.idle.min(self.silence), ..limits.clone() }
    }
}

impl<'a> Enquiry<'a> {
    /// An enquiry that writes into `out`.
    pub fn new(tools: Tools<'a>, out: &'a Gathering) -> Self {
        Self { tools, out, closed: Mutex::default() }
    }

    /// Addresses, keys and windows.
    pub fn providers(&self) -> &'a ProviderSettings {
        self.tools.providers
    }

    /// The door to the web, for what is no provider.
    pub fn connector(&self) -> &'a Connector {
        self.tools.connector
    }

    /// Asks, reads the answer with `read`, and reports the source: what was read, or `None` where there was nothing.
    pub async fn ask<T>(
        &self,
        question: &Question,
        read: impl Fn(&Fetched) -> Result<Option<T>, Refusal> + Send,
    ) -> Option<T> {
        self.try_asking(question, read).await.ok().flatten()
    }

    /// The same, for who has something else to ask where this is refused.
    ///
    /// # Errors
    /// The refusal, which has been reported.
    pub async fn try_asking<T>(
        &self,
        question: &Question,
        read: impl Fn(&Fetched) -> Result<Option<T>, Refusal> + Send,
    ) -> Result<Option<T>, Refusal> {
        let (outcome, report) = self.inquire(question, read).await;
        self.out.source(report);
        outcome
    }

    /// The same, with how the source came out.
    pub async fn ask_fully<T>(
        &self,
        question: &Question,
        read: impl Fn(&Fetched) -> Result<Option<T>, Refusal> + Send,
    ) -> Asked<T> {
        let (outcome, report) = self.inquire(question, read).await;
        let asked = Asked { outcome, http_status: report.http_status, requests: report.requests, ms: report.ms };
        self.out.source(report);
        asked
    }

    /// The same, for those who have something to add to the report before they write it themselves.
    ///
    /// # Errors
    /// The refusal that the report tells of.
    pub async fn inquire<T>(
        &self,
        question: &Question,
        read: impl Fn(&Fetched) -> Result<Option<T>, Refusal> + Send,
    ) -> (Result<Option<T>, Refusal>, SourceReport) {
        let began = Instant::now();
        let mut ending = Ending { requests: 0, http_status: None };
        let outcome = self.try_to(question, &read, &mut ending).await;
        let report = report(&question.source, outcome.as_ref().map(Option::is_some), &ending, began);
        (outcome, report)
    }

    /// Reports a source that is not asked, and why not.
    pub fn leave_out(&self, source: impl AsRef<str>, refusal: &Refusal) {
        let ending = Ending { requests: 0, http_status: None };
        self.out.source(report(source.as_ref(), Err(refusal), &ending, Instant::now()));
    }

    /// Whether outsiders may be asked about this address. One that is not public means nothing to them, and is nothing
    /// to tell them; then `sources` are reported as left out.
    pub fn may_ask_about(&self, address: IpAddr, sources: &[&str]) -> bool {
        let Some(why) = is_forbidden(address) else { return true };
        let detail = format!("No se pregunta por «{address}»: {why}.");
        let refusal = Refusal::new(SourceStatus::Blocked, "forbidden-address", detail);
        for source in sources {
            self.leave_out(source, &refusal);
        }
        false
    }

    async fn try_to<T>(
        &self,
        question: &Question,
        read: &impl Fn(&Fetched) -> Result<Option<T>, Refusal>,
        ending: &mut Ending,
    ) -> Result<Option<T>, Refusal> {
        let provider = question.provider;
        if !self.tools.providers.is_configured(provider) {
            return Err(Refusal::missing_key(provider));
        }
        if let Some(answer) = self.tools.answers.recall(&question.label()).await {
            ending.http_status = Some(answer.status);
            self.out.digest(&question.source, sha256(&answer.body));
            return read(&answer);
        }
        let patience = self.tools.patience;
        let (mut tries, mut pause) = (0, patience.pause);
        loop {
            if let Some(refusal) = self.closed(question) {
                return Err(refusal);
            }
            self.leave(question).await?;
            tries += 1;
            let refusal = match self.send(question, read, ending).await {
                Ok(read) => return Ok(read),
                Err(refusal) => refusal,
            };
            // Who says "at once" is not asked at once all the same.
            let wait = refusal.wait.unwrap_or_default().max(pause);
            if !refusal.again || tries >= patience.tries || wait > patience.longest {
                return Err(self.remember(question, refusal).await);
            }
            sleep(wait).await;
            pause *= 2;
        }
    }

    async fn send<T>(
        &self,
        question: &Question,
        read: &impl Fn(&Fetched) -> Result<Option<T>, Refusal>,
        ending: &mut Ending,
    ) -> Result<Option<T>, Refusal> {
        let refused = |error: &FetchError| Refusal::unfetched(error);
        let request = question.request(self.tools.providers).map_err(|error| refused(&error))?;
        let limits = self.tools.patience.within(&question.limits);
        ending.http_status = None;
        let sent = self.tools.connector.send_counting(request, &limits, &mut ending.requests).await;
        let answer = question.concealed(sent.map_err(|error| refused(&error))?);
        ending.http_status = Some(answer.status);
        if question.was_led_away(&answer, self.tools.providers) {
            return Err(Refusal::redirected(question.provider));
        }
        let outcome = read(&answer)?;
        if outcome.is_none() && answer.is_of_others() {
            return Err(Refusal::moved(question.provider));
        }
        self.out.digest(&question.source, sha256(&answer.body));
        if question.kept && answer.body.len() <= KEPT {
            self.tools.answers.keep(&question.label(), &answer).await;
        }
        Ok(outcome)
    }

    /// Waits for leave to send a request, if it does not take long.
    async fn leave(&self, question: &Question) -> Result<(), Refusal> {
        let provider = question.provider;
        let mut waited = Duration::ZERO;
        loop {
            let longest = self.tools.patience.longest;
            match self.tools.quotas.take(provider, self.tools.providers.windows(provider)).await {
                Leave::Now => return Ok(()),
                Leave::SpentUntil(until) => {
                    let refusal = Refusal::spent(provider, until);
                    self.close(provider.name.to_owned(), &refusal);
                    return Err(refusal);
                }
                Leave::After(wait) if waited + wait > longest => return Err(Refusal::full(provider, wait)),
                Leave::After(wait) => {
                    // Not less than a moment: who is told "in no time" again and again would spin.
                    let wait = wait.max(Duration::from_millis(10));
                    sleep(wait).await;
                    waited += wait;
                }
            }
        }
    }

    /// A provider that refuses the key, or has nothing left, is not asked again in this scan; and of the latter, all
    /// other scans learn. Gives the refusal as it is to be told: with how long we leave the provider alone.
    async fn remember(&self, question: &Question, refusal: Refusal) -> Refusal {
        let provider = question.provider;
        if refusal.status == SourceStatus::RateLimited {
            let wait = refusal.wait.filter(|wait| !wait.is_zero()).unwrap_or(SPENT);
            let until = Timestamp::now() + wait.min(LONGEST_SPENT);
            if question.is_for_provider() {
                self.tools.quotas.spent(provider, until).await;
            }
            self.close(question.party(), &Refusal::spent(provider, until));
            return Refusal { wait: Some(wait), ..refusal };
        }
        if refusal.closes {
            self.close(question.party(), &Refusal::skipped_after(&refusal));
        }
        refusal
    }

    fn closed(&self, question: &Question) -> Option<Refusal> {
        let closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        closed.get(question.provider.name).or_else(|| closed.get(&question.party())).cloned()
    }

    fn close(&self, party: String, refusal: &Refusal) {
        let mut closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        closed.insert(party, refusal.clone());
    }
}

fn report(source: &str, outcome: Result<bool, &Refusal>, ending: &Ending, began: Instant) -> SourceReport {
    let (status, refusal) = match outcome {
        Ok(true) => (SourceStatus::Ok, None),
        Ok(false) => (SourceStatus::Empty, None),
        Err(refusal) => (refusal.status, Some(refusal)),
    };
    SourceReport {
        source: source.to_owned(),
        status,
        reason: refusal.map(|refusal| refusal.reason.clone()),
        detail: refusal.map(|refusal| refusal.detail.clone()),
        http_status: ending.http_status,
        requests: ending.requests,
        ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        retry_after: refusal.and_then(Refusal::retry_after),
        passing: refusal.is_some_and(|refusal| refusal.passing),
    }
}
