//! Which addresses are never asked: everything that is not the public Internet, by the registries of
//! IANA, in one table per family. What the table forgets would be a way into somebody's network, so
//! IPv6 outside the one block handed out for public use is refused as a whole.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// One refused block: its first address, the length of its prefix, and why.
type Block<T> = (T, u32, &'static str);

const PRIVATE: &str = "es una dirección de red privada";
const LOOPBACK: &str = "es la propia máquina (bucle local)";
const LINK_LOCAL: &str = "es una dirección de enlace local (incluye los metadatos de la nube)";
const THIS: &str = "es una dirección sin destino («esta red»)";
const MULTICAST: &str = "es una dirección de difusión múltiple";
const DOCUMENTATION: &str = "es una dirección de documentación";
const BENCHMARK: &str = "es una dirección de ensayos de rendimiento";
const RESERVED: &str = "es una dirección reservada";
const EMBEDDED: &str = "es una dirección IPv6 que envuelve otra IPv4";

const V4: [Block<[u8; 4]>; 19] = [
    ([0, 0, 0, 0], 8, THIS),
    ([10, 0, 0, 0], 8, PRIVATE),
    ([100, 64, 0, 0], 10, "es una dirección compartida de operador (CGNAT)"),
    ([127, 0, 0, 0], 8, LOOPBACK),
    // A public number that only exists inside one cloud, where it answers with the machine's secrets.
    ([168, 63, 129, 16], 32, "es el servicio interno de una nube"),
    ([169, 254, 0, 0], 16, LINK_LOCAL),
    ([172, 16, 0, 0], 12, PRIVATE),
    ([192, 0, 0, 0], 24, RESERVED),
    ([192, 0, 2, 0], 24, DOCUMENTATION),
    ([192, 31, 196, 0], 24, RESERVED),
    ([192, 52, 193, 0], 24, RESERVED),
    ([192, 88, 99, 0], 24, "es un relevo 6to4"),
    ([192, 168, 0, 0], 16, PRIVATE),
    ([192, 175, 48, 0], 24, RESERVED),
    ([198, 18, 0, 0], 15, BENCHMARK),
    ([198, 51, 100, 0], 24, DOCUMENTATION),
    ([203, 0, 113, 0], 24, DOCUMENTATION),
    ([224, 0, 0, 0], 4, MULTICAST),
    ([240, 0, 0, 0], 4, RESERVED),
];

const V6: [Block<[u16; 8]>; 17] = [
    ([0, 0, 0, 0, 0, 0, 0, 0], 128, THIS),
    ([0, 0, 0, 0, 0, 0, 0, 1], 128, LOOPBACK),
    ([0, 0, 0, 0, 0, 0, 0, 0], 96, EMBEDDED),
    ([0, 0, 0, 0, 0, 0xffff, 0, 0], 96, EMBEDDED),
    ([0, 0, 0, 0, 0xffff, 0, 0, 0], 96, EMBEDDED),
    ([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96, "es una dirección traducida (NAT64)"),
    ([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48, "es una dirección traducida (NAT64 local)"),
    ([0x100, 0, 0, 0, 0, 0, 0, 0], 8, "es una dirección de descarte"),
    ([0x2001, 0, 0, 0, 0, 0, 0, 0], 32, "es un túnel Teredo"),
    // The rest of what IETF keeps for protocols: benchmarks, ORCHID, AS112, drone ids.
    ([0x2001, 0, 0, 0, 0, 0, 0, 0], 23, RESERVED),
    ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32, DOCUMENTATION),
    ([0x2002, 0, 0, 0, 0, 0, 0, 0], 16, "es un túnel 6to4"),
    ([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20, DOCUMENTATION),
    ([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7, PRIVATE),
    ([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10, LINK_LOCAL),
    ([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10, PRIVATE),
    ([0xff00, 0, 0, 0, 0, 0, 0, 0], 8, MULTICAST),
];

/// Says why `ip` must not be contacted, in Spanish, or `None` for a public address.
///
/// Addresses of this machine's own interfaces are not known here: the connector adds them.
pub fn is_forbidden(ip: IpAddr) -> Option<&'static str> {
    match ip {
        IpAddr::V4(ip) => forbidden_v4(ip),
        IpAddr::V6(ip) => forbidden_v6(ip),
    }
}

/// The addresses of this machine's interfaces right now; empty if the system does not tell.
pub fn interface_addresses() -> Vec<IpAddr> {
    let Ok(interfaces) = nix::ifaddrs::getifaddrs() else {
        return Vec::new();
    };
    interfaces
        .filter_map(|interface| interface.address)
        .filter_map(|address| {
            let v4 = address.as_sockaddr_in().map(|a| IpAddr::V4(a.ip()));
            v4.or_else(|| address.as_sockaddr_in6().map(|a| IpAddr::V6(a.ip())))
        })
        .collect()
}

fn forbidden_v4(ip: Ipv4Addr) -> Option<&'static str> {
    if ip.is_broadcast() {
        return Some("es la dirección de difusión");
    }
    V4.iter()
        .find(|(first, prefix, _)| (u32::from(ip) ^ u32::from_be_bytes(*first)) >> (32 - prefix) == 0)
        .map(|(_, _, why)| *why)
}

fn forbidden_v6(ip: Ipv6Addr) -> Option<&'static str> {
    let bits = u128::from(ip);
    let listed = V6
        .iter()
        .find(|(first, prefix, _)| (bits ^ u128::from(Ipv6Addr::from(*first))) >> (128 - prefix) == 0)
        .map(|(_, _, why)| *why);
    let [.., flags, isatap, _, _] = ip.segments();
    listed
        .or_else(|| (bits >> 125 != 0b001).then_some(RESERVED))
        // ISATAP hides an IPv4 address in the lower half of any prefix.
        .or_else(|| (isatap == 0x5efe && flags & !0x0200 == 0).then_some(EMBEDDED))
}
