//! The one who asks: chooses a resolver, insists, follows aliases, remembers what it already asked
//! in this scan, and stops at the scan's limit.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use serde_json::{Value, json};
use tokio::sync::{OnceCell, Semaphore};

use super::ledger::Group;
use super::names::{address_of_reverse, text_of};
use super::settings::DnsSettings;
use super::verdict::Verdict;
use super::wire::{Question, Unheard, exchange};
use crate::target::{ARPA, below, inside_a_network};

/// Longest chain of aliases followed; resolvers give up at about the same length.
const MAX_ALIASES: usize = 12;
/// Questions in a row without any answer after which the resolvers count as gone.
const GONE_AFTER: u32 = 16;

/// Asks on behalf of one scan.
pub(super) struct Asker<'s> {
    pub(super) settings: &'s DnsSettings,
    places: Semaphore,
    left: AtomicU32,
    cut: AtomicU32,
    silences: AtomicU32,
    preferred: AtomicUsize,
    tallies: Vec<Tally>,
    asked: Mutex<HashMap<Question, Arc<OnceCell<Heard>>>>,
}

/// What a question brought, aliases followed.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) verdict: Verdict,
    /// The records of the type asked for, at the name or at the end of its aliases.
    pub(super) records: Vec<Record>,
    /// The aliases met on the way, in order.
    pub(super) aliases: Vec<Record>,
    /// The SOA the last answer carried: it names the zone the answer came from.
    pub(super) zone: Option<Record>,
    /// The resolver says that it validated the answer.
    pub(super) authentic: bool,
}

/// One resolver's share of the work.
#[derive(Default)]
struct Tally {
    asked: AtomicU32,
    answered: AtomicU32,
}

/// What came for one raw question.
#[derive(Debug, Clone)]
enum Heard {
    Message(Box<Message>),
    Nothing(Verdict),
}

impl<'s> Asker<'s> {
    pub(super) fn new(settings: &'s DnsSettings) -> Self {
        Self {
            settings,
            places: Semaphore::new(settings.parallel.max(1)),
            left: AtomicU32::new(settings.max_queries),
            cut: AtomicU32::new(0),
            silences: AtomicU32::new(0),
            preferred: AtomicUsize::new(0),
            tallies: settings.resolvers.iter().map(|_| Tally::default()).collect(),
            asked: Mutex::default(),
        }
    }

    /// Asks for the records of `kind` at `name`, following aliases.
    pub(super) async fn look_up(&self, group: &Group, name: &Name, kind: RecordType) -> Found {
        self.follow(group, name, kind, false).await
    }

    /// Asks the same without DNSSEC validation, to tell a broken zone from a forged or badly
    /// signed one.
    pub(super) async fn look_up_unchecked(&self, group: &Group, name: &Name, kind: RecordType) -> Found {
        self.follow(group, name, kind, true).await
    }

    /// The texts at `name`: each TXT record's strings joined, as the mail standards read them.
    pub(super) async fn texts(&self, group: &Group, name: &Name) -> (Verdict, Vec<String>) {
        let found = self.look_up(group, name, RecordType::TXT).await;
        let texts = found.records.iter().filter_map(|record| match &record.data {
            RData::TXT(txt) => Some(String::from_utf8_lossy(&txt.txt_data.concat()).into_owned()),
            _ => None,
        });
        (found.verdict, texts.collect())
    }

    /// Takes one place among the questions of the scan, for talk that does not go through a
    /// resolver (zone transfers); false when the limit is spent.
    pub(super) fn take(&self, group: &Group) -> bool {
        let taken = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        if taken.is_err() {
            self.cut.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        group.requests.fetch_add(1, Ordering::Relaxed);
        true
    }

    /// True when the limit kept something from being asked.
    pub(super) fn ran_out(&self) -> bool {
        self.cut.load(Ordering::Relaxed) > 0
    }

    /// The resolvers used, for the report.
    pub(super) fn resolvers(&self) -> Value {
        let rows = self.settings.resolvers.iter().zip(&self.tallies).map(|(address, tally)| {
            json!({
                "address": address.to_string(),
                "asked": tally.asked.load(Ordering::Relaxed),
                "answered": tally.answered.load(Ordering::Relaxed),
            })
        });
        rows.collect()
    }

    async fn follow(&self, group: &Group, name: &Name, kind: RecordType, unchecked: bool) -> Found {
        let mut found =
            Found { verdict: Verdict::Empty, records: vec![], aliases: vec![], zone: None, authentic: false };
        let mut at = name.to_lowercase();
        let mut seen = vec![at.clone()];
        loop {
            let heard = self.remembered(group, Question { name: at.clone(), kind, unchecked }).await;
            let message = match heard {
                Heard::Message(message) => message,
                Heard::Nothing(verdict) => {
                    found.verdict = verdict;
                    return found;
                }
            };
            found.authentic = message.metadata.authentic_data;
            found.zone = soa_in(&message);
            let Ok(moved) = walk(&message, &mut at, kind, &mut seen, &mut found) else {
                found.verdict = Verdict::CnameLoop;
                return found;
            };
            found.verdict = judge(&message, &found);
            // An alias whose end this answer does not hold: ask for the end itself.
            if !(moved && found.verdict == Verdict::Empty && found.zone.is_none()) {
                return found;
            }
        }
    }

    /// The answer to one question, asked at most once in a scan.
    ///
    /// A stranger's records may name anything (`NS dns.internal`, `a:printer`, an alias of
    /// `1.0.0.10.in-addr.arpa`), and our resolvers may know such names: asking would show the
    /// stranger the inside of our network.
    async fn remembered(&self, group: &Group, question: Question) -> Heard {
        if self.is_inside(&question.name) {
            return Heard::Nothing(Verdict::NotAsked);
        }
        let cell = {
            let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(asked.entry(question.clone()).or_default())
        };
        cell.get_or_init(|| self.insist(group, &question)).await.clone()
    }

    fn is_inside(&self, name: &Name) -> bool {
        let text = text_of(name);
        let closed = || !address_of_reverse(name).is_some_and(|address| (self.settings.may_contact)(address));
        name.num_labels() < 2 || inside_a_network(&text) || (below(&text, ARPA) && closed())
    }

    /// Asks the resolvers in turn until one settles the question; the best refusal otherwise.
    async fn insist(&self, group: &Group, question: &Question) -> Heard {
        let resolvers = &self.settings.resolvers;
        let Ok(_place) = self.places.acquire().await else {
            return Heard::Nothing(Verdict::NotAsked);
        };
        if self.silences.load(Ordering::Relaxed) >= GONE_AFTER {
            return Heard::Nothing(Verdict::Timeout);
        }
        let mut refusal = None;
        let mut worst = Verdict::Unreachable;
        let mut gave_up = vec![false; resolvers.len()];
        for _ in 0..self.settings.attempts.max(1) {
            let first = self.preferred.load(Ordering::Relaxed);
            for turn in 0..resolvers.len() {
                let index = (first + turn) % resolvers.len();
                if gave_up[index] {
                    continue;
                }
                if !self.take(group) {
                    return refusal.unwrap_or(Heard::Nothing(Verdict::NotAsked));
                }
                match self.ask_one(index, question).await {
                    Ok(message) if settles(&message) => {
                        self.preferred.store(index, Ordering::Relaxed);
                        return Heard::Message(Box::new(message));
                    }
                    // The resolver spoke; the same question again would get the same answer.
                    Ok(message) => {
                        gave_up[index] = true;
                        refusal.get_or_insert(Heard::Message(Box::new(message)));
                    }
                    Err(Unheard::Silent) => worst = Verdict::Timeout,
                    Err(Unheard::Unreachable) => {}
                    Err(Unheard::Malformed) => {
                        gave_up[index] = true;
                        refusal.get_or_insert(Heard::Nothing(Verdict::Malformed));
                    }
                    Err(Unheard::Truncated) => {
                        gave_up[index] = true;
                        refusal.get_or_insert(Heard::Nothing(Verdict::Truncated));
                    }
                }
            }
        }
        refusal.unwrap_or_else(|| {
            self.silences.fetch_add(1, Ordering::Relaxed);
            Heard::Nothing(worst)
        })
    }

    async fn ask_one(&self, index: usize, question: &Question) -> Result<Message, Unheard> {
        let answer = exchange(self.settings.resolvers[index], question, self.settings.timeout).await;
        if let Some(tally) = self.tallies.get(index) {
            tally.asked.fetch_add(1, Ordering::Relaxed);
            if answer.is_ok() {
                tally.answered.fetch_add(1, Ordering::Relaxed);
            }
        }
        if !matches!(answer, Err(Unheard::Silent | Unheard::Unreachable)) {
            self.silences.store(0, Ordering::Relaxed);
        }
        answer
    }
}

/// The chain of aliases came back to a name it had passed, or is endless.
struct Looping;

/// Walks the aliases inside one answer; true when it moved away from where it stood. Records of
/// other names are ignored: nobody asked for them.
fn walk(
    message: &Message,
    at: &mut Name,
    kind: RecordType,
    seen: &mut Vec<Name>,
    found: &mut Found,
) -> Result<bool, Looping> {
    let mut moved = false;
    loop {
        let here = |record: &&Record| record.name == *at;
        found.records = message.answers.iter().filter(here).filter(|r| r.record_type() == kind).cloned().collect();
        if !found.records.is_empty() || kind == RecordType::CNAME {
            return Ok(moved);
        }
        let alias = message.answers.iter().filter(here).find_map(|record| match &record.data {
            RData::CNAME(target) => Some((record, target.0.to_lowercase())),
            _ => None,
        });
        let Some((record, target)) = alias else {
            return Ok(moved);
        };
        found.aliases.push(record.clone());
        if seen.contains(&target) || seen.len() > MAX_ALIASES {
            return Err(Looping);
        }
        seen.push(target.clone());
        *at = target;
        moved = true;
    }
}

fn judge(message: &Message, found: &Found) -> Verdict {
    match message.metadata.response_code {
        ResponseCode::NoError if found.records.is_empty() => Verdict::Empty,
        ResponseCode::NoError => Verdict::Ok,
        ResponseCode::NXDomain if found.aliases.is_empty() => Verdict::NxDomain,
        ResponseCode::NXDomain => Verdict::DanglingCname,
        ResponseCode::ServFail => Verdict::ServFail,
        ResponseCode::Refused => Verdict::Refused,
        other => Verdict::Rcode(other.into()),
    }
}

fn settles(message: &Message) -> bool {
    matches!(message.metadata.response_code, ResponseCode::NoError | ResponseCode::NXDomain)
}

fn soa_in(message: &Message) -> Option<Record> {
    let all = message.answers.iter().chain(&message.authorities);
    all.into_iter().find(|record| record.record_type() == RecordType::SOA).cloned()
}
