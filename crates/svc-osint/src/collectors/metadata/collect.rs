//! The collector itself: find the files, fetch each, parse each in the sandbox, tell.

use std::time::Instant;

use super::gather::{File, Found, fetch_report};
use super::site;
use crate::connector::{Connector, Fetched, Limits, Request};
use crate::model::Gathering;
use crate::sandbox::{self, SandboxLimits};

/// What an operator may set about the collector.
#[derive(Debug, Clone)]
pub struct MetadataSettings {
    /// Most files fetched from a domain. Default: 5.
    pub files: usize,
    /// Most sitemaps read of a domain. Default: 5.
    pub sitemaps: usize,
    /// Where a domain's home page is looked for, in this order, by scheme and port. Default: `https`
    /// on 443, then `http` on 80; the connector refuses any other port.
    pub origins: Vec<(String, u16)>,
    /// How much of a page, `robots.txt` or sitemap is taken. Default: 2 MiB.
    pub page: Limits,
    /// How much of a document is taken. Default: 10 MiB.
    pub file: Limits,
    /// What the parser of a file may use.
    pub sandbox: SandboxLimits,
}

/// What to look at.
#[derive(Debug, Clone, Copy)]
pub enum Input<'a> {
    /// A file somebody sent.
    Upload {
        /// The name it came with; shown, never trusted.
        filename: &'a str,
        /// Its content.
        bytes: &'a [u8],
    },
    /// One file on the web.
    Url(&'a str),
    /// A domain, in lower-case ASCII, whose own pages are asked for documents.
    Domain(&'a str),
}

/// Requests whose answers and failures are reported as they come.
pub(super) struct Visit<'a> {
    connector: &'a Connector,
    settings: &'a MetadataSettings,
    pub(super) out: &'a Gathering,
}

impl Default for MetadataSettings {
    fn default() -> Self {
        Self {
            files: 5,
            sitemaps: 5,
            origins: vec![("https".to_owned(), 443), ("http".to_owned(), 80)],
            page: Limits { body: 2 << 20, ..Limits::default() },
            file: Limits::default(),
            sandbox: SandboxLimits::default(),
        }
    }
}

/// Gathers `documents`, `people` and `software`, with a source report for every request and every
/// file parsed. Nothing here fails the scan: what goes wrong is in the reports.
pub async fn collect(settings: &MetadataSettings, connector: &Connector, input: Input<'_>, out: &Gathering) {
    let visit = Visit { connector, settings, out };
    let mut found = Found::new(out);
    match input {
        Input::Upload { filename, bytes } => {
            out.progress(0, 1);
            visit.parse(&File { name: filename, is_url: false, bytes }, &mut found).await;
            out.progress(1, 1);
        }
        Input::Url(url) => visit.files(&[url.to_owned()], 0, &mut found).await,
        Input::Domain(domain) => {
            out.progress(0, 1);
            let documents = site::documents(domain, settings, &visit).await;
            let documents: Vec<String> = documents.into_iter().map(String::from).collect();
            visit.files(&documents, 1, &mut found).await;
        }
    }
}

impl Visit<'_> {
    /// A page's final address and its text, or `None` (reported) when there is none.
    pub(super) async fn text(&self, url: &str) -> Option<(String, String)> {
        let page = self.fetch(url, &self.settings.page).await?;
        Some((page.url, String::from_utf8_lossy(&page.body).into_owned()))
    }

    /// Fetches and parses each address; `before` steps are already behind us.
    async fn files(&self, urls: &[String], before: usize, found: &mut Found<'_>) {
        let step = |done: usize| u32::try_from(before + done).unwrap_or(u32::MAX);
        self.out.progress(step(0), step(urls.len()));
        for (done, url) in urls.iter().enumerate() {
            if let Some(page) = self.fetch(url, &self.settings.file).await {
                self.parse(&File { name: &page.url, is_url: true, bytes: &page.body }, found).await;
            }
            self.out.progress(step(done + 1), step(urls.len()));
        }
    }

    async fn parse(&self, file: &File<'_>, found: &mut Found<'_>) {
        let started = Instant::now();
        let outcome = sandbox::parse(file.bytes, &self.settings.sandbox).await;
        found.file(file, &outcome, started.elapsed());
    }

    async fn fetch(&self, url: &str, limits: &Limits) -> Option<Fetched> {
        let started = Instant::now();
        let mut sent = 0;
        let outcome = self.connector.send_counting(Request::get(url), limits, &mut sent).await;
        self.out.source(fetch_report(url, &outcome, sent, started.elapsed()));
        outcome.ok().filter(|page| (200..300).contains(&page.status) && !page.body.is_empty())
    }
}
