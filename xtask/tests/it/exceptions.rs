//! The list of exceptions: each covers its rule at its place, gives a reason, and goes when it is idle.

use crate::planted::{OPENING, Planted};

const LIST: &str = "xtask/tidy-exceptions.txt";
const PATH: &str = "crates/apium-core/src/queue.rs";

#[test]
fn an_exception_covers_its_rule_at_its_place() {
    let tree = Planted::sound();
    tree.write(PATH, &format!("{OPENING}type Data = u8;\n"));
    tree.write(LIST, &format!("# why\n\nname {PATH} the field's own word for it\n")).is_sound();
    tree.write("crates/apium-core/src/other.rs", &format!("{OPENING}type Data = u8;\n"));
    tree.shows("name", "crates/apium-core/src/other.rs", 2);
}

#[test]
fn an_idle_exception_is_found() {
    let tree = Planted::sound();
    tree.write(LIST, &format!("# why\nname {PATH} the field's own word for it\n")).shows("exception", LIST, 2);
}

#[test]
fn an_exception_without_a_reason_or_a_rule_is_found() {
    for line in [format!("name {PATH}"), format!("name {PATH} because"), format!("nmae {PATH} it is the field's word")]
    {
        Planted::sound().write(LIST, &line).shows("exception", LIST, 1);
    }
}
