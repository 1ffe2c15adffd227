//! OpenDocument: everything about the document stands in `meta.xml`.

use super::dates;
use super::package::{Package, elements};
use super::parsed::Parsed;

const META: &str = "meta.xml";

/// The kinds of document by the end of their media type.
const KINDS: [(&str, &str); 4] =
    [("text", "odt"), ("spreadsheet", "ods"), ("presentation", "odp"), ("graphics", "odg")];
/// Further elements kept in `extra`.
const FURTHER: [(&str, &str); 7] = [
    ("subject", "subject"),
    ("keyword", "keywords"),
    ("description", "description"),
    ("editing-cycles", "revision"),
    ("editing-duration", "editing_duration"),
    ("printed-by", "printed_by"),
    ("print-date", "last_printed"),
];

/// What kind of document a package with this `mimetype` part is, if any.
pub(super) fn kind(mimetype: &str) -> Option<&'static str> {
    let name = mimetype.trim().strip_prefix("application/vnd.oasis.opendocument.")?;
    let name = name.strip_suffix("-template").unwrap_or(name);
    KINDS.into_iter().find(|(media, _)| *media == name).map(|(_, kind)| kind)
}

/// Reads `meta.xml`.
pub(super) fn read(kind: &str, package: &mut Package<'_>) -> Result<Parsed, String> {
    let mut parsed = Parsed::of(kind);
    let Some(xml) = package.text(META)? else {
        parsed.note("El documento no tiene meta.xml.");
        return Ok(parsed);
    };
    let found = elements(META, &xml)?;
    let get = |name: &str| found.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    // `dc:creator` is whoever saved it last; with no first author named it is the only one known.
    parsed.author = get("initial-creator").or_else(|| get("creator"));
    parsed.last_modified_by = get("creator");
    parsed.title = get("title");
    parsed.software = get("generator");
    parsed.created = get("creation-date").and_then(|text| dates::iso(&text));
    parsed.modified = get("date").and_then(|text| dates::iso(&text));
    for (element, name) in FURTHER {
        parsed.keep(name, get(element));
    }
    Ok(parsed)
}
