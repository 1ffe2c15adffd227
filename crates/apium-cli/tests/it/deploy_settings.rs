//! `.env.example`: what the table of settings says, line by line, and nothing that the executable does not read.

use std::fmt::Write as _;

use svc_osint::settings::SETTINGS;

use crate::deploy::{shipped, text};
use crate::place::{Place, Program};

/// What an operator may want to set of the engine.
const ENGINE: [&str; 13] = [
    "APIUM_BROKER",
    "APIUM_RESULT_BACKEND",
    "APIUM_DATA",
    "APIUM_LISTEN",
    "APIUM_CONCURRENCY",
    "APIUM_STOP_TIMEOUT",
    "APIUM_LEASE",
    "APIUM_MAX_DEATHS",
    "APIUM_DEAD_LETTER_COMMAND",
    "APIUM_DEAD_LETTER_INTERVAL",
    "APIUM_API_TOKEN",
    "APIUM_LOGLEVEL",
    "APIUM_LOG_FORMAT",
];

const OPENING: &str = "\
# What the scan service is told. For compose: `cp .env.example .env`. For systemd: to /etc/apium-osint.env, readable by root
# alone. What is commented out is the default; nothing has to be set.
#
# Made of the tables of settings (docs/SETTINGS.md) by `UPDATE_DOCS=1 cargo nextest run -p apium-cli -E 'test(deploy_settings)'`.
# Text with spaces stands in double quotes. Compose sets APIUM_BROKER, APIUM_DATA and APIUM_LISTEN itself.

# ---- The scan service ----
";
const ENGINE_OPENING: &str = "\n# ---- The engine it runs on; all of its settings are in docs/SETTINGS.md ----\n";
const CLOSING: &str = "\n# ---- Read by compose alone, with `--profile monitoring` ----\n
# The password of `admin` in Grafana. Default: admin, which Grafana wants changed at the first login
#GRAFANA_ADMIN_PASSWORD=
";

/// A row of the manual page: the first environment variable, its default, and a line on what it is.
struct Row {
    variable: String,
    default: String,
    told: String,
}

fn rows() -> Vec<Row> {
    let manual = Place::new().run(Program::Apium, &["settings", "--manual"]).printed();
    manual.lines().filter(|line| line.starts_with("| `")).map(row).collect()
}

fn row(line: &str) -> Row {
    let cells: Vec<String> = line.split(" | ").map(|cell| cell.replace(['`'], "").replace("\\|", "|")).collect();
    let plain = |cell: &str| if cell == "—" { String::new() } else { cell.to_owned() };
    // `-l, --loglevel LEVEL`: what stands for the value is last, and may have a space in it.
    let value = cells[1].split_once("--").and_then(|(_, flag)| flag.split_once(' ')).map(|(_, value)| value);
    let range = plain(&cells[4]);
    let range = if range.is_empty() { range } else { format!(", {range}") };
    let told = format!("{} [{}{range}]", cells[5], value.unwrap());
    Row { variable: cells[2].split(", ").next().unwrap().to_owned(), default: plain(&cells[3]), told }
}

fn write(page: &mut String, row: &Row) {
    let Row { variable, default, told } = row;
    write!(page, "\n# {told}\n#{variable}={default}\n").unwrap();
}

#[test]
fn the_example_is_what_the_table_says() {
    let rows = rows();
    let find =
        |variable: &str| rows.iter().find(|row| row.variable == variable).unwrap_or_else(|| panic!("{variable}"));
    let mut made = OPENING.to_owned();
    for setting in SETTINGS {
        write(&mut made, find(setting.env[0]));
    }
    made.push_str(ENGINE_OPENING);
    for variable in ENGINE {
        write(&mut made, find(variable));
    }
    made.push_str(CLOSING);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(shipped(".env.example"), &made).unwrap();
    }
    assert_eq!(text(".env.example"), made, "UPDATE_DOCS=1 writes it anew");
}

#[test]
fn every_default_of_the_example_is_read_and_stays_the_default() {
    let example = text(".env.example");
    let set: Vec<(&str, &str)> = example
        .lines()
        .filter_map(|line| line.strip_prefix('#')?.split_once('='))
        .filter(|(variable, value)| !value.is_empty() && !variable.contains(' '))
        .collect();
    assert!(set.len() > 15, "{set:?}");
    let place = set.iter().fold(Place::new(), |place, (variable, value)| place.with(variable, value));
    let read = place.run(Program::Apium, &["settings", "--json"]).json();
    let plain = Place::new().run(Program::Apium, &["settings", "--json"]).json();
    for (variable, value) in set {
        let origin = format!("from {variable}");
        let (key, told) = read.as_object().unwrap().iter().find(|(_, told)| told["origin"] == *origin).unwrap();
        assert_eq!((&told["value"], &told["value"]), (&value.into(), &plain[key]["value"]), "{variable}");
    }
}
