//! Exports as CSV and JSON: read back they are what went in, and no cell of them is a formula.

use proptest::prelude::*;
use serde_json::{Value, json};
use svc_osint::export::{Format, export};

use crate::export_stix::result;

const COLUMNS: [&str; 8] = ["type", "value", "confidence", "source", "source_url", "sources", "sha256s", "attributes"];
const FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

fn table(findings: &Value) -> String {
    String::from_utf8(export(&result("dns", "example.com", findings), Format::Csv).unwrap()).unwrap()
}

fn read(table: &str) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(table.as_bytes());
    reader.records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect()
}

/// What stands before the guard, if there is one.
fn unguarded(cell: &str) -> &str {
    cell.strip_prefix('\'').filter(|rest| rest.starts_with(FORMULA)).unwrap_or(cell)
}

#[test]
fn a_line_for_each_finding() {
    let findings = json!([
        { "type": "subdomain", "value": "a.example.com", "source": "crtsh", "source_url": "https://crt.sh/?q=a,b",
          "confidence": 0.9, "attributes": { "wildcard": true, "valid_until": "2026-01-01" },
          "evidence": [{ "source": "crtsh", "sha256": "ab" }, { "source": "dns:A" }, { "source": "crtsh", "sha256": "cd" }] },
        { "type": "person", "value": "=HYPERLINK(\"http://x\")", "source": "metadata", "confidence": 0.6 },
    ]);
    let expected = "type,value,confidence,source,source_url,sources,sha256s,attributes\r\n\
        subdomain,a.example.com,0.9,crtsh,\"https://crt.sh/?q=a,b\",crtsh; dns:A,ab; cd,\
        \"{\"\"wildcard\"\":true,\"\"valid_until\"\":\"\"2026-01-01\"\"}\"\r\n\
        person,\"'=HYPERLINK(\"\"http://x\"\")\",0.6,metadata,,,,\r\n";
    assert_eq!(table(&findings), expected);
    assert_eq!(table(&json!([])), "type,value,confidence,source,source_url,sources,sha256s,attributes\r\n");
}

#[test]
fn json_is_the_whole_result_as_it_stands() {
    let mut result = result("dns", "example.com", &json!([]));
    result["data"]["ñ"] = json!({ "otra": [1.5, null] });
    let bytes = export(&result, Format::Json).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&bytes).unwrap(), result);
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.starts_with("{\n  \"id\"") && text.ends_with("}\n"), "{text}");
}

#[test]
fn a_result_of_another_program_is_not_exported_as_if_it_were_empty() {
    for wrong in [json!({ "success": true }), json!(null), result("dns", "example.com", &json!([{ "type": "ip" }]))] {
        for format in [Format::Csv, Format::Stix] {
            assert!(export(&wrong, format).is_err(), "{wrong}");
        }
    }
}

#[test]
fn names_of_files_are_plain() {
    let id = "6f1c1d0e-1111-4222-8333-444455556666";
    let names = [
        ("example.com", "osint-example.com-6f1c1d0e.csv"),
        ("../../etc/passwd", "osint-etc-passwd-6f1c1d0e.csv"),
        ("\"; filename=x\r\n", "osint-filename-x-6f1c1d0e.csv"),
        ("informe ñandú.pdf", "osint-informe-and-.pdf-6f1c1d0e.csv"),
        ("…", "osint-escaneo-6f1c1d0e.csv"),
        ("2001:db8::1", "osint-2001-db8-1-6f1c1d0e.csv"),
    ];
    for (target, name) in names {
        assert_eq!(Format::Csv.file_name(target, id), name);
    }
    assert_eq!(Format::Stix.file_name("a.b", id), "osint-a.b-6f1c1d0e.stix.json");
    assert!(Format::Json.file_name(&"x".repeat(500), id).len() < 100);
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[=+@\t\r\n'\",;-]{0,3}\\PC{0,12}", any::<String>(), Just("'=1".to_owned()),]
}

proptest! {
    #[test]
    fn a_table_read_back_is_what_went_in(
        rows in prop::collection::vec((text(), text(), text(), prop::option::of(text()), text(), 0.0f32..=1.0), 0..6)
    ) {
        let findings: Vec<_> = rows.iter().map(|(kind, value, source, url, attribute, confidence)| {
            let mut finding = json!({
                "type": kind, "value": value, "source": source, "confidence": confidence, "attributes": { "a": attribute },
                "evidence": [{ "source": source, "sha256": attribute }],
            });
            if let Some(url) = url {
                finding["source_url"] = json!(url);
            }
            finding
        }).collect();
        let table = table(&json!(findings));
        let cells = read(&table);
        prop_assert_eq!(&cells[0], &COLUMNS);
        prop_assert_eq!(cells.len(), rows.len() + 1);
        for (cells, (kind, value, source, url, attribute, confidence)) in cells[1..].iter().zip(&rows) {
            let attributes = json!({ "a": attribute }).to_string();
            let went_in = [kind.clone(), value.clone(), confidence.to_string(), source.clone(), url.clone().unwrap_or_default(),
                source.clone(), attribute.clone(), attributes];
            for (cell, told) in cells.iter().zip(went_in) {
                prop_assert!(!cell.starts_with(FORMULA), "{:?}", cell);
                let guarded = told.starts_with(FORMULA);
                prop_assert_eq!(if guarded { unguarded(cell) } else { cell.as_str() }, told.as_str());
            }
        }
    }
}
