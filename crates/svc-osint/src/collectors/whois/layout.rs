//! The layouts of WHOIS answers: `key: value` lines, indented blocks under a heading, brackets, objects between blank
//! lines. All become one list of entries; what an entry means is decided elsewhere.

/// Most entries kept of one answer.
const MAX_ENTRIES: usize = 4_000;
/// Longest line looked at, in characters.
const MAX_LINE: usize = 1_000;
/// Longest key, in bytes, and most words in it.
const MAX_KEY: usize = 60;
const MAX_KEY_WORDS: usize = 6;

/// One value and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// In lower case, words with one space between.
    pub(super) key: String,
    pub(super) value: String,
    /// The heading above it, written like a key; empty for none.
    pub(super) section: String,
    /// The number of its object: blank lines separate objects.
    pub(super) object: usize,
}

/// A WHOIS answer, read.
#[derive(Debug, Default)]
pub(super) struct Sheet {
    pub(super) entries: Vec<Entry>,
    /// What stands in comments, which some registries use for facts.
    pub(super) comments: Vec<String>,
}

/// Where the reading stands.
#[derive(Default)]
struct Reader {
    sheet: Sheet,
    object: usize,
    /// True after a blank line.
    gap: bool,
    heading: Option<Heading>,
    /// The last key and how far its line was indented.
    last: Option<(String, usize)>,
}

struct Heading {
    name: String,
    indent: usize,
    /// A line by itself, which heads the object that follows it.
    alone: bool,
}

impl Sheet {
    /// Reads any text; what looks like nothing known is left out.
    pub(super) fn read(text: &str) -> Self {
        let lines: Vec<(usize, &str)> = text.lines().map(measured).collect();
        let mut reader = Reader::default();
        for (at, (indent, line)) in lines.iter().enumerate() {
            if reader.sheet.entries.len() >= MAX_ENTRIES {
                break;
            }
            let next = lines.get(at + 1).copied().unwrap_or_default();
            reader.line(*indent, line, next);
        }
        reader.sheet
    }

    /// The value of the first of these keys that has one among the entries that fit.
    pub(super) fn first<'a>(&'a self, keys: &[&str], fits: impl Fn(&Entry) -> bool) -> Option<&'a str> {
        keys.iter().find_map(|key| {
            self.entries.iter().find(|entry| entry.key == *key && fits(entry)).map(|entry| entry.value.as_str())
        })
    }

    /// All values of these keys, in the order of the answer.
    pub(super) fn all<'a>(&'a self, keys: &'a [&'a str]) -> impl Iterator<Item = &'a Entry> {
        self.entries.iter().filter(move |entry| keys.contains(&entry.key.as_str()))
    }

    /// The key an object begins with.
    pub(super) fn head(&self, object: usize) -> &str {
        let first = self.entries.iter().find(|entry| entry.object == object);
        first.map(|entry| entry.key.as_str()).unwrap_or_default()
    }
}

impl Reader {
    fn line(&mut self, indent: usize, line: &str, (next_indent, next): (usize, &str)) {
        if line.is_empty() {
            self.gap = true;
            return;
        }
        if line.starts_with(['%', '#', '*']) || line.starts_with(">>>") || line.starts_with("--") {
            self.sheet.comments.push(line.trim_start_matches(['%', '#', '*', ' ']).to_owned());
            return;
        }
        if std::mem::take(&mut self.gap) {
            self.next_object();
        }
        if self.heading.as_ref().is_some_and(|heading| !heading.alone && indent <= heading.indent) {
            self.heading = None;
        }
        let in_brackets = bracketed(line);
        // What stands in brackets alone heads an object (`[Tech-C]`), what ends in a colon the lines indented below.
        let alone = in_brackets.is_some();
        match in_brackets.or_else(|| keyed(line)) {
            Some((key, "")) => self.head(key, indent, alone),
            Some((key, value)) => {
                self.push(key.clone(), value);
                self.last = Some((key, indent));
            }
            None => self.loose(indent, line, next_indent, next),
        }
    }

    /// A line without a key: a value of the heading above, one more value of the key above, or itself a heading.
    fn loose(&mut self, indent: usize, line: &str, next_indent: usize, next: &str) {
        if let Some(heading) = self.heading.as_ref().filter(|heading| !heading.alone && indent > heading.indent) {
            let name = heading.name.clone();
            return self.push(name, line);
        }
        if let Some((key, _)) = self.last.clone().filter(|(_, above)| indent > *above) {
            return self.push(key, line);
        }
        let short = line.split_whitespace().count() <= 3;
        let heads = next_indent > indent && !next.is_empty();
        if short && (heads || next.is_empty()) {
            self.head(normal(line), indent, !heads);
        }
    }

    fn head(&mut self, name: String, indent: usize, alone: bool) {
        self.last = None;
        self.heading = Some(Heading { name, indent, alone });
    }

    fn push(&mut self, key: String, value: &str) {
        let section = self.heading.as_ref().map(|heading| heading.name.clone()).unwrap_or_default();
        self.sheet.entries.push(Entry { key, value: value.to_owned(), section, object: self.object });
    }

    fn next_object(&mut self) {
        let filled = self.sheet.entries.last().is_some_and(|entry| entry.object == self.object);
        if filled {
            self.object += 1;
            self.last = None;
            // What heads an object alone ends with it.
            self.heading.take_if(|heading| heading.alone);
        }
    }
}

/// How far a line is indented, a tab as eight, and the line itself.
fn measured(line: &str) -> (usize, &str) {
    let line = line.char_indices().nth(MAX_LINE).map_or(line, |(end, _)| &line[..end]);
    let width = |c: char| if c == '\t' { 8 } else { 1 };
    let indent = line.chars().take_while(|c| c.is_whitespace()).map(width).sum();
    (indent, line.trim())
}

/// `[Domain Name]   EXAMPLE.JP`, also behind the letter that Japanese organisations get (`a. [Domain Name]`).
fn bracketed(line: &str) -> Option<(String, &str)> {
    let rest = match line.split_once(". [") {
        Some((letter, _)) if letter.len() == 1 => line.get(3..)?,
        _ => line,
    };
    let (key, value) = rest.strip_prefix('[')?.split_once(']')?;
    Some((normal(key), value.trim())).filter(|(key, _)| !key.is_empty())
}

/// `Key: value`, with dots before the colon or none.
fn keyed(line: &str) -> Option<(String, &str)> {
    let (key, value) = line.split_once(':')?;
    let key = key.trim_end_matches(['.', ' ', '\t']);
    let words = key.split_whitespace().count();
    let fits = key.len() <= MAX_KEY && (1..=MAX_KEY_WORDS).contains(&words);
    // An interior dot is a host name with an IPv6 address behind it; two slashes are a URL; a time begins with digits.
    let name = key.starts_with(|c: char| c.is_alphabetic()) && !key.contains(['.', '"', '<']);
    (fits && name && !value.starts_with("//")).then(|| (normal(key), value.trim()))
}

fn normal(key: &str) -> String {
    key.replace(['-', '_'], " ").split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}
