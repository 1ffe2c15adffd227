//! The lists of sites: read once at start, from files as their projects publish them, or the small one that is bundled.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::entry::{Entry, Unusable};
use super::site::Site;
use super::{maigret, sherlock, whatsmyname};
use crate::digest::sha256;

/// The setting with the files.
pub const SITE_LISTS: &str = "OSINT_SITE_LISTS";

/// The bundled list: some of Sherlock's sites, by its licence, which stands beside it.
const BUNDLED: &str = include_str!("../../../lists/sherlock.json");
/// The largest file read, in bytes; the largest list has less than two million.
const LARGEST: u64 = 64 << 20;

/// Every list in use.
pub struct SiteLists {
    lists: Vec<SiteList>,
    /// List and place of each site, in the order of asking.
    order: Vec<(usize, usize)>,
}

/// One list.
pub struct SiteList {
    /// Its name in reports.
    pub name: String,
    /// Whose form it has.
    pub kind: ListKind,
    /// Whether it came with the service.
    pub bundled: bool,
    /// The digest of the file, by which its version is known.
    pub sha256: String,
    /// Its sites that can be used.
    pub sites: Vec<Site>,
    /// How many cannot, by why.
    pub unusable: BTreeMap<Unusable, usize>,
}

/// Whose form a list has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ListKind {
    /// Sherlock: an object of sites.
    Sherlock,
    /// Maigret: `sites` and `engines`, both objects.
    Maigret,
    /// WhatsMyName: `sites`, an array.
    WhatsMyName,
}

impl SiteLists {
    /// Reads `files`, in this order; without any, the bundled list. An entry that asks what an earlier one asks is left
    /// out.
    ///
    /// # Errors
    /// A sentence for the operator that names the file, and the site and field that are wrong.
    pub fn read(files: &[PathBuf]) -> Result<Self, String> {
        let mut lists = Vec::new();
        for file in files {
            let broken = |why: String| format!("{SITE_LISTS}: {}: {why}", file.display());
            lists.push(load(&content(file).map_err(broken)?, false).map_err(broken)?);
        }
        if lists.is_empty() {
            lists.push(load(BUNDLED, true)?);
        }
        name_apart(&mut lists);
        drop_repeated(&mut lists);
        let order = order(&lists);
        Ok(Self { lists, order })
    }

    /// The lists.
    pub fn lists(&self) -> &[SiteList] {
        &self.lists
    }

    /// How many sites there are to ask.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Every site with the number of its list, in the order of asking.
    pub fn sites(&self) -> impl Iterator<Item = (usize, &Site)> {
        self.order.iter().filter_map(|(list, place)| Some((*list, self.lists.get(*list)?.sites.get(*place)?)))
    }

    /// What a scan tells of them.
    pub(super) fn told(&self) -> Value {
        let told = self.lists.iter().map(|list| {
            let unusable: Map<String, Value> =
                list.unusable.iter().map(|(why, count)| (why.as_str().to_owned(), json!(count))).collect();
            json!({
                "name": list.name,
                "kind": list.kind.as_str(),
                "bundled": list.bundled,
                "sha256": list.sha256,
                "sites": list.sites.len(),
                "unusable": unusable,
            })
        });
        told.collect()
    }
}

impl ListKind {
    /// The word of the report.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sherlock => "sherlock",
            Self::Maigret => "maigret",
            Self::WhatsMyName => "whatsmyname",
        }
    }
}

impl fmt::Debug for SiteLists {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.lists.iter().map(|list| (&list.name, list.sites.len()))).finish()
    }
}

fn content(file: &Path) -> Result<String, String> {
    let size = std::fs::metadata(file).map_err(|error| error.to_string())?.len();
    if size > LARGEST {
        return Err(format!("it has {size} bytes; a list of sites has at most {LARGEST}"));
    }
    std::fs::read_to_string(file).map_err(|error| error.to_string())
}

fn load(text: &str, bundled: bool) -> Result<SiteList, String> {
    // A mark at the beginning says only that the text is UTF-8.
    let plain = text.strip_prefix('\u{feff}').unwrap_or(text);
    let value: Value = serde_json::from_str(plain).map_err(|error| format!("it is not JSON: {error}"))?;
    let (kind, entries) = entries(&value)?;
    let mut list = SiteList {
        name: kind.as_str().to_owned(),
        kind,
        bundled,
        sha256: sha256(text.as_bytes()),
        sites: Vec::new(),
        unusable: BTreeMap::new(),
    };
    for entry in entries {
        let entry = entry?.and_then(|site| if site.is_askable() { Ok(site) } else { Err(Unusable::NoName) });
        match entry {
            Ok(site) => list.sites.push(site),
            Err(why) => *list.unusable.entry(why).or_default() += 1,
        }
    }
    list.sites.shrink_to_fit();
    Ok(list)
}

/// The kind of list this is, by its shape, and what it holds.
fn entries(value: &Value) -> Result<(ListKind, Vec<Result<Entry, String>>), String> {
    let unknown = "it has the shape of no known list: Sherlock's and Maigret's data.json, WhatsMyName's wmn-data.json";
    let top = value.as_object().ok_or(unknown)?;
    match top.get("sites") {
        Some(Value::Array(sites)) => {
            let read = sites.iter().enumerate().map(|(place, site)| whatsmyname::site(place, site));
            Ok((ListKind::WhatsMyName, read.collect()))
        }
        Some(Value::Object(sites)) if sites.get("errorType").is_none() => {
            let empty = Map::new();
            let engines = match top.get("engines") {
                None => &empty,
                Some(engines) => engines.as_object().ok_or("`engines` must be an object")?,
            };
            Ok((ListKind::Maigret, sites.iter().map(|(name, site)| maigret::site(name, site, engines)).collect()))
        }
        _ => {
            // `$schema` is no site.
            let sites: Vec<_> = top.iter().filter(|(name, _)| !name.starts_with('$')).collect();
            if !sites.iter().any(|(_, site)| site.get("errorType").is_some()) {
                return Err(unknown.to_owned());
            }
            Ok((ListKind::Sherlock, sites.into_iter().map(|(name, site)| sherlock::site(name, site)).collect()))
        }
    }
}

/// Two lists of one kind are told apart by a number.
fn name_apart(lists: &mut [SiteList]) {
    let mut seen: HashMap<ListKind, usize> = HashMap::new();
    for list in lists {
        let count = seen.entry(list.kind).or_default();
        *count += 1;
        if *count > 1 {
            list.name = format!("{}-{count}", list.kind.as_str());
        }
    }
}

fn drop_repeated(lists: &mut [SiteList]) {
    let mut seen = HashSet::new();
    for list in lists {
        let before = list.sites.len();
        list.sites.retain(|site| seen.insert(sha256(site.shape().as_bytes())));
        let repeated = before - list.sites.len();
        if repeated > 0 {
            list.unusable.insert(Unusable::Repeated, repeated);
        }
    }
}

/// Sites of one host far from each other, because they are asked one after the other; among the rest, those with most
/// visits first, as a scan may be cut short.
fn order(lists: &[SiteList]) -> Vec<(usize, usize)> {
    let mut at_host: HashMap<String, usize> = HashMap::new();
    let mut placed = Vec::new();
    for (number, list) in lists.iter().enumerate() {
        for (place, site) in list.sites.iter().enumerate() {
            let shape = site.probe().shape();
            let host = shape.split('/').nth(2).unwrap_or_default().to_owned();
            let turn = at_host.entry(host).or_default();
            placed.push(((*turn, site.rank.unwrap_or(u64::MAX), place), (number, place)));
            *turn += 1;
        }
    }
    placed.sort_unstable();
    placed.into_iter().map(|(_, site)| site).collect()
}
