//! What holds for any bytes, any date and any list.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;
use serde_json::json;
use svc_osint::collectors::whois::{List, Services, Wanted, fields, utc};

fn wanted() -> [Wanted; 4] {
    [
        Wanted::Domain("example.com".to_owned()),
        Wanted::Ip(Ipv4Addr::new(8, 8, 8, 8).into()),
        Wanted::Ip(Ipv6Addr::LOCALHOST.into()),
        Wanted::Asn(3_333),
    ]
}

/// Lines as they could stand in an answer, whole and broken.
fn lines() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        "[ \t]{0,9}(Domain Name|inetnum|NetRange|aut-num|Name Server|Status|nic-hdl|refer|Created)[:. ]{0,3}.{0,40}",
        "\\[.{0,20}\\][ \t]{0,9}.{0,30}",
        "[a-z]\\. \\[.{0,9}\\].{0,9}",
        "[0-9a-f:./ -]{0,50}",
        "inetnum: [0-9]{1,4}(\\.[0-9]{1,3}){0,4}/[0-9]{0,3}",
        "inet6num: [0-9a-f:]{0,20}/[0-9]{1,3}",
        ".{0,80}",
    ];
    prop::collection::vec(line, 0..30).prop_map(|lines| lines.join("\r\n"))
}

/// Years, months, days and times that exist.
fn moments() -> impl Strategy<Value = (i16, i8, i8, i8, i8, i8)> {
    (1970..2200_i16, 1..=12_i8, 1..=28_i8, 0..24_i8, 0..60_i8, 0..60_i8)
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_not(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        for wanted in wanted() {
            let _ = fields(&wanted, &bytes);
        }
    }

    #[test]
    fn any_lines_are_read_or_not(text in lines()) {
        for wanted in wanted() {
            let _ = fields(&wanted, text.as_bytes());
        }
    }

    #[test]
    fn any_text_is_a_date_or_not(text in "\\PC{0,40}|[0-9 TZ:+./-]{0,40}|(Mon |[0-9]{1,4}[-/. ]){0,5}[0-9:]{0,8}") {
        if let Some(moment) = utc(&text) {
            // What came out is read as itself.
            prop_assert_eq!(utc(&moment), Some(moment));
        }
    }

    #[test]
    fn a_date_comes_back_from_every_form((y, m, d, h, min, s) in moments(), zone in -11..=12_i32) {
        let month = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"][usize::try_from(m).unwrap() - 1];
        let expected = format!("{y:04}-{m:02}-{d:02}T{h:02}:{min:02}:{s:02}Z");
        for text in [
            expected.clone(),
            format!("{y:04}-{m:02}-{d:02} {h:02}:{min:02}:{s:02}"),
            format!("{y:04}/{m:02}/{d:02} {h:02}:{min:02}:{s:02} (UTC)"),
            format!("{d}.{m}.{y:04} {h:02}:{min:02}:{s:02}"),
            format!("{d:02}-{month}-{y:04} {h:02}:{min:02}:{s:02} GMT"),
            format!("{month} {d} {h:02}:{min:02}:{s:02} UTC {y:04}"),
            format!("{y:04}{m:02}{d:02}{h:02}{min:02}{s:02}"),
        ] {
            prop_assert_eq!(utc(&text), Some(expected.clone()), "{}", text);
        }
        let day = format!("{y:04}-{m:02}-{d:02}");
        prop_assert_eq!(utc(&format!("{d:02}-{month}-{y:04}")), Some(day.clone()));
        prop_assert_eq!(utc(&format!("{y:04}{m:02}{d:02}")), Some(day));
        // An offset is the same moment as its text in UTC.
        let sign = if zone < 0 { '-' } else { '+' };
        let east = format!("{y:04}-{m:02}-{d:02}T{h:02}:{min:02}:{s:02}{sign}{:02}:00", zone.abs());
        let there = utc(&east).unwrap().parse::<jiff::Timestamp>().unwrap();
        let here = expected.parse::<jiff::Timestamp>().unwrap();
        prop_assert_eq!(here.as_second() - there.as_second(), i64::from(zone) * 3_600);
    }

    #[test]
    fn the_longest_prefix_is_the_one_a_naive_search_finds(
        prefixes in prop::collection::vec((any::<u32>(), 0..=32_u32), 1..40),
        address in any::<u32>(),
        near in any::<prop::sample::Index>(),
        flip in 0..32_u32,
    ) {
        let services: Vec<_> = prefixes
            .iter()
            .enumerate()
            .map(|(at, (first, length))| json!([[format!("{}/{length}", Ipv4Addr::from(*first))], [format!("https://s{at}.example/")]]))
            .collect();
        let list = Services::read(List::Ipv4, &json!({ "services": services })).unwrap();
        // Far from all of them, and one bit off one of them.
        for address in [address, near.get(&prefixes).0 ^ (1 << flip)] {
            let holds = |(first, length): &(u32, u32)| {
                (0..*length).all(|bit| (first ^ address) & (1 << (31 - bit)) == 0)
            };
            let longest = prefixes.iter().filter(|prefix| holds(prefix)).map(|(_, length)| *length).max();
            let naive = prefixes.iter().position(|prefix| holds(prefix) && Some(prefix.1) == longest);
            let found = list.server(&Wanted::Ip(IpAddr::V4(address.into()))).map(ToString::to_string);
            prop_assert_eq!(found, naive.map(|at| format!("https://s{at}.example/")));
        }
    }

    #[test]
    fn the_longest_name_is_the_one_a_naive_search_finds(
        names in prop::collection::vec("[ab](\\.[ab]){0,3}", 1..12),
        name in "[ab](\\.[ab]){0,5}",
    ) {
        let services: Vec<_> =
            names.iter().enumerate().map(|(at, name)| json!([[name], [format!("https://s{at}.example/")]])).collect();
        let list = Services::read(List::Dns, &json!({ "services": services })).unwrap();
        let above = |own: &&String| name == **own || name.ends_with(&format!(".{own}"));
        let longest = names.iter().filter(above).max_by_key(|own| own.len());
        let naive = longest.and_then(|longest| names.iter().position(|own| own == longest));
        let found = list.server(&Wanted::Domain(name.clone())).map(ToString::to_string);
        prop_assert_eq!(found, naive.map(|at| format!("https://s{at}.example/")));
    }
}
