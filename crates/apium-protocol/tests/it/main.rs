//! The crate seen from outside.
#![allow(clippy::unwrap_used, clippy::expect_used)]
// Floats are to be read exactly.
#![allow(clippy::float_cmp)]

mod canvas;
mod canvas_golden;
mod canvas_shapes;
mod canvas_worker;
mod control;
mod control_golden;
mod control_laws;
mod dialect;
mod events;
mod events_golden;
mod exceptions;
mod golden;
mod laws;
mod messages;
mod nesting;
mod payloads;
mod python_repr;
mod raw_json;
mod redelivered;
mod regressions;
mod results;
mod tagged;
