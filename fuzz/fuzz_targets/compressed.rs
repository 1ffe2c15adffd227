//! Any bytes as a compressed stream of each kind: none unpacks to more than allowed, and what was packed comes back.
#![no_main]

use apium_bodies::Compression;
use libfuzzer_sys::fuzz_target;

const MOST: usize = 100_000;

fuzz_target!(|input: (u8, &[u8])| {
    let compression = Compression::ALL[usize::from(input.0) % Compression::ALL.len()];
    if let Ok(plain) = compression.unpack(input.1, MOST) {
        assert!(plain.len() <= MOST);
    }
    let packed = compression.pack(input.1).expect("every compression is compiled in");
    assert_eq!(compression.unpack(&packed, input.1.len()).expect("what was packed is unpacked"), input.1);
});
