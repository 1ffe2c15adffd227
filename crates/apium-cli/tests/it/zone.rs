//! A real DNS server of a test's own, Debian's `knot`, with one small zone.

use std::net::{TcpListener, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::poll::until;

/// `shop.example`: mail, SPF, a wildcard, and a name that is not there.
pub(crate) const ZONE: &str = "$ORIGIN shop.example.
$TTL 300
@    SOA ns1 hostmaster 7 3600 900 604800 60
@    NS  ns1
@    A   203.0.113.10
@    MX  10 mail
@    TXT \"v=spf1 mx -all\"
ns1  A   127.0.0.1
mail A   203.0.113.11
_dmarc TXT \"v=DMARC1; p=reject; rua=mailto:dmarc@shop.example\"
*.wild A 203.0.113.12
";

/// A running `knotd`.
pub(crate) struct Zone {
    child: Child,
    port: u16,
    _folder: TempDir,
}

impl Zone {
    pub(crate) fn served() -> Self {
        Self::of(ZONE)
    }

    /// One that serves this as `shop.example`.
    pub(crate) fn of(zone: &str) -> Self {
        let (port, folder) = (free_port(), tempfile::tempdir().unwrap());
        let at = folder.path().display();
        let settings = format!(
            "server:\n  rundir: \"{at}\"\n  listen: 127.0.0.1@{port}\ndatabase:\n  storage: \"{at}/db\"\n\
             zone:\n  - domain: shop.example.\n    file: \"{at}/zone\"\n    journal-content: none\n    zonefile-sync: -1\n"
        );
        std::fs::create_dir(folder.path().join("db")).unwrap();
        std::fs::write(folder.path().join("zone"), zone).unwrap();
        std::fs::write(folder.path().join("knot.conf"), settings).unwrap();
        let child = Command::new("/usr/sbin/knotd")
            .arg("-c")
            .arg(folder.path().join("knot.conf"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("this test needs Knot DNS ({error}): run `cargo xtask setup`"));
        let zone = Self { child, port, _folder: folder };
        until("knotd to answer", || zone.answers().then_some(()));
        zone
    }

    /// Where it listens, as `OSINT_RESOLVERS` takes it.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Asks for `shop.example SOA` by hand; the answer counts once it carries a record.
    fn answers(&self) -> bool {
        let question = b"\x12\x34\0\0\0\x01\0\0\0\0\0\0\x04shop\x07example\0\0\x06\0\x01";
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        let mut answer = [0; 512];
        let asked = socket.send_to(question, self.address()).and_then(|_| socket.recv(&mut answer));
        asked.is_ok_and(|length| length > 12 && answer[7] > 0)
    }
}

impl Drop for Zone {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A port free for both transports.
fn free_port() -> u16 {
    until("a port free for both transports", || {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        UdpSocket::bind(("127.0.0.1", port)).ok().map(|_| port)
    })
}
