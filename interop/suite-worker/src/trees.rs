//! Tasks that give back signatures nested in each other, and one that takes them apart again.

use apium::core::Registry;
use apium::core::signature::{chain, chord, group};
use apium::prelude::*;

use crate::arithmetic::add;

pub(crate) fn register(registry: &mut Registry) {
    registry.register(return_nested_signature_chain_chain);
    registry.register(return_nested_signature_chain_group);
    registry.register(return_nested_signature_chain_chord);
    registry.register(return_nested_signature_group_chain);
    registry.register(return_nested_signature_group_group);
    registry.register(return_nested_signature_group_chord);
    registry.register(return_nested_signature_chord_chain);
    registry.register(return_nested_signature_chord_group);
    registry.register(return_nested_signature_chord_chord);
    registry.register(rebuild_signature);
}

#[task(name = "t.integration.tasks.return_nested_signature_chain_chain")]
async fn return_nested_signature_chain_chain() -> Signature {
    chain([chain([adding()])])
}

#[task(name = "t.integration.tasks.return_nested_signature_chain_group")]
async fn return_nested_signature_chain_group() -> Signature {
    chain([group([adding()])])
}

#[task(name = "t.integration.tasks.return_nested_signature_chain_chord")]
async fn return_nested_signature_chain_chord() -> Signature {
    chain([chord([adding()], adding())])
}

#[task(name = "t.integration.tasks.return_nested_signature_group_chain")]
async fn return_nested_signature_group_chain() -> Signature {
    group([chain([adding()])])
}

#[task(name = "t.integration.tasks.return_nested_signature_group_group")]
async fn return_nested_signature_group_group() -> Signature {
    group([group([adding()])])
}

#[task(name = "t.integration.tasks.return_nested_signature_group_chord")]
async fn return_nested_signature_group_chord() -> Signature {
    group([chord([adding()], adding())])
}

#[task(name = "t.integration.tasks.return_nested_signature_chord_chain")]
async fn return_nested_signature_chord_chain() -> Signature {
    chord([chain([adding()])], adding())
}

#[task(name = "t.integration.tasks.return_nested_signature_chord_group")]
async fn return_nested_signature_chord_group() -> Signature {
    chord([group([adding()])], adding())
}

#[task(name = "t.integration.tasks.return_nested_signature_chord_chord")]
async fn return_nested_signature_chord_chord() -> Signature {
    chord([chord([adding()], adding())], adding())
}

/// Takes nothing but a signature whose parts are signatures.
#[task(name = "t.integration.tasks.rebuild_signature")]
async fn rebuild_signature(_sig_dict: Signature) {}

fn adding() -> Signature {
    Signature::new(add::task_name())
}
