//! A connection for protocols other than the web's: the same judgement of names and addresses, one allowed port.

use std::io;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;
use url::Host;

use super::{Connector, FetchError, error, spelling, tell};

impl Connector {
    /// Connects to `host`, a name or an address, at `port`, which has to be the `allowed` one. Waits `patience` at the
    /// most, for all its addresses together.
    ///
    /// # Errors
    /// [`FetchError`] when the name, each of its addresses or the port is refused, or nobody answers there.
    pub async fn stream(
        &self,
        host: &str,
        port: u16,
        allowed: u16,
        patience: Duration,
    ) -> Result<TcpStream, FetchError> {
        let late = || FetchError::Timeout { host: error::quoted(host), limit: patience };
        let outcome = timeout(patience, self.reach(host, port, allowed, patience)).await;
        let outcome = outcome.unwrap_or_else(|_| Err(late()));
        if let Err(why) = &outcome {
            tell(host, why);
        }
        outcome
    }

    async fn reach(&self, host: &str, port: u16, allowed: u16, patience: Duration) -> Result<TcpStream, FetchError> {
        let host = spelling::host(host)?;
        let named = match &host {
            Host::Domain(name) => Host::Domain(name.as_str()),
            Host::Ipv4(ip) => Host::Ipv4(*ip),
            Host::Ipv6(ip) => Host::Ipv6(*ip),
        };
        let addresses = self.admit(Some(named), port, &[allowed]).await?;
        // One address that swallows everything must leave time for the others.
        let each = patience / u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
        let mut failure = io::Error::from(io::ErrorKind::TimedOut);
        for address in addresses {
            match timeout(each, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(refused)) => failure = refused,
                Err(_) => {}
            }
        }
        Err(FetchError::Connect { host: error::quoted(&host.to_string()), why: error::quoted(&failure.to_string()) })
    }
}
