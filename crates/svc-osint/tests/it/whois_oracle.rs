//! The oracle: Debian's `whois`, asked the same of the same server, has sent the same line and got the same text.

use std::process::{Command, Stdio};

use crate::web::{Names, door};
use crate::whois_fake::{Port43, server, short, tell};
use svc_osint::collectors::whois::{ask, decode};

/// What Debian's client prints, asking this server and no other.
async fn oracle(port43: &Port43, question: &str) -> String {
    let (host, port) = (port43.address.ip().to_string(), port43.address.port().to_string());
    let question = question.to_owned();
    let run = move || {
        Command::new("whois")
            .args(["-h", &host, "-p", &port, &question])
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::null())
            .output()
            .expect("whois is needed as an oracle: apt-get install whois")
    };
    let output = tokio::task::spawn_blocking(run).await.unwrap();
    decode(&output.stdout)
}

/// Lines without the white space at their ends, which the client trims as it likes.
fn lines(text: &str) -> Vec<&str> {
    text.trim().lines().map(str::trim_end).collect()
}

#[tokio::test]
async fn the_same_line_goes_out_and_the_same_text_comes_back() {
    let answers = [
        "Domain Name: EXAMPLE.COM\r\nRegistrar: Registrador S.A.\r\n\r\n>>> Last update <<<\r\n".to_owned(),
        "% comentario\n\ninetnum: 193.0.0.0 - 193.0.7.255\nnetname: COMPAÑÍA\n".to_owned(),
        "No match for \"EXAMPLE.COM\".\r\n".to_owned(),
        "    Domain name:\r\n        example.co.uk\r\n\r\n    Registrar:\r\n        Nominet\r\n".to_owned(),
        "remarks: line\r\n".repeat(2_000),
    ];
    for question in ["example.com", "xn--espaa-rta.es", "193.0.6.139", "AS3333"] {
        for answer in &answers {
            let port43 = Port43::saying(answer.clone()).await;
            let theirs = oracle(&port43, question).await;
            let door = door(&[port43.address], Names::of(&[]));
            let limits = svc_osint::collectors::whois::WhoisLimits { bytes: 256 << 10, ..short() };
            let ours = ask(&door, &server(&port43.address.to_string()), question, &limits).await.unwrap();
            assert_eq!(lines(&ours.text), lines(&theirs), "{question}");
            let asked = port43.asked();
            // It writes all letters small.
            assert!(asked[0].eq_ignore_ascii_case(&asked[1]), "{question}: {asked:?}");
        }
    }
}

#[tokio::test]
async fn an_answer_in_pieces_is_one_answer_for_both() {
    let port43 = Port43::new(async |question, mut stream| {
        for piece in ["Domain Na", "me: example", ".com\r", "\nquestion: "] {
            tokio::io::AsyncWriteExt::write_all(&mut stream, piece.as_bytes()).await.unwrap();
            tokio::task::yield_now().await;
        }
        tell(stream, question.into_bytes()).await;
    })
    .await;
    let theirs = oracle(&port43, "example.com").await;
    let door = door(&[port43.address], Names::of(&[]));
    let ours = ask(&door, &server(&port43.address.to_string()), "example.com", &short()).await.unwrap();
    assert_eq!(lines(&ours.text), lines(&theirs));
    assert_eq!(lines(&ours.text), ["Domain Name: example.com", "question: example.com"]);
}
