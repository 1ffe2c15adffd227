//! The text chunks of PNG images, in their three kinds; two of them may be a bomb, so unpacking is bounded.

use std::io::Read;

use flate2::read::ZlibDecoder;

use super::parsed::{Parsed, clean, fill};
use super::{dates, xmp};

/// Most chunks looked at.
const MAX_CHUNKS: usize = 20_000;
/// Most text chunks read.
const MAX_TEXTS: usize = 100;
/// Most bytes read of one text, packed or unpacked.
const MAX_TEXT: usize = 1 << 20;
/// The keyword under which XMP hides.
const XMP_KEYWORD: &str = "XML:com.adobe.xmp";

/// Reads every text chunk, the XMP one included.
pub(super) fn read(bytes: &[u8], parsed: &mut Parsed) {
    let mut rest = bytes.get(8..).unwrap_or_default();
    let mut texts = 0;
    for _ in 0..MAX_CHUNKS {
        let Some((kind, body, after)) = chunk(rest) else {
            if !rest.is_empty() {
                parsed.note("El PNG está cortado.");
            }
            return;
        };
        rest = after;
        let decode = match &kind {
            b"tEXt" => plain,
            b"zTXt" => packed,
            b"iTXt" => international,
            b"IEND" => return,
            _ => continue,
        };
        texts += 1;
        if texts > MAX_TEXTS {
            parsed.note("El PNG tiene demasiados textos; no se han leído todos.");
            return;
        }
        if body.len() > MAX_TEXT {
            parsed.note("El PNG tiene un texto enorme; solo se ha leído el principio.");
        }
        match decode(&body[..body.len().min(MAX_TEXT)]) {
            Some((keyword, text)) => keep(&keyword, &text, parsed),
            None => parsed.note("El PNG tiene un texto ilegible."),
        }
    }
}

fn keep(keyword: &str, text: &str, parsed: &mut Parsed) {
    if keyword == XMP_KEYWORD {
        xmp::read(text.as_bytes(), parsed);
        return;
    }
    let value = clean(text);
    match keyword {
        "Author" => fill(&mut parsed.author, value),
        "Title" => fill(&mut parsed.title, value),
        "Software" => fill(&mut parsed.software, value),
        "Creation Time" => {
            fill(&mut parsed.created, dates::iso(text).or_else(|| dates::exif(text, None)));
            parsed.keep("creation_time", value);
        }
        "date:create" => fill(&mut parsed.created, dates::iso(text)),
        "date:modify" => fill(&mut parsed.modified, dates::iso(text)),
        _ => {
            if let Some(keyword) = clean(keyword) {
                parsed.keep(&keyword.to_lowercase(), value);
            }
        }
    }
}

/// Type, body and the rest after its checksum. The checksum is not checked: a wrong one is no reason
/// to overlook a text.
fn chunk(bytes: &[u8]) -> Option<([u8; 4], &[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (kind, rest) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let (body, rest) = rest.split_at_checked(length)?;
    Some((*kind, body, rest.get(4..)?))
}

fn plain(body: &[u8]) -> Option<(String, String)> {
    let (keyword, text) = at_nul(body)?;
    Some((latin1(keyword), latin1(text)))
}

fn packed(body: &[u8]) -> Option<(String, String)> {
    let (keyword, rest) = at_nul(body)?;
    Some((latin1(keyword), latin1(&unpack(rest.get(1..)?)?)))
}

fn international(body: &[u8]) -> Option<(String, String)> {
    let (keyword, rest) = at_nul(body)?;
    let ([packed, _method], rest) = rest.split_first_chunk::<2>()?;
    let (_language, rest) = at_nul(rest)?;
    let (_translated, text) = at_nul(rest)?;
    let text = if *packed == 1 { unpack(text)? } else { text.to_vec() };
    Some((latin1(keyword), String::from_utf8_lossy(&text).into_owned()))
}

fn unpack(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    let outcome = ZlibDecoder::new(bytes).take(MAX_TEXT as u64).read_to_end(&mut text);
    // What came before the damage is still worth having.
    (outcome.is_ok() || !text.is_empty()).then_some(text)
}

fn at_nul(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = bytes.iter().position(|b| *b == 0)?;
    Some((&bytes[..at], &bytes[at + 1..]))
}

fn latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}
