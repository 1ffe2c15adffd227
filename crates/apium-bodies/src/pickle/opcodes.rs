//! The opcodes by Python's names, and how numbers and texts stand behind them.

macro_rules! opcodes {
    ($($name:ident = $code:literal,)*) => {$(pub(super) const $name: u8 = $code;)*};
}

opcodes! {
    MARK = b'(', STOP = b'.', POP = b'0', POP_MARK = b'1', DUP = b'2', FLOAT = b'F', INT = b'I', BININT = b'J',
    BININT1 = b'K', LONG = b'L', BININT2 = b'M', NONE = b'N', PERSID = b'P', BINPERSID = b'Q', REDUCE = b'R',
    STRING = b'S', BINSTRING = b'T', SHORT_BINSTRING = b'U', UNICODE = b'V', BINUNICODE = b'X', APPEND = b'a',
    BUILD = b'b', GLOBAL = b'c', DICT = b'd', EMPTY_DICT = b'}', APPENDS = b'e', GET = b'g', BINGET = b'h', INST = b'i',
    LONG_BINGET = b'j', LIST = b'l', EMPTY_LIST = b']', OBJ = b'o', PUT = b'p', BINPUT = b'q', LONG_BINPUT = b'r',
    SETITEM = b's', TUPLE = b't', EMPTY_TUPLE = b')', SETITEMS = b'u', BINFLOAT = b'G', PROTO = 0x80, NEWOBJ = 0x81,
    EXT1 = 0x82, EXT2 = 0x83, EXT4 = 0x84, TUPLE1 = 0x85, TUPLE2 = 0x86, TUPLE3 = 0x87, NEWTRUE = 0x88,
    NEWFALSE = 0x89, LONG1 = 0x8a, LONG4 = 0x8b, BINBYTES = b'B', SHORT_BINBYTES = b'C', SHORT_BINUNICODE = 0x8c,
    BINUNICODE8 = 0x8d, BINBYTES8 = 0x8e, EMPTY_SET = 0x8f, ADDITEMS = 0x90, FROZENSET = 0x91, NEWOBJ_EX = 0x92,
    STACK_GLOBAL = 0x93, MEMOIZE = 0x94, FRAME = 0x95, BYTEARRAY8 = 0x96,
}

/// The longest whole number, in bytes: about Python's own limit of 4,300 digits.
const LONGEST: usize = 1_785;

/// Digits as they stand on a line.
pub(super) fn decimal(digits: &str) -> Result<String, String> {
    let plain = digits.strip_prefix('-').unwrap_or(digits);
    if plain.is_empty() || plain.len() > 4_300 || !plain.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err("a number in it cannot be read".to_owned());
    }
    let trimmed = plain.trim_start_matches('0');
    let plain = if trimmed.is_empty() { "0" } else { trimmed };
    Ok(if digits.starts_with('-') && plain != "0" { format!("-{plain}") } else { plain.to_owned() })
}

/// A whole number without a sign, the lowest byte first.
pub(super) fn little(bytes: &[u8]) -> Result<String, String> {
    let mut unsigned = bytes.to_vec();
    unsigned.push(0);
    signed(&unsigned)
}

/// A whole number in two's complement, the lowest byte first, in its digits.
pub(super) fn signed(bytes: &[u8]) -> Result<String, String> {
    if bytes.len() > LONGEST {
        return Err("a number in it is too long".to_owned());
    }
    let negative = bytes.last().is_some_and(|highest| highest & 0x80 != 0);
    let mut magnitude: Vec<u8> = bytes.iter().rev().copied().collect();
    if negative {
        for byte in &mut magnitude {
            *byte = !*byte;
        }
        for byte in magnitude.iter_mut().rev() {
            let (sum, carry) = byte.overflowing_add(1);
            *byte = sum;
            if !carry {
                break;
            }
        }
    }
    let digits = digits_of(magnitude);
    Ok(if negative { format!("-{digits}") } else { digits })
}

/// The digits of a number, the highest byte first.
fn digits_of(mut magnitude: Vec<u8>) -> String {
    let mut groups = Vec::new();
    while magnitude.iter().any(|byte| *byte != 0) {
        let mut rest = 0_u64;
        for byte in &mut magnitude {
            let part = rest << 8 | u64::from(*byte);
            // Below 256 where the rest is below the divisor.
            *byte = u8::try_from(part / 1_000_000_000).unwrap_or(u8::MAX);
            rest = part % 1_000_000_000;
        }
        groups.push(rest);
    }
    let Some(first) = groups.pop() else { return "0".to_owned() };
    groups.iter().rev().fold(first.to_string(), |digits, group| format!("{digits}{group:09}"))
}

/// Text in which Python has escaped what does not fit on a line.
pub(super) fn unescaped(line: &str) -> Result<String, String> {
    let odd = || "a text in it cannot be read".to_owned();
    let (mut text, mut signs) = (String::with_capacity(line.len()), line.chars());
    while let Some(sign) = signs.next() {
        if sign != '\\' {
            text.push(sign);
            continue;
        }
        let digits = match signs.next().ok_or_else(odd)? {
            'u' => 4,
            'U' => 8,
            'x' => 2,
            'n' => {
                text.push('\n');
                continue;
            }
            sign @ ('\\' | '\'' | '"') => {
                text.push(sign);
                continue;
            }
            _ => return Err(odd()),
        };
        let code: String = signs.by_ref().take(digits).collect();
        let code = u32::from_str_radix(&code, 16).map_err(|_| odd())?;
        text.push(char::from_u32(code).ok_or_else(odd)?);
    }
    Ok(text)
}
