//! The layouts of WHOIS answers, as registries around the world write them, all read into the same fields.

use std::net::IpAddr;

use serde_json::{Map, Value, json};
use svc_osint::collectors::whois::{Wanted, fields, question, utc};

use crate::whois_fake::{Port43, World, found, server};

fn domain(name: &str, text: &str) -> Map<String, Value> {
    fields(&Wanted::Domain(name.to_owned()), text.as_bytes()).unwrap_or_else(|| panic!("nothing in {text}"))
}

fn address(ip: &str, text: &str) -> Map<String, Value> {
    let ip: IpAddr = ip.parse().unwrap();
    fields(&Wanted::Ip(ip), text.as_bytes()).unwrap_or_else(|| panic!("nothing in {text}"))
}

/// Checks some fields of a record.
fn has(record: &Map<String, Value>, expected: &Value) {
    for (field, value) in expected.as_object().unwrap() {
        assert_eq!(record.get(field), Some(value), "{field} in {record:#?}");
    }
}

const GENERIC: &str = "\
   Domain Name: EXAMPLE.COM
   Registry Domain ID: 2336799_DOMAIN_COM-VRSN
   Registrar WHOIS Server: whois.iana.org
   Registrar URL: http://res-dom.iana.org
   Updated Date: 2026-08-14T07:01:34Z
   Creation Date: 1995-08-14T04:00:00Z
   Registry Expiry Date: 2027-08-13T04:00:00Z
   Registrar: RESERVED-Internet Assigned Numbers Authority
   Registrar IANA ID: 376
   Registrar Abuse Contact Email:
   Registrar Abuse Contact Phone:
   Domain Status: clientDeleteProhibited https://icann.org/epp#clientDeleteProhibited
   Domain Status: clientTransferProhibited https://icann.org/epp#clientTransferProhibited
   Name Server: A.IANA-SERVERS.NET
   Name Server: B.IANA-SERVERS.NET
   DNSSEC: signedDelegation
   DNSSEC DS Data: 31589 8 2 CDE0D742D6998AA554A92D890F8184C698CFAC8A26FA59875A990C03E576343C
   URL of the ICANN Whois Inaccuracy Complaint Form: https://www.icann.org/wicf/
>>> Last update of whois database: 2026-11-23T10:00:00Z <<<

For more information on Whois status codes, please visit https://icann.org/epp

NOTICE: The expiration date displayed in this record is the date the
registrar's sponsorship of the domain name registration in the registry is
currently set to expire.
";

#[test]
fn a_thin_registry() {
    let record = domain("example.com", GENERIC);
    has(
        &record,
        &json!({
            "domain": "example.com", "handle": "2336799_DOMAIN_COM-VRSN",
            "created": "1995-08-14T04:00:00Z", "updated": "2026-08-14T07:01:34Z", "expires": "2027-08-13T04:00:00Z",
            "registrar.name": "RESERVED-Internet Assigned Numbers Authority", "registrar.iana_id": "376",
            "registrar.url": "http://res-dom.iana.org",
            "status": ["clientDeleteProhibited", "clientTransferProhibited"],
            "nameservers": ["a.iana-servers.net", "b.iana-servers.net"], "dnssec.signed": true,
            "dnssec.ds": ["31589 8 2 CDE0D742D6998AA554A92D890F8184C698CFAC8A26FA59875A990C03E576343C"],
        }),
    );
    assert!(!record.contains_key("abuse.email"));
}

#[tokio::test]
async fn a_thick_one_with_its_people() {
    let thick = "\
Domain Name: ejemplo.org
Registry Domain ID: D1-LROR
Updated Date: 2026-01-02T03:04:05.0Z
Creation Date: 2001-02-03T04:05:06Z
Registry Expiry Date: 2027-02-03T04:05:06Z
Registrar: Registrador S.A.
Registrar Abuse Contact Email: Abusos@Registrador.example
Registrar Abuse Contact Phone: +34.910000000
Domain Status: ok https://icann.org/epp#ok
Registry Registrant ID: REDACTED FOR PRIVACY
Registrant Name: REDACTED FOR PRIVACY
Registrant Organization: Ejemplos Unidos
Registrant State/Province: Madrid
Registrant Country: ES
Registrant Email: Please query the RDDS service of the Registrar of Record identified in this output
Admin Name: Ana Pérez
Admin Organization: Ejemplos Unidos
Admin Email: ana@ejemplo.org
Admin Phone: +34.600000000
Tech Name: REDACTED FOR PRIVACY
Name Server: ns1.ejemplo.org
DNSSEC: unsigned
";
    let port43 = Port43::saying(thick).await;
    let gathered = World::of_whois(&port43, &[]).await.scan("ejemplo.org").await;
    let source = port43.source();
    let people = json!([
        { "roles": ["registrant"], "organisation": "Ejemplos Unidos", "country": "ES", "source": source },
        { "roles": ["administrative"], "name": "Ana Pérez", "organisation": "Ejemplos Unidos",
          "email": "ana@ejemplo.org", "phone": "+34.600000000", "source": source },
    ]);
    assert_eq!(gathered.data["contacts"], people);
    assert_eq!((&gathered.data["redacted"], &gathered.data["dnssec"]), (&json!(true), &json!({ "signed": false })));
    assert_eq!(gathered.data["abuse"], json!({ "email": "abusos@registrador.example", "phone": "+34.910000000" }));
    assert_eq!(found(&gathered, "email"), ["abusos@registrador.example"]);
    assert_eq!(found(&gathered, "contact"), ["Ejemplos Unidos", "Ana Pérez"]);
}

#[test]
fn spain_and_its_days_before_months() {
    let text = "Nombre de dominio: ejemplo.es\nEstado: activo\nFecha de alta: 13/05/2003\nFecha de caducidad: 31-01-2027\n\
                Agente registrador: Registrador S.A.\nServidores de nombres:\n  ns1.ejemplo.es 192.0.2.1\n  ns2.ejemplo.es\n";
    has(
        &domain("ejemplo.es", text),
        &json!({
            "created": "2003-05-13", "expires": "2027-01-31", "registrar.name": "Registrador S.A.",
            "status": ["activo"], "nameservers": ["ns1.ejemplo.es", "ns2.ejemplo.es"],
        }),
    );
}

#[test]
fn germany_with_its_contacts_in_brackets() {
    let text = "% Restricted rights.\n%\n\nDomain: example.de\nNserver: ns1.example.net\nNserver: ns2.example.de 192.0.2.1 2001:db8::1\n\
                Dnskey: 257 3 8 AwEAAa==\nStatus: connect\nChanged: 2018-03-12T21:44:25+01:00\n\n[Tech-C]\nType: ROLE\n\
                Name: Hostmaster of the Day\nEmail: hostmaster@example.de\nChanged: 2010-01-01T00:00:00+01:00\n";
    let record = domain("example.de", text);
    has(
        &record,
        &json!({
            "updated": "2018-03-12T20:44:25Z", "status": ["connect"], "dnssec.signed": true,
            "nameservers": ["ns1.example.net", "ns2.example.de"],
        }),
    );
}

#[test]
fn the_united_kingdom_in_indented_blocks() {
    let text = "\n    Domain name:\n        example.co.uk\n\n    Data validation:\n        Nominet was able to match the registrant's \
                name and address\n\n    Registrar:\n        Nominet UK [Tag = NOMINET]\n        URL: https://www.nominet.uk\n\n    \
                Relevant dates:\n        Registered on: 26-Nov-1996\n        Expiry date:  26-Nov-2027\n        Last updated:  \
                13-Oct-2026\n\n    Registration status:\n        Registered until expiry date.\n\n    Name servers:\n        \
                ns1.example.co.uk         192.0.2.1  2001:db8::1\n        ns2.example.net\n\n    WHOIS lookup made at 10:00:00 23-Nov-2026\n\n\
                -- \nThis WHOIS information is provided for free by Nominet UK\n";
    has(
        &domain("example.co.uk", text),
        &json!({
            "created": "1996-11-26", "expires": "2027-11-26", "updated": "2026-10-13",
            "registrar.name": "Nominet UK", "registrar.url": "https://www.nominet.uk",
            "status": ["Registered until expiry date."], "nameservers": ["ns1.example.co.uk", "ns2.example.net"],
        }),
    );
}

#[tokio::test]
async fn france_in_objects() {
    let text = "%%\n%% This is the AFNIC Whois server.\n%%\n\ndomain:                        example.fr\nstatus:                        ACTIVE\n\
                eppstatus:                     serverTransferProhibited\nholder-c:                      AN00-FRNIC\nadmin-c:                       AP11-FRNIC\n\
                registrar:                     REGISTRADOR SAS\nExpiry Date:                   2027-12-31T09:00:00Z\n\
                created:                       2004-06-10T22:00:00Z\nlast-update:                   2026-01-02T03:04:05Z\nsource:                        FRNIC\n\n\
                nserver:                       ns1.example.fr\nnserver:                       ns2.example.net [192.0.2.1]\nsource:                        FRNIC\n\n\
                registrar:                     REGISTRADOR SAS\naddress:                       1 rue de la Paix\ncountry:                       FR\n\
                e-mail:                        ayuda@registrador.example\nwebsite:                       https://registrador.example/\n\
                registered:                    1999-03-09T12:00:00Z\n\nnic-hdl:                       AN00-FRNIC\ntype:                          PERSON\n\
                contact:                       Ano Nymous\nregistrar:                     REGISTRADOR SAS\nchanged:                       1999-01-01T00:00:00Z\n\n\
                nic-hdl:                       AP11-FRNIC\ntype:                          PERSON\ncontact:                       Anne Dupont\n\
                country:                       FR\ne-mail:                        anne@example.fr\n";
    let port43 = Port43::saying(text).await;
    let gathered = World::of_whois(&port43, &[]).await.scan("example.fr").await;
    assert_eq!(gathered.data["created"], "2004-06-10T22:00:00Z");
    assert_eq!(gathered.data["updated"], "2026-01-02T03:04:05Z", "the domain's, not the person's");
    assert_eq!(gathered.data["expires"], "2027-12-31T09:00:00Z");
    assert_eq!(gathered.data["status"], json!(["ACTIVE", "serverTransferProhibited"]));
    assert_eq!(gathered.data["nameservers"], json!(["ns1.example.fr", "ns2.example.net"]));
    let registrar = json!({ "name": "REGISTRADOR SAS", "url": "https://registrador.example/" });
    assert_eq!((&gathered.data["registrar"], &gathered.data["redacted"]), (&registrar, &json!(true)));
    let people = json!([{
        "roles": ["administrative"], "handle": "AP11-FRNIC", "name": "Anne Dupont", "email": "anne@example.fr",
        "country": "FR", "source": port43.source(),
    }]);
    assert_eq!(gathered.data["contacts"], people);
}

#[test]
fn japan_in_brackets() {
    let text = "[ JPRS database provides information on network administration. ]\n\nDomain Information:\n\
                [Domain Name]                   EXAMPLE.JP\n\n[Registrant]                    Example Inc.\n\n\
                [Name Server]                   ns1.example.jp\n[Name Server]                   ns2.example.jp\n[Signing Key]                   \n\n\
                [Created on]                    2001/05/25\n[Expires on]                    2027/05/31\n[Status]                        Active\n\
                [Last Updated]                  2026/06/01 01:05:04 (JST)\n";
    has(
        &domain("example.jp", text),
        &json!({
            "created": "2001-05-25", "expires": "2027-05-31", "updated": "2026-05-31T16:05:04Z",
            "status": ["Active"], "nameservers": ["ns1.example.jp", "ns2.example.jp"],
        }),
    );
    let organisation = "a. [Domain Name]                EXAMPLE.CO.JP\ng. [Organization]               Example Inc.\n\
                        p. [Name Server]                ns1.example.jp\n[State]                         Connected (2027/03/31)\n\
                        [Registered Date]               1998/03/12\n";
    has(
        &domain("example.co.jp", organisation),
        &json!({ "created": "1998-03-12", "nameservers": ["ns1.example.jp"], "status": ["Connected (2027/03/31)"] }),
    );
}

#[test]
fn headings_without_colons_dots_before_them_and_values_below() {
    let italy = "Domain:             example.it\nStatus:             ok\nSigned:             no\nCreated:            1999-12-10 00:00:00\n\
                 Last Update:        2026-04-21 01:02:31\nExpire Date:        2027-04-21\n\nRegistrant\n  Organization:     Ejemplo\n  \
                 Created:          2007-03-01 10:47:47\n\nRegistrar\n  Organization:     Registrador S.p.A.\n  Name:             REG-IT\n  \
                 Web:              https://registrador.example/\n\nNameservers\n  ns1.example.it\n  ns2.example.it\n";
    has(
        &domain("example.it", italy),
        &json!({
            "created": "1999-12-10T00:00:00Z", "updated": "2026-04-21T01:02:31Z", "expires": "2027-04-21",
            "registrar.name": "Registrador S.p.A.", "registrar.url": "https://registrador.example/",
            "nameservers": ["ns1.example.it", "ns2.example.it"], "dnssec.signed": false,
        }),
    );
    let finland = "domain.............: example.fi\nstatus.............: Registered\ncreated............: 30.6.2006 00:00:00\n\
                   expires............: 4.7.2027 08:15:55\n\nNameservers\n\nnserver............: ns1.example.fi [OK]\n\n\
                   Holder\n\nname...............: Ejemplo Oy\n\nRegistrar\n\nregistrar..........: Registrador Oy\nwww................: registrador.example\n";
    has(
        &domain("example.fi", finland),
        &json!({
            "created": "2006-06-30T00:00:00Z", "expires": "2027-07-04T08:15:55Z", "registrar.name": "Registrador Oy",
            "registrar.url": "registrador.example", "nameservers": ["ns1.example.fi"],
        }),
    );
    let poland = "DOMAIN NAME:           example.pl\nregistrant type:       organization\nnameservers:           ns1.example.pl. [192.0.2.1]\n                       \
                  ns2.example.net.\ncreated:               1995.01.01 12:00:00\nlast modified:         2026.11.05 08:22:53\nrenewal date:          \
                  2027.12.31 14:00:00\n\nREGISTRAR:\nRegistrador Sp. z o.o.\nul. Przykładowa 1\n";
    has(
        &domain("example.pl", poland),
        &json!({
            "created": "1995-01-01T12:00:00Z", "updated": "2026-11-05T08:22:53Z", "expires": "2027-12-31T14:00:00Z",
            "nameservers": ["ns1.example.pl", "ns2.example.net"],
        }),
    );
}

#[test]
fn brazil_and_belgium() {
    let brazil = "% Copyright (c) Nic.br\n\ndomain:      exemplo.com.br\nowner:       Exemplo Ltda\nowner-c:     EXE1\nnserver:     a.dns.example.br\n\
                  nsstat:      20261120 AA\ncreated:     19990518 #157263\nchanged:     20260503\nexpires:     20270518\nstatus:      published\n\n\
                  nic-hdl-br:  EXE1\nperson:      Maria Silva\ncreated:     20020819\n";
    has(
        &domain("exemplo.com.br", brazil),
        &json!({
            "created": "1999-05-18", "updated": "2026-05-03", "expires": "2027-05-18", "status": ["published"],
            "nameservers": ["a.dns.example.br"],
        }),
    );
    let belgium = "Domain:\texample.be\nStatus:\tNOT AVAILABLE\nRegistered:\tTue Dec 12 2000\n\nRegistrant:\n\tNot shown, please visit \
                   www.dnsbelgium.be for webbased whois.\n\nRegistrar:\n\tName:\tRegistrador NV\n\tWebsite:\thttps://registrador.example\n\n\
                   Nameservers:\n\tns1.example.be (192.0.2.1)\n\tns2.example.be\n";
    has(
        &domain("example.be", belgium),
        &json!({
            "created": "2000-12-12", "registrar.name": "Registrador NV", "registrar.url": "https://registrador.example",
            "nameservers": ["ns1.example.be", "ns2.example.be"],
        }),
    );
}

#[test]
fn networks_as_the_five_registries_write_them() {
    let ripe = "% Abuse contact for '193.0.0.0 - 193.0.7.255' is 'abuse@ripe.net'\n\ninetnum:        193.0.0.0 - 193.0.7.255\n\
                netname:        RIPE-NCC\ncountry:        NL\norg:            ORG-RIEN1-RIPE\nadmin-c:        BRD-RIPE\nstatus:         ASSIGNED PA\n\
                created:        2003-03-17T12:15:57Z\nlast-modified:  2024-07-23T09:56:23Z\nsource:         RIPE\n\n\
                organisation:   ORG-RIEN1-RIPE\norg-name:       Reseaux IP Europeens\ncountry:        NL\n\nrole:           Ops\nnic-hdl:        BRD-RIPE\n\n\
                route:          193.0.0.0/21\norigin:         AS3333\n";
    has(
        &address("193.0.6.139", ripe),
        &json!({
            "network.start": "193.0.0.0", "network.end": "193.0.7.255", "network.cidrs": ["193.0.0.0/21"],
            "network.name": "RIPE-NCC", "network.type": "ASSIGNED PA", "country": "NL",
            "organisation": "Reseaux IP Europeens", "abuse.email": "abuse@ripe.net",
            "created": "2003-03-17T12:15:57Z", "updated": "2024-07-23T09:56:23Z",
        }),
    );
    // Two blocks, of which the smaller one is meant.
    let arin = "# start\n\nNetRange:       8.0.0.0 - 8.127.255.255\nCIDR:           8.0.0.0/9\nNetName:        LVLT-ORG-8-8\n\
                NetHandle:      NET-8-0-0-0-1\nOrganization:   Level 3 Parent, LLC (LPL-141)\nRegDate:        1992-12-01\n\n\
                OrgName:        Level 3 Parent, LLC\nCountry:        US\n\n# end\n\n# start\n\nNetRange:       8.8.8.0 - 8.8.8.255\n\
                CIDR:           8.8.8.0/24\nNetName:        GOGL\nNetHandle:      NET-8-8-8-0-2\nParent:         NET8 (NET-8-0-0-0-0)\n\
                NetType:        Direct Allocation\nOriginAS:       \nOrganization:   Google LLC (GOGL)\nRegDate:        2023-12-28\n\
                Updated:        2023-12-28\n\nOrgAbuseHandle: ABUSE5250-ARIN\nOrgAbuseEmail:  network-abuse@google.com\n\
                OrgAbusePhone:  +1-650-253-0000\n\n# end\n";
    has(
        &address("8.8.8.8", arin),
        &json!({
            "network.start": "8.8.8.0", "network.cidrs": ["8.8.8.0/24"], "network.name": "GOGL",
            "network.parent": "NET8 (NET-8-0-0-0-0)", "network.type": "Direct Allocation",
            "organisation": "Google LLC (GOGL)", "created": "2023-12-28", "abuse.email": "network-abuse@google.com",
            "abuse.phone": "+1-650-253-0000",
        }),
    );
    let lacnic = "inetnum:     200.160/20\naut-num:     AS22548\nowner:       Núcleo de Inf. e Coord. do Ponto BR\nownerid:     05.506.560/0001-36\n\
                  country:     BR\ncreated:     20000517\nchanged:     20170427\n\nnic-hdl-br:  FAN\nperson:      Frederico\n";
    has(
        &address("200.160.2.3", lacnic),
        &json!({
            "network.start": "200.160.0.0", "network.end": "200.160.15.255", "country": "BR",
            "organisation": "Núcleo de Inf. e Coord. do Ponto BR", "created": "2000-05-17", "updated": "2017-04-27",
        }),
    );
    let apnic = "inet6num:       2001:dc0::/32\nnetname:        APNIC-AP-V6\ndescr:          Asia Pacific Network\ncountry:        AU\n\
                 mnt-irt:        IRT-APNIC\n\nirt:            IRT-APNIC\ne-mail:         helpdesk@apnic.net\nabuse-mailbox:  abuse@apnic.net\n";
    has(
        &address("2001:dc0:2001:11::194", apnic),
        &json!({
            "network.start": "2001:dc0::", "network.cidrs": ["2001:dc0::/32"], "network.name": "APNIC-AP-V6",
            "organisation": "Asia Pacific Network", "abuse.email": "abuse@apnic.net",
        }),
    );
    assert!(fields(&Wanted::Ip("9.9.9.9".parse().unwrap()), ripe.as_bytes()).is_none(), "of another network");
}

#[test]
fn autonomous_systems() {
    let ripe = "as-block:       AS3209 - AS3353\ndescr:          RIPE NCC ASN block\n\naut-num:        AS3333\nas-name:        RIPE-NCC-AS\n\
                org:            ORG-RIEN1-RIPE\ncreated:        1970-01-01T00:00:00Z\n\norganisation:   ORG-RIEN1-RIPE\n\
                org-name:       Reseaux IP Europeens\ncountry:        NL\n";
    let record = fields(&Wanted::Asn(3333), ripe.as_bytes()).unwrap();
    let expected = json!({
        "asn.first": 3333, "asn.last": 3333, "asn.name": "RIPE-NCC-AS", "organisation": "Reseaux IP Europeens",
        "country": "NL",
    });
    has(&record, &expected);
    let arin = "ASNumber:       15169\nASName:         GOOGLE\nASHandle:       AS15169\nRegDate:        2000-03-30\n\n\
                OrgName:        Google LLC\nCountry:        US\n";
    let record = fields(&Wanted::Asn(15_169), arin.as_bytes()).unwrap();
    let expected = json!({
        "asn.name": "GOOGLE", "handle": "AS15169", "organisation": "Google LLC", "country": "US", "created": "2000-03-30",
    });
    has(&record, &expected);
}

#[tokio::test]
async fn the_last_server_knows_the_smallest_network() {
    let ripe = Port43::saying("inetnum: 193.0.0.0 - 193.0.7.255\r\nnetname: RIPE-NCC\r\ncountry: NL\r\n").await;
    let arin = Port43::saying(format!(
        "NetRange: 193.0.0.0 - 193.255.255.255\r\nNetName: RIPE-CBLK\r\n\r\nReferralServer:  whois://{}\r\n\r\n\
         OrgName: RIPE Network Coordination Centre\r\n",
        ripe.address
    ))
    .await;
    let gathered = World::of_whois(&arin, &[&ripe]).await.scan("193.0.6.139").await;
    assert_eq!(gathered.data["network"]["name"], "RIPE-NCC");
    assert_eq!(gathered.data["sources_of"]["network.name"], ripe.source());
    assert_eq!(gathered.data["sources_of"]["organisation"], arin.source());
    assert_eq!(found(&gathered, "netblock"), ["193.0.0.0/21"]);
}

#[test]
fn questions_in_the_form_their_server_wants() {
    let name = Wanted::Domain("xn--bcher-kva.de".to_owned());
    let asked = |host: &str, wanted: &Wanted| question(&server(host), wanted);
    assert_eq!(asked("whois.nic.es", &name), "xn--bcher-kva.de");
    assert_eq!(asked("WHOIS.denic.de", &name), "-T dn,ace xn--bcher-kva.de");
    assert_eq!(asked("whois.verisign-grs.com", &name), "domain xn--bcher-kva.de");
    assert_eq!(asked("whois.jprs.jp", &name), "xn--bcher-kva.de/e");
    assert_eq!(asked("whois.punktum.dk", &name), "--charset=utf-8 xn--bcher-kva.de");
    assert_eq!(asked("whois.nic.ad.jp", &Wanted::Ip("192.50.43.53".parse().unwrap())), "192.50.43.53/e");
    assert_eq!(asked("whois.nic.ad.jp", &Wanted::Asn(2_515)), "AS 2515/e");
    assert_eq!(asked("whois.arin.net", &Wanted::Asn(15_169)), "a + 15169");
    assert_eq!(asked("whois.arin.net:43", &Wanted::Ip("8.8.8.8".parse().unwrap())), "n + 8.8.8.8");
    assert_eq!(asked("whois.ripe.net", &Wanted::Asn(3_333)), "AS3333");
}

#[test]
fn dates_in_their_many_forms() {
    let noon = "2003-05-16T12:34:56Z";
    for text in [
        "2003-05-16T12:34:56Z",
        "2003-05-16T12:34:56.0Z",
        "2003-05-16T14:34:56+02:00",
        "2003-05-16T14:34:56+0200",
        "2003-05-16 12:34:56",
        "2003-05-16 12:34:56 UTC",
        "2003-05-16 14:34:56+02",
        "2003-05-16 12:34:56 (UTC)",
        "2003-05-16T12:34:56",
        "2003/05/16 21:34:56 (JST)",
        "2003.05.16 12:34:56",
        "16.5.2003 12:34:56",
        "16.05.2003 14:34:56 CEST",
        "16-May-2003 12:34:56 UTC",
        "16-may-2003 12:34:56",
        "16 May 2003 12:34:56 GMT",
        "Fri May 16 12:34:56 2003",
        "Fri May 16 12:34:56 GMT 2003",
        "Fri, 16 May 2003 12:34:56 +0000",
        "May 16 2003 12:34:56",
        "16/05/2003 12:34:56",
        "20030516123456",
        "20030516 12:34:56",
    ] {
        assert_eq!(utc(text).as_deref(), Some(noon), "{text}");
    }
    for text in [
        "2003-05-16",
        "20030516",
        "20030516 #157263",
        "16-May-2003",
        "16.05.2003",
        "16/05/2003",
        "05/16/2003",
        "2003/05/16",
        "2003. 05. 16.",
        "May 16, 2003",
        "Friday 16 May 2003",
        // A zone nobody knows leaves the day.
        "2003-05-16 12:34:56 XYZT",
    ] {
        assert_eq!(utc(text).as_deref(), Some("2003-05-16"), "{text}");
    }
    for text in [
        "",
        "before Aug-1996",
        "2003",
        "2003-13-16",
        "31-Feb-2003",
        "16-05-03",
        "never",
        "99999999",
        "2003-05-16 25:00:00",
    ] {
        assert_eq!(utc(text), None, "{text}");
    }
}
