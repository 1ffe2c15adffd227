//! The tools of an enquiry that shares nothing with others: every request has leave, no answer is known from before.

use async_trait::async_trait;
use jiff::Timestamp;

use super::{Answers, Leave, Quotas};
use crate::connector::Fetched;
use crate::providers::Provider;

/// Shares no windows and knows no answers.
pub struct Alone;

#[async_trait]
impl Quotas for Alone {
    async fn take(&self, _: &'static Provider, _: &[String]) -> Leave {
        Leave::Now
    }

    async fn spent(&self, _: &'static Provider, _: Timestamp) {}
}

#[async_trait]
impl Answers for Alone {
    async fn recall(&self, _: &str) -> Option<Fetched> {
        None
    }

    async fn keep(&self, _: &str, _: &Fetched) {}
}
