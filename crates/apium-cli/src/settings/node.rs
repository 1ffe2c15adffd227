//! Celery's format of a worker's node name.

/// The node name on this host, or what the format must be.
///
/// `%h` is the host's name, `%n` its first part, `%d` the rest, `%%` a percent sign. `%i` and `%I` are the number of a
/// pool's child in Celery; for a worker itself they are `0` and nothing.
pub(crate) fn node_name(format: &str, host: &str) -> Result<String, String> {
    if format.trim().is_empty() {
        return Err("must not be blank".to_owned());
    }
    // Names stand in lists with commas, in patterns, and in the log.
    if format.contains(|sign: char| sign.is_whitespace() || sign.is_control() || ":/,;?*[]\"'\\=".contains(sign)) {
        return Err("must be a node name such as w1@%h, without spaces and signs such as : / , ; * =".to_owned());
    }
    if format.matches('@').count() > 1 {
        return Err("must be a node name such as w1@%h, with at most one @".to_owned());
    }
    let (first, rest) = host.split_once('.').unwrap_or((host, ""));
    let (mut name, mut signs) = (String::new(), format.chars());
    while let Some(sign) = signs.next() {
        if sign != '%' {
            name.push(sign);
            continue;
        }
        name.push_str(match signs.next() {
            Some('h') => host,
            Some('n') => first,
            Some('d') => rest,
            Some('i') => "0",
            Some('I') => "",
            Some('%') => "%",
            _ => return Err("must be a node name in which only %h, %n, %d, %i, %I and %% stand behind a %".to_owned()),
        });
    }
    if format.starts_with('@') || format.ends_with('@') {
        return Err("must be a node name such as w1@%h, with something on both sides of the @".to_owned());
    }
    Ok(if name.contains('@') { name } else { format!("{name}@{host}") })
}

#[cfg(test)]
mod tests {
    use super::node_name;

    #[test]
    fn celerys_formats_are_understood_and_no_others() {
        for (format, name) in [
            ("celery@%h", "celery@box.example.org"),
            ("w%i%I@%n", "w0@box"),
            ("%n@%d", "box@example.org"),
            ("w1", "w1@box.example.org"),
            ("100%%@x", "100%@x"),
        ] {
            assert_eq!(node_name(format, "box.example.org").as_deref(), Ok(name), "{format}");
        }
        for format in ["", " ", "a@b@c", "%z", "w1@%", "a b", "a\nb", "@%h", "w1@", "redis://:p@h", "a,b"] {
            assert!(node_name(format, "box").is_err(), "{format}");
        }
    }
}
