//! An uploaded file, from the form to the result: through the message, the task and the sandbox.

use axum::body::Body;
use axum::http::{Request, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use svc_osint::Osint;
use svc_osint::contract::MAX_UPLOAD;

use crate::bench::{Bench, settings};
use crate::samples::{APP, CORE, docx};
use crate::sandbox;

const BOUNDARY: &str = "----formulario";

pub(crate) fn form(field: &str, filename: &str, content: &[u8]) -> Request<Body> {
    let mut body = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"type\"\r\n\r\nmetadata\r\n--{BOUNDARY}\r\n\
         Content-Disposition: form-data; name=\"{field}\"; filename=\"{filename}\"\r\n\
         Content-Type: application/octet-stream\r\n\r\n"
    )
    .into_bytes();
    body.extend_from_slice(content);
    body.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
    sent(&format!("multipart/form-data; boundary={BOUNDARY}"), body)
}

fn sent(content_type: &str, body: Vec<u8>) -> Request<Body> {
    Request::post("/api/v1/scan/upload").header(header::CONTENT_TYPE, content_type).body(Body::from(body)).unwrap()
}

/// A form of these parts, each with a file name if it is one.
fn parts(parts: &[(&str, &str)]) -> Request<Body> {
    let part = |(name, text): &(&str, &str)| {
        let filename = if name.starts_with("fi") { "; filename=\"a.pdf\"" } else { "" };
        format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"{filename}\r\n\r\n{text}\r\n")
    };
    let body: String = parts.iter().map(part).collect();
    sent(&format!("multipart/form-data; boundary={BOUNDARY}"), format!("{body}--{BOUNDARY}--\r\n").into_bytes())
}

fn keyed(key: &str, filename: &str, content: &[u8]) -> Request<Body> {
    let mut request = form("file", filename, content);
    request.headers_mut().insert("idempotency-key", key.parse().unwrap());
    request
}

pub(crate) fn osint() -> Osint {
    let mut settings = settings(&[]).unwrap();
    settings.metadata.sandbox = sandbox::limits();
    Osint::new(settings)
}

#[tokio::test]
async fn a_file_is_analysed_by_a_worker_that_shares_nothing_with_the_api() {
    let bench = Bench::new();
    let file = docx(CORE, APP);
    let answer = bench.send(form("file", "..\\informes/Balance 2026.docx", &file)).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    let id = answer.json()["task_id"].as_str().unwrap().to_owned();
    let expected = json!({
        "task_id": id, "status": "PENDING", "message": "Escaneo encolado",
        "target": "Balance 2026.docx", "collector_type": "metadata",
    });
    assert_eq!(answer.json(), expected);

    bench.work(osint()).await.unwrap();
    let status = bench.get(&format!("/api/v1/scan/{id}")).await.json();
    assert_eq!(status["status"], "SUCCESS", "{status}");
    let result = &status["result"];
    assert_eq!(result["id"], json!(id));
    assert_eq!((&result["collector_name"], &result["target"]), (&json!("metadata"), &json!("Balance 2026.docx")));
    assert_eq!((&result["success"], &result["error"]), (&json!(true), &json!(null)));
    let document = &result["data"]["documents"][0];
    assert_eq!((&document["filename"], &document["type"]), (&json!("Balance 2026.docx"), &json!("docx")));
    let people: Vec<_> = result["data"]["people"].as_array().unwrap().iter().map(|person| &person["name"]).collect();
    assert_eq!(people, ["José Núñez", "Marta"]);
    let findings = result["data"]["findings"].as_array().unwrap();
    assert_eq!(result["metadata"]["findings_total"], findings.len());
    assert_eq!(result["metadata"]["sources"][0]["source"], "parse:Balance 2026.docx");
}

#[tokio::test]
async fn a_file_of_no_known_kind_fails_with_its_reason() {
    let bench = Bench::new();
    let answer = bench.send(form("file", "notas.txt", b"nada que ver")).await;
    let id = answer.json()["task_id"].as_str().unwrap().to_owned();
    let error = bench.work(osint()).await.unwrap_err();
    assert_eq!(error.remedy(), apium_core::error::Remedy::Fail, "the file will not get better");
    let status = bench.get(&format!("/api/v1/scan/{id}")).await.json();
    assert_eq!(status["status"], "FAILURE");
    let expected = "No se ha podido obtener nada. parse:notas.txt: El formato del fichero no es ninguno de los que se \
                    analizan.";
    assert_eq!(status["error"], expected);
    assert_eq!(status["meta"]["exc_type"], "CollectorError");
    assert_eq!(status["meta"]["sources"][0]["status"], "failed");
}

#[tokio::test]
async fn a_form_without_a_usable_file_is_refused() {
    let bench = Bench::new();
    bench.send(parts(&[("type", "metadata")])).await.error(422, "invalid_file");
    bench.send(form("file", "a.pdf", b"")).await.error(422, "invalid_file");
    bench.send(sent("application/json", b"{}".to_vec())).await.error(415, "unsupported_media_type");
    bench.send(sent("multipart/form-data", Vec::new())).await.error(415, "unsupported_media_type");
    let cut = format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nab");
    let kind = format!("multipart/form-data; boundary={BOUNDARY}");
    bench.send(sent(&kind, cut.into_bytes())).await.error(400, "malformed_form");
    assert_eq!(bench.waiting().await, 0);
}

#[tokio::test]
async fn ten_mebibytes_go_in_and_no_more() {
    let bench = Bench::new();
    for size in [MAX_UPLOAD + 1, MAX_UPLOAD * 2] {
        let answer = bench.send(form("file", "grande.pdf", &vec![b'x'; size])).await;
        let sentence = answer.error(413, "file_too_large");
        assert_eq!(sentence, "El fichero supera el máximo de 10 MiB.");
    }
    assert_eq!(bench.waiting().await, 0);
    assert_eq!(bench.send(form("file", "justo.pdf", &vec![b'x'; MAX_UPLOAD])).await.status, 202);
    let message = bench.claim().await.message;
    let shown = message.headers.argsrepr.clone().unwrap();
    assert!(shown.len() < 2_000, "the file's content is not in the headers: {} bytes", shown.len());
    let arguments = message.payload().unwrap().args.elements().unwrap();
    let content: String = arguments[2].member("file").and_then(|f| f.member("content_base64")).unwrap().to().unwrap();
    assert_eq!(STANDARD.decode(content).unwrap().len(), MAX_UPLOAD);
}

#[tokio::test]
async fn a_form_is_one_file_and_nothing_that_is_not_understood() {
    let bench = Bench::new();
    let refused =
        async |fields: &[(&str, &str)], status: u16, code: &str| bench.send(parts(fields)).await.error(status, code);
    let twice = refused(&[("file", "%PDF-1"), ("file", "%PDF-2")], 422, "invalid_form").await;
    assert_eq!(twice, "El campo «file» viene dos veces; envíe uno solo.");
    let unknown = refused(&[("file", "%PDF-1"), ("nota", "hola")], 422, "invalid_form").await;
    assert_eq!(unknown, "El formulario trae un campo que no se conoce, «nota». Se admiten «file» y «type».");
    refused(&[("fichero", "%PDF-1")], 422, "invalid_form").await;
    refused(&[("type", "metadata"), ("type", "metadata"), ("file", "%PDF-1")], 422, "invalid_form").await;
    let dns = refused(&[("file", "%PDF-1"), ("type", "dns")], 422, "invalid_file").await;
    assert_eq!(dns, "El tipo de escaneo «dns» no admite ficheros.");
    refused(&[("type", "nmap"), ("file", "%PDF-1")], 400, "unknown_type").await;
    refused(&[("type", &"x".repeat(100_000)), ("file", "%PDF-1")], 400, "unknown_type").await;
    assert_eq!(bench.waiting().await, 0);
    assert_eq!(bench.send(parts(&[("file", "%PDF-1"), ("type", "metadata")])).await.status, 202);
}

#[tokio::test]
async fn the_same_key_and_the_same_file_are_the_same_scan() {
    let bench = Bench::new();
    let first = bench.send(keyed("k-1", "a.pdf", b"uno")).await;
    let id = first.json()["task_id"].as_str().unwrap().to_owned();
    let again = bench.send(keyed("k-1", "a.pdf", b"uno")).await;
    assert_eq!((again.status, again.json()), (202, first.json()));
    assert_eq!(bench.waiting().await, 1, "nothing was sent twice");
    for other in [keyed("k-1", "a.pdf", b"dos"), keyed("k-1", "b.pdf", b"uno"), keyed("k-2", "a.pdf", b"uno")] {
        assert_ne!(bench.send(other).await.json()["task_id"], json!(id));
    }
    assert_eq!(bench.waiting().await, 4);

    bench.work(osint()).await.unwrap_err();
    let ended = bench.send(keyed("k-1", "a.pdf", b"uno")).await.json();
    assert_eq!((&ended["task_id"], &ended["status"]), (&json!(id), &json!("FAILURE")));
    assert_eq!(ended["message"], "El escaneo de esta clave ya ha terminado con un error");
    bench.send(keyed("dos palabras", "a.pdf", b"uno")).await.error(400, "invalid_idempotency_key");
}
