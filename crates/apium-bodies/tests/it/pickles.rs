//! Pickles that ask for more than plain data.

use apium_bodies::{BodySettings, Serializer};

use crate::kit::{bodies, open, open_to_all};

fn refused(program: &[u8]) -> String {
    let settings = BodySettings { largest_body: 1 << 20, ..open_to_all() };
    open(&bodies(settings), Serializer::Pickle, program).unwrap_err().to_string()
}

#[test]
fn it_is_refused_by_name_unless_switched_on() {
    let json = bodies(BodySettings::default());
    let told = open(&json, Serializer::Pickle, b"N.").unwrap_err().to_string();
    assert!(told.contains("it is pickle (application/x-python-serialize)"), "{told}");
    assert!(told.contains("accept_content is json; add pickle to it, if all who can send are trusted"), "{told}");
}

#[test]
fn nothing_is_called() {
    for program in [
        &b"cos\nsystem\n(S'touch /tmp/owned'\ntR."[..],
        b"\x80\x02cposix\nsystem\nq\x00X\x0e\x00\x00\x00touch /tmp/own\x85R.",
        b"(S'echo'\nios\nsystem\n.",
        b"c__builtin__\neval\n(S'1'\ntR.",
        b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x02ls\x85R.",
        b"c__builtin__\nobject\n)\x81}b.",
        b"]cos\nsystem\na.",
        b"P1\n.",
        b"\x82\x01.",
    ] {
        let told = refused(program);
        assert!(told.contains("not plain data") && told.contains("nothing in a pickle is called"), "{told}");
    }
    assert!(refused(b"cos\nsystem\n(S'touch'\ntR.").contains("os.system"));
}

#[test]
fn none_can_grow_or_nest_without_end() {
    // A list of two lists of two lists …: thirty lines on the wire, a thousand million elements.
    let mut doubling = b"]q\x00".to_vec();
    for at in 0..30_u8 {
        doubling.extend([b']', b'q', at + 1, b'(', b'h', at, b'h', at, b'e']);
    }
    doubling.push(b'.');
    assert!(refused(&doubling).contains("larger unpacked than largest_body allows"), "{}", refused(&doubling));
    // A list that holds itself.
    assert!(refused(b"]q\x00h\x00a.").contains("nests deeper"));
    let deep = [vec![b']'; 100_000], vec![b'a'; 99_999], vec![b'.']].concat();
    let told = refused(&deep);
    assert!(told.contains("nests deeper") || told.contains("objects"), "{told}");
    assert!(refused(&[vec![b'N'; 1_000_000], vec![b'.']].concat()).contains("holds more than"));
    for cut in [
        &b""[..],
        b"(",
        b".",
        b"R.",
        b"e.",
        b"X\xff\xff\xff\xffa",
        b"\x8e\xff\xff\xff\xff\xff\xff\xff\xff.",
        b"h\x05.",
        b"t.",
    ] {
        refused(cut);
    }
}
