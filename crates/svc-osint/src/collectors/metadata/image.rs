//! Images: who took the picture, with what, when and where, from EXIF first and XMP where it is silent.

use std::io::Cursor;

use exif::{Context, Error, Exif, In, Rational, Reader, Tag, Value};

use super::parsed::{Camera, Gps, Parsed, clean, fill};
use super::sniff::Format;
use super::{dates, png, xmp};

/// Text fields of Windows' own, in UTF-16.
const XP_TITLE: Tag = Tag(Context::Tiff, 0x9c9b);
const XP_AUTHOR: Tag = Tag(Context::Tiff, 0x9c9d);
/// The computer or phone a picture was made on.
const HOST_COMPUTER: Tag = Tag(Context::Tiff, 0x013c);

/// Reads everything an image says about itself; damage becomes a note.
pub(super) fn read(format: Format, bytes: &[u8]) -> Parsed {
    let mut parsed = Parsed::of(format.name());
    let mut reader = Reader::new();
    let outcome = reader.continue_on_error(true).read_from_container(&mut Cursor::new(bytes));
    let mut damage = Vec::new();
    let exif = outcome
        .or_else(|e| e.distill_partial_result(|errors| damage.extend(errors.iter().take(3).map(ToString::to_string))));
    match exif {
        Ok(exif) => from_exif(&exif, &mut parsed),
        Err(Error::NotFound(_)) => {}
        Err(e) => damage.push(e.to_string()),
    }
    for problem in damage {
        parsed.note(format!("El bloque EXIF está dañado: {problem}."));
    }
    if format == Format::Png {
        png::read(bytes, &mut parsed);
    } else if let Some(packet) = xmp::find(bytes) {
        xmp::read(packet, &mut parsed);
    }
    parsed
}

fn from_exif(exif: &Exif, parsed: &mut Parsed) {
    let text = |tag| text(exif, tag);
    let date = |tag, offset| dates::exif(&text(tag)?, text(offset).as_deref());
    parsed.author = text(Tag::Artist).or_else(|| utf16(exif, XP_AUTHOR));
    parsed.title = utf16(exif, XP_TITLE);
    parsed.software = text(Tag::Software);
    parsed.created = date(Tag::DateTimeOriginal, Tag::OffsetTimeOriginal);
    fill(&mut parsed.created, date(Tag::DateTimeDigitized, Tag::OffsetTimeDigitized));
    parsed.modified = date(Tag::DateTime, Tag::OffsetTime);
    parsed.camera = Camera {
        make: text(Tag::Make),
        model: text(Tag::Model),
        serial: text(Tag::BodySerialNumber),
        lens: text(Tag::LensModel),
        owner: text(Tag::CameraOwnerName),
    }
    .known();
    parsed.gps = place(exif);
    let further = [
        ("description", Tag::ImageDescription),
        ("copyright", Tag::Copyright),
        ("host_computer", HOST_COMPUTER),
        ("lens_serial", Tag::LensSerialNumber),
        ("image_id", Tag::ImageUniqueID),
    ];
    for (name, tag) in further {
        parsed.keep(name, text(tag));
    }
    let moment = text(Tag::GPSDateStamp).zip(numbers(exif, Tag::GPSTimeStamp));
    parsed.keep("gps_time", moment.and_then(|(day, time)| gps_time(&day, time)));
}

fn text(exif: &Exif, tag: Tag) -> Option<String> {
    match &exif.get_field(tag, In::PRIMARY)?.value {
        Value::Ascii(parts) => clean(&String::from_utf8_lossy(parts.first()?)),
        _ => None,
    }
}

fn utf16(exif: &Exif, tag: Tag) -> Option<String> {
    let Value::Byte(bytes) = &exif.get_field(tag, In::PRIMARY)?.value else {
        return None;
    };
    let (units, _) = bytes.as_chunks::<2>();
    let units: Vec<u16> = units.iter().map(|unit| u16::from_le_bytes(*unit)).collect();
    clean(&String::from_utf16_lossy(&units))
}

fn place(exif: &Exif) -> Option<Gps> {
    let is = |tag, letter: &str| text(exif, tag).is_some_and(|side| side.eq_ignore_ascii_case(letter));
    let degrees = |tag, negative: bool| {
        let [d, m, s] = numbers(exif, tag)?;
        let sum = d + m / 60.0 + s / 3600.0;
        Some(if negative { -sum } else { sum })
    };
    let below = exif
        .get_field(Tag::GPSAltitudeRef, In::PRIMARY)
        .and_then(|field| field.value.get_uint(0))
        .is_some_and(|reference| reference == 1);
    let altitude = match exif.get_field(Tag::GPSAltitude, In::PRIMARY).map(|field| &field.value) {
        Some(Value::Rational(metres)) => metres.first().map(Rational::to_f64),
        _ => None,
    };
    Gps::new(
        degrees(Tag::GPSLatitude, is(Tag::GPSLatitudeRef, "S"))?,
        degrees(Tag::GPSLongitude, is(Tag::GPSLongitudeRef, "W"))?,
        altitude.map(|metres| if below { -metres } else { metres }),
    )
}

/// Three numbers: degrees, minutes, seconds, or the time of day. Missing ones are zero.
fn numbers(exif: &Exif, tag: Tag) -> Option<[f64; 3]> {
    let Value::Rational(parts) = &exif.get_field(tag, In::PRIMARY)?.value else {
        return None;
    };
    let part = |i: usize| parts.get(i).map_or(0.0, Rational::to_f64);
    (!parts.is_empty()).then(|| [part(0), part(1), part(2)])
}

fn gps_time(day: &str, [h, m, s]: [f64; 3]) -> Option<String> {
    dates::exif(&format!("{day} {h:02.0}:{m:02.0}:{:02.0}", s.floor()), Some("Z"))
}
