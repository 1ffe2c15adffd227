//! Reads Rust just far enough to tell code from comments and strings, and to find where a block ends.
//!
//! Rules that look for words would otherwise stumble over their own names in prose and messages.

use std::ops::Range;

/// A function with a body.
pub(super) struct Function {
    pub(super) name: String,
    /// Where its `fn` stands.
    pub(super) start: usize,
    /// The place just behind its closing brace.
    pub(super) end: usize,
}

/// The text with every comment, string and character literal turned into blanks; places stay the same.
pub(super) fn code_only(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut kept = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let name = name_length(&bytes[at..]);
        if let Some(end) = foreign_end(bytes, at) {
            blank(&mut kept[at..end]);
            at = end;
        } else {
            at += name.max(1);
        }
    }
    String::from_utf8_lossy(&kept).into_owned()
}

/// The modules compiled only for tests (`#[cfg(test)] mod … { … }`), as ranges of the code.
pub(super) fn test_modules(code: &str) -> Vec<Range<usize>> {
    code.match_indices("#[cfg(test)]").filter_map(|(start, _)| Some(start..block_end(code, start)?)).collect()
}

/// Every function that has a body, nested ones too.
pub(super) fn functions(code: &str) -> Vec<Function> {
    super::tree::places(code, "fn ")
        .into_iter()
        .filter_map(|start| {
            let name = name_at(code, start + 3).to_owned();
            let end = block_end(code, start)?;
            (!name.is_empty()).then_some(Function { name, start, end })
        })
        .collect()
}

/// The name that begins at `at`, or behind the blanks there.
pub(super) fn name_at(code: &str, at: usize) -> &str {
    let rest = code[at..].trim_start();
    &rest[..name_length(rest.as_bytes())]
}

/// Where the first block after `start` ends; nothing if a `;` outside brackets comes before it.
fn block_end(code: &str, start: usize) -> Option<usize> {
    let mut brackets = 0_usize;
    let mut braces = 0_usize;
    for (at, byte) in code.bytes().enumerate().skip(start) {
        match byte {
            b'(' | b'[' => brackets += 1,
            b')' | b']' => brackets = brackets.saturating_sub(1),
            b'{' => braces += 1,
            b'}' if braces == 1 => return Some(at + 1),
            b'}' => braces = braces.checked_sub(1)?,
            b';' if braces == 0 && brackets == 0 => return None,
            _ => {}
        }
    }
    None
}

/// Where the comment, string or character that begins at `at` ends; nothing if code begins there.
fn foreign_end(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = &bytes[at..];
    let length = match rest {
        [b'/', b'/', ..] => until(rest, b"\n", 2),
        [b'/', b'*', ..] => block_comment(rest),
        [b'"', ..] => string(rest, 0),
        [b'\'', ..] => character(rest)?,
        _ => prefixed(rest)?,
    };
    Some(at + length)
}

/// A string or byte with letters before its quote: `r#"…"#`, `b"…"`, `c"…"`, `br"…"`, `b'…'`.
fn prefixed(rest: &[u8]) -> Option<usize> {
    let prefix = name_length(rest);
    if !matches!(&rest[..prefix], b"r" | b"b" | b"c" | b"br" | b"cr") {
        return None;
    }
    let raw = rest[..prefix].contains(&b'r');
    let hashes = rest[prefix..].iter().take_while(|byte| **byte == b'#').count();
    match rest.get(prefix + hashes)? {
        b'"' if raw => {
            let mut closing = vec![b'"'];
            closing.resize(1 + hashes, b'#');
            let body = prefix + hashes + 1;
            Some((until(rest, &closing, body) + closing.len()).min(rest.len()))
        }
        b'"' if hashes == 0 => Some(string(rest, prefix)),
        b'\'' if hashes == 0 => Some(prefix + character(&rest[prefix..])?),
        _ => None,
    }
}

/// The length of a string whose quote stands at `quote`.
fn string(rest: &[u8], quote: usize) -> usize {
    let mut at = quote + 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// The length of a character literal; nothing if the quote begins a lifetime.
fn character(rest: &[u8]) -> Option<usize> {
    match rest.get(1)? {
        b'\\' => Some((until(rest, b"'", 3) + 1).min(rest.len())),
        first => {
            let width = match first {
                0xF0.. => 4,
                0xE0.. => 3,
                0xC0.. => 2,
                _ => 1,
            };
            (rest.get(1 + width) == Some(&b'\'')).then_some(width + 2)
        }
    }
}

fn block_comment(rest: &[u8]) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < rest.len() {
        match &rest[at..] {
            [b'/', b'*', ..] => {
                depth += 1;
                at += 2;
            }
            [b'*', b'/', ..] => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    rest.len()
}

/// The distance to `wanted`, looking from `from`; all that is left when it never comes.
fn until(rest: &[u8], wanted: &[u8], from: usize) -> usize {
    rest.get(from..)
        .and_then(|tail| tail.windows(wanted.len()).position(|window| window == wanted))
        .map_or(rest.len(), |distance| from + distance)
}

fn name_length(rest: &[u8]) -> usize {
    rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count()
}

fn blank(bytes: &mut [u8]) {
    for byte in bytes.iter_mut().filter(|byte| **byte != b'\n') {
        *byte = b' ';
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_strings_and_characters_become_blanks_of_the_same_size() {
        for (text, code) in [
            ("a // b\nc", "a     \nc"),
            ("a /* b /* c */ d */ e", "a                   e"),
            (r#"f("x \" y", 1)"#, "f(        , 1)"),
            (r##"f(r#"x " y"#, 1)"##, "f(          , 1)"),
            ("b\"x\" + b'y' + 'z'", "     +      +    "),
            ("'\\'' '\\u{1F600}' 'é'", "                     "),
            ("fn f<'a>(x: &'a str)", "fn f<'a>(x: &'a str)"),
            ("r#fn + bar\"s\"", "r#fn + bar   "),
        ] {
            assert_eq!(code_only(text), code, "{text}");
            assert_eq!(code_only(text).len(), text.len(), "{text}");
        }
    }

    #[test]
    fn a_function_ends_at_its_own_brace() {
        let code = "trait T { fn a(&self); fn b() -> [u8; 2] { if x { y } [0; 2] } }";
        let found = functions(code);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].name, "b");
        assert!(code[found[0].start..found[0].end].ends_with("[0; 2] }"));
    }

    #[test]
    fn a_test_module_is_a_range_and_a_declaration_is_not() {
        let code = "#[cfg(test)] mod tests; fn a() {} #[cfg(test)] mod t { fn b() {} } fn c() {}";
        let ranges = test_modules(code);
        assert_eq!(ranges.len(), 1);
        assert_eq!(&code[ranges[0].clone()], "#[cfg(test)] mod t { fn b() {} }");
    }
}
