//! What is asked for: an address, and what goes with it.

use std::sync::Arc;

use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use url::Url;

use super::FetchError;
use crate::turns::Turns;

/// A request to send through the door.
#[derive(Debug, Clone)]
pub struct Request {
    pub(super) method: Method,
    pub(super) url: String,
    /// Values that are secret are marked so, and are shown by nobody.
    pub(super) headers: HeaderMap,
    pub(super) body: Option<Vec<u8>>,
    pub(super) follow: bool,
    /// Where each host it comes to is waited for.
    pub(super) turns: Option<Arc<Turns>>,
}

impl Request {
    /// `GET` of this address, following redirects.
    pub fn get(url: impl Into<String>) -> Self {
        Self { method: Method::GET, url: url.into(), headers: HeaderMap::new(), body: None, follow: true, turns: None }
    }

    /// The same with `HEAD`.
    pub fn head(url: impl Into<String>) -> Self {
        Self { method: Method::HEAD, ..Self::get(url) }
    }

    /// `POST` of this body, following redirects.
    pub fn post(url: impl Into<String>, body: Vec<u8>) -> Self {
        Self { method: Method::POST, body: Some(body), ..Self::get(url) }
    }

    /// With this header.
    ///
    /// # Errors
    /// When HTTP cannot carry it; the value is not quoted.
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, FetchError> {
        self.put(name, value, false)?;
        Ok(self)
    }

    /// With this header, whose value is shown to nobody and goes to no other server.
    ///
    /// # Errors
    /// As [`Request::header`].
    pub fn secret(mut self, name: &str, value: &str) -> Result<Self, FetchError> {
        self.put(name, value, true)?;
        Ok(self)
    }

    /// A redirect is the answer, and its `location` one of the headers.
    pub fn without_redirects(mut self) -> Self {
        self.follow = false;
        self
    }

    /// Sent to each host, those of redirects too, only while nothing else with the same `turns` is under way there. The
    /// wait for the first host is not part of the time limit.
    pub(crate) fn in_turn(mut self, turns: Arc<Turns>) -> Self {
        self.turns = Some(turns);
        self
    }

    /// What is left of it after a redirect (RFC 9110, 15.4): 303 asks for a page, and so do browsers after a `POST`
    /// that was answered with 301 or 302; the secrets stay where they were meant for.
    pub(super) fn redirected(&mut self, status: u16, from: &Url, to: &Url) {
        if status == 303 || (matches!(status, 301 | 302) && self.method == Method::POST) {
            if self.method != Method::HEAD {
                self.method = Method::GET;
            }
            self.body = None;
        }
        if from.origin() != to.origin() {
            let secret: Vec<_> =
                self.headers.iter().filter(|(_, value)| value.is_sensitive()).map(|(name, _)| name.clone()).collect();
            for name in secret {
                self.headers.remove(name);
            }
        }
    }

    fn put(&mut self, name: &str, value: &str, sensitive: bool) -> Result<(), FetchError> {
        let wrong = |_| FetchError::Address { why: format!("la cabecera «{name}» no se puede enviar") };
        let header = HeaderName::from_bytes(name.as_bytes()).map_err(|error| wrong(error.to_string()))?;
        let mut value = HeaderValue::from_str(value).map_err(|error| wrong(error.to_string()))?;
        value.set_sensitive(sensitive);
        self.headers.insert(header, value);
        Ok(())
    }
}
