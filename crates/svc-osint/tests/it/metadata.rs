//! What the parsers read is what `exiftool` reads in the same bytes.

use svc_osint::collectors::metadata::{Camera, Parsed, parse};

use crate::exiftool::{self, date, exif_block, number, text};
use crate::samples::{APP, CORE, archive, docx, heif, jpeg, pdf, png, saved, webp, zlib};

const PHOTO: &[&str] = &[
    "-Make=Canon",
    "-Model=Canon EOS 5D",
    "-SerialNumber=A0123",
    "-LensModel=EF 50mm",
    "-OwnerName=Agencia Sur",
    "-Software=Firmware 1.2",
    "-Artist=Ana Pérez",
    "-Copyright=© Ana",
    "-XPTitle=Fachada",
    "-DateTimeOriginal=2020:01:02 03:04:05",
    "-OffsetTimeOriginal=+01:00",
    "-ModifyDate=2020:02:03 04:05:06",
    "-GPSLatitude=40.4168",
    "-GPSLatitudeRef=N",
    "-GPSLongitude=3.7038",
    "-GPSLongitudeRef=W",
    "-GPSAltitude=667.5",
    "-GPSAltitudeRef=0",
];

/// Compares every field both sides know.
fn agrees_on_the_picture(bytes: &[u8]) -> Parsed {
    let parsed = parse(bytes).unwrap();
    let oracle = exiftool::read(bytes);
    let camera = parsed.camera.clone().unwrap_or_default();
    assert_eq!(parsed.author, text(&oracle, "Artist").or_else(|| text(&oracle, "XPAuthor")));
    assert_eq!(parsed.software, text(&oracle, "Software"));
    assert_eq!(camera.make, text(&oracle, "Make"));
    assert_eq!(camera.model, text(&oracle, "Model"));
    assert_eq!(camera.serial, text(&oracle, "SerialNumber"));
    assert_eq!(camera.lens, text(&oracle, "LensModel"));
    assert_eq!(camera.owner, text(&oracle, "OwnerName"));
    assert_eq!(parsed.modified, date(&oracle, "ModifyDate"));
    let created = date(&oracle, "SubSecDateTimeOriginal").or_else(|| date(&oracle, "DateTimeOriginal"));
    assert_eq!(parsed.created, created);
    match parsed.gps {
        Some(gps) => {
            assert!((gps.lat - number(&oracle, "GPSLatitude").unwrap()).abs() < 1e-6, "{gps:?} {oracle:?}");
            assert!((gps.lon - number(&oracle, "GPSLongitude").unwrap()).abs() < 1e-6, "{gps:?} {oracle:?}");
            assert_eq!(gps.alt, number(&oracle, "GPSAltitude"));
        }
        None => assert_eq!(oracle.get("GPSPosition"), None),
    }
    parsed
}

#[test]
fn the_same_block_is_read_in_every_image_format() {
    let block = exif_block(PHOTO);
    let samples = [
        ("jpeg", jpeg(Some(&block))),
        ("tiff", block.clone()),
        ("png", png(&[(b"eXIf", &block)])),
        ("webp", webp(&block)),
        ("heif", heif(&block)),
    ];
    for (kind, bytes) in samples {
        let parsed = agrees_on_the_picture(&bytes);
        assert_eq!(parsed.kind, kind);
        assert_eq!(parsed.author.as_deref(), Some("Ana Pérez"), "{kind}");
        assert_eq!(parsed.created.as_deref(), Some("2020-01-02T03:04:05+01:00"), "{kind}");
        assert_eq!(parsed.title.as_deref(), Some("Fachada"), "{kind}");
        assert_eq!(parsed.extra["copyright"], "© Ana", "{kind}");
        let people: Vec<_> = parsed.people().collect();
        assert_eq!(people, [("Ana Pérez", "author"), ("Agencia Sur", "camera_owner")]);
        assert!(parsed.notes.is_empty(), "{kind}: {:?}", parsed.notes);
    }
}

#[test]
fn all_four_corners_of_the_earth_and_the_sea_floor() {
    for (latitude, north) in [("33.8568", "N"), ("33.8568", "S"), ("0", "N"), ("90", "S")] {
        for (longitude, east) in [("151.2153", "E"), ("151.2153", "W"), ("180", "W")] {
            let tags = [
                format!("-GPSLatitude={latitude}"),
                format!("-GPSLatitudeRef={north}"),
                format!("-GPSLongitude={longitude}"),
                format!("-GPSLongitudeRef={east}"),
                "-GPSAltitude=12.25".to_owned(),
                "-GPSAltitudeRef#=1".to_owned(),
            ];
            let block = exif_block(&tags.each_ref().map(String::as_str));
            let parsed = agrees_on_the_picture(&jpeg(Some(&block)));
            assert_eq!(parsed.gps.unwrap().alt, Some(-12.25));
        }
    }
}

#[test]
fn a_picture_that_says_little_is_not_made_to_say_more() {
    let parsed = agrees_on_the_picture(&jpeg(Some(&exif_block(&["-XPAuthor=Luis"]))));
    assert_eq!(parsed.author.as_deref(), Some("Luis"));
    assert_eq!(parsed.camera, None);
    let bare = parse(&jpeg(None)).unwrap();
    assert_eq!(bare, Parsed { kind: "jpeg".to_owned(), ..Parsed::default() });
    let silly = exif_block(&["-DateTimeOriginal#=2020:13:45 99:00:00", "-GPSLatitude=40"]);
    let parsed = parse(&silly).unwrap();
    assert_eq!((parsed.created, parsed.gps), (None, None));
}

#[test]
fn xmp_speaks_where_exif_is_silent() {
    let tags = [
        "-XMP-dc:Creator=Eva",
        "-XMP-dc:Creator=Iñaki",
        "-XMP-dc:Title=Puerto",
        "-XMP:CreatorTool=GIMP 2.10",
        "-XMP:CreateDate=2019:05:06 07:08:09+02:00",
        "-XMP-aux:SerialNumber=77",
        "-XMP-tiff:Make=Nikon",
        "-XMP:GPSLatitude=-33.5",
        "-XMP:GPSLongitude=151.25",
    ];
    for (bytes, ending) in [(jpeg(None), "jpg"), (png(&[]), "png")] {
        let bytes = exiftool::write(&bytes, ending, &tags);
        let oracle = exiftool::read(&bytes);
        let parsed = parse(&bytes).unwrap();
        assert_eq!(parsed.author.as_deref(), Some("Eva; Iñaki"));
        assert_eq!(parsed.title, text(&oracle, "Title"));
        assert_eq!(parsed.software, text(&oracle, "CreatorTool"));
        assert_eq!(parsed.created, date(&oracle, "CreateDate"));
        let camera = Camera { make: Some("Nikon".into()), serial: Some("77".into()), ..Camera::default() };
        assert_eq!(parsed.camera, Some(camera));
        let gps = parsed.gps.unwrap();
        assert!((gps.lat - number(&oracle, "GPSLatitude").unwrap()).abs() < 1e-6);
        assert!((gps.lon - number(&oracle, "GPSLongitude").unwrap()).abs() < 1e-6);
        assert_eq!(parsed.extra["xmp"]["dc:title"], "Puerto");
    }
    // Where both speak, the camera's own block is believed.
    let both = exiftool::write(&jpeg(None), "jpg", &["-EXIF:Artist=Cámara", "-XMP-dc:Creator=Editor"]);
    assert_eq!(parse(&both).unwrap().author.as_deref(), Some("Cámara"));
}

#[test]
fn the_three_kinds_of_png_text() {
    let packed = [b"Comment\0\0".as_slice(), &zlib(b"hecho a mano")].concat();
    let translated = [b"Title\0\x01\0es\0T\xc3\xadtulo\0".as_slice(), &zlib("Señal".as_bytes())].concat();
    let bytes = png(&[
        (b"tEXt", b"Author\0Jos\xe9"),
        (b"tEXt", b"Software\0pintor 3"),
        (b"tEXt", b"date:create\x002020-01-02T03:04:05+00:00"),
        (b"zTXt", &packed),
        (b"iTXt", &translated),
    ]);
    let (parsed, oracle) = (parse(&bytes).unwrap(), exiftool::read(&bytes));
    assert_eq!(parsed.author, text(&oracle, "Author"));
    assert_eq!(parsed.author.as_deref(), Some("José"));
    assert_eq!(parsed.software, text(&oracle, "Software"));
    assert_eq!(parsed.title.as_deref(), Some("Señal"));
    assert_eq!(parsed.created.as_deref(), Some("2020-01-02T03:04:05+00:00"));
    assert_eq!(parsed.extra["comment"].as_str().map(str::to_owned), text(&oracle, "Comment"));
    assert!(parsed.notes.is_empty(), "{:?}", parsed.notes);
}

const INFO: &[(&str, &str)] = &[
    ("Title", "Presupuesto 2024 – ñ"),
    ("Author", "Zoë Martínez"),
    ("Creator", "Writer"),
    ("Producer", "LibreOffice 7.4"),
    ("CreationDate", "D:20240102030405+01'00'"),
    ("ModDate", "D:20240203040506Z"),
    ("Subject", "Cuentas"),
    ("Company", "ACME S.L."),
];

#[test]
fn a_pdf_says_who_with_what_and_when() {
    let bytes = saved(pdf(INFO));
    let (parsed, oracle) = (parse(&bytes).unwrap(), exiftool::read(&bytes));
    assert_eq!(parsed.kind, "pdf");
    assert_eq!(parsed.title, text(&oracle, "Title"));
    assert_eq!(parsed.author, text(&oracle, "Author"));
    assert_eq!(parsed.author.as_deref(), Some("Zoë Martínez"));
    assert_eq!(parsed.software, text(&oracle, "Creator"));
    assert_eq!(parsed.producer, text(&oracle, "Producer"));
    assert_eq!(parsed.created, date(&oracle, "CreateDate"));
    assert_eq!(parsed.created.as_deref(), Some("2024-01-02T03:04:05+01:00"));
    assert_eq!(parsed.modified, date(&oracle, "ModifyDate"));
    assert_eq!(parsed.company.as_deref(), Some("ACME S.L."));
    assert_eq!(parsed.extra["pages"], "1");
    assert_eq!(parsed.extra["subject"], "Cuentas");
    assert_eq!(parsed.programs().collect::<Vec<_>>(), ["Writer", "LibreOffice 7.4"]);
}

#[test]
fn a_pdf_without_info_is_read_by_its_xmp() {
    let tags = [
        "-XMP-dc:Creator=Eva",
        "-XMP:CreatorTool=InDesign",
        "-XMP-pdf:Producer=PDFlib",
        "-XMP:ModifyDate=2021:02:03 04:05:06Z",
    ];
    let bytes = exiftool::write(&saved(pdf(&[])), "pdf", &tags);
    let (parsed, oracle) = (parse(&bytes).unwrap(), exiftool::read(&bytes));
    assert_eq!(parsed.author.as_deref(), Some("Eva"));
    assert_eq!(parsed.software, text(&oracle, "CreatorTool"));
    assert_eq!(parsed.producer, text(&oracle, "Producer"));
    assert_eq!(parsed.modified, date(&oracle, "ModifyDate"));
}

#[test]
fn a_pdf_that_only_forbids_printing_is_open_to_reading() {
    let encrypted = |user: &str| {
        let mut document = pdf(INFO);
        document.trailer.set("ID", vec![lopdf::Object::string_literal("0123456789abcdef"); 2]);
        let version = lopdf::EncryptionVersion::V2 {
            document: &document,
            owner_password: "owner",
            user_password: user,
            key_length: 128,
            permissions: lopdf::Permissions::empty(),
        };
        let state = lopdf::EncryptionState::try_from(version).unwrap();
        document.encrypt(&state).unwrap();
        saved(document)
    };
    let open = encrypted("");
    assert!(!open.windows(6).any(|window| window == b"Writer"));
    let (parsed, oracle) = (parse(&open).unwrap(), exiftool::read(&open));
    assert_eq!(parsed.software.as_deref(), Some("Writer"));
    assert_eq!(parsed.software, text(&oracle, "Creator"));
    assert_eq!(parsed.author, text(&oracle, "Author"));
    let closed = parse(&encrypted("secret"));
    let said = closed.map_or_else(|sentence| sentence, |parsed| parsed.notes.join(" "));
    assert!(said.contains("contraseña"), "{said}");
}

#[test]
fn pdf_dates_in_all_their_lengths() {
    let cases = [
        ("D:2024", Some("2024-01-01T00:00:00")),
        ("D:202406", Some("2024-06-01T00:00:00")),
        ("20240630", Some("2024-06-30T00:00:00")),
        ("D:20240630123456", Some("2024-06-30T12:34:56")),
        ("D:20240630123456-05'30'", Some("2024-06-30T12:34:56-05:30")),
        ("D:20240630123456+02", Some("2024-06-30T12:34:56+02:00")),
        ("D:20240630123456+99'99'", Some("2024-06-30T12:34:56")),
        ("D:20240631", None),
        ("D:00000000000000Z", None),
        ("ayer", None),
        ("D:", None),
    ];
    for (written, expected) in cases {
        let parsed = parse(&saved(pdf(&[("CreationDate", written)]))).unwrap();
        assert_eq!(parsed.created.as_deref(), expected, "{written}");
    }
}

#[test]
fn office_documents_by_what_is_inside() {
    let parsed = parse(&docx(CORE, APP)).unwrap();
    assert_eq!(parsed.kind, "docx");
    assert_eq!(parsed.author.as_deref(), Some("José Núñez"));
    assert_eq!(parsed.last_modified_by.as_deref(), Some("Marta"));
    assert_eq!(parsed.company.as_deref(), Some("ACME S.L."));
    assert_eq!(parsed.title.as_deref(), Some("Informe & anexos"));
    assert_eq!(parsed.software.as_deref(), Some("Microsoft Office Word 16.0000"));
    assert_eq!(parsed.created.as_deref(), Some("2021-03-04T05:06:07Z"));
    assert_eq!(parsed.modified.as_deref(), Some("2022-03-04T05:06:07Z"));
    assert_eq!(parsed.extra["template"], "Corporativa.dotm");
    assert_eq!(parsed.extra["revision"], "7");
    for (part, kind) in [("xl/workbook.xml", "xlsx"), ("ppt/presentation.xml", "pptx")] {
        let macros = format!("{}/vbaProject.bin", part.split('/').next().unwrap());
        let bytes = archive(&[("a", b""), (part, b"<x/>"), (&macros, b"x"), ("docProps/core.xml", CORE.as_bytes())]);
        let parsed = parse(&bytes).unwrap();
        assert_eq!((parsed.kind.as_str(), parsed.author.as_deref()), (kind, Some("José Núñez")));
        assert_eq!(parsed.extra["macros"], "true");
    }
}

#[test]
fn opendocument_by_its_media_type() {
    let meta = r#"<?xml version="1.0" encoding="UTF-8"?>
<office:document-meta xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0"
 xmlns:meta="urn:oasis:names:tc:opendocument:xmlns:meta:1.0" xmlns:dc="http://purl.org/dc/elements/1.1/"><office:meta>
<meta:initial-creator>Laia</meta:initial-creator><meta:creation-date>2020-05-06T07:08:09.123</meta:creation-date>
<dc:creator>Óscar</dc:creator><dc:date>2021-05-06T07:08:09</dc:date><dc:title>Acta</dc:title>
<meta:generator>LibreOffice/7.4.7.2$Linux_X86_64</meta:generator><meta:editing-cycles>3</meta:editing-cycles>
</office:meta></office:document-meta>"#;
    for (media, kind) in [("text", "odt"), ("spreadsheet", "ods"), ("presentation", "odp"), ("text-template", "odt")] {
        let mimetype = format!("application/vnd.oasis.opendocument.{media}");
        let parsed = parse(&archive(&[("mimetype", mimetype.as_bytes()), ("meta.xml", meta.as_bytes())])).unwrap();
        assert_eq!(parsed.kind, kind);
        assert_eq!(parsed.author.as_deref(), Some("Laia"));
        assert_eq!(parsed.last_modified_by.as_deref(), Some("Óscar"));
        assert_eq!(parsed.title.as_deref(), Some("Acta"));
        assert_eq!(parsed.software.as_deref(), Some("LibreOffice/7.4.7.2$Linux_X86_64"));
        assert_eq!(parsed.created.as_deref(), Some("2020-05-06T07:08:09.123"));
        assert_eq!(parsed.modified.as_deref(), Some("2021-05-06T07:08:09"));
        assert_eq!(parsed.extra["revision"], "3");
    }
}

#[test]
fn what_is_no_document_is_said_to_be_none() {
    for bytes in [b"".as_slice(), b"hola", b"<html></html>", b"GIF89a", b"\x7fELF", &[0; 4_096]] {
        let sentence = parse(bytes).unwrap_err();
        assert_eq!(sentence, "El formato del fichero no es ninguno de los que se analizan.");
    }
    let sentence = parse(&archive(&[("readme.txt", b"hola")])).unwrap_err();
    assert_eq!(sentence, "El archivo ZIP no es un documento de Office ni OpenDocument.");
}
