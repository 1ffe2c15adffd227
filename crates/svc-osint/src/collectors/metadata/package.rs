//! Documents that are ZIP archives: opened with caps, sorted by what is inside, never unpacked as a whole.

use std::io::{Cursor, Read};

use roxmltree::{Node, ParsingOptions};
use zip::ZipArchive;

use super::parsed::{Parsed, clean};
use super::{odf, ooxml, xmp};

/// Most entries of an archive.
const MAX_ENTRIES: usize = 10_000;
/// Most bytes one part may unpack to.
const MAX_PART: u64 = 2 << 20;
/// Most times a part may be larger than it is packed; real ones stay below 30.
const MAX_RATIO: u64 = 200;

/// An archive whose parts are read one by one, by name.
pub(super) struct Package<'a> {
    archive: ZipArchive<Cursor<&'a [u8]>>,
}

/// Reads the metadata parts of an Office or OpenDocument file.
///
/// # Errors
/// A Spanish sentence when the archive is broken, a bomb, or no document.
pub(super) fn read(bytes: &[u8]) -> Result<Parsed, String> {
    let mut package = Package::open(bytes)?;
    if let Some(kind) = package.text("mimetype")?.as_deref().and_then(odf::kind) {
        return odf::read(kind, &mut package);
    }
    if let Some(kind) = ooxml::kind(&package) {
        return Ok(ooxml::read(kind, &mut package));
    }
    Err("El archivo ZIP no es un documento de Office ni OpenDocument.".to_owned())
}

impl<'a> Package<'a> {
    fn open(bytes: &'a [u8]) -> Result<Self, String> {
        let archive = ZipArchive::new(Cursor::new(bytes)).map_err(|e| format!("El archivo ZIP está dañado: {e}."))?;
        if archive.len() > MAX_ENTRIES {
            return Err(format!("El archivo ZIP tiene más de {MAX_ENTRIES} entradas; no se ha leído."));
        }
        Ok(Self { archive })
    }

    /// Whether there is a part of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.archive.index_for_name(name).is_some()
    }

    /// The text of a part, or `None` when there is no such part.
    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, String> {
        let Some(index) = self.archive.index_for_name(name) else {
            return Ok(None);
        };
        let broken = |why: String| format!("La parte «{name}» del documento no se puede leer: {why}.");
        let part = self.archive.by_index(index).map_err(|e| broken(e.to_string()))?;
        let bomb = || broken("se expande demasiado".to_owned());
        if part.size() > MAX_PART || part.size() / part.compressed_size().max(1) > MAX_RATIO {
            return Err(bomb());
        }
        // The sizes above are only claims; this is the measure.
        let mut bytes = Vec::new();
        part.take(MAX_PART + 1).read_to_end(&mut bytes).map_err(|e| broken(e.to_string()))?;
        if bytes.len() as u64 > MAX_PART {
            return Err(bomb());
        }
        Ok(Some(String::from_utf8_lossy(&bytes).trim_start_matches('\u{feff}').to_owned()))
    }
}

/// The text of each element by its local name, first one wins: the metadata parts are flat lists.
///
/// # Errors
/// A Spanish sentence when the XML is broken or has too many nodes.
pub(super) fn elements(part: &str, xml: &str) -> Result<Vec<(String, String)>, String> {
    let options = ParsingOptions { nodes_limit: xmp::MAX_NODES, ..ParsingOptions::default() };
    let document = roxmltree::Document::parse_with_options(xml, options)
        .map_err(|e| format!("La parte «{part}» del documento no es XML correcto: {e}."))?;
    let named = |node: Node<'_, '_>| Some((node.tag_name().name().to_owned(), clean(node.text()?)?));
    Ok(document.descendants().filter(Node::is_element).filter_map(named).collect())
}
