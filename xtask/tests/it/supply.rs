//! Licences, lints, crates that must not come in, a change log without room, links that lead nowhere.

use crate::planted::{OPENING, Planted};

#[test]
fn a_missing_licence_is_found() {
    let tree = Planted::sound();
    tree.remove("LICENSE-MIT").shows("licence", "LICENSE-MIT", 1);

    let tree = Planted::sound();
    tree.write("Cargo.toml", "[workspace.package]\nlicense = \"MIT\"\n").shows("licence", "Cargo.toml", 1);

    let tree = Planted::sound();
    let manifest = "crates/apium-core/Cargo.toml";
    tree.write(manifest, "[package]\nname = \"apium-core\"\n[lints]\nworkspace = true\n");
    tree.shows("licence", manifest, 1);
}

#[test]
fn a_crate_without_the_lints_of_the_house_is_found() {
    let tree = Planted::sound();
    let manifest = "crates/apium-core/Cargo.toml";
    tree.write(manifest, "[package]\nlicense.workspace = true\n").shows("lints", manifest, 1);
}

#[test]
fn a_banned_crate_is_found_where_it_is_locked() {
    for name in ["openssl-sys", "native-tls", "aws-lc-sys"] {
        let tree = Planted::sound();
        let lock =
            format!("[[package]]\nname = \"ring\"\n\n[[package]]\nname = \"{name}\"\ndependencies = [\n \"cc\",\n]\n");
        tree.write("Cargo.lock", &lock).shows("banned-crate", "Cargo.lock", 5);
    }
}

#[test]
fn a_change_log_without_room_for_the_next_change_is_found() {
    let tree = Planted::sound();
    tree.write("CHANGELOG.md", "# Changes\n").shows("changelog", "CHANGELOG.md", 1);
    tree.remove("CHANGELOG.md").shows("changelog", "CHANGELOG.md", 1);
}

#[test]
fn a_build_script_is_found() {
    let tree = Planted::sound();
    tree.write("crates/apium-core/build.rs", OPENING).shows("build-script", "crates/apium-core/build.rs", 1);
}

#[test]
fn a_manifest_that_switches_the_failpoints_on_is_found() {
    let tree = Planted::sound();
    let declared = "[features]\ndefault = []\nfailpoints = []\n\n[[test]]\nname = \"failpoints\"\n";
    tree.manifest("apium-worker", declared);
    tree.is_sound();
    for (rest, line) in [
        ("[features]\ndefault = [\"failpoints\"]\n", 9),
        ("[dependencies]\napium-core = { workspace = true, features = [\"failpoints\"] }\n", 9),
        ("[dev-dependencies]\napium-core = { workspace = true, features = [\n  \"failpoints\",\n] }\n", 10),
    ] {
        tree.manifest("apium-worker", rest).shows("failpoints", "crates/apium-worker/Cargo.toml", line);
    }
}

#[test]
fn a_link_that_leads_nowhere_is_found() {
    for target in ["gone.md", "../docs/gone.md#part", "/gone.md", "../../outside.md", "<gone.md>", "gone.md \"title\""]
    {
        let tree = Planted::sound();
        tree.write("docs/page.md", &format!("# Page\n\nsee [there]({target})\n")).shows("link", "docs/page.md", 3);
    }
    let tree = Planted::sound();
    tree.write("docs/page.md", "# Page\n\n[there]: gone.md\n").shows("link", "docs/page.md", 3);
}

#[test]
fn a_link_that_leads_somewhere_else_or_is_code_is_left_alone() {
    let tree = Planted::sound();
    let page = "[a](ARCHITECTURE.md) [b](../README.md#top) [c](#here) [d](https://example.org/x) [e](/docs)\n\
                [f](mailto:a@example.org) `[g](gone.md)`\n```\n[h](gone.md)\n```\n[i]: ../LICENSE-MIT\n";
    tree.write("docs/page.md", page).is_sound();
}
