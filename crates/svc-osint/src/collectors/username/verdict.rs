//! The five verdicts on a name at a site, and how each came about.

use serde::Serialize;
use serde_json::{Value, json};

/// What is known of a name at a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// There is an account.
    Claimed,
    /// There is none.
    Available,
    /// The answer does not tell.
    Unknown,
    /// The site does not let itself be asked.
    Blocked,
    /// The site takes no such names; it was not asked.
    Illegal,
}

/// What speaks for an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// The answer says so in words, and says otherwise of a name that cannot exist.
    Words,
    /// It says so in words; of another name nothing could be learnt.
    WordsAlone,
    /// Its status or the lack of an error says so, and otherwise for a name that cannot exist.
    Contrast,
}

/// How one site came out.
#[derive(Debug, Clone)]
pub struct Checked {
    /// The verdict.
    pub verdict: Verdict,
    /// Why, where it is not plainly `claimed` or `available`: a word for programs.
    pub reason: Option<String>,
    /// The same as a sentence for people, where the word does not say it all.
    pub detail: Option<String>,
    /// Where people would see the account.
    pub url: String,
    /// The HTTP status of the answer, if one came.
    pub http: Option<u16>,
    /// Milliseconds until it was there.
    pub ms: u64,
    /// Requests sent.
    pub requests: u32,
    /// What speaks for an account, where the verdict is that there is one.
    pub proof: Option<Proof>,
    /// Whether the same question may be answered another time.
    pub passing: bool,
    /// Seconds until it is worth asking again, where the site has said so.
    pub retry_after: Option<u64>,
}

impl Verdict {
    /// Every verdict.
    pub const ALL: [Self; 5] = [Self::Claimed, Self::Available, Self::Unknown, Self::Blocked, Self::Illegal];

    /// The word of the report.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Claimed => "claimed",
            Self::Available => "available",
            Self::Unknown => "unknown",
            Self::Blocked => "blocked",
            Self::Illegal => "illegal",
        }
    }

    /// Whether the site has answered the question.
    pub fn settles(self) -> bool {
        matches!(self, Self::Claimed | Self::Available)
    }
}

impl Proof {
    /// How much a finding by it is to be believed, 0.0 to 1.0.
    pub fn confidence(self) -> f32 {
        match self {
            Self::Words => 0.9,
            Self::Contrast => 0.7,
            Self::WordsAlone => 0.6,
        }
    }
}

impl Checked {
    /// A verdict without a request.
    pub fn unasked(verdict: Verdict, reason: &str, url: String) -> Self {
        let reason = Some(reason.to_owned());
        Self {
            verdict,
            reason,
            detail: None,
            url,
            http: None,
            ms: 0,
            requests: 0,
            proof: None,
            passing: false,
            retry_after: None,
        }
    }

    /// The row of the collector's output.
    pub fn row(&self, site: &str, how: &str, tags: &[String]) -> Value {
        let mut row = json!({
            "site": site,
            "url": self.url,
            "status": self.verdict.as_str(),
            "http": self.http,
            "ms": self.ms,
            "how": how,
            "tags": tags,
        });
        if let (Some(reason), Value::Object(row)) = (&self.reason, &mut row) {
            row.insert("reason".to_owned(), json!(reason));
        }
        row
    }
}
