//! PDF: the Info dictionary, and the XMP packet of the catalog where Info is silent.

use lopdf::{Dictionary, Document, LoadOptions, Object};

use super::parsed::{Parsed, clean, fill};
use super::{dates, xmp};

/// Most bytes any one stream may unpack to.
const MAX_STREAM: usize = 16 << 20;
/// Most bytes of an XMP packet.
const MAX_PACKET: usize = 1 << 20;
/// Where the mark of the end may stand: readers look for it in as many bytes at the end.
const TAIL: usize = 1_024;
const CUT: &str = "Al PDF le falta el final, y con él puede faltar algo de lo que dice de sí mismo.";
const LOCKED: &str = "El PDF está cifrado con una contraseña que no se conoce.";

/// The entries of Info that have a place of their own.
const KNOWN: [&[u8]; 7] = [b"Title", b"Author", b"Creator", b"Producer", b"CreationDate", b"ModDate", b"Company"];

/// Reads what a PDF says about itself, encrypted ones with the empty password.
///
/// # Errors
/// A Spanish sentence when there is no document in the file or another password is needed.
pub(super) fn read(bytes: &[u8]) -> Result<Parsed, String> {
    let options = LoadOptions {
        password: Some(String::new()),
        max_decompressed_size: Some(MAX_STREAM),
        ..LoadOptions::default()
    };
    let document = Document::load_mem_with_options(bytes, options).map_err(|e| match e {
        lopdf::Error::InvalidPassword => LOCKED.to_owned(),
        e => format!("El PDF no se puede leer: {e}."),
    })?;
    let mut parsed = Parsed::of("pdf");
    if is_cut(bytes) {
        parsed.note(CUT);
    }
    parsed.keep("pdf_version", clean(&document.version));
    if document.is_encrypted() {
        parsed.note(LOCKED);
        return Ok(parsed);
    }
    if document.was_encrypted() {
        parsed.keep("encrypted", Some("true".to_owned()));
    }
    if let Some(info) = info(&document) {
        from_info(&document, info, &mut parsed);
    }
    match packet(&document) {
        Some(Ok(packet)) => xmp::read(&packet, &mut parsed),
        Some(Err(e)) => parsed.note(format!("El bloque XMP no se puede leer: {e}.")),
        None => {}
    }
    // The count the file claims, not one found by walking the tree: a tree may be endless.
    parsed.keep("pages", pages(&document).map(|pages| pages.to_string()));
    Ok(parsed)
}

fn is_cut(bytes: &[u8]) -> bool {
    let tail = &bytes[bytes.len().saturating_sub(TAIL)..];
    !tail.windows(5).any(|mark| mark == b"%%EOF")
}

fn from_info(document: &Document, info: &Dictionary, parsed: &mut Parsed) {
    let get = |key: &[u8]| text(document, info.get(key).ok()?);
    parsed.title = get(b"Title");
    parsed.author = get(b"Author");
    parsed.company = get(b"Company");
    parsed.software = get(b"Creator");
    parsed.producer = get(b"Producer");
    parsed.created = get(b"CreationDate").and_then(|text| dates::pdf(&text));
    parsed.modified = get(b"ModDate").and_then(|text| dates::pdf(&text));
    for (key, object) in info.iter().filter(|(key, _)| !KNOWN.contains(&key.as_slice())) {
        if let Some(name) = clean(&String::from_utf8_lossy(key)) {
            parsed.keep(&name.to_lowercase(), text(document, object));
        }
    }
    // Word's own way of saying it.
    fill(&mut parsed.last_modified_by, get(b"LastModifiedBy"));
}

fn info(document: &Document) -> Option<&Dictionary> {
    let info = document.trailer.get(b"Info").ok()?;
    document.dereference(info).ok()?.1.as_dict().ok()
}

fn packet(document: &Document) -> Option<lopdf::Result<Vec<u8>>> {
    let reference = document.catalog().ok()?.get(b"Metadata").ok()?;
    let stream = document.dereference(reference).ok()?.1.as_stream().ok()?;
    Some(stream.get_plain_content_with_limit(MAX_PACKET))
}

fn pages(document: &Document) -> Option<i64> {
    let tree = document.catalog().ok()?.get(b"Pages").ok()?;
    let tree = document.dereference(tree).ok()?.1.as_dict().ok()?;
    tree.get(b"Count").ok()?.as_i64().ok().filter(|pages| *pages >= 0)
}

fn text(document: &Document, object: &Object) -> Option<String> {
    match document.dereference(object).ok()?.1 {
        Object::Name(name) => clean(&String::from_utf8_lossy(name)),
        text @ Object::String(bytes, _) => {
            // Text in a wrong encoding still names somebody.
            let decoded = lopdf::decode_text_string(text);
            clean(&decoded.unwrap_or_else(|_| String::from_utf8_lossy(bytes).into_owned()))
        }
        _ => None,
    }
}
