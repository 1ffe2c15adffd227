//! Remote control as Celery's pidbox does it: the request a client broadcasts, who is addressed by it, every command
//! with its arguments, and the reply each worker pushes back.
//!
//! Of the two ways to name nodes by a pattern only `glob` is known here; a request with `pcre` is refused, see
//! [`UnknownMatcher`].

mod active_queue;
mod answer;
mod arguments;
mod clock;
mod command;
mod conf;
mod election;
pub(crate) mod envelope;
mod glob;
mod hello;
mod method;
mod names;
mod rate;
mod refusal;
mod registered;
mod reply;
mod request;
mod request_info;
mod signal;
mod stamps;
mod stats;
mod written;

pub use active_queue::{ActiveQueue, QueueExchange};
pub use answer::Answer;
pub use clock::LamportClock;
pub use command::Command;
pub use conf::conf;
pub use election::{Candidate, leader};
pub use glob::glob;
pub use hello::{HelloReply, revoked_ids};
pub use names::{Binding, ControlNames};
pub use rate::Rate;
pub use refusal::Refusal;
pub use registered::RegisteredTask;
pub use reply::Reply;
pub use request::{ReplyTo, Request, UnknownMatcher};
pub use request_info::{DeliveryShown, RequestInfo, ScheduledTask, TaskPlace, query_task};
pub use signal::Signal;
pub use stamps::StampedHeaders;
pub use stats::{Autoscaler, BrokerInfo, PoolInfo, ResourceUsage, Stats};
