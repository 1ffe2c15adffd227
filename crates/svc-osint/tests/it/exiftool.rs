//! The oracle: what `exiftool` reads and writes, independently of every line under test.

use std::path::Path;
use std::process::Command;

use serde_json::{Map, Value};

/// Runs `exiftool` and gives back what it printed.
pub(crate) fn run(arguments: &[&str], file: &Path) -> Vec<u8> {
    let output = Command::new("exiftool")
        .args(arguments)
        .arg(file)
        .output()
        .expect("exiftool is needed as an oracle: apt-get install libimage-exiftool-perl");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "exiftool {arguments:?} {}: {complaint}", file.display());
    output.stdout
}

/// Everything it reads from `bytes`, numbers as numbers, by name without group.
pub(crate) fn read(bytes: &[u8]) -> Map<String, Value> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sample");
    std::fs::write(&file, bytes).unwrap();
    let printed = run(&["-json", "-n"], &file);
    let mut list: Vec<Map<String, Value>> = serde_json::from_slice(&printed).unwrap();
    list.remove(0)
}

/// `bytes` after it has written `tags` (`-Name=value`) into them.
pub(crate) fn write(bytes: &[u8], ending: &str, tags: &[&str]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(format!("sample.{ending}"));
    std::fs::write(&file, bytes).unwrap();
    run(&[&["-q", "-overwrite_original"], tags].concat(), &file);
    std::fs::read(&file).unwrap()
}

/// A bare EXIF block holding `tags`, made from nothing.
pub(crate) fn exif_block(tags: &[&str]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("block.exif");
    run(&[&["-q"], tags, &["-o"]].concat(), &file);
    std::fs::read(&file).unwrap()
}

/// One of its texts; numbers become text, since `-json` cannot tell `0123` from a number safely.
pub(crate) fn text(read: &Map<String, Value>, name: &str) -> Option<String> {
    match read.get(name)? {
        Value::String(text) => Some(text.clone()),
        Value::Array(list) => Some(list.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("; ")),
        other => Some(other.to_string()),
    }
}

/// One of its dates, as ISO 8601.
pub(crate) fn date(read: &Map<String, Value>, name: &str) -> Option<String> {
    Some(text(read, name)?.replacen(':', "-", 2).replacen(' ', "T", 1))
}

/// One of its numbers.
pub(crate) fn number(read: &Map<String, Value>, name: &str) -> Option<f64> {
    read.get(name)?.as_f64()
}
