//! The check of the lists themselves: for each site, a name that is known to have an account and one that has none.

use std::collections::BTreeMap;
use std::fmt::Write;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use serde::Serialize;

use super::UsernameSettings;
use super::check::Checker;
use super::impossible::impossible;
use super::site::Site;
use super::verdict::{Checked, Verdict};
use crate::connector::Connector;

/// Names with an account that are tried before a site counts as not finding any.
const MOST_NAMES: usize = 3;

/// How one site did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Both names were judged rightly.
    Passed,
    /// The name without account was said to have one: the worst a list can do.
    FalseClaimed,
    /// The name with an account was said to have none.
    FalseAvailable,
    /// It did not tell of both.
    Unknown,
}

/// What was said of one name.
#[derive(Debug, Clone, Serialize)]
pub struct Seen {
    /// The name.
    pub username: String,
    /// The verdict.
    pub verdict: Verdict,
    /// Why, where it does not tell.
    pub reason: Option<String>,
    /// The HTTP status, if an answer came.
    pub http: Option<u16>,
}

/// One site of the check.
#[derive(Debug, Clone, Serialize)]
pub struct SiteCheck {
    /// Its list.
    pub list: String,
    /// Its name.
    pub site: String,
    /// How it did.
    pub outcome: Outcome,
    /// What it said of a name with an account; `None`: the list gives none.
    pub claimed: Option<Seen>,
    /// What it said of a name without.
    pub unclaimed: Option<Seen>,
}

/// What came of a check of lists.
#[derive(Debug, Clone, Default, Serialize)]
pub struct SelfCheck {
    /// Every site, in the order in which they were done.
    pub sites: Vec<SiteCheck>,
}

/// Asks every site of the lists for names it is known to have and not to have. `on_progress` hears of each, with how
/// many are done and how many there are.
pub async fn self_check(
    settings: &UsernameSettings,
    connector: &Connector,
    mut on_progress: impl FnMut(usize, usize, &SiteCheck),
) -> SelfCheck {
    let checker = Checker::new(connector, &settings.limits);
    let (lists, total) = (settings.lists.lists(), settings.lists.len());
    let mut waiting = settings.lists.sites();
    let mut running = FuturesUnordered::new();
    let mut report = SelfCheck::default();
    loop {
        for (list, site) in waiting.by_ref().take(settings.at_once.max(1) - running.len()) {
            let list = lists.get(list).map(|list| list.name.clone()).unwrap_or_default();
            running.push(check_site(&checker, list, site));
        }
        let Some(done) = running.next().await else { return report };
        on_progress(report.sites.len() + 1, total, &done);
        report.sites.push(done);
    }
}

impl SelfCheck {
    /// True when a site said of a name without account that it has one.
    pub fn failed(&self) -> bool {
        self.count(Outcome::FalseClaimed) > 0
    }

    /// How many sites did so.
    pub fn count(&self, outcome: Outcome) -> usize {
        self.sites.iter().filter(|site| site.outcome == outcome).count()
    }

    /// The report as text: the sites that did not pass, and a line of counts for each list.
    pub fn table(&self) -> String {
        let mut rows = vec![["list", "site", "outcome", "with account", "without"].map(str::to_owned)];
        let mut sites: Vec<_> = self.sites.iter().filter(|site| site.outcome != Outcome::Passed).collect();
        sites.sort_by(|a, b| (a.outcome, &a.list, &a.site).cmp(&(b.outcome, &b.list, &b.site)));
        rows.extend(sites.into_iter().map(|site| {
            [
                site.list.clone(),
                site.site.clone(),
                site.outcome.as_str().to_owned(),
                shown(site.claimed.as_ref()),
                shown(site.unclaimed.as_ref()),
            ]
        }));
        let mut text = columns(&rows);
        let mut lists: BTreeMap<&str, Vec<&SiteCheck>> = BTreeMap::new();
        for site in &self.sites {
            lists.entry(&site.list).or_default().push(site);
        }
        for (list, sites) in lists {
            let count = |outcome| sites.iter().filter(|site| site.outcome == outcome).count();
            let _ = writeln!(
                text,
                "{list}: {} sites, {} passed, {} false claimed, {} false available, {} unknown",
                sites.len(),
                count(Outcome::Passed),
                count(Outcome::FalseClaimed),
                count(Outcome::FalseAvailable),
                count(Outcome::Unknown),
            );
        }
        text
    }
}

impl Outcome {
    /// The words of the table.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::FalseClaimed => "false claimed",
            Self::FalseAvailable => "false available",
            Self::Unknown => "unknown",
        }
    }

    fn of(claimed: Option<Verdict>, unclaimed: Option<Verdict>) -> Self {
        match (claimed, unclaimed) {
            (_, Some(Verdict::Claimed)) => Self::FalseClaimed,
            (Some(Verdict::Available), _) => Self::FalseAvailable,
            (Some(Verdict::Claimed), Some(Verdict::Available | Verdict::Illegal)) => Self::Passed,
            _ => Self::Unknown,
        }
    }
}

async fn check_site(checker: &Checker<'_>, list: String, site: &Site) -> SiteCheck {
    let mut claimed = None;
    for name in site.claimed.iter().take(MOST_NAMES) {
        let seen = Seen::of(name, checker.check(site, name).await);
        let found = seen.verdict == Verdict::Claimed;
        claimed = Some(seen);
        if found {
            break;
        }
    }
    let free = site.unclaimed.first().cloned().or_else(|| impossible(site));
    let unclaimed = match free {
        Some(name) => Some(Seen::of(&name, checker.check(site, &name).await)),
        None => None,
    };
    let verdict = |seen: &Option<Seen>| seen.as_ref().map(|seen| seen.verdict);
    let outcome = Outcome::of(verdict(&claimed), verdict(&unclaimed));
    SiteCheck { list, site: site.name.clone(), outcome, claimed, unclaimed }
}

impl Seen {
    fn of(name: &str, checked: Checked) -> Self {
        Self { username: name.to_owned(), verdict: checked.verdict, reason: checked.reason, http: checked.http }
    }
}

fn shown(seen: Option<&Seen>) -> String {
    let Some(seen) = seen else { return "-".to_owned() };
    let why = seen.reason.as_deref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    format!("{}: {}{why}", seen.username, seen.verdict.as_str())
}

/// Rows with their columns one below the other.
fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: Vec<_> = (0..N).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        let _ = writeln!(text, "{}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
    text
}
