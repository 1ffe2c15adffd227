//! Arrows that point the wrong way, heavy dependencies outside their fence, HTTP outside the routes.

use crate::planted::{OPENING, Planted};

const WORKER: &str = "crates/apium-worker/Cargo.toml";

#[test]
fn an_arrow_upwards_is_found_and_the_table_is_named() {
    let tree = Planted::sound();
    tree.manifest("apium-core", "[dependencies]\napium-worker = { workspace = true }\n");
    tree.shows("arrow", "crates/apium-core/Cargo.toml", 9);
    let sentence = tree.findings().remove(0).to_string();
    assert_eq!(
        sentence,
        "crates/apium-core/Cargo.toml:9: `apium-core` may not lean on `apium-worker`: the table of arrows (ROOMS in \
         xtask/src/tidy/arrows.rs) does not allow it. (arrow)"
    );
}

#[test]
fn the_engine_may_not_lean_on_a_concrete_broker_or_a_service() {
    for dependency in ["apium-redis", "svc-osint", "apium"] {
        let tree = Planted::sound();
        tree.manifest("apium-worker", &format!("[dependencies]\n{dependency}.workspace = true\n"));
        tree.shows("arrow", WORKER, 9);
    }
}

#[test]
fn a_service_may_not_lean_on_another() {
    let tree = Planted::sound();
    tree.write("crates/svc-mail/src/lib.rs", OPENING);
    tree.manifest("svc-mail", "[dependencies]\nsvc-osint.workspace = true\n");
    tree.shows("arrow", "crates/svc-mail/Cargo.toml", 9);
}

#[test]
fn an_arrow_hidden_behind_a_platform_or_another_name_is_found() {
    for dependencies in [
        "[target.'cfg(unix)'.dependencies]\napium-redis.workspace = true\n",
        "[dependencies]\nbroker = { package = \"apium-redis\", path = \"../apium-redis\" }\n",
        "[build-dependencies]\napium-redis.workspace = true\n",
        "[dependencies.apium-redis]\nworkspace = true\n",
    ] {
        let tree = Planted::sound();
        tree.manifest("apium-worker", dependencies);
        tree.shows("arrow", WORKER, 9);
    }
}

#[test]
fn tests_may_lean_on_a_lower_layer_and_on_no_other() {
    let tree = Planted::sound();
    tree.manifest("apium-worker", "[dev-dependencies]\napium-redis.workspace = true\n").is_sound();
    tree.manifest("apium-core", "[dev-dependencies]\napium-core = { path = \".\", features = [\"testing\"] }\n")
        .is_sound();
    tree.manifest("apium-worker", "[dev-dependencies]\nsvc-osint.workspace = true\n");
    tree.shows("arrow", WORKER, 9);
}

#[test]
fn a_crate_without_a_layer_is_found() {
    let tree = Planted::sound();
    tree.manifest("apium-attic", "");
    tree.shows("arrow", "crates/apium-attic/Cargo.toml", 1);
}

#[test]
fn a_heavy_dependency_outside_its_fence_is_found() {
    for heavy in ["redis", "rusqlite", "axum", "clap", "syn"] {
        let tree = Planted::sound();
        tree.manifest("apium-worker", &format!("[dependencies]\n{heavy} = \"1\"\n"));
        tree.shows("fence", WORKER, 9);
        tree.manifest("apium-worker", &format!("[dev-dependencies]\n{heavy} = \"1\"\n")).is_sound();
    }
}

#[test]
fn the_protocol_stays_without_a_runtime_and_the_workshop_without_any_crate() {
    let tree = Planted::sound();
    tree.manifest("apium-protocol", "[dependencies]\ntokio = { workspace = true }\n");
    tree.shows("fence", "crates/apium-protocol/Cargo.toml", 9);

    let tree = Planted::sound();
    tree.write(
        "xtask/Cargo.toml",
        "[package]\nlicense.workspace = true\n[lints]\nworkspace = true\n[dependencies]\nanyhow = \"1\"\n",
    );
    tree.shows("fence", "xtask/Cargo.toml", 6);
}

#[test]
fn http_in_a_service_stays_in_its_routes() {
    let tree = Planted::sound();
    let model = "crates/svc-osint/src/model.rs";
    tree.write(model, &format!("{OPENING}// axum:: in prose\nuse utoipa_axum::X;\n")).is_sound();
    tree.write(model, &format!("{OPENING}\nuse axum::Json;\n"));
    tree.shows("routes", model, 3);
}
