//! Files made to hurt: each ends in bounded time with an answer or a sentence, never with a crash.

use svc_osint::collectors::metadata::Parsed;
use svc_osint::sandbox::{SandboxError, parse};

use crate::exiftool::exif_block;
use crate::samples::{APP, CORE, archive, bomb, docx, heif, jpeg, pdf, png, saved, webp, zlib};
use crate::sandbox::limits;

const MEBIBYTE: usize = 1 << 20;
/// How a zlib stream begins.
const ZLIB: &[u8] = &[0x78, 0xda];

/// Parses in the sandbox; a crash of the parser fails the test.
async fn survives(what: &str, bytes: &[u8]) -> Result<Parsed, String> {
    match parse(bytes, &limits()).await {
        Ok(parsed) => Ok(parsed),
        Err(SandboxError::Unreadable(sentence)) => Err(sentence),
        Err(e) => panic!("{what}: {e:?}"),
    }
}

/// A TIFF whose only directory has these entries (tag, type, count, value).
fn tiff(entries: &[(u16, u16, u32, u32)], next: u32) -> Vec<u8> {
    let mut file = b"MM\0\x2a\0\0\0\x08".to_vec();
    file.extend_from_slice(&u16::try_from(entries.len()).unwrap().to_be_bytes());
    for (tag, kind, count, value) in entries {
        file.extend_from_slice(&tag.to_be_bytes());
        file.extend_from_slice(&kind.to_be_bytes());
        file.extend_from_slice(&count.to_be_bytes());
        file.extend_from_slice(&value.to_be_bytes());
    }
    file.extend_from_slice(&next.to_be_bytes());
    file
}

#[tokio::test]
async fn exif_that_points_nowhere() {
    let cases = [
        ("first directory outside", b"MM\0\x2a\xff\xff\xff\xf0".to_vec()),
        ("text outside", tiff(&[(0x010f, 2, 100, 0xffff_ff00)], 0)),
        ("text of four gigabytes", tiff(&[(0x010f, 2, u32::MAX, 8)], 0)),
        ("rationals of 32 gigabytes", tiff(&[(0x011a, 5, u32::MAX, 8)], 0)),
        ("directory that follows itself", tiff(&[(0x010f, 2, 3, 0x4142_0000)], 8)),
        ("sub-directory that is its parent", tiff(&[(0x8769, 4, 1, 8), (0x8825, 4, 1, 8)], 8)),
        ("unknown type", tiff(&[(0x010f, 99, 1, 0)], 0)),
        ("place divided by zero", tiff(&[(2, 5, 3, 8), (0x8825, 4, 1, 8)], 0)),
    ];
    for (what, bytes) in cases {
        for bytes in [jpeg(Some(&bytes)), bytes] {
            let parsed = survives(what, &bytes).await.unwrap();
            assert_eq!(parsed.gps, None, "{what}");
        }
    }
    let good_beside_bad = tiff(&[(0x010f, 2, 3, 0x4142_0000), (0x0110, 2, 900, 0xffff_ff00)], 0);
    let parsed = survives("half good", &jpeg(Some(&good_beside_bad))).await.unwrap();
    assert_eq!(parsed.camera.unwrap().make.as_deref(), Some("AB"));
    assert!(parsed.notes[0].starts_with("El bloque EXIF está dañado"), "{:?}", parsed.notes);
}

#[tokio::test]
async fn a_png_with_fifty_megabytes_of_text() {
    let text = [b"Comment\0".as_slice(), &vec![b'x'; 50 * MEBIBYTE]].concat();
    let parsed = survives("plain text", &png(&[(b"tEXt", &text), (b"tEXt", b"Author\0Ana")])).await.unwrap();
    assert_eq!(parsed.author.as_deref(), Some("Ana"));
    assert_eq!(parsed.extra["comment"].as_str().unwrap().len(), 1_000);
    assert_eq!(parsed.notes, ["El PNG tiene un texto enorme; solo se ha leído el principio."]);

    let packed = [b"Comment\0\0".as_slice(), &bomb(ZLIB, 500)].concat();
    let parsed = survives("packed text", &png(&[(b"zTXt", &packed), (b"tEXt", b"Author\0Ana")])).await.unwrap();
    assert_eq!(parsed.author.as_deref(), Some("Ana"));

    let many: Vec<(&[u8; 4], &[u8])> = vec![(b"tEXt", b"Comment\0x"); 30_000];
    let parsed = survives("many texts", &png(&many)).await.unwrap();
    assert_eq!(parsed.notes, ["El PNG tiene demasiados textos; no se han leído todos."]);
}

#[tokio::test]
async fn a_pdf_that_unpacks_to_gigabytes() {
    use lopdf::{Dictionary, Stream};
    let bomb = bomb(ZLIB, 500);
    let with = |kind: &str| {
        let mut document = pdf(&[("Author", "Ana")]);
        let mut dictionary = Dictionary::new();
        dictionary.set("Filter", "FlateDecode");
        dictionary.set("Type", kind);
        dictionary.set("N", 100_000);
        dictionary.set("First", 1_000_000);
        let stream = document.add_object(Stream::new(dictionary, bomb.clone()));
        document.catalog_mut().unwrap().set("Metadata", stream);
        saved(document)
    };
    for kind in ["Metadata", "ObjStm", "XRef"] {
        match survives(kind, &with(kind)).await {
            Ok(parsed) => assert!(parsed.author.is_none_or(|author| author == "Ana"), "{kind}"),
            Err(sentence) => assert!(sentence.starts_with("El PDF no se puede leer"), "{sentence}"),
        }
    }
    let parsed = survives("xmp", &with("Metadata")).await.unwrap();
    assert_eq!(parsed.author.as_deref(), Some("Ana"));
    assert!(parsed.notes[0].starts_with("El bloque XMP no se puede leer"), "{:?}", parsed.notes);
}

#[tokio::test]
async fn a_pdf_that_bites_its_own_tail() {
    let cases: [(&str, &[u8]); 5] = [
        ("trailer that follows itself", b"%PDF-1.4\nxref\n0 0\ntrailer<</Root 1 0 R/Prev 9>>\nstartxref\n9\n%%EOF"),
        ("info that is itself", b"%PDF-1.4\n1 0 obj 1 0 R endobj\ntrailer<</Root 1 0 R/Info 1 0 R>>\n%%EOF"),
        (
            "two that are each other",
            b"%PDF-1.4\n1 0 obj 2 0 R endobj\n2 0 obj 1 0 R endobj\ntrailer<</Root 1 0 R/Info 2 0 R>>\n%%EOF",
        ),
        ("header alone", b"%PDF-1.7"),
        (
            "length of two gigabytes",
            b"%PDF-1.4\n1 0 obj<</Length 2147483647>>stream\nx\nendstream endobj\ntrailer<</Root 1 0 R>>\n%%EOF",
        ),
    ];
    for (what, bytes) in cases {
        let _ = survives(what, bytes).await;
    }
    let nested =
        [b"%PDF-1.4\n1 0 obj".as_slice(), &b"[".repeat(500_000), b"endobj\ntrailer<</Root 1 0 R>>\n%%EOF"].concat();
    // Whether the parser gives up by itself or the child dies of it: it is a sentence either way.
    if let Err(e) = parse(&nested, &limits()).await {
        assert!(matches!(e, SandboxError::Unreadable(_) | SandboxError::Crash(_)), "{e:?}");
    }
}

#[tokio::test]
async fn archives_that_expand_too_much() {
    let huge = vec![b' '; 40 * MEBIBYTE];
    let packed = archive(&[("a", b""), ("word/document.xml", b"<x/>"), ("docProps/core.xml", &huge)]);
    assert!(packed.len() < MEBIBYTE);
    let parsed = survives("bomb in core.xml", &packed).await.unwrap();
    assert_eq!(parsed.notes, ["La parte «docProps/core.xml» del documento no se puede leer: se expande demasiado."]);
    let elsewhere = archive(&[("a", b""), ("word/document.xml", &huge), ("docProps/core.xml", CORE.as_bytes())]);
    assert_eq!(survives("bomb elsewhere", &elsewhere).await.unwrap().author.as_deref(), Some("José Núñez"));

    let names: Vec<String> = (0..20_000).map(|n| format!("{n}")).collect();
    let parts: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), b"".as_slice())).collect();
    let sentence = survives("many entries", &archive(&parts)).await.unwrap_err();
    assert_eq!(sentence, "El archivo ZIP tiene más de 10000 entradas; no se ha leído.");
}

#[tokio::test]
async fn xml_that_never_ends() {
    let deep = format!("{}{}", "<a>".repeat(200_000), "</a>".repeat(200_000));
    let wide = format!("<a>{}</a>", "<b/>".repeat(200_000));
    let laughs = "<!DOCTYPE a [<!ENTITY x 'haha'><!ENTITY y '&x;&x;&x;&x;&x;&x;&x;&x;&x;&x;'>]><a>&y;</a>";
    let outside = "<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><a><creator>&x;</creator></a>";
    let cut = &CORE[..CORE.len() / 2];
    for (what, xml) in
        [("deep", deep.as_str()), ("wide", &wide), ("laughs", laughs), ("outside", outside), ("cut", cut)]
    {
        let parsed = survives(what, &docx(xml, APP)).await.unwrap();
        // The other part is read all the same.
        assert_eq!(parsed.company.as_deref(), Some("ACME S.L."), "{what}");
        assert_eq!(parsed.author, None, "{what}");
        assert_eq!(parsed.notes.len(), 1, "{what}: {:?}", parsed.notes);
        let image = png(&[(b"iTXt", &[b"XML:com.adobe.xmp\0\0\0\0\0".as_slice(), xml.as_bytes()].concat())]);
        let parsed = survives(what, &image).await.unwrap();
        assert!(parsed.author.is_none(), "{what}");
    }
}

#[tokio::test]
async fn no_file_crashes_by_being_cut_or_damaged() {
    let block = exif_block(&["-Make=Canon", "-Artist=Ana", "-GPSLatitude=1.5", "-GPSLongitude=2.5"]);
    let samples = [
        ("jpeg", jpeg(Some(&block))),
        ("tiff", block.clone()),
        ("png", png(&[(b"eXIf", &block), (b"zTXt", &[b"Comment\0\0".as_slice(), &zlib(b"hola")].concat())])),
        ("webp", webp(&block)),
        ("heif", heif(&block)),
        ("pdf", saved(pdf(&[("Author", "Ana")]))),
        ("docx", docx(CORE, APP)),
    ];
    for (kind, bytes) in samples {
        for part in 1..12 {
            let _ = survives(kind, &bytes[..bytes.len() * part / 12]).await;
            let mut damaged = bytes.clone();
            for at in (part..damaged.len()).step_by(37) {
                damaged[at] ^= 0xff;
            }
            let _ = survives(kind, &damaged).await;
        }
    }
}
