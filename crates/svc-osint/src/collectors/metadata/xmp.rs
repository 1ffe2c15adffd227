//! XMP: the XML that Adobe's descendants embed in images and PDFs alike.

use roxmltree::{Node, ParsingOptions};
use serde_json::{Map, Value};

use super::dates;
use super::parsed::{Camera, Gps, Parsed, clean, fill};

/// Largest packet read, in bytes.
const MAX_PACKET: usize = 1 << 20;
/// Most elements, attributes and texts in an XML document.
pub(super) const MAX_NODES: u32 = 50_000;
/// Most properties kept.
const MAX_PROPERTIES: usize = 80;

const RDF: &str = "http://www.w3.org/1999/02/22-rdf-syntax-ns#";

/// The usual prefix of each namespace worth reading.
const PREFIXES: [(&str, &str); 12] = [
    ("http://purl.org/dc/elements/1.1/", "dc"),
    ("http://ns.adobe.com/xap/1.0/", "xmp"),
    ("http://ns.adobe.com/xap/1.0/mm/", "xmpMM"),
    ("http://ns.adobe.com/xap/1.0/rights/", "xmpRights"),
    ("http://ns.adobe.com/pdf/1.3/", "pdf"),
    ("http://ns.adobe.com/pdfx/1.3/", "pdfx"),
    ("http://ns.adobe.com/photoshop/1.0/", "photoshop"),
    ("http://ns.adobe.com/tiff/1.0/", "tiff"),
    ("http://ns.adobe.com/exif/1.0/", "exif"),
    ("http://ns.adobe.com/exif/1.0/aux/", "aux"),
    ("http://cipa.jp/exif/1.0/", "exifEX"),
    ("http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/", "Iptc4xmpCore"),
];

/// The packet inside an image, wherever its format keeps it: the text is never compressed there.
pub(super) fn find(bytes: &[u8]) -> Option<&[u8]> {
    let start = position(bytes, b"<x:xmpmeta")?;
    let rest = bytes.get(start..)?;
    let rest = rest.get(..rest.len().min(MAX_PACKET))?;
    let end = position(rest, b"</x:xmpmeta>")? + b"</x:xmpmeta>".len();
    rest.get(..end)
}

/// Reads a packet and fills what nothing more reliable has said yet.
pub(super) fn read(packet: &[u8], parsed: &mut Parsed) {
    if packet.len() > MAX_PACKET {
        parsed.note("El bloque XMP es demasiado grande y no se ha leído.");
        return;
    }
    let text = String::from_utf8_lossy(packet);
    let options = ParsingOptions { nodes_limit: MAX_NODES, ..ParsingOptions::default() };
    let document = match roxmltree::Document::parse_with_options(text.trim_start_matches('\u{feff}'), options) {
        Ok(document) => document,
        Err(e) => {
            parsed.note(format!("El bloque XMP está dañado: {e}."));
            return;
        }
    };
    let properties = properties(document.root());
    let get = |name: &str| properties.get(name).and_then(Value::as_str).map(str::to_owned);
    let date = |name: &str| get(name).and_then(|text| dates::iso(&text));
    fill(&mut parsed.author, get("dc:creator"));
    fill(&mut parsed.title, get("dc:title"));
    fill(&mut parsed.software, get("xmp:CreatorTool"));
    fill(&mut parsed.producer, get("pdf:Producer"));
    for name in ["exif:DateTimeOriginal", "xmp:CreateDate", "photoshop:DateCreated"] {
        fill(&mut parsed.created, date(name));
    }
    fill(&mut parsed.modified, date("xmp:ModifyDate"));
    let camera = Camera {
        make: get("tiff:Make"),
        model: get("tiff:Model"),
        serial: get("exifEX:BodySerialNumber").or_else(|| get("aux:SerialNumber")),
        lens: get("exifEX:LensModel").or_else(|| get("aux:Lens")),
        owner: get("exifEX:CameraOwnerName").or_else(|| get("aux:OwnerName")),
    };
    parsed.camera = parsed.camera.take().or_else(|| camera.known());
    parsed.gps = parsed.gps.or_else(|| place(&get));
    if !properties.is_empty() {
        parsed.extra.insert("xmp".to_owned(), Value::Object(properties));
    }
}

/// Every plain property by `prefix:name`; lists are joined.
fn properties(root: Node<'_, '_>) -> Map<String, Value> {
    let mut found = Map::new();
    let mut put = |namespace: Option<&str>, name: &str, value: Option<String>| {
        let prefix = PREFIXES.iter().find(|(uri, _)| Some(*uri) == namespace).map(|(_, prefix)| prefix);
        if let (Some(prefix), Some(value)) = (prefix, value)
            && found.len() < MAX_PROPERTIES
        {
            found.entry(format!("{prefix}:{name}")).or_insert(Value::String(value));
        }
    };
    for description in root.descendants().filter(|node| node.has_tag_name((RDF, "Description"))) {
        for attribute in description.attributes() {
            put(attribute.namespace(), attribute.name(), clean(attribute.value()));
        }
        for property in description.children().filter(Node::is_element) {
            put(property.tag_name().namespace(), property.tag_name().name(), value(property));
        }
    }
    found
}

fn value(property: Node<'_, '_>) -> Option<String> {
    let list = property.children().find(Node::is_element);
    let Some(list) = list else {
        return clean(property.text().unwrap_or_default());
    };
    let items: Vec<&str> =
        list.children().filter(|item| item.has_tag_name((RDF, "li"))).filter_map(|item| item.text()).collect();
    clean(&items.join("; "))
}

fn place(get: &impl Fn(&str) -> Option<String>) -> Option<Gps> {
    let below = get("exif:GPSAltitudeRef").is_some_and(|reference| reference == "1");
    let altitude = get("exif:GPSAltitude").and_then(|text| fraction(&text));
    Gps::new(
        degrees(&get("exif:GPSLatitude")?)?,
        degrees(&get("exif:GPSLongitude")?)?,
        altitude.map(|metres| if below { -metres } else { metres }),
    )
}

/// `40,25,0.5N` or `40,25.0083N`.
fn degrees(text: &str) -> Option<f64> {
    let (number, side) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let mut unit = 1.0;
    let mut sum = 0.0;
    for part in number.split(',') {
        sum += part.trim().parse::<f64>().ok()? / unit;
        unit *= 60.0;
    }
    match side {
        "N" | "E" => Some(sum),
        "S" | "W" => Some(-sum),
        _ => None,
    }
}

fn fraction(text: &str) -> Option<f64> {
    match text.split_once('/') {
        Some((top, bottom)) => Some(top.parse::<f64>().ok()? / bottom.parse::<f64>().ok()?),
        None => text.parse().ok(),
    }
}

fn position(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|window| window == needle)
}
