//! The doors of the workshop: tidy finds every fault planted in a sound tree, and the chores say what they did.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod bench;
mod chores;
mod exceptions;
mod heart;
mod instructions;
mod planted;
mod real_tree;
mod rooms;
mod scale;
mod suite;
mod supply;
mod words;
