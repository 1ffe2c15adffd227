//! What nearly every program with tasks names: `use apium::prelude::*;`

pub use std::time::Duration;

pub use crate::{
    App, Backend, Client, Context, ResultError, Signature, State, Stop, TaskError, Worker, WorkerOptions, task,
};
