//! The `username` collector: at which sites a name has an account, by the lists of Sherlock, Maigret and WhatsMyName.
//!
//! What it writes into the gathering, key by key:
//!
//! - `sites`: `[{site, url, status, http, ms, how, tags, reason}]`, a row for each site of each list. `status` is
//!   `claimed`, `available`, `unknown` (the answer does not tell), `blocked` (the site does not let itself be asked) or
//!   `illegal` (it takes no such names and was not asked); `url` is where people would see the account; `how` is by what
//!   its list tells: `status`, `message`, `response_url` or two of them; `reason` is there where the verdict is not
//!   plainly `claimed` or `available`.
//! - `counts`: how many of each verdict.
//! - `lists`: `[{name, kind, bundled, sha256, sites, unusable}]`, what was asked by; `unusable` counts by reason the
//!   entries that are left out.
//!
//! An account is only said to be there if the site says otherwise of a name that nobody has, asked right after; a site
//! that does not is `unknown` with the reason `soft-404`. A refusal, a challenge or a login wall is never an absence.

mod asking;
mod barrier;
mod check;
mod entry;
mod fields;
mod impossible;
mod judge;
mod lists;
mod maigret;
mod page;
mod pattern;
mod self_check;
mod sherlock;
mod site;
mod tally;
mod template;
mod verdict;
mod whatsmyname;

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

pub use check::{Checker, limits};
pub use entry::Unusable;
pub use lists::{ListKind, SITE_LISTS, SiteList, SiteLists};
pub use pattern::{Pattern, Unending};
pub use self_check::{Outcome, Seen, SelfCheck, SiteCheck, self_check};
pub use site::{By, Method, Payload, Rule, Sign, Site};
pub use template::Template;
pub use verdict::{Checked, Proof, Verdict};

pub(crate) use barrier::barrier;
pub(crate) use page::Page;

use crate::connector::{Connector, Limits};
use crate::model::Gathering;
use crate::target::TargetKind;
use tally::Tally;

/// The kinds of target this collector takes.
pub const ACCEPTS: [TargetKind; 1] = [TargetKind::Username];

/// Sites asked at once when nothing is set.
pub const AT_ONCE: usize = 20;

/// What an operator may set about the collector.
#[derive(Debug, Clone)]
pub struct UsernameSettings {
    /// The sites.
    pub lists: Arc<SiteLists>,
    /// The most sites asked at once; each host is asked one thing at a time. Default: [`AT_ONCE`].
    pub at_once: usize,
    /// How much of an answer is taken. Default: [`limits`].
    pub limits: Limits,
}

impl UsernameSettings {
    /// The defaults, with these lists.
    pub fn new(lists: SiteLists) -> Self {
        Self { lists: Arc::new(lists), at_once: AT_ONCE, limits: limits() }
    }
}

/// Looks for `name` at every site. It never fails as a whole: each site reports its own end. Dropping the future stops
/// it at once, and what was found by then stands.
pub async fn collect(settings: &UsernameSettings, connector: &Connector, name: &str, out: &Gathering) {
    let checker = Checker::new(connector, &settings.limits);
    let mut tally = Tally::new(&settings.lists, out);
    let total = u32::try_from(settings.lists.len()).unwrap_or(u32::MAX);
    let mut done = 0;
    out.progress(done, total);
    let mut waiting = settings.lists.sites();
    let mut running = FuturesUnordered::new();
    loop {
        for (list, site) in waiting.by_ref().take(settings.at_once.max(1) - running.len()) {
            running.push(checked(&checker, list, site, name));
        }
        let Some((list, site, checked)) = running.next().await else { return };
        tally.add(list, site, name, &checked);
        done += 1;
        out.progress(done, total);
    }
}

async fn checked<'a>(checker: &Checker<'_>, list: usize, site: &'a Site, name: &str) -> (usize, &'a Site, Checked) {
    (list, site, checker.check(site, name).await)
}
