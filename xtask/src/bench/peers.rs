//! Who is measured, read from `bench/peers.toml`: a section a peer, and a section `[peer.workload]` for what differs.

use std::collections::BTreeMap;
use std::str::FromStr;

use super::workloads::Workload;
use crate::shell::Failure;

/// The list, in the repository.
pub const LIST: &str = "bench/peers.toml";

/// What may be said of a peer.
const KEYS: [&str; 15] = [
    "like",
    "title",
    "family",
    "build",
    "worker",
    "workers",
    "producer",
    "url",
    "waiting",
    "claimed",
    "workloads",
    "tasks",
    "set",
    "quick",
    "about",
];

/// One of those who are compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Its name on the command line.
    pub name: String,
    /// What is said of it: the peer's own section, then one for each workload.
    said: BTreeMap<String, BTreeMap<String, String>>,
}

/// How a peer does one workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The peer's name.
    pub peer: String,
    /// The commands of its worker and of its producer.
    pub worker: String,
    /// The same for what sends.
    pub producer: String,
    /// How many workers there are.
    pub workers: usize,
    /// Where its store is.
    pub url: String,
    /// Redis commands whose numbers add up to the messages that wait.
    pub waiting: Option<String>,
    /// And to those in some worker's hands.
    pub claimed: Option<String>,
    /// How many tasks are sent.
    pub tasks: usize,
    /// Its settings, which the programs are told of.
    pub set: Vec<(String, String)>,
}

impl Part {
    /// One of its settings, where it is a number.
    pub(crate) fn setting<N: FromStr>(&self, name: &str) -> Option<N> {
        self.set.iter().find(|(known, _)| known == name)?.1.parse().ok()
    }
}

impl Peer {
    /// Reads the list.
    ///
    /// # Errors
    /// One sentence with the number of the line that cannot be read, or with what a peer lacks.
    pub fn read_all(text: &str) -> Result<Vec<Self>, Failure> {
        let mut peers: Vec<Self> = Vec::new();
        let mut section = String::new();
        for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
            let wrong = |what: &str| Failure::new(format!("{LIST}:{number}: {what}."));
            let line = line.trim();
            if line.starts_with('#') {
                continue;
            }
            if let Some(header) = line.strip_prefix('[') {
                let header =
                    header.strip_suffix(']').ok_or_else(|| wrong("a section is `[peer]` or `[peer.workload]`"))?;
                let (name, part) = header.split_once('.').unwrap_or((header, ""));
                if part.is_empty() {
                    if peers.iter().any(|peer| peer.name == name) {
                        return Err(wrong(&format!("`{name}` is listed twice")));
                    }
                    peers.push(Self { name: name.to_owned(), said: BTreeMap::new() });
                } else {
                    Workload::from_str(part).map_err(|error| wrong(error.sentence.trim_end_matches('.')))?;
                }
                part.clone_into(&mut section);
                let peer = peers.last_mut().filter(|peer| peer.name == name);
                let peer = peer.ok_or_else(|| wrong(&format!("`[{header}]` does not stand below `[{name}]`")))?;
                peer.said.insert(section.clone(), BTreeMap::new());
                continue;
            }
            let (key, value) = line.split_once('=').ok_or_else(|| wrong("a line is `key = \"value\"`"))?;
            let (key, value) = (key.trim(), value.trim());
            if !KEYS.contains(&key) {
                return Err(wrong(&format!("`{key}` is not known; the keys are {}", KEYS.join(", "))));
            }
            let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
            let said = peers.last_mut().and_then(|peer| peer.said.get_mut(&section));
            said.ok_or_else(|| wrong("a peer's section comes first"))?.insert(key.to_owned(), value.to_owned());
        }
        Self::inherit(&mut peers)?;
        for peer in &peers {
            for key in ["title", "family", "build", "producer", "worker", "workloads"] {
                peer.needs(key)?;
            }
            peer.workloads()?;
        }
        Ok(peers)
    }

    /// Gives each that is `like` another what that one says and it does not say itself, section by section; settings are
    /// taken over one by one, and what is said for readers not at all.
    fn inherit(peers: &mut [Self]) -> Result<(), Failure> {
        for place in 0..peers.len() {
            let (above, below) = peers.split_at_mut(place);
            let Some(peer) = below.first_mut() else { continue };
            let Some(like) = peer.said("", "like").map(ToOwned::to_owned) else { continue };
            let model = above.iter().find(|one| one.name == like).ok_or_else(|| {
                Failure::new(format!("{LIST}: [{}] is like `{like}`, which does not stand above it.", peer.name))
            })?;
            for (section, said) in &model.said {
                let own = peer.said.entry(section.clone()).or_default();
                for (key, value) in said.iter().filter(|(key, _)| !["title", "about"].contains(&key.as_str())) {
                    let text = own.entry(key.clone()).or_insert_with(|| value.clone());
                    if key == "set" && text != value {
                        *text = format!("{value} {text}");
                    }
                }
            }
        }
        Ok(())
    }

    /// What is said of it, for a workload first and in general then.
    fn said(&self, workload: &str, key: &str) -> Option<&str> {
        let of = |section: &str| self.said.get(section).and_then(|said| said.get(key)).map(String::as_str);
        of(workload).or_else(|| of(""))
    }

    fn needs(&self, key: &str) -> Result<&str, Failure> {
        self.said("", key).ok_or_else(|| Failure::new(format!("{LIST}: [{}] does not say `{key}`.", self.name)))
    }

    /// What it is called in tables.
    #[must_use]
    pub fn title(&self) -> &str {
        self.said("", "title").unwrap_or(&self.name)
    }

    /// What it is one of, such as `celery`, for the ratios.
    #[must_use]
    pub fn family(&self) -> &str {
        self.said("", "family").unwrap_or_default()
    }

    /// Where its program is, such as `rust/apium` or `python/celery`.
    #[must_use]
    pub fn build(&self) -> &str {
        self.said("", "build").unwrap_or_default()
    }

    /// Its settings and what it promises, for the page.
    #[must_use]
    pub fn about(&self) -> &str {
        self.said("", "about").unwrap_or_default()
    }

    /// The same as the list has it, such as `concurrency=100; io: concurrency=500`.
    ///
    /// # Errors
    /// As [`part`](Self::part).
    pub fn settings(&self) -> Result<String, Failure> {
        let told = |set: Vec<(String, String)>| {
            set.into_iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
        };
        let general = told(self.set("")?);
        let mut all = vec![general.clone()];
        for workload in self.workloads()? {
            let own = told(self.set(workload.name())?);
            if own != general {
                all.push(format!("{workload}: {own}"));
            }
        }
        Ok(all.into_iter().filter(|set| !set.is_empty()).collect::<Vec<_>>().join("; "))
    }

    /// Whether it has a place in a quick run.
    #[must_use]
    pub fn is_quick(&self) -> bool {
        self.said("", "quick") != Some("no")
    }

    /// What it can do.
    ///
    /// # Errors
    /// When a workload is not known.
    pub fn workloads(&self) -> Result<Vec<Workload>, Failure> {
        self.needs("workloads")?.split_whitespace().map(Workload::from_str).collect()
    }

    /// How it does one workload.
    ///
    /// # Errors
    /// When a number is none, or a setting is not `name=value`.
    pub fn part(&self, workload: Workload) -> Result<Part, Failure> {
        let said = |key: &str| self.said(workload.name(), key).map(ToOwned::to_owned);
        let number = |key: &str, default: usize| match said(key) {
            None => Ok(default),
            Some(text) => text.parse().map_err(|_| {
                Failure::new(format!("{LIST}: [{}] says `{key} = {text}`, which is no whole number.", self.name))
            }),
        };
        Ok(Part {
            peer: self.name.clone(),
            worker: said("worker").unwrap_or_default(),
            producer: said("producer").unwrap_or_default(),
            workers: number("workers", 1)?,
            url: said("url").unwrap_or_else(|| "redis://127.0.0.1:{port}/0".to_owned()),
            waiting: said("waiting"),
            claimed: said("claimed"),
            tasks: number("tasks", workload.tasks())?,
            set: self.set(workload.name())?,
        })
    }

    /// Its settings for a workload: the general ones, and what the workload sets beside them or instead.
    fn set(&self, workload: &str) -> Result<Vec<(String, String)>, Failure> {
        let mut set: Vec<(String, String)> = Vec::new();
        let sections = if workload.is_empty() { vec![""] } else { vec!["", workload] };
        for section in sections {
            let words = self.said.get(section).and_then(|said| said.get("set")).map(String::as_str);
            for word in words.unwrap_or_default().split_whitespace() {
                let (name, value) = word.split_once('=').ok_or_else(|| {
                    Failure::new(format!("{LIST}: [{}] sets `{word}`, which is not `name=value`.", self.name))
                })?;
                set.retain(|(known, _)| known != name);
                set.push((name.to_owned(), value.to_owned()));
            }
        }
        Ok(set)
    }
}
