//! One site, whatever list it comes from: what it is asked, and what its answers mean.

use serde_json::Value;

use super::pattern::Pattern;
use super::template::Template;

/// A site that can be asked for a name.
#[derive(Debug, Clone)]
pub struct Site {
    /// What the list calls it.
    pub name: String,
    /// Where people see the account.
    pub url: Template,
    /// Where it is asked for, if elsewhere.
    pub probe: Option<Template>,
    /// How it is asked.
    pub method: Method,
    /// What is sent along.
    pub payload: Option<Payload>,
    /// Headers it wants.
    pub headers: Vec<(String, Template)>,
    /// The names it takes; `None`: any.
    pub pattern: Option<Pattern>,
    /// Characters it leaves out of names.
    pub strip: String,
    /// What its answers mean.
    pub rule: Rule,
    /// What is known to stand before it: a firewall, a captcha.
    pub protection: Vec<String>,
    /// What it is about.
    pub tags: Vec<String>,
    /// Whether it is for adults.
    pub nsfw: bool,
    /// Its place among sites by visits; lower is more.
    pub rank: Option<u64>,
    /// Names that have an account there.
    pub claimed: Vec<String>,
    /// Names that have none.
    pub unclaimed: Vec<String>,
}

/// How a site is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// For the page.
    Get,
    /// For its headers only.
    Head,
    /// By sending something.
    Post,
}

/// What is sent along.
#[derive(Debug, Clone, PartialEq)]
pub enum Payload {
    /// JSON, in whose texts this mark stands for the name.
    Json(Value, &'static str),
    /// Text that becomes JSON once the name is in it.
    JsonText(Template),
    /// A form.
    Form(Template),
}

/// What the answers of a site mean.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rule {
    /// By what it is told that there is an account.
    pub by: By,
    /// What says that there is one. Without statuses, any 2xx.
    pub present: Sign,
    /// What says that there is none. Without statuses, 404 and 410.
    pub absent: Sign,
    /// Whether both signs are exact: status and text together, and nothing else.
    pub exact: bool,
    /// Where names without account are sent to.
    pub gone: Option<Template>,
    /// Texts of pages that say neither.
    pub errors: Vec<String>,
}

/// By what a rule tells.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct By {
    /// The HTTP status.
    pub status: bool,
    /// A text of the page.
    pub message: bool,
    /// Where one is sent to.
    pub redirect: bool,
}

/// What an answer has to look like.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sign {
    /// Its status is one of these.
    pub codes: Vec<u16>,
    /// It contains one of these.
    pub texts: Vec<String>,
}

impl Site {
    /// Where it is asked for a name.
    pub fn probe(&self) -> &Template {
        self.probe.as_ref().unwrap_or(&self.url)
    }

    /// Whether the name is in what is sent; without it every answer would be about nobody.
    pub(super) fn is_askable(&self) -> bool {
        let sent = self.payload.as_ref().is_some_and(Payload::names);
        sent || self.probe().names_request() || self.headers.iter().any(|(_, value)| value.names())
    }

    /// Equal for two entries that ask the same of the same.
    pub(super) fn shape(&self) -> String {
        format!("{:?} {} {:?}", self.method, self.probe().shape(), self.payload)
    }
}

impl Payload {
    fn names(&self) -> bool {
        match self {
            Self::Json(value, mark) => value.to_string().contains(mark),
            Self::JsonText(template) | Self::Form(template) => template.names(),
        }
    }
}

impl By {
    /// The word of the report.
    pub fn as_str(self) -> &'static str {
        match (self.status, self.message, self.redirect) {
            (_, true, true) => "message+response_url",
            (true, true, false) => "status+message",
            (false, true, false) => "message",
            (_, false, true) => "response_url",
            (_, false, false) => "status",
        }
    }
}
