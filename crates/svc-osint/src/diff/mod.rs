//! What is different between two scans of the same: facts that have come, gone or changed, and, told apart from them,
//! those that only look so because somebody did not answer. Pure.

mod answers;
mod report;

use std::collections::HashMap;

use serde_json::{Map, Value};

use crate::contract::{
    CollectorResult, ComparedScan, DiffFact, DiffSummary, FactChange, FactState, ScanDiff, Unanswered,
};
use crate::export::{Unreadable, findings};
use crate::model::Finding;
use answers::{Answers, sources};

pub use report::report;

/// Attributes that are another each time one looks, though nothing has happened: kind of fact (`*`: any) and name.
const VOLATILE: [(&str, &str); 6] = [
    // What is left of it in a cache.
    ("dns_record", "ttl"),
    // When the provider last looked.
    ("*", "timestamp"),
    ("*", "last_seen"),
    ("reputation", "last_analysis_date"),
    // Of several documents with the same name in them the first to be read is told.
    ("person", "document"),
    ("software", "document"),
];
/// Confidences that differ by less are one and the same number, written twice.
const SAME: f32 = 0.005;

/// What `new` says otherwise than `old`, which must be scans of the same target by the same collector.
///
/// # Errors
/// When the facts of one of them are not what this service writes.
pub fn diff(old: &CollectorResult, new: &CollectorResult) -> Result<ScanDiff, Unreadable> {
    let (before, after) = (findings(old)?, findings(new)?);
    let (then, now) = (Answers::of("old", old), Answers::of("new", new));
    let known: HashMap<_, _> = before.iter().map(|fact| (key(fact), fact)).collect();
    let told: HashMap<_, _> = after.iter().map(|fact| (key(fact), fact)).collect();
    let mut diff = empty(old, new);
    for fact in &after {
        let Some(earlier) = known.get(&key(fact)) else {
            if then.could_not_tell(fact) {
                diff.newly_visible.push(one_sided(fact, then.doubts(fact)));
            } else {
                diff.added.push(one_sided(fact, Vec::new()));
            }
            continue;
        };
        let fields = fields(earlier, fact);
        if fields.is_empty() {
            diff.summary.unchanged += 1;
            continue;
        }
        let unanswered = doubts_between(earlier, &then, fact, &now);
        let list = if unanswered.is_empty() { &mut diff.changed } else { &mut diff.perhaps_changed };
        list.push(FactChange {
            kind: fact.kind.clone(),
            value: fact.value.clone(),
            fields,
            old: state(earlier),
            new: state(fact),
            unanswered,
        });
    }
    for fact in before.iter().filter(|fact| !told.contains_key(&key(fact))) {
        let doubts = now.doubts(fact);
        let list = if doubts.is_empty() { &mut diff.removed } else { &mut diff.unconfirmed };
        list.push(one_sided(fact, doubts));
    }
    diff.summary = DiffSummary {
        added: diff.added.len(),
        newly_visible: diff.newly_visible.len(),
        removed: diff.removed.len(),
        unconfirmed: diff.unconfirmed.len(),
        changed: diff.changed.len(),
        perhaps_changed: diff.perhaps_changed.len(),
        ..diff.summary
    };
    Ok(diff)
}

/// Why a fact that both tell may look different though it is not: one of those who tell it in one of the scans could not
/// tell it in the other.
fn doubts_between(earlier: &Finding, then: &Answers<'_>, later: &Finding, now: &Answers<'_>) -> Vec<Unanswered> {
    let (before, after) = (sources(earlier), sources(later));
    let missing = |of: &[&str], fact: &Finding, from: &Answers<'_>, told: &[&str]| -> Vec<Unanswered> {
        of.iter().filter(|source| !told.contains(source)).filter_map(|source| from.silence(fact, source)).collect()
    };
    let mut doubts = missing(&after, later, then, &before);
    doubts.extend(missing(&before, earlier, now, &after));
    doubts.extend(then.absent(later, now));
    doubts.extend(now.absent(earlier, then));
    let mut told: Vec<Unanswered> = Vec::new();
    for doubt in doubts {
        if !told.contains(&doubt) {
            told.push(doubt);
        }
    }
    told
}

/// What differs: the confidence, and names of attributes.
fn fields(old: &Finding, new: &Finding) -> Vec<String> {
    let confidence = (old.confidence - new.confidence).abs() >= SAME;
    let mut names: Vec<&String> = old.attributes.keys().collect();
    names.extend(new.attributes.keys().filter(|name| !old.attributes.contains_key(*name)));
    let steady = |name: &&String| {
        !VOLATILE.iter().any(|(kind, volatile)| name == volatile && (*kind == "*" || *kind == new.kind))
    };
    let differs = |name: &&String| !alike(&old.attributes, &new.attributes, name);
    let attributes = names.into_iter().filter(steady).filter(differs).cloned();
    confidence.then(|| "confidence".to_owned()).into_iter().chain(attributes).collect()
}

/// Equal, of lists of texts but for their order: sources give them in any.
fn alike(old: &Map<String, Value>, new: &Map<String, Value>, name: &str) -> bool {
    let sorted = |value: &Value| {
        let texts: Option<Vec<_>> = value.as_array()?.iter().map(Value::as_str).collect();
        texts.map(|mut texts| {
            texts.sort_unstable();
            texts.into_iter().map(str::to_owned).collect::<Vec<_>>()
        })
    };
    match (old.get(name), new.get(name)) {
        (Some(one), Some(other)) => one == other || sorted(one).is_some_and(|one| Some(one) == sorted(other)),
        (one, other) => one.is_none() && other.is_none(),
    }
}

fn key(fact: &Finding) -> (&str, &str) {
    (&fact.kind, &fact.value)
}

fn state(fact: &Finding) -> FactState {
    FactState { confidence: fact.confidence, attributes: fact.attributes.clone() }
}

fn one_sided(fact: &Finding, unanswered: Vec<Unanswered>) -> DiffFact {
    DiffFact {
        kind: fact.kind.clone(),
        value: fact.value.clone(),
        confidence: fact.confidence,
        sources: sources(fact).into_iter().map(str::to_owned).collect(),
        attributes: fact.attributes.clone(),
        unanswered,
    }
}

fn empty(old: &CollectorResult, new: &CollectorResult) -> ScanDiff {
    let side = |result: &CollectorResult| ComparedScan {
        task_id: result.id.clone(),
        timestamp: result.timestamp.clone(),
        truncated: result.metadata.truncated,
    };
    ScanDiff {
        target: new.target.clone(),
        collector_type: new.collector_name.clone(),
        old: side(old),
        new: side(new),
        summary: DiffSummary::default(),
        added: Vec::new(),
        newly_visible: Vec::new(),
        removed: Vec::new(),
        unconfirmed: Vec::new(),
        changed: Vec::new(),
        perhaps_changed: Vec::new(),
    }
}
