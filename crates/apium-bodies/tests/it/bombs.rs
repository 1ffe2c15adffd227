//! A few bytes that unpack to a hundred million: told, and never held.

use apium_bodies::{BodySettings, Compression, Serializer};
use apium_core::bodies::Bodies;

use crate::kit::{bodies, bytes, lines, message, open_to_all, text};

/// What a test may take beside, in bytes.
const ROOM: u64 = 48 << 20;

/// The most memory this process has ever had, in bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

#[test]
fn every_compression_stops_at_the_limit() {
    let bodies = bodies(BodySettings { largest_body: 1 << 20, ..open_to_all() });
    for line in lines("compressed.jsonl") {
        let (name, header, bomb) = (text(&line, "name"), text(&line, "content_type"), bytes(&line, "bomb"));
        assert!(bomb.len() < 100_000, "{name}");
        let before = peak();
        let told = bodies.open(&message(("application/json", "utf-8"), Some(&header), &bomb)).unwrap_err().to_string();
        assert!(told.contains("larger unpacked than largest_body allows, 1048576 bytes"), "{name}: {told}");
        let stored = [format!("\0celery-compressed\0{header}\0").as_bytes(), &bomb].concat();
        assert!(bodies.open_stored(&stored).unwrap_err().contains("largest_body"), "{name}");
        let grown = peak() - before;
        assert!(grown < ROOM, "{name} took {grown} bytes");
    }
}

#[test]
fn a_stream_that_asks_for_much_room_gets_none() {
    // Frames that announce windows of gigabytes, with next to nothing behind.
    let before = peak();
    for (compression, packed) in [
        (Compression::Zstd, &b"\x28\xb5\x2f\xfd\x00\xf8\x01\x00\x00"[..]),
        (Compression::Zstd, b"\x28\xb5\x2f\xfd\xe0\x00\x00\x00\x00\xff\x00\x00\x00\x01\x00\x00"),
        (Compression::Brotli, b"\x11\x1e\x00\x00\x00\x00"),
    ] {
        assert!(compression.unpack(packed, 1 << 20).unwrap_err().contains("window"), "{compression}");
    }
    // A dictionary of four gigabytes.
    let mut xz = Compression::Xz.pack(b"hello").unwrap();
    let at = xz.windows(2).position(|bytes| bytes == [0x21, 0x01]).unwrap();
    xz[at + 2] = 40;
    assert!(Compression::Xz.unpack(&xz, 1 << 20).is_err());
    assert!(peak() - before < ROOM);
}

#[test]
fn msgpack_that_announces_more_than_there_is() {
    let bodies = bodies(BodySettings { largest_body: 1 << 20, ..open_to_all() });
    for body in
        [&b"\xdd\xff\xff\xff\xff"[..], b"\xdf\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff", b"\xdb\xff\xff\xff\xff"]
    {
        assert!(bodies.open(&message(Serializer::Msgpack.content(), None, body)).is_err());
    }
    let deep =
        bodies.open(&message(Serializer::Msgpack.content(), None, &vec![0x91; 100_000])).unwrap_err().to_string();
    assert!(deep.contains("nests deeper"), "{deep}");
}
