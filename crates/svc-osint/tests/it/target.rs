//! The grammar of targets: what is understood, what is refused, and that nothing makes it fail.

use proptest::prelude::*;
use svc_osint::target::{DomainName, Target, TargetKind};

fn read(text: &str, kind: TargetKind) -> Result<Target, String> {
    Target::parse_for(text, &[kind]).map_err(|error| error.to_string())
}

fn domain(text: &str) -> DomainName {
    match read(text, TargetKind::Domain) {
        Ok(Target::Domain(name)) => name,
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn domains_keep_what_was_written_and_gain_punycode() {
    let spanish = domain("  España.ES. ");
    assert_eq!((spanish.text.as_str(), spanish.ascii.as_str()), ("España.ES.", "xn--espaa-rta.es"));
    assert_eq!(domain("ｅｘａｍｐｌｅ。com").ascii, "example.com", "full width, ideographic full stop");
    assert_eq!(domain("faß.de").ascii, "xn--fa-hia.de", "not transitional");
    assert_eq!(domain("r3---sn-x.example.com").ascii, "r3---sn-x.example.com");
}

#[test]
fn the_registrable_domain_follows_the_public_suffix_list() {
    let registrable = |text: &str| domain(text).registrable;
    assert_eq!(registrable("a.b.example.co.uk").as_deref(), Some("example.co.uk"));
    assert_eq!(registrable("www.ejemplo.com.es").as_deref(), Some("ejemplo.com.es"));
    assert_eq!(registrable("x.gob.ec").as_deref(), Some("x.gob.ec"));
    assert_eq!(registrable("x.apium.test").as_deref(), Some("apium.test"));
    assert_eq!(registrable("a.b.公司.cn").as_deref(), Some("b.xn--55qx5d.cn"));
    assert_eq!(registrable("co.uk"), None);
    assert_eq!(domain("co.uk").organisation(), "co.uk");
}

#[test]
fn what_is_no_public_domain_is_refused() {
    let long_label = format!("{}.com", "a".repeat(64));
    let long_name = format!("{}com", "abcdefghi.".repeat(26));
    for wrong in [
        "",
        "   ",
        "localhost",
        "LOCALHOST.",
        "x.localhost",
        "printer.local",
        "a.internal",
        "nas.lan",
        "x.home.arpa",
        "intranet",
        "1.0.0.10.in-addr.arpa",
        "168.192.IN-ADDR.ARPA.",
        "8.b.d.0.1.0.0.2.ip6.arpa",
        "_dns.resolver.arpa",
        "arpa",
        "com",
        "a.b@c",
        "'; DROP TABLE scans;--",
        "a b.com",
        "a..com",
        ".com",
        "-a.com",
        "a-.com",
        "a_b.com",
        "exa\u{0}mple.com",
        "a\nb.com",
        "exa\u{200b}mple.com",
        "moc.\u{202e}elpmaxe",
        "127.0.0.1",
        "127.1",
        "0x7f.1",
        "0x7f.0.0.1",
        "2130706433",
        "0177.0.0.1",
        "1.2.3.4.5",
        "a.0x1",
        "http://example.com",
        "example.com/x",
        "example.com:80",
        "*.example.com",
        "%65xample.com",
        "xn--a.com",
        &long_label,
        &long_name,
    ] {
        assert!(read(wrong, TargetKind::Domain).is_err(), "{wrong:?}");
    }
}

#[test]
fn who_writes_a_reverse_name_is_told_to_write_the_address() {
    for text in ["1.0.0.10.in-addr.arpa", "8.8.8.8.in-addr.arpa."] {
        let sentence = read(text, TargetKind::Domain).unwrap_err();
        assert!(sentence.contains("escriba la propia dirección IP"), "{sentence}");
    }
    assert!(read("https://1.0.0.10.in-addr.arpa/", TargetKind::Url).is_err());
    assert_eq!(domain("arpa.example.com").ascii, "arpa.example.com");
    assert_eq!(domain("my-arpa.com").ascii, "my-arpa.com");
}

#[test]
fn addresses_are_plain_or_refused() {
    for right in ["192.0.2.1", " 127.0.0.1 ", "2001:db8::1", "::1", "::ffff:10.0.0.1"] {
        assert!(read(right, TargetKind::Ip).is_ok(), "{right}");
    }
    for wrong in [
        "0x7f.1",
        "0x7f000001",
        "2130706433",
        "127.1",
        "0177.0.0.1",
        "127.0.0.01",
        "1.2.3.256",
        "1.2.3",
        "1.2.3.4.",
        "[::1]",
        "fe80::1%eth0",
        "1.2.3.4/8",
        "１.2.3.4",
        ":::1",
    ] {
        let sentence = read(wrong, TargetKind::Ip).unwrap_err();
        assert!(sentence.contains("Se admite una dirección IP"), "{wrong}: {sentence}");
    }
    assert_eq!(read("2001:DB8:0::1", TargetKind::Ip).unwrap().to_string(), "2001:db8::1");
}

#[test]
fn web_addresses_are_http_without_disguise() {
    let url = |text: &str| read(text, TargetKind::Url).map(|target| target.to_string());
    assert_eq!(url("https://España.es/a b#part").unwrap(), "https://xn--espaa-rta.es/a%20b");
    assert_eq!(url("http://192.0.2.1:8080/").unwrap(), "http://192.0.2.1:8080/");
    assert!(url("http://[2001:db8::1]/").is_ok());
    // Refusing to *connect* there is the connector's work; the text itself is honest.
    assert!(url("http://169.254.169.254/").is_ok());
    for wrong in [
        "ftp://example.com/",
        "file:///etc/passwd",
        "javascript://example.com/",
        "http://",
        "http:///x",
        "example.com",
        "http://user:pw@example.com/",
        "http://user@example.com/",
        "http://0x7f.1/",
        "http://2130706433/",
        "http://127.1/",
        "http://0177.0.0.1/",
        "http://%31%32%37.0.0.1/",
        "http://１２７.0.0.1/",
        "http://localhost/",
        "http://router.lan/",
        "http://intranet/",
        "http://exa\tmple.com/",
        "https://example.com\\@evil.lan/",
    ] {
        let outcome = url(wrong);
        // The last one is read by browsers as example.com with a path; that reading is allowed.
        assert!(outcome.is_err() || outcome == Ok("https://example.com/@evil.lan/".to_owned()), "{wrong}: {outcome:?}");
    }
}

#[test]
fn mail_addresses_are_limited_and_need_a_public_domain() {
    let Ok(Target::Email(address)) = read(" Ana.Pérez+x@Correo.ES ", TargetKind::Email) else { panic!("not read") };
    assert_eq!((address.local.as_str(), address.domain.ascii.as_str()), ("Ana.Pérez+x", "correo.es"));
    let fits = format!("{}@{}.com", "a".repeat(64), "b.".repeat(92) + "c");
    assert_eq!(fits.len(), 254);
    assert!(read(&fits, TargetKind::Email).is_ok());
    let too_long = format!("{}@{}.com", "a".repeat(64), "b.".repeat(92) + "cc");
    let long_local = format!("{}@b.com", "a".repeat(65));
    for wrong in [
        "a.b@c",
        "a@localhost",
        "@b.com",
        "a@",
        "a",
        ".a@b.com",
        "a.@b.com",
        "a..b@c.com",
        "a b@c.com",
        "\"a\"@b.com",
        "a@[127.0.0.1]",
        "a@127.0.0.1",
        "a@b@c.com",
        "<a@b.com>",
        "a@b.com, c@d.com",
        "a\r\nbcc:x@b.com",
        &too_long,
        &long_local,
    ] {
        assert!(read(wrong, TargetKind::Email).is_err(), "{wrong:?}");
    }
}

#[test]
fn user_names_are_words() {
    assert_eq!(read("@juan_perez", TargetKind::Username).unwrap().to_string(), "juan_perez");
    assert!(read("Ñandú-7", TargetKind::Username).is_ok());
    assert!(read(&"a".repeat(64), TargetKind::Username).is_ok());
    for wrong in ["a b", "a/b", "..", "a?b", "'; DROP", "<script>", "%2e", "@", "@@a", &"a".repeat(65)] {
        assert!(read(wrong, TargetKind::Username).is_err(), "{wrong:?}");
    }
    assert_eq!(read("file:0f3a-77", TargetKind::File).unwrap(), Target::File("0f3a-77".to_owned()));
    assert!(read("file:../x", TargetKind::File).is_err());
}

#[test]
fn autonomous_systems_are_numbers_in_public_use() {
    for (text, number) in [("AS3333", 3_333), ("as1", 1), (" As15169 ", 15_169), ("AS4199999999", 4_199_999_999)] {
        let target = read(text, TargetKind::Asn).unwrap();
        assert_eq!((target.kind(), target.to_string()), (TargetKind::Asn, format!("AS{number}")));
        assert_eq!(target, Target::Asn(number));
    }
    for (wrong, why) in [
        ("AS0", "no existe"),
        ("AS23456", "AS_TRANS"),
        ("AS64500", "reservado para documentación"),
        ("AS64512", "uso privado"),
        ("AS65535", "reservado"),
        ("AS65540", "reservado para documentación"),
        ("AS100000", "reservado"),
        ("AS4200000000", "uso privado"),
        ("AS4294967295", "uso privado o está reservado"),
        ("AS4294967296", "del 1 al 4294967295"),
        ("AS99999999999999999999", "del 1 al 4294967295"),
        ("AS03333", "sin ceros delante"),
        ("AS 3333", "Se admite un sistema autónomo (AS3333)"),
        ("AS", "Se admite"),
        ("AS-3", "Se admite"),
        ("AS33.33", "Se admite"),
        ("AS٣", "Se admite"),
        ("3333", "escriba «AS3333»"),
    ] {
        let sentence = read(wrong, TargetKind::Asn).unwrap_err();
        assert!(sentence.contains(why), "{wrong}: {sentence}");
    }
    for edge in ["AS64495", "AS131072", "AS23455", "AS112"] {
        assert!(read(edge, TargetKind::Asn).is_ok(), "{edge}");
    }
}

#[test]
fn a_system_is_no_user_where_users_are_looked_for() {
    let people = [TargetKind::Asn, TargetKind::Username, TargetKind::Email];
    assert_eq!(Target::parse_for("as3333", &people).unwrap(), Target::Username("as3333".to_owned()));
    let networks = [TargetKind::Domain, TargetKind::Ip, TargetKind::Asn];
    assert_eq!(Target::parse_for("as3333", &networks).unwrap(), Target::Asn(3_333));
    let sentence = Target::parse_for("AS3333", &[TargetKind::Domain]).unwrap_err().to_string();
    assert!(sentence.starts_with("«AS3333» es un sistema autónomo (AS3333), y aquí no sirve"), "{sentence}");
}

#[test]
fn the_sentence_says_what_is_wrong_and_what_would_do() {
    let dns = [TargetKind::Domain, TargetKind::Ip];
    let sentence = |text: &str| Target::parse_for(text, &dns).unwrap_err().to_string();
    assert_eq!(
        sentence("https://example.com/"),
        "«https://example.com/» es una URL http o https, y aquí no sirve. \
         Se admite un dominio (ejemplo.es) o una dirección IP (192.0.2.1 o 2001:db8::1)."
    );
    assert!(sentence("printer.local").starts_with("«printer.local» es un nombre de red interna"));
    assert!(sentence("2130706433").contains("cuatro números decimales"));
    assert!(sentence("").starts_with("el objetivo está vacío"));
    assert!(sentence("a\u{7}.com").contains("caracteres de control"));
    assert!(sentence(&"x".repeat(5_000)).len() < 300);
}

#[test]
fn the_first_fitting_kind_is_taken() {
    let identity = [TargetKind::Username, TargetKind::Email];
    assert_eq!(Target::parse_for("juan.perez", &identity).unwrap().kind(), TargetKind::Username);
    assert_eq!(Target::parse_for("juan@perez.es", &identity).unwrap().kind(), TargetKind::Email);
    assert_eq!(Target::parse_for("192.0.2.1", &TargetKind::ALL).unwrap().kind(), TargetKind::Ip);
    assert_eq!(Target::parse_for("perez.es", &TargetKind::ALL).unwrap().kind(), TargetKind::Domain);
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,80}|[ -~]{0,80}|.{0,40}") {
        let _ = Target::parse_for(&text, &TargetKind::ALL);
    }

    #[test]
    fn a_canonical_spelling_reads_as_itself(text in "[a-zA-Z0-9ñü-]{1,12}(\\.[a-zA-Z0-9ñ-]{1,8}){1,3}|[a-z]{1,5}@[a-zñ]{1,8}\\.[a-z]{2,4}") {
        if let Ok(target) = Target::parse_for(&text, &TargetKind::ALL) {
            let again = Target::parse_for(&target.to_string(), &[target.kind()]).unwrap();
            prop_assert_eq!(again.to_string(), target.to_string());
        }
    }

    #[test]
    fn an_accepted_domain_is_clean_ascii(text in "\\PC{1,30}\\.\\PC{1,6}") {
        if let Ok(Target::Domain(name)) = Target::parse_for(&text, &[TargetKind::Domain]) {
            prop_assert!(name.ascii.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.'));
            prop_assert!(name.ascii.len() <= 253 && name.ascii.contains('.'));
            prop_assert!(name.ascii.parse::<std::net::Ipv4Addr>().is_err());
        }
    }
}
