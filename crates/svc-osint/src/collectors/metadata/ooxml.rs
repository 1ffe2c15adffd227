//! Office Open XML: `docProps/core.xml` says who and when, `docProps/app.xml` with what and for whom.

use super::dates;
use super::package::{Package, elements};
use super::parsed::Parsed;

const CORE: &str = "docProps/core.xml";
const APP: &str = "docProps/app.xml";

/// The kinds of document, each by its main part.
const KINDS: [(&str, &str); 4] = [
    ("word/document.xml", "docx"),
    ("xl/workbook.xml", "xlsx"),
    ("xl/workbook.bin", "xlsb"),
    ("ppt/presentation.xml", "pptx"),
];
/// Where macros are kept.
const MACROS: [&str; 3] = ["word/vbaProject.bin", "xl/vbaProject.bin", "ppt/vbaProject.bin"];
/// Further elements kept under their own name in `extra`.
const FURTHER: [(&str, &str); 9] = [
    ("subject", "subject"),
    ("keywords", "keywords"),
    ("description", "description"),
    ("category", "category"),
    ("revision", "revision"),
    ("lastPrinted", "last_printed"),
    ("Manager", "manager"),
    ("Template", "template"),
    ("TotalTime", "editing_minutes"),
];

/// What kind of Office document the package is, if any.
pub(super) fn kind(package: &Package<'_>) -> Option<&'static str> {
    KINDS.into_iter().find(|(part, _)| package.has(part)).map(|(_, kind)| kind)
}

/// Reads both parts; one that cannot be read becomes a note.
pub(super) fn read(kind: &str, package: &mut Package<'_>) -> Parsed {
    let mut parsed = Parsed::of(kind);
    let mut found = Vec::new();
    for part in [CORE, APP] {
        let xml = package.text(part);
        match xml.and_then(|xml| xml.map(|xml| elements(part, &xml)).transpose()) {
            Ok(list) => found.extend(list.unwrap_or_default()),
            Err(sentence) => parsed.note(sentence),
        }
    }
    let get = |name: &str| found.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    parsed.author = get("creator");
    parsed.last_modified_by = get("lastModifiedBy");
    parsed.company = get("Company");
    parsed.title = get("title");
    parsed.created = get("created").and_then(|text| dates::iso(&text));
    parsed.modified = get("modified").and_then(|text| dates::iso(&text));
    parsed.software = get("Application").map(|name| match get("AppVersion") {
        Some(version) => format!("{name} {version}"),
        None => name,
    });
    for (element, name) in FURTHER {
        parsed.keep(name, get(element));
    }
    if MACROS.iter().any(|part| package.has(part)) {
        parsed.keep("macros", Some("true".to_owned()));
    }
    parsed
}
