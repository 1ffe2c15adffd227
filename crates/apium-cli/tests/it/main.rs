//! The executable from outside: real processes on a real Redis, beside real Python Celery.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod busy;
mod console;
mod dead;
mod diary;
mod example;
mod http;
mod idle;
mod interop;
mod listening;
mod mixed;
mod outage;
mod peer;
mod place;
mod poll;
mod refusals;
mod running;
mod scanning;
mod sending;
mod server;
mod settings;
mod stopping;
mod storm;
mod storming;
mod usage;
mod zone;
