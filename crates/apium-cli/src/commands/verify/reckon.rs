//! The judgement of a run: what its history says of lost, doubled, late and disordered tasks, and whose doing it was.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use serde::Serialize;

use super::blows::{Attempt, Blow, Blows, Hit};
use super::events::{Answer, Event, Terms, What};

/// The most tasks that are named of each kind of fault.
const NAMED: usize = 100;

/// What came of a run.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Reckoning {
    pub(super) terms: Terms,
    /// Whether somebody ended it before its time; nothing is lost then, only not waited for.
    pub(super) interrupted: bool,
    /// Sends that were confirmed, and of which nobody can tell, and that were refused.
    pub(super) confirmed: usize,
    pub(super) unclear: usize,
    pub(super) refused: usize,
    /// Confirmed tasks that ran to an end.
    pub(super) ended: usize,
    pub(super) attempts: usize,
    /// Confirmed, never ended, not given up, and no more in the broker.
    pub(super) lost: usize,
    /// The same, but as many messages are still in the broker, in nobody's hands or a dead worker's.
    pub(super) held: usize,
    /// Which those are, of both kinds.
    pub(super) missing: Vec<u32>,
    /// Dead letters and failures, by reason.
    pub(super) given_up: BTreeMap<String, usize>,
    /// Results that are missing or wrong.
    pub(super) results: Vec<(u32, String)>,
    pub(super) doubled: usize,
    /// Attempts that were repeated because their worker was struck while they ran.
    pub(super) cut_off: usize,
    /// The same after they had ended, and before that was settled.
    pub(super) unsettled: usize,
    /// The longest that such an end lay before the blow, in seconds.
    pub(super) unsettled_for: f64,
    /// Attempts that were repeated, or broken off, though nothing had happened to their worker.
    pub(super) unexplained: Vec<u32>,
    pub(super) late: usize,
    pub(super) out_of_order: usize,
    /// By how many seconds at the most.
    pub(super) overtaken: f64,
    pub(super) kills: usize,
    /// Those that struck at least one attempt.
    pub(super) kills_hit: usize,
    pub(super) freezes: usize,
    pub(super) cuts: usize,
    /// Workers that ended and nobody had asked them to.
    pub(super) died: usize,
    /// From the confirmation of a send to the first attempt; told where a rate was kept.
    pub(super) picked_up: Option<Spread>,
    /// From a blow to the attempt that repeats the one it struck.
    pub(super) taken_up_again: Option<Spread>,
    /// Workers that were spared, and what they needed.
    pub(super) spared: Vec<Need>,
    /// From the first send to the last end, in seconds.
    pub(super) seconds: f64,
}

/// How long things took, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Spread {
    pub(super) p50: f64,
    pub(super) p99: f64,
    pub(super) most: f64,
}

/// What one worker needed.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(super) struct Need {
    pub(super) worker: String,
    pub(super) rss_kib_first: u64,
    pub(super) rss_kib_last: u64,
    pub(super) rss_kib_most: u64,
    pub(super) descriptors_first: u64,
    pub(super) descriptors_last: u64,
    pub(super) descriptors_most: u64,
}

/// A send.
#[derive(Debug, Clone, Copy)]
struct Sent {
    since: u64,
    at: u64,
    confirmed: bool,
}

/// What a history tells, by task and by worker.
#[derive(Default)]
struct Book<'a> {
    sent: HashMap<u32, Sent>,
    attempts: BTreeMap<u32, Vec<Attempt<'a>>>,
    blows: Blows<'a>,
    done: HashSet<u32>,
    given_up: HashSet<u32>,
    left: u64,
}

/// Judges a history. Without its first line there is nothing to judge.
pub(super) fn reckon(events: &[Event]) -> Option<Reckoning> {
    let terms = events.iter().find_map(|event| match &event.what {
        What::Run(terms) => Some(terms.clone()),
        _ => None,
    })?;
    let mut found = Reckoning::of(terms);
    let book = found.read(events);
    found.judge_ends(&book);
    found.judge_repeats(&book);
    found.judge_order(&book);
    found.judge_kills(&book);
    found.seconds = span(&book);
    Some(found)
}

impl Reckoning {
    fn of(terms: Terms) -> Self {
        Self {
            terms,
            interrupted: false,
            confirmed: 0,
            unclear: 0,
            refused: 0,
            ended: 0,
            attempts: 0,
            lost: 0,
            held: 0,
            missing: Vec::new(),
            given_up: BTreeMap::new(),
            results: Vec::new(),
            doubled: 0,
            cut_off: 0,
            unsettled: 0,
            unsettled_for: 0.0,
            unexplained: Vec::new(),
            late: 0,
            out_of_order: 0,
            overtaken: 0.0,
            kills: 0,
            kills_hit: 0,
            freezes: 0,
            cuts: 0,
            died: 0,
            picked_up: None,
            taken_up_again: None,
            spared: Vec::new(),
            seconds: 0.0,
        }
    }

    /// Whether something happened that must not.
    pub(super) fn has_faults(&self) -> bool {
        let nothing = self.ended == 0;
        let refused = self.given_up.keys().any(|reason| reason != "poison");
        let lost = self.lost + self.held > 0;
        nothing || refused || lost || !self.results.is_empty() || !self.unexplained.is_empty()
    }

    /// Sorts the events, and counts those that need no judgement.
    fn read<'a>(&mut self, events: &'a [Event]) -> Book<'a> {
        let mut book = Book::default();
        let mut running: HashMap<(&str, &str), (u32, usize)> = HashMap::new();
        for Event { at, what } in events {
            match what {
                What::Sent { task, since, answer } => self.read_sent(&mut book, *task, *since, *at, *answer),
                What::Begin { task, attempt, worker, .. } => {
                    let all = book.attempts.entry(*task).or_default();
                    running.insert((worker, attempt), (*task, all.len()));
                    all.push(Attempt { worker, begin: *at, end: None });
                }
                What::End { attempt, worker, .. } => {
                    if let Some((task, place)) = running.remove(&(worker.as_str(), attempt.as_str()))
                        && let Some(begun) = book.attempts.get_mut(&task).and_then(|all| all.get_mut(place))
                    {
                        begun.end = Some(*at);
                    }
                }
                What::Done { task } => drop(book.done.insert(*task)),
                What::GivenUp { task, reason } => {
                    if book.given_up.insert(*task) {
                        *self.given_up.entry(reason.clone()).or_default() += 1;
                    }
                }
                What::Result { task, instead } => self.results.push((*task, instead.clone())),
                What::Left { ready, delayed, claimed } => book.left = ready + delayed + claimed,
                What::Interrupted => self.interrupted = true,
                What::Watched { worker, rss_kib, descriptors } => self.watched(worker, *rss_kib, *descriptors),
                What::Killed { worker, since } => {
                    self.kills += 1;
                    book.blows.add(worker, Blow::kill(*since, *at));
                }
                What::Frozen { worker } => {
                    self.freezes += 1;
                    book.blows.add(worker, Blow::absence(*at));
                }
                What::Cut { worker, .. } => {
                    self.cuts += 1;
                    book.blows.add(worker, Blow::absence(*at));
                }
                What::Thawed { worker } | What::Joined { worker } => book.blows.over(worker, *at),
                What::Stopped { worker } => book.blows.add(worker, Blow::absence(*at)),
                What::Ended { worker, .. } => {
                    self.died += 1;
                    book.blows.add(worker, Blow::kill(*at, *at));
                }
                What::Run(_) | What::Started { .. } => {}
            }
        }
        if self.terms.broker.starts_with("sqlite:") {
            let confirmed = book.sent.values().filter(|sent| sent.confirmed).map(|sent| sent.at).collect();
            book.blows.find_standstills(confirmed);
        }
        book.attempts.values_mut().for_each(|all| all.sort_by_key(|attempt| attempt.begin));
        self.attempts = book.attempts.values().map(Vec::len).sum();
        book
    }

    fn read_sent(&mut self, book: &mut Book<'_>, task: u32, since: u64, at: u64, answer: Answer) {
        match answer {
            Answer::Confirmed => self.confirmed += 1,
            Answer::Unclear => self.unclear += 1,
            Answer::Refused => self.refused += 1,
        }
        book.sent.insert(task, Sent { since, at, confirmed: answer == Answer::Confirmed });
    }

    fn watched(&mut self, worker: &str, rss: u64, descriptors: u64) {
        let known = self.spared.iter().position(|need| need.worker == worker).unwrap_or_else(|| {
            self.spared.push(Need {
                worker: worker.to_owned(),
                rss_kib_first: rss,
                descriptors_first: descriptors,
                ..Need::default()
            });
            self.spared.len() - 1
        });
        let need = &mut self.spared[known];
        (need.rss_kib_last, need.descriptors_last) = (rss, descriptors);
        need.rss_kib_most = need.rss_kib_most.max(rss);
        need.descriptors_most = need.descriptors_most.max(descriptors);
    }

    /// Who ran to an end, and who did not.
    fn judge_ends(&mut self, book: &Book<'_>) {
        let mut missing = Vec::new();
        for (task, _) in book.sent.iter().filter(|(_, sent)| sent.confirmed) {
            if book.has_ended(*task) {
                self.ended += 1;
            } else if !book.given_up.contains(task) && !self.interrupted {
                missing.push(*task);
            }
        }
        missing.sort_unstable();
        self.held = missing.len().min(usize::try_from(book.left).unwrap_or(usize::MAX));
        self.lost = missing.len() - self.held;
        missing.truncate(NAMED);
        self.missing = missing;
    }

    /// Every attempt that was repeated must have been struck.
    fn judge_repeats(&mut self, book: &Book<'_>) {
        let (lease, late) = (micros(self.terms.lease), micros(self.terms.lease + self.terms.bound));
        let mut again = Vec::new();
        for (task, attempts) in &book.attempts {
            self.doubled += attempts.len() - 1;
            for (place, attempt) in attempts.iter().enumerate() {
                let later = &attempts[place + 1..];
                match book.blows.hit(attempt, lease) {
                    Some(_) if later.is_empty() => {}
                    Some(hit) => {
                        let begun = later[0].begin.saturating_sub(hit.at(attempt));
                        again.push(begun);
                        self.late += usize::from(begun > late);
                        self.count(attempt, hit);
                    }
                    // The last one that was begun is the one that counts; but it must not have been broken off.
                    None if later.is_empty() => {
                        let other = attempts.iter().any(|attempt| attempt.end.is_some());
                        if attempt.end.is_none() && other && !self.interrupted {
                            self.unexplained.push(*task);
                        }
                    }
                    // A worker that was away begins late what it had taken before.
                    None if later.iter().all(|late| book.blows.held_back(late, attempt, lease)) => self.cut_off += 1,
                    None => self.unexplained.push(*task),
                }
            }
        }
        self.taken_up_again = Spread::of(again);
    }

    fn count(&mut self, attempt: &Attempt<'_>, hit: Hit) {
        match hit {
            Hit::Running(_) => self.cut_off += 1,
            Hit::Ended(blow) => {
                self.unsettled += 1;
                let before = blow.saturating_sub(attempt.end.unwrap_or(blow));
                self.unsettled_for = self.unsettled_for.max(seconds(before));
            }
        }
    }

    /// How soon tasks were begun, and in which order: one is overtaken by those whose sending began when its own had
    /// ended.
    fn judge_order(&mut self, book: &Book<'_>) {
        let first = |task: &u32| book.attempts.get(task).and_then(|all| all.first()).map(|attempt| attempt.begin);
        let mut sent: Vec<(Sent, u64)> =
            book.sent.iter().filter_map(|(task, sent)| Some((*sent, first(task)?))).collect();
        sent.sort_by_key(|(sent, _)| sent.since);
        if self.terms.rate.is_some() {
            self.picked_up = Spread::of(sent.iter().map(|(sent, begin)| begin.saturating_sub(sent.at)).collect());
        }
        // From each place on, the first that was begun.
        let mut earliest: Vec<u64> = sent.iter().map(|(_, begin)| *begin).collect();
        for place in (1..earliest.len()).rev() {
            earliest[place - 1] = earliest[place - 1].min(earliest[place]);
        }
        let late = micros(self.terms.lease + self.terms.bound);
        let mut most = 0;
        for (one, begin) in &sent {
            let after = sent.partition_point(|(other, _)| other.since <= one.at);
            let overtaken = earliest.get(after).map_or(0, |earliest| begin.saturating_sub(*earliest));
            self.out_of_order += usize::from(overtaken > 0);
            self.late += usize::from(overtaken > late);
            most = most.max(overtaken);
        }
        self.overtaken = seconds(most);
    }

    fn judge_kills(&mut self, book: &Book<'_>) {
        let cut_off = book.attempts.values().flatten().filter(|attempt| attempt.end.is_none());
        let struck: HashSet<&str> = cut_off.map(|attempt| attempt.worker).collect();
        self.kills_hit = book.blows.killed().filter(|worker| struck.contains(worker)).count();
    }
}

impl Book<'_> {
    fn has_ended(&self, task: u32) -> bool {
        let ended = self.attempts.get(&task).is_some_and(|all| all.iter().any(|attempt| attempt.end.is_some()));
        ended || self.done.contains(&task)
    }
}

impl Spread {
    fn of(mut spans: Vec<u64>) -> Option<Self> {
        spans.sort_unstable();
        let last = spans.len().checked_sub(1)?;
        let at = |percent: usize| seconds(spans[last * percent / 100]);
        Some(Self { p50: at(50), p99: at(99), most: at(100) })
    }
}

/// From the first send to the last end.
fn span(book: &Book<'_>) -> f64 {
    let first = book.sent.values().map(|sent| sent.since).min().unwrap_or_default();
    let ends = book.attempts.values().flatten().filter_map(|attempt| attempt.end);
    seconds(ends.max().unwrap_or(first).saturating_sub(first))
}

fn seconds(micros: u64) -> f64 {
    Duration::from_micros(micros).as_secs_f64()
}

fn micros(seconds: f64) -> u64 {
    let span = Duration::try_from_secs_f64(seconds).unwrap_or_default();
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}
