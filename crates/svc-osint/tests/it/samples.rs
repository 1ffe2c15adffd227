//! Files built byte by byte, so that every container can hold the very same metadata.

use std::io::{Cursor, Write};

use flate2::Compression;
use flate2::write::ZlibEncoder;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// A JPEG with this EXIF block, and just enough picture for a reader to accept it.
pub(crate) fn jpeg(exif: Option<&[u8]>) -> Vec<u8> {
    let mut file = vec![0xff, 0xd8];
    if let Some(exif) = exif {
        let length = u16::try_from(exif.len() + 8).unwrap();
        file.extend_from_slice(&[0xff, 0xe1]);
        file.extend_from_slice(&length.to_be_bytes());
        file.extend_from_slice(b"Exif\0\0");
        file.extend_from_slice(exif);
    }
    file.extend_from_slice(b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00\xff\xd9");
    file
}

/// A one-pixel PNG with these chunks.
pub(crate) fn png(chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut put = |kind: &[u8; 4], body: &[u8]| {
        file.extend_from_slice(&u32::try_from(body.len()).unwrap().to_be_bytes());
        let mut crc = flate2::Crc::new();
        crc.update(kind);
        crc.update(body);
        file.extend_from_slice(kind);
        file.extend_from_slice(body);
        file.extend_from_slice(&crc.sum().to_be_bytes());
    };
    put(b"IHDR", &[0, 0, 0, 1, 0, 0, 0, 1, 8, 0, 0, 0, 0]);
    for (kind, body) in chunks {
        put(kind, body);
    }
    put(b"IDAT", &zlib(&[0, 0]));
    put(b"IEND", b"");
    file
}

/// A WebP with this EXIF block.
pub(crate) fn webp(exif: &[u8]) -> Vec<u8> {
    let mut body = b"WEBP".to_vec();
    let mut put = |kind: &[u8; 4], data: &[u8]| {
        body.extend_from_slice(kind);
        body.extend_from_slice(&u32::try_from(data.len()).unwrap().to_le_bytes());
        body.extend_from_slice(data);
        body.resize(body.len().next_multiple_of(2), 0);
    };
    put(b"VP8X", &[0x08, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    put(b"VP8L", &[0x2f, 0, 0, 0, 0, 0x88, 0x88, 0x08]);
    put(b"EXIF", exif);
    let mut file = b"RIFF".to_vec();
    file.extend_from_slice(&u32::try_from(body.len()).unwrap().to_le_bytes());
    file.extend_from_slice(&body);
    file
}

/// A HEIC whose only item is this EXIF block.
pub(crate) fn heif(exif: &[u8]) -> Vec<u8> {
    let mut item = 6u32.to_be_bytes().to_vec();
    item.extend_from_slice(b"Exif\0\0");
    item.extend_from_slice(exif);
    let length = u32::try_from(item.len()).unwrap();
    let build = |offset: u32| {
        let infe = atom(*b"infe", &[&[2, 0, 0, 0, 0, 1, 0, 0], b"Exif".as_slice(), &[0]].concat());
        let iinf = atom(*b"iinf", &[&[0, 0, 0, 0, 0, 1], infe.as_slice()].concat());
        let place = [&[0, 1, 0, 0, 0, 1], &offset.to_be_bytes()[..], &length.to_be_bytes()[..]].concat();
        let iloc = atom(*b"iloc", &[&[0, 0, 0, 0, 0x44, 0, 0, 1], place.as_slice()].concat());
        let hdlr = atom(*b"hdlr", &[&[0; 8], b"pict".as_slice(), &[0; 13]].concat());
        let pitm = atom(*b"pitm", &[0, 0, 0, 0, 0, 1]);
        let meta = atom(*b"meta", &[&[0; 4], hdlr.as_slice(), &pitm, &iinf, &iloc].concat());
        [atom(*b"ftyp", b"heic\0\0\0\0mif1heic"), meta].concat()
    };
    let head = u32::try_from(build(0).len()).unwrap() + 8;
    [build(head), atom(*b"mdat", &item)].concat()
}

/// A one-page PDF with this Info dictionary, written the old way (without object streams).
pub(crate) fn pdf(info: &[(&str, &str)]) -> lopdf::Document {
    use lopdf::{Dictionary, Object, dictionary};
    let mut document = lopdf::Document::with_version("1.5");
    let pages = document.new_object_id();
    let page = document.add_object(dictionary! {
        "Type" => "Page", "Parent" => pages, "MediaBox" => vec![0.into(), 0.into(), 9.into(), 9.into()],
    });
    let tree = dictionary! { "Type" => "Pages", "Kids" => vec![page.into()], "Count" => 1 };
    document.objects.insert(pages, Object::Dictionary(tree));
    let catalog = document.add_object(dictionary! { "Type" => "Catalog", "Pages" => pages });
    document.trailer.set("Root", catalog);
    let mut dictionary = Dictionary::new();
    for (key, value) in info {
        dictionary.set(*key, lopdf::text_string(value));
    }
    let info = document.add_object(dictionary);
    document.trailer.set("Info", info);
    document
}

/// The document's bytes.
pub(crate) fn saved(mut document: lopdf::Document) -> Vec<u8> {
    let mut bytes = Vec::new();
    document.save_to(&mut bytes).unwrap();
    bytes
}

/// A ZIP archive with these parts, the first one stored (as OpenDocument wants it).
pub(crate) fn archive(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (at, (name, bytes)) in parts.iter().enumerate() {
        let method = if at == 0 { CompressionMethod::Stored } else { CompressionMethod::Deflated };
        let options: SimpleFileOptions = SimpleFileOptions::default().compression_method(method);
        writer.start_file(*name, options).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// A Word file as Word writes it, as far as metadata goes.
pub(crate) fn docx(core: &str, app: &str) -> Vec<u8> {
    archive(&[
        ("[Content_Types].xml", b"<Types xmlns='http://schemas.openxmlformats.org/package/2006/content-types'/>"),
        ("word/document.xml", b"<w:document xmlns:w='w'/>"),
        ("docProps/core.xml", core.as_bytes()),
        ("docProps/app.xml", app.as_bytes()),
    ])
}

/// The `core.xml` of every Office sample.
pub(crate) const CORE: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<cp:coreProperties xmlns:cp="http://schemas.openxmlformats.org/package/2006/metadata/core-properties"
 xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:dcterms="http://purl.org/dc/terms/"
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><dc:title>Informe &amp; anexos</dc:title>
<dc:creator>José Núñez</dc:creator><cp:lastModifiedBy>Marta</cp:lastModifiedBy><cp:revision>7</cp:revision>
<dcterms:created xsi:type="dcterms:W3CDTF">2021-03-04T05:06:07Z</dcterms:created>
<dcterms:modified xsi:type="dcterms:W3CDTF">2022-03-04T05:06:07Z</dcterms:modified></cp:coreProperties>"#;

/// The `app.xml` of every Office sample.
pub(crate) const APP: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Properties xmlns="http://schemas.openxmlformats.org/officeDocument/2006/extended-properties">
<Template>Corporativa.dotm</Template><TotalTime>42</TotalTime><Application>Microsoft Office Word</Application>
<Company>ACME S.L.</Company><AppVersion>16.0000</AppVersion></Properties>"#;

/// Zlib of `bytes`.
pub(crate) fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::best());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

/// A deflate stream that unpacks to this many mebibytes of spaces and then breaks off, after `header`.
/// Made by repeating one block, so that making it costs nothing.
pub(crate) fn bomb(header: &[u8], mebibytes: usize) -> Vec<u8> {
    let mut packer = flate2::Compress::new(Compression::best(), false);
    let spaces = vec![b' '; 1 << 20];
    let mut block = || {
        let mut block = Vec::with_capacity(1 << 16);
        packer.compress_vec(&spaces, &mut block, flate2::FlushCompress::Sync).unwrap();
        block
    };
    let (first, second) = (block(), block());
    [header, &first, &second.repeat(mebibytes - 1)].concat()
}

fn atom(kind: [u8; 4], body: &[u8]) -> Vec<u8> {
    let mut atom = u32::try_from(body.len() + 8).unwrap().to_be_bytes().to_vec();
    atom.extend_from_slice(&kind);
    atom.extend_from_slice(body);
    atom
}
