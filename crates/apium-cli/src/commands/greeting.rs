//! The first words of a role: where it listens, what it serves, where its settings came from, and what to try.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use apium::redact;
use tokio::net::TcpListener;

use super::Invocation;
use crate::settings::Scope;
use crate::stderr::say;

impl Invocation {
    /// Tells people, or machines when the log is JSON.
    pub(crate) fn greet(&self, listener: Option<&TcpListener>, scopes: &[Scope], works: bool) {
        if self.settings.text("log_format") == Some("json") {
            return self.greet_machines(listener, scopes);
        }
        say(&format!("{} {}", self.app.name(), env!("CARGO_PKG_VERSION")));
        let address = listener.and_then(|listener| listener.local_addr().ok());
        let base = address.map(|address| format!("http://{}", reachable(address)));
        if let Some(base) = &base {
            let services: Vec<_> = self.services.iter().map(|service| service.name).collect();
            let serves = scopes.contains(&Scope::Listen) && !services.is_empty();
            let docs = if serves {
                format!(", serving {}, documented at {base}/docs", services.join(", "))
            } else {
                String::new()
            };
            let everywhere = if address.is_some_and(|address| address.ip().is_unspecified()) {
                " and every other address of this machine"
            } else {
                ""
            };
            say(&format!("  listening on {base}{everywhere}{docs}"));
        }
        say(&format!("  broker {}", self.place()));
        if works {
            let options = self.settings.worker(self.app.queues());
            say(&format!(
                "  worker {} with {} slots on queues {}",
                options.name,
                options.concurrency,
                options.queues.join(", ")
            ));
            say(&format!("  tasks {}", self.app.registry().names().join(", ")));
        }
        for told in self.settings.told(scopes) {
            say(&format!("    {told}"));
        }
        if let Some(base) = base.filter(|_| scopes.contains(&Scope::Listen)) {
            for service in self.services {
                say(&format!("Try it:\n  {}", (service.try_it)(&base)));
            }
        }
        say("Ctrl-C stops.");
    }

    /// Where messages are.
    fn place(&self) -> String {
        if self.is_eager() { "none: tasks run where they are sent".to_owned() } else { redact(&self.settings.broker()) }
    }

    /// The same for those who read every line as JSON.
    fn greet_machines(&self, listener: Option<&TcpListener>, scopes: &[Scope]) {
        let listening = listener.and_then(|listener| listener.local_addr().ok()).map(|address| address.to_string());
        let told: Vec<_> = self.settings.told(scopes).iter().map(ToString::to_string).collect();
        tracing::info!(
            program = self.app.name(),
            version = env!("CARGO_PKG_VERSION"),
            listening,
            broker = self.place(),
            tasks = self.app.registry().names().join(", "),
            settings = told.join(", "),
            "started"
        );
    }
}

/// An address one can go to: `0.0.0.0` stands for all of them and is none itself.
pub(super) fn reachable(address: SocketAddr) -> SocketAddr {
    let loopback = match address {
        SocketAddr::V4(_) => IpAddr::from(Ipv4Addr::LOCALHOST),
        SocketAddr::V6(_) => IpAddr::from(Ipv6Addr::LOCALHOST),
    };
    if address.ip().is_unspecified() { SocketAddr::new(loopback, address.port()) } else { address }
}
