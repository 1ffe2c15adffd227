//! The broker as a worker shows it: where it is, and no secret.

use apium_core::protocol::RawJson;
use apium_core::protocol::control::BrokerInfo;

/// What the address `redis://host:6379/0` and its like say; the home of a broker holds neither user nor password.
pub(super) fn info(home: &str) -> BrokerInfo {
    let (scheme, rest) = home.split_once(':').unwrap_or(("", home));
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    let transport = scheme.split('+').next().unwrap_or_default();
    let usual = BrokerInfo { transport: transport.to_owned(), ..BrokerInfo::default() };
    match transport {
        "redis" | "rediss" if !scheme.contains("socket") => {
            let (place, database) = rest.split_once('/').unwrap_or((rest, "0"));
            let (host, port) = place.rsplit_once(':').unwrap_or((place, "6379"));
            BrokerInfo {
                hostname: Some(host.to_owned()),
                port: port.parse().ok(),
                virtual_host: Some(database.split('?').next().unwrap_or_default().to_owned()),
                ssl: RawJson::from(&(transport == "rediss")).unwrap_or_default(),
                transport: "redis".to_owned(),
                ..usual
            }
        }
        // A file, a socket, or nothing at all: the place stands for the host.
        _ => BrokerInfo { virtual_host: Some(rest.to_owned()), ..usual },
    }
}
