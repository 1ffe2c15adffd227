//! SPF (RFC 7208): the policy found, everything it pulls in, and whether a receiver could evaluate
//! it at all: at most ten terms that need the DNS, at most two that find nothing.
//!
//! A receiver evaluates for one sender and stops at the first match; the worst case is counted
//! here, which is what decides whether mail is lost on a bad day.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};

use hickory_proto::rr::RecordType;
use serde_json::{Value, json};

use super::asker::Asker;
use super::ledger::{Group, Ledger};
use super::names::{name_of, readable, text_of};
use super::verdict::Verdict;

/// Terms that need the DNS a receiver evaluates (RFC 7208, 4.6.4).
const MAX_LOOKUPS: u32 = 10;
/// Of those, how many may find nothing.
const MAX_VOID: u32 = 2;
/// Mail servers of an `mx` term.
const MAX_EXCHANGES: usize = 10;
/// Where we stop counting a policy that is past saving.
const ENOUGH: u32 = 30;
/// Networks listed in the report.
const MAX_NETWORKS: usize = 500;

/// What a domain publishes as its policy.
enum Policy {
    None(Verdict),
    One(String),
    Several(Vec<String>),
    Unknown(Verdict),
}

/// One policy still to be read, and the policies that led to it.
struct Pending {
    domain: String,
    record: String,
    path: Vec<String>,
    /// Whether its `all` is the domain's own last word: true for the policy itself and along
    /// redirects, false inside an include.
    decides: bool,
}

/// The sums of one evaluation.
struct Evaluation<'a, 's> {
    asker: &'a Asker<'s>,
    group: &'a Group,
    lookups: u32,
    voids: u32,
    permanent: BTreeSet<String>,
    temporary: BTreeSet<String>,
    warnings: BTreeSet<String>,
    includes: Vec<Value>,
    networks: Vec<String>,
    all: Option<String>,
    pending: Vec<Pending>,
}

/// Reads the policy of `domain` and reports it under `spf`.
pub(super) async fn examine(asker: &Asker<'_>, ledger: &Ledger<'_>, domain: &str) {
    let group = Group::new("SPF");
    let (report, verdict) = match policy_of(asker, &group, domain).await {
        Policy::None(verdict) => (json!({"verdict": "none", "lookups": 0, "void_lookups": 0}), verdict),
        Policy::Unknown(verdict) => (
            json!({"verdict": "temperror", "reasons": [verdict.to_string()], "lookups": 0, "void_lookups": 0}),
            verdict,
        ),
        Policy::Several(records) => (
            json!({"verdict": "permerror", "reasons": ["several-records"], "records": records,
                "lookups": 0, "void_lookups": 0}),
            Verdict::Ok,
        ),
        Policy::One(record) => (Evaluation::new(asker, &group).run(domain, record).await, Verdict::Ok),
    };
    ledger.out.set("spf", report);
    ledger.close(&group, verdict);
}

impl<'a, 's> Evaluation<'a, 's> {
    fn new(asker: &'a Asker<'s>, group: &'a Group) -> Self {
        Self {
            asker,
            group,
            lookups: 0,
            voids: 0,
            permanent: BTreeSet::new(),
            temporary: BTreeSet::new(),
            warnings: BTreeSet::new(),
            includes: vec![],
            networks: vec![],
            all: None,
            pending: vec![],
        }
    }

    async fn run(mut self, domain: &str, record: String) -> Value {
        let shown = readable(record.as_bytes());
        let path = vec![domain.to_owned()];
        self.pending.push(Pending { domain: domain.to_owned(), record, path, decides: true });
        while let Some(policy) = self.pending.pop() {
            self.read(&policy).await;
            if self.lookups > ENOUGH {
                break;
            }
        }
        if self.lookups > MAX_LOOKUPS {
            self.permanent.insert("too-many-lookups".to_owned());
        }
        if self.voids > MAX_VOID {
            self.permanent.insert("too-many-void-lookups".to_owned());
        }
        let verdict = match (self.permanent.is_empty(), self.temporary.is_empty()) {
            (false, _) => "permerror",
            (true, false) => "temperror",
            (true, true) => "ok",
        };
        let reasons: Vec<_> = self.permanent.into_iter().chain(self.temporary).collect();
        json!({
            "verdict": verdict,
            "record": shown,
            "all": self.all,
            "lookups": self.lookups,
            "void_lookups": self.voids,
            "reasons": reasons,
            "warnings": self.warnings,
            "includes": self.includes,
            "networks": self.networks,
        })
    }

    /// Reads one policy: its mechanisms in order up to `all`, then its redirect.
    async fn read(&mut self, policy: &Pending) {
        let mut redirect = None;
        let mut closed = false;
        for term in policy.record.split_ascii_whitespace().skip(1) {
            if let Some((name, value)) = modifier(term) {
                if name == "redirect" && redirect.replace(value.to_owned()).is_some() {
                    self.permanent.insert("two-redirects".to_owned());
                }
                continue;
            }
            if closed {
                // Nothing after `all` is ever reached.
                continue;
            }
            let (qualifier, name, argument) = mechanism(term);
            if name == "all" {
                closed = true;
                self.closes_with(qualifier, policy);
            } else {
                self.mechanism(policy, &name, argument).await;
            }
        }
        match redirect {
            Some(target) if !closed => self.pull_in(policy, "redirect", &target).await,
            Some(_) => {
                self.warnings.insert("redirect-after-all".to_owned());
            }
            None if !closed && policy.decides => {
                self.warnings.insert("no-all".to_owned());
            }
            None => {}
        }
    }

    fn closes_with(&mut self, qualifier: char, policy: &Pending) {
        if policy.decides {
            self.all = Some(format!("{qualifier}all"));
        }
        if qualifier == '+' {
            self.warnings.insert("allows-everyone".to_owned());
        }
    }

    async fn mechanism(&mut self, policy: &Pending, name: &str, argument: Option<&str>) {
        match name {
            "ip4" | "ip6" => self.network(name, argument.unwrap_or_default()),
            "include" => match argument {
                Some(target) if !target.is_empty() => self.pull_in(policy, "include", target).await,
                _ => self.bad_term(name),
            },
            "a" => self.hosts(policy, argument, RecordType::A).await,
            "mx" => self.hosts(policy, argument, RecordType::MX).await,
            "exists" => match argument {
                Some(target) if !target.is_empty() => {
                    self.lookups += 1;
                    self.probe(target, RecordType::A).await;
                }
                _ => self.bad_term(name),
            },
            "ptr" => {
                self.lookups += 1;
                self.warnings.insert("ptr-is-deprecated".to_owned());
            }
            _ => self.bad_term(name),
        }
    }

    async fn hosts(&mut self, policy: &Pending, argument: Option<&str>, kind: RecordType) {
        self.lookups += 1;
        let target = argument.map(|text| text.split('/').next().unwrap_or_default());
        self.probe(target.filter(|text| !text.is_empty()).unwrap_or(&policy.domain), kind).await;
    }

    /// Asks for what a term points at, to learn whether it finds anything.
    async fn probe(&mut self, target: &str, kind: RecordType) {
        let Some(name) = self.plain_name(target) else { return };
        let mut found = self.asker.look_up(self.group, &name, kind).await;
        if kind == RecordType::A && found.verdict.absent() {
            found = self.asker.look_up(self.group, &name, RecordType::AAAA).await;
        }
        if kind == RecordType::MX && found.records.len() > MAX_EXCHANGES {
            self.permanent.insert(format!("too-many-exchanges {}", text_of(&name)));
        }
        self.count(found.verdict, target);
    }

    /// Follows an `include` or `redirect`.
    async fn pull_in(&mut self, policy: &Pending, how: &str, target: &str) {
        self.lookups += 1;
        let Some(name) = self.plain_name(target) else { return };
        let domain = text_of(&name);
        if policy.path.contains(&domain) {
            self.permanent.insert(format!("loop {domain}"));
            return;
        }
        let record = match policy_of(self.asker, self.group, &domain).await {
            Policy::One(record) => record,
            Policy::Several(_) => {
                self.permanent.insert(format!("several-records {domain}"));
                return;
            }
            Policy::None(verdict) => {
                self.count(verdict, &domain);
                self.permanent.insert(format!("{how}-without-policy {domain}"));
                return;
            }
            Policy::Unknown(verdict) => return self.count(verdict, &domain),
        };
        let from = &policy.domain;
        self.includes.push(json!({"domain": domain, "from": from, "how": how, "record": readable(record.as_bytes())}));
        let mut path = policy.path.clone();
        path.push(domain.clone());
        let decides = policy.decides && how == "redirect";
        self.pending.push(Pending { domain, record, path, decides });
    }

    fn count(&mut self, verdict: Verdict, target: &str) {
        if verdict.absent() {
            self.voids += 1;
        } else if !verdict.conclusive() {
            self.temporary.insert(format!("{verdict} {}", readable(target.as_bytes())));
        }
    }

    /// The name a term points at; `None`, said, when it depends on the sender or is no name.
    fn plain_name(&mut self, target: &str) -> Option<hickory_proto::rr::Name> {
        if target.contains('%') {
            self.warnings.insert("macros-not-expanded".to_owned());
            return None;
        }
        let name = name_of(target);
        if name.is_none() {
            self.bad_term(target);
        }
        name
    }

    fn network(&mut self, family: &str, text: &str) {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, length.parse::<u8>().ok()),
            None => (text, Some(0)),
        };
        let right = match family {
            "ip4" => address.parse::<Ipv4Addr>().is_ok() && length.is_some_and(|bits| bits <= 32),
            _ => address.parse::<Ipv6Addr>().is_ok() && length.is_some_and(|bits| bits <= 128),
        };
        if !right {
            self.bad_term(text);
        } else if self.networks.len() < MAX_NETWORKS {
            self.networks.push(text.to_owned());
        }
    }

    fn bad_term(&mut self, term: &str) {
        let shown: String = readable(term.as_bytes()).chars().take(80).collect();
        self.permanent.insert(format!("bad-term {shown}"));
    }
}

async fn policy_of(asker: &Asker<'_>, group: &Group, domain: &str) -> Policy {
    let Some(name) = name_of(domain) else { return Policy::None(Verdict::NxDomain) };
    let (verdict, texts) = asker.texts(group, &name).await;
    let mut policies: Vec<_> = texts.into_iter().filter(|text| is_policy(text)).collect();
    match (policies.len(), verdict) {
        (0, Verdict::Ok) => Policy::None(Verdict::Empty),
        (0, verdict) if verdict.conclusive() => Policy::None(verdict),
        (0, verdict) => Policy::Unknown(verdict),
        (1, _) => Policy::One(policies.swap_remove(0)),
        _ => Policy::Several(policies.iter().map(|text| readable(text.as_bytes())).collect()),
    }
}

fn is_policy(text: &str) -> bool {
    let first = text.split(' ').next().unwrap_or_default();
    first.eq_ignore_ascii_case("v=spf1")
}

/// `name=value`, where the name is a word: the `=` of a mechanism's argument comes after a `:`.
fn modifier(term: &str) -> Option<(String, &str)> {
    let (name, value) = term.split_once('=')?;
    let word = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    word.then(|| (name.to_ascii_lowercase(), value))
}

/// Qualifier (`+` when none is written), lower-case name, and what follows the colon; a prefix
/// length (`a/24`) counts as the argument.
fn mechanism(term: &str) -> (char, String, Option<&str>) {
    let (qualifier, rest) = match term.chars().next() {
        Some(c @ ('+' | '-' | '~' | '?')) => (c, &term[1..]),
        _ => ('+', term),
    };
    let (name, argument) = match rest.find([':', '/']) {
        Some(at) if rest[at..].starts_with(':') => (&rest[..at], Some(&rest[at + 1..])),
        Some(at) => (&rest[..at], Some(&rest[at..])),
        None => (rest, None),
    };
    (qualifier, name.to_ascii_lowercase(), argument)
}
