//! This machine's own addresses are refused even where they are public: what listens there trusts its neighbours.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use axum::Router;
use axum::routing::get;
use svc_osint::connector::{Connector, ConnectorSettings, FetchError, Limits, interface_addresses};

use crate::web::{Names, serve};

/// Public addresses, so that no other rule refuses them.
const V4: IpAddr = IpAddr::V4(Ipv4Addr::new(9, 9, 9, 9));
const V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2620, 0xfe, 0, 0, 0, 0, 0, 0xfe));

fn own() -> Vec<IpAddr> {
    vec![V4, V6]
}

fn settings() -> ConnectorSettings {
    ConnectorSettings {
        own_addresses: own,
        lookup: Some(Names::of(&[("propia.example.com", V4), ("mixta.example.com", V6)])),
        ..ConnectorSettings::default()
    }
}

#[test]
fn the_system_tells_the_addresses_of_its_interfaces() {
    assert!(interface_addresses().contains(&IpAddr::V4(Ipv4Addr::LOCALHOST)));
    let by_default = (ConnectorSettings::default().own_addresses)();
    assert_eq!(by_default, interface_addresses());
}

#[test]
fn an_own_address_is_not_admitted() {
    let strange = ConnectorSettings { own_addresses: Vec::new, ..settings() };
    for ip in own() {
        assert!(strange.admits(ip), "{ip} is refused for no other reason");
        assert!(!settings().admits(ip), "{ip}");
    }
}

#[tokio::test]
async fn an_own_address_is_not_fetched_from_however_it_is_named() {
    let connector = Connector::new(settings());
    for url in ["http://9.9.9.9/", "http://[2620:fe::fe]/", "http://propia.example.com/", "https://mixta.example.com/"]
    {
        let error = connector.fetch(url, &Limits::default()).await.unwrap_err();
        let FetchError::Forbidden { why, .. } = &error else { panic!("{url}: {error}") };
        assert_eq!(*why, "es una dirección de esta máquina", "{url}");
    }
}

#[tokio::test]
async fn an_own_socket_that_is_excepted_is_fetched_from() {
    let server = serve(Router::new().route("/", get(|| async { "hola" }))).await;
    let connector = Connector::new(ConnectorSettings { allow_loopback: vec![server], ..ConnectorSettings::default() });
    assert!(interface_addresses().contains(&server.ip()));
    let page = connector.fetch(&format!("http://{server}/"), &Limits::default()).await.unwrap();
    assert_eq!(page.body, b"hola");
}
