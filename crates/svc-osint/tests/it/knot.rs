//! A real authoritative server, Debian's `knot`, on a free loopback port with zones written by the
//! test; stopped when dropped.

use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::{Name, RecordType};
use tempfile::TempDir;

/// What a person without the server must do.
const INSTALL: &str = "these tests need Knot DNS: apt-get install knot knot-dnsutils";
/// How long the server may take to serve its zones.
const PATIENCE: Duration = Duration::from_secs(20);

/// One zone of the server.
#[derive(Clone)]
pub(crate) struct Zone {
    name: &'static str,
    /// Without a text the zone's file is missing, and the server answers SERVFAIL.
    text: Option<String>,
    transfer: bool,
    signed: bool,
}

/// A running `knotd`.
pub(crate) struct Knot {
    child: Child,
    port: u16,
    _folder: TempDir,
}

impl Zone {
    /// A zone with an SOA, the name server `ns1` at 127.0.0.1, and `records` in zone file format.
    pub(crate) fn new(name: &'static str, records: &str) -> Self {
        let text = format!(
            "$ORIGIN {name}.\n$TTL 300\n@ SOA ns1 hostmaster 7 3600 900 604800 60\n@ NS ns1\nns1 A 127.0.0.1\n{records}\n"
        );
        Self { name, text: Some(text), transfer: false, signed: false }
    }

    /// A zone the server is responsible for and cannot load.
    pub(crate) fn broken(name: &'static str) -> Self {
        Self { name, text: None, transfer: false, signed: false }
    }

    /// Lets anyone on loopback transfer it.
    pub(crate) fn open(mut self) -> Self {
        self.transfer = true;
        self
    }

    /// Signs it with keys of its own.
    pub(crate) fn signed(mut self) -> Self {
        self.signed = true;
        self
    }
}

impl Knot {
    /// Starts the server and waits until every zone is served.
    pub(crate) fn start(zones: &[Zone]) -> Self {
        Self::start_with_parent(zones, |_| vec![])
    }

    /// The same, with more zones made from the DS records of the signed ones: the text of a parent
    /// can only be written once its children have keys.
    pub(crate) fn start_with_parent(zones: &[Zone], parents: impl Fn(&str) -> Vec<Zone>) -> Self {
        let folder = tempfile::Builder::new().prefix("knot").tempdir().expect("a temporary folder");
        fs::create_dir(folder.path().join("db")).expect("a folder for keys");
        let port = free_port();
        let mut zones = zones.to_vec();
        configure(folder.path(), port, &zones);
        let mut ds = String::new();
        for zone in zones.iter().filter(|zone| zone.signed) {
            keymgr(folder.path(), &[zone.name, "generate", "algorithm=ecdsap256sha256", "ksk=yes", "zsk=yes"]);
            ds.push_str(&keymgr(folder.path(), &[zone.name, "ds"]));
        }
        zones.extend(parents(&ds));
        configure(folder.path(), port, &zones);
        let child = Command::new(program("knotd"))
            .arg("-c")
            .arg(folder.path().join("knot.conf"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect(INSTALL);
        let mut knot = Self { child, port, _folder: folder };
        for zone in zones.iter().filter(|zone| zone.text.is_some()) {
            knot.wait_for(zone.name);
        }
        knot
    }

    /// Where it listens, for datagrams and for TCP.
    pub(crate) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// What Knot's own client reads: the independent opinion.
    pub(crate) fn kdig(&self, name: &str, kind: &str) -> Vec<String> {
        let port = self.port.to_string();
        let output = Command::new(program("kdig"))
            .args(["@127.0.0.1", "-p", &port, "+short", name, kind])
            .output()
            .expect(INSTALL);
        let text = String::from_utf8(output.stdout).expect("kdig prints UTF-8");
        let mut lines: Vec<_> = text.lines().map(|line| line.trim_end().to_owned()).collect();
        lines.sort();
        lines
    }

    fn wait_for(&mut self, zone: &str) {
        let deadline = Instant::now() + PATIENCE;
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
        socket.set_read_timeout(Some(Duration::from_millis(200))).expect("a read timeout");
        let name = Name::from_ascii(format!("{zone}.")).expect("a zone's name");
        let mut question = Message::query();
        question.add_query(Query::query(name, RecordType::SOA));
        let question = question.to_vec().expect("a question");
        let mut buffer = [0; 4096];
        loop {
            assert!(Instant::now() < deadline, "knotd did not serve {zone} in time");
            assert!(matches!(self.child.try_wait(), Ok(None)), "knotd ended while starting");
            // While the port is not open yet the socket reports it on either call.
            let answer = socket.send_to(&question, self.address()).and_then(|_| socket.recv(&mut buffer));
            let Ok(length) = answer else { continue };
            let served = Message::from_vec(&buffer[..length]).is_ok_and(|answer| {
                answer.metadata.response_code == ResponseCode::NoError && !answer.answers.is_empty()
            });
            if served {
                return;
            }
        }
    }
}

impl Drop for Knot {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port free for both transports a moment ago.
pub(crate) fn free_port() -> u16 {
    loop {
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = tcp.local_addr().expect("its address").port();
        if UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

fn program(name: &str) -> &'static Path {
    let places = match name {
        "knotd" => ["/usr/sbin/knotd", "/usr/local/sbin/knotd"],
        "keymgr" => ["/usr/sbin/keymgr", "/usr/bin/keymgr"],
        _ => ["/usr/bin/kdig", "/usr/local/bin/kdig"],
    };
    places.into_iter().map(Path::new).find(|path| path.exists()).expect(INSTALL)
}

fn keymgr(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new(program("keymgr"))
        .arg("-c")
        .arg(folder.join("knot.conf"))
        .args(arguments)
        .output()
        .expect(INSTALL);
    assert!(output.status.success(), "keymgr: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("keymgr prints UTF-8")
}

fn configure(folder: &Path, port: u16, zones: &[Zone]) {
    let at = folder.display();
    let mut text = format!(
        "server:\n  rundir: \"{at}\"\n  listen: 127.0.0.1@{port}\n  udp-workers: 1\n  tcp-workers: 2\n  \
         background-workers: 1\n  automatic-acl: off\nlog:\n  - target: \"{at}/knot.log\"\n    any: info\n\
         database:\n  storage: \"{at}/db\"\nacl:\n  - id: anyone\n    action: transfer\n    address: 127.0.0.0/8\n\
         policy:\n  - id: by-hand\n    manual: on\n\
         template:\n  - id: default\n    storage: \"{at}\"\n    file: \"%s.zone\"\n    semantic-checks: off\n    \
         zonefile-sync: -1\n    journal-content: none\nzone:\n"
    );
    for zone in zones {
        let name = zone.name;
        // Writing into a String cannot fail.
        let _ = writeln!(text, "  - domain: \"{name}.\"");
        if zone.transfer {
            text.push_str("    acl: anyone\n");
        }
        if zone.signed {
            text.push_str("    dnssec-signing: on\n    dnssec-policy: by-hand\n");
        }
        if let Some(records) = &zone.text {
            fs::write(folder.join(format!("{name}.zone")), records).expect("a zone file");
        }
    }
    fs::write(folder.join("knot.conf"), text).expect("the configuration");
}
