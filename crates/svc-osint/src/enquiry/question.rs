//! What a provider is asked.

use std::borrow::Cow;
use std::time::Duration;

use url::Url;

use crate::connector::{FetchError, Fetched, Limits, Request};
use crate::providers::{Provider, ProviderSettings};

/// Where a provider wants its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyPlace {
    /// It wants none.
    Nowhere,
    /// In a header of this name.
    Header(&'static str),
    /// In a parameter of this name.
    Parameter(&'static str),
}

/// One question to one provider. What comes from a target is encoded wherever it goes.
#[derive(Debug, Clone)]
pub struct Question {
    pub(super) source: String,
    pub(super) provider: &'static Provider,
    /// In place of the provider's own address.
    address: Option<Url>,
    path: Vec<String>,
    parameters: Vec<(String, String)>,
    headers: Vec<(&'static str, String)>,
    key: KeyPlace,
    pub(super) limits: Limits,
    pub(super) kept: bool,
}

impl Question {
    /// `GET` of this path below the provider's address, each piece encoded. `source` is how the report calls it.
    pub fn new(source: impl Into<String>, provider: &'static Provider, path: &[&str]) -> Self {
        Self {
            source: source.into(),
            provider,
            address: None,
            path: path.iter().map(|piece| (*piece).to_owned()).collect(),
            parameters: Vec::new(),
            headers: vec![("accept", "application/json".to_owned())],
            key: KeyPlace::Nowhere,
            // Redirects lead elsewhere than where the operator said; a provider's own host needs few.
            limits: Limits { redirects: 2, ..Limits::default() },
            kept: true,
        }
    }

    /// `GET` of an address that is no setting but somebody's answer, and so is judged by the door like any other. It may
    /// be told no key. Its server's refusals are its own: others that go by the provider's name are still asked.
    pub fn elsewhere(source: impl Into<String>, provider: &'static Provider, address: Url) -> Self {
        Self { address: Some(address), ..Self::new(source, provider, &[]) }
    }

    /// With this parameter.
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.parameters.push((name.to_owned(), value.into()));
        self
    }

    /// With this header, which is no secret; another of its name is replaced.
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.retain(|(known, _)| *known != name);
        self.headers.push((name, value.into()));
        self
    }

    /// With the provider's key, there.
    pub fn key(mut self, place: KeyPlace) -> Self {
        self.key = place;
        self
    }

    /// Taking answers up to so many bytes. Default: 10 MiB.
    pub fn at_most(mut self, bytes: usize) -> Self {
        self.limits.body = bytes;
        self
    }

    /// Waiting so long for the whole answer, and half as long for a silence. Default: 30 s and 10 s.
    pub fn within(mut self, total: Duration) -> Self {
        (self.limits.total, self.limits.idle) = (total, total / 2);
        self
    }

    /// Its answer is kept nowhere: there is more in it than was asked for.
    pub fn unkept(mut self) -> Self {
        self.kept = false;
        self
    }

    /// By which it is known again: all of it but the key.
    pub(super) fn label(&self) -> String {
        if let Some(address) = &self.address {
            return format!("{} {address}", self.source);
        }
        let parameters: Vec<_> = self.parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
        format!("{} /{}?{}", self.source, self.path.join("/"), parameters.join("&"))
    }

    /// Whom a refusal shuts: the provider, or one server of many.
    pub(super) fn party(&self) -> String {
        match &self.address {
            Some(address) => format!("{}:{}", self.provider.name, address.authority()),
            None => self.provider.name.to_owned(),
        }
    }

    /// True where the provider itself is asked, of whom all scans learn.
    pub(super) fn is_for_provider(&self) -> bool {
        self.address.is_none()
    }

    /// The answer without the key, which stands in its address where it was sent as a parameter.
    pub(super) fn concealed(&self, mut answer: Fetched) -> Fetched {
        if let (KeyPlace::Parameter(secret), Ok(mut url)) = (self.key, Url::parse(&answer.url)) {
            let shown: Vec<_> = url.query_pairs().filter(|(name, _)| name != secret).map(owned).collect();
            url.set_query(None);
            if !shown.is_empty() {
                url.query_pairs_mut().extend_pairs(shown);
            }
            answer.url = url.to_string();
        }
        answer
    }

    /// Whether the answer to a question that went with a key is that of another server, which did not get it.
    pub(super) fn was_led_away(&self, answer: &Fetched, settings: &ProviderSettings) -> bool {
        let origin = Url::parse(&answer.url).map(|url| url.origin());
        let meant = settings.base(self.provider).map(Url::origin);
        self.key != KeyPlace::Nowhere && !answer.trail.is_empty() && origin.ok() != meant
    }

    pub(super) fn request(&self, settings: &ProviderSettings) -> Result<Request, FetchError> {
        let wrong = || FetchError::Address { why: format!("la de {} no sirve", self.provider.title) };
        let base = settings.base(self.provider);
        let mut url = self.address.as_ref().or(base).ok_or_else(wrong)?.clone();
        if !self.path.is_empty() {
            url.path_segments_mut().map_err(|()| wrong())?.pop_if_empty().extend(&self.path);
        }
        if !self.parameters.is_empty() {
            url.query_pairs_mut().extend_pairs(&self.parameters);
        }
        let key = settings.key(self.provider).filter(|_| self.address.is_none());
        let mut keyed = false;
        if let (KeyPlace::Parameter(name), Some(key)) = (self.key, key) {
            url.query_pairs_mut().append_pair(name, key.text());
            keyed = true;
        }
        let mut request = Request::get(url);
        if let (KeyPlace::Header(name), Some(key)) = (self.key, key) {
            request = request.secret(name, key.text())?;
        }
        if keyed {
            // The key stands in the address, which a redirect would hand on.
            request = request.without_redirects();
        }
        self.headers.iter().try_fold(request, |request, (name, value)| request.header(name, value))
    }
}

fn owned((name, value): (Cow<'_, str>, Cow<'_, str>)) -> (String, String) {
    (name.into_owned(), value.into_owned())
}
