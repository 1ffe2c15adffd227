//! The collector over a website on loopback: what it asks for, what it leaves alone, what it tells.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use svc_osint::collectors::metadata::{Input, MetadataSettings, collect};
use svc_osint::connector::{Connector, Limits};
use svc_osint::model::{Gathered, Gathering, SourceStatus};

use crate::exiftool::exif_block;
use crate::samples::{APP, CORE, docx, jpeg, pdf, saved};
use crate::sandbox::limits;
use crate::web::{Names, door, serve};

/// A website out of a table, remembering what was asked.
#[derive(Clone, Default)]
struct Site {
    pages: Arc<HashMap<String, Vec<u8>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Site {
    /// Serves `pages`, `{P}` in texts replaced by the port.
    async fn start(pages: Vec<(&str, Vec<u8>)>) -> (Self, SocketAddr) {
        let asked = Arc::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let port = address.port().to_string();
        let fill = |bytes: Vec<u8>| match String::from_utf8(bytes) {
            Ok(text) => text.replace("{P}", &port).into_bytes(),
            Err(e) => e.into_bytes(),
        };
        let pages = pages.into_iter().map(|(path, bytes)| (path.to_owned(), fill(bytes))).collect();
        let site = Self { pages: Arc::new(pages), asked };
        let router = Router::new().fallback(answer).with_state(site.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (site, address)
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

async fn answer(State(site): State<Site>, uri: Uri) -> Response {
    site.asked.lock().unwrap().push(uri.to_string());
    match site.pages.get(&uri.to_string()) {
        Some(bytes) => ([(header::CONTENT_TYPE, "text/html")], bytes.clone()).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn settings(port: u16) -> MetadataSettings {
    MetadataSettings {
        origins: vec![("https".to_owned(), port), ("http".to_owned(), port)],
        sandbox: limits(),
        ..MetadataSettings::default()
    }
}

fn example_com(server: SocketAddr) -> Connector {
    let names = ["example.com", "www.example.com", "files.example.com", "example.org"];
    door(&[server], Names::of(&names.map(|name| (name, server.ip()))))
}

async fn gathered(settings: &MetadataSettings, connector: &Connector, input: Input<'_>) -> Gathered {
    let out = Gathering::default();
    collect(settings, connector, input, &out).await;
    out.so_far()
}

fn names(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|entry| entry["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn an_upload_is_told_in_full() {
    let connector = door(&[], Names::of(&[]));
    let picture = jpeg(Some(&exif_block(&[
        "-Artist=Ana",
        "-Software=Firmware 1",
        "-GPSLatitude=40.5",
        "-GPSLatitudeRef=N",
        "-GPSLongitude=3.25",
        "-GPSLongitudeRef=W",
    ])));
    let input = Input::Upload { filename: "../foto.pdf", bytes: &picture };
    let all = gathered(&settings(80), &connector, input).await;
    let document = &all.data["documents"][0];
    assert_eq!(document["filename"], "../foto.pdf");
    assert_eq!(document["type"], "jpeg");
    assert_eq!(document["size"], picture.len());
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("x"), &picture).unwrap();
    let sum = std::process::Command::new("sha256sum").arg(folder.path().join("x")).output().unwrap().stdout;
    assert!(sum.starts_with(document["sha256"].as_str().unwrap().as_bytes()));
    assert_eq!((&document["author"], &document["gps"]["lat"]), (&"Ana".into(), &40.5.into()));
    assert_eq!(names(&all.data["people"]), ["Ana"]);
    assert_eq!(names(&all.data["software"]), ["Firmware 1"]);
    let kinds: Vec<_> = all.findings.iter().map(|finding| (finding.kind.as_str(), finding.value.as_str())).collect();
    assert_eq!(
        kinds,
        [("person", "Ana"), ("software", "Firmware 1"), ("geo", "40.500000,-3.250000"), ("document", "../foto.pdf")]
    );
    assert_eq!(all.progress, (1, 1));
    assert_eq!(all.sources.len(), 1);
    assert_eq!(all.sources[0].status, SourceStatus::Ok);
}

#[tokio::test]
async fn one_address_is_fetched_and_parsed() {
    let file = saved(pdf(&[("Author", "Eva"), ("Creator", "Writer")]));
    let (_, server) = Site::start(vec![("/a?b=1", file)]).await;
    let url = format!("http://example.com:{}/a?b=1", server.port());
    let all = gathered(&settings(server.port()), &example_com(server), Input::Url(&url)).await;
    assert_eq!(all.data["documents"][0]["url"], url);
    assert_eq!(all.data["documents"][0]["type"], "pdf");
    assert_eq!(all.findings.iter().find(|f| f.kind == "person").unwrap().source_url.as_deref(), Some(url.as_str()));
    assert_eq!(all.sources.iter().map(|s| s.status).collect::<Vec<_>>(), [SourceStatus::Ok; 2]);
}

#[tokio::test]
async fn a_forbidden_address_is_a_blocked_source_and_nothing_else() {
    let connector = door(&[], Names::of(&[]));
    let input = Input::Url("http://169.254.169.254/latest/meta-data/");
    let all = gathered(&settings(80), &connector, input).await;
    assert_eq!(all.data["documents"], Value::Array(vec![]));
    assert_eq!(all.sources[0].status, SourceStatus::Blocked);
    assert!(all.sources[0].detail.as_ref().unwrap().contains("169.254.169.254"));
}

#[tokio::test]
async fn a_stray_quote_hides_no_link_behind_it() {
    let home =
        br#"<!-- don't --><p class=it's><a title=Don't href=/one.pdf>1</a><a title = "a > b's" href='/two.pdf'>2</a>
        <a href=/x?q=' title='>'><a href=/three.pdf>3</a><a data-x=5" href="/four.pdf">4</a>
        <a href="/five.pdf>5</a> <p> <a href=/six.pdf>6</a>"#;
    let (site, server) = Site::start(vec![("/", home.to_vec())]).await;
    let settings = MetadataSettings { files: 10, ..settings(server.port()) };
    gathered(&settings, &example_com(server), Input::Domain("example.com")).await;
    let asked = site.asked();
    for link in ["/one.pdf", "/two.pdf", "/three.pdf", "/four.pdf", "/five.pdf", "/six.pdf"] {
        assert!(asked.iter().any(|path| path == link), "{link} in {asked:?}");
    }
}

#[tokio::test]
async fn a_domain_is_asked_for_its_own_documents_only() {
    let home = br#"<!doctype html><base href="/docs/"><a href='one.PDF#page=2'>1</a><A HREF = two.docx >2</A>
        <img src="https://cdn.example.org/far.jpg"><a href="http://example.org:{P}/other.pdf">no</a>
        <img src=/logo.png><a href="page.html">x</a><a title="a > b" href="http://files.example.com:{P}/three.pdf?a=1&amp;b=2">3</a>
        <!-- <a href="mailto:a@example.com"> --><a href="javascript:void(0)">x</a><a href="//example.com:{P}/docs/one.PDF">again</a>"#;
    let robots = b"User-agent: *\nDisallow: /private\nSitemap: http://www.example.com:{P}/index.xml\nsitemap:http://example.org:{P}/s.xml\n";
    let index = b"<sitemapindex><sitemap><loc>http://example.com:{P}/map.xml</loc></sitemap></sitemapindex>";
    let map = b"<urlset><url><loc> http://example.com:{P}/four.jpg </loc></url><url><loc>http://example.com:{P}/a?x=1&amp;y=2</loc></url></urlset>";
    let author = |name: &str| saved(pdf(&[("Author", name), ("Creator", "Writer")]));
    let (site, server) = Site::start(vec![
        ("/", home.to_vec()),
        ("/robots.txt", robots.to_vec()),
        ("/index.xml", index.to_vec()),
        ("/map.xml", map.to_vec()),
        ("/docs/one.PDF", author("Eva")),
        ("/docs/two.docx", docx(CORE, APP)),
        ("/three.pdf?a=1&b=2", author("Eva")),
        ("/four.jpg", b"<html>not a picture</html>".to_vec()),
    ])
    .await;
    let all = gathered(&settings(server.port()), &example_com(server), Input::Domain("example.com")).await;
    let expected = [
        "/",
        "/robots.txt",
        "/index.xml",
        "/map.xml",
        "/docs/one.PDF",
        "/three.pdf?a=1&b=2",
        "/docs/two.docx",
        "/four.jpg",
        "/logo.png",
    ];
    assert_eq!(site.asked(), expected);
    let kinds: Vec<_> = all.data["documents"].as_array().unwrap().iter().map(|d| d["type"].clone()).collect();
    assert_eq!(kinds, ["pdf".into(), "pdf".into(), "docx".into(), Value::Null]);
    assert_eq!(names(&all.data["people"]), ["Eva", "José Núñez", "Marta"]);
    assert_eq!(names(&all.data["software"]), ["Microsoft Office Word 16.0000", "Writer"]);
    assert_eq!(all.data["people"][0]["documents"].as_array().unwrap().len(), 2);
    assert_eq!(all.findings.iter().filter(|f| f.kind == "person" && f.value == "Eva").count(), 1);
    // The encrypted port was tried first and said why it failed.
    assert!(all.sources[0].source.starts_with("https://example.com:"));
    assert_eq!(all.sources[0].status, SourceStatus::Failed);
    let told = |end: &str| all.sources.iter().find(|s| s.source.ends_with(end)).unwrap();
    assert_eq!(told("/logo.png").status, SourceStatus::Empty);
    assert_eq!(told("/logo.png").http_status, Some(404));
    let unreadable = all.sources.iter().find(|s| s.source.starts_with("parse:") && s.source.ends_with("four.jpg"));
    assert_eq!(unreadable.unwrap().status, SourceStatus::Failed);
    assert_eq!(all.progress, (6, 6));
    assert!(!all.truncated);
}

#[tokio::test]
async fn five_files_are_enough_and_telling_ones_come_first() {
    let pictures = (0..9).map(|n| format!("<img src='/{n}.png'>"));
    let home = pictures.chain((0..9).map(|n| format!("<a href=/{n}.pdf>"))).collect::<Vec<_>>().concat();
    let (site, server) = Site::start(vec![("/", home.into_bytes())]).await;
    let all = gathered(&settings(server.port()), &example_com(server), Input::Domain("example.com")).await;
    assert_eq!(site.asked()[1..], ["/robots.txt", "/sitemap.xml", "/0.pdf", "/1.pdf", "/2.pdf", "/3.pdf", "/4.pdf"]);
    assert!(all.truncated);
    assert_eq!(all.progress, (6, 6));
}

#[tokio::test]
async fn sitemaps_in_a_circle_end() {
    let index = b"<sitemapindex><loc>http://example.com:{P}/sitemap.xml</loc><loc>http://example.com:{P}/sitemap.xml</loc></sitemapindex>";
    let (site, server) = Site::start(vec![("/", b"<p>".to_vec()), ("/sitemap.xml", index.to_vec())]).await;
    let all = gathered(&settings(server.port()), &example_com(server), Input::Domain("example.com")).await;
    assert!(site.asked().len() <= 2 + 5, "{:?}", site.asked());
    assert_eq!(all.data["documents"], Value::Array(vec![]));
}

#[tokio::test]
async fn a_file_too_large_is_told_and_left() {
    let (_, server) = Site::start(vec![("/", b"<a href=/a.pdf>".to_vec()), ("/a.pdf", vec![b'x'; 50_000])]).await;
    let settings = MetadataSettings { file: Limits { body: 10_000, ..Limits::default() }, ..settings(server.port()) };
    let all = gathered(&settings, &example_com(server), Input::Domain("example.com")).await;
    let report = all.sources.iter().find(|s| s.source.ends_with("/a.pdf")).unwrap();
    assert_eq!(report.status, SourceStatus::Failed);
    assert!(report.detail.as_ref().unwrap().contains("10000 bytes"), "{report:?}");
    assert_eq!(all.data["documents"], Value::Array(vec![]));
}

#[tokio::test]
async fn a_domain_nobody_serves_is_told_so() {
    let connector = door(&[], Names::of(&[]));
    let all = gathered(&MetadataSettings::default(), &connector, Input::Domain("example.com")).await;
    assert_eq!(all.sources.len(), 2);
    assert!(all.sources.iter().all(|s| s.detail.as_ref().unwrap().contains("no se puede resolver")));
    let lost = serve(Router::new()).await;
    let all = gathered(&settings(lost.port()), &example_com(lost), Input::Domain("example.com")).await;
    assert_eq!(all.sources[1].status, SourceStatus::Empty);
    assert_eq!(all.data["documents"], Value::Array(vec![]));
}
