//! The scan service against its own document: schemathesis asks it what the document allows, and what it forbids.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::http::{get, post};
use crate::peer::root;
use crate::place::{Place, Program};
use crate::poll::until;
use crate::provider::{Manner, Provider};
use crate::running::{Ended, Running};
use crate::scanning::{finished, serving};
use crate::size::size;
use crate::zone::Zone;

/// Examples of each operation in a phase, unless `APIUM_EXAMPLES` says otherwise.
const EXAMPLES: usize = 20;
/// Much longer than that many take.
const AT_MOST: Duration = Duration::from_mins(40);
/// The only targets there are: nothing that is asked for leads out of this machine.
const TARGETS: &str = "example.com, shop.example, 192.0.2.0/24, AS3333, @blue, 44d88612fea8a8f36de82e1278abb02f";

/// The environment that `cargo xtask setup` makes from `interop/requirements/schemathesis-4.txt`.
fn schemathesis() -> PathBuf {
    let home = std::env::var_os("APIUM_VENVS").map_or_else(|| root().join(".venvs"), PathBuf::from);
    let program = home.join("schemathesis-4/bin/st");
    assert!(program.exists(), "{} is not there: run cargo xtask setup", program.display());
    program
}

/// Runs it to its end, by `interop/schemathesis.toml` and with these words too.
fn judged(place: &Place, api: &str, words: &[&str]) -> Ended {
    let (examples, seed) = (size("APIUM_EXAMPLES", EXAMPLES).to_string(), size("APIUM_SEED", 1).to_string());
    let mut command = Command::new(schemathesis());
    command.arg("--config-file").arg(root().join("interop/schemathesis.toml")).arg("run");
    command
        .args(["--seed", &seed, "--max-examples", &examples, "--no-color"])
        .args(words)
        .arg(format!("http://{api}/openapi.json"));
    command.current_dir(place.path("")).stdin(Stdio::null()).env("NO_PROXY", "*").env("PYTHONDONTWRITEBYTECODE", "1");
    Running::start(command).ended_within(AT_MOST)
}

/// A place where every provider is a fake on this machine, as are the servers of the DNS.
fn place(provider: &Provider, zone: &Zone) -> Place {
    provider
        .at(Place::new(), "")
        .with("OSINT_RESOLVERS", &zone.address())
        .with("OSINT_ALLOW_TARGETS", TARGETS)
        .with("OSINT_AXFR", "false")
}

/// Starts the API with a worker in the process, and returns once it is healthy.
fn healthy(place: &Place) -> (Running, String) {
    let (up, api) = serving(place, "up", &["-c", "8", "-l", "warning"]);
    until("the service to be healthy", || get(&api, "/api/v1/health").filter(|(status, _)| *status == 200));
    (up, api)
}

fn agrees(place: &Place, api: &str, words: &[&str]) {
    let ended = judged(place, api, words);
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stdout, ended.stderr);
    eprintln!("{}", ended.stdout);
}

#[test]
fn it_does_what_its_document_says() {
    let (provider, zone) = (Provider::that(|_, _| Manner::Answer(200, "", "[]")), Zone::served());
    let place = place(&provider, &zone);
    let (_up, api) = healthy(&place);
    let wanted = serde_json::json!({"target": "shop.example", "types": ["dns", "crtsh"]});
    finished(&api, &post(&api, "/api/v1/scan", &wanted).1);
    agrees(&place, &api, &["--exclude-checks", "ignored_auth"]);
}

/// Where somebody has a token, nobody gets anywhere without one.
#[test]
fn it_does_so_for_who_has_a_token() {
    let (provider, zone) = (Provider::that(|_, _| Manner::Answer(200, "", "[]")), Zone::served());
    let place = place(&provider, &zone);
    let token = place.run(Program::Apium, &["osint", "token", "ana", "--per-minute", "1000"]).printed();
    let (_up, api) = healthy(&place);
    agrees(&place, &api, &["--header", &format!("Authorization: Bearer {}", token.trim())]);
}
