//! What may be scanned: the grammar of a target, read once at the door so that no collector ever
//! sees a half-understood address.
//!
//! The rules are strict on purpose. An address that two programs read differently (`0x7f.1`,
//! `2130706433`, a host name with an invisible letter) is the raw material of every way around a
//! policy, so such texts are refused instead of repaired. The sentences of [`TargetError`] are read
//! by end users and therefore in Spanish.

mod asn;
mod complaint;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use idna::AsciiDenyList;
use idna::uts46::{DnsLength, Hyphens, Uts46};
use url::{Host, Url};

/// Longest text looked at, in characters; anything longer is no target.
const MAX_TEXT: usize = 2_048;
/// Longest e-mail address (RFC 5321, erratum 1690), in bytes of its ASCII form.
const MAX_EMAIL: usize = 254;
/// Longest part before the `@`, in bytes.
const MAX_LOCAL_PART: usize = 64;
/// Longest user name, in characters.
const MAX_USERNAME: usize = 64;

/// Names that never leave the network they are used in: a scan of one would only ever show the
/// inside of *our* network.
const PRIVATE_SUFFIXES: [&str; 10] =
    ["localhost", "localdomain", "local", "internal", "intranet", "lan", "corp", "home", "home.arpa", "onion"];

/// Where the DNS keeps the names of addresses. Resolvers answer for those of their own network, so such a name
/// is asked for only where the address it stands for has been judged.
pub(crate) const ARPA: &str = "arpa";

/// The kinds of target a collector may accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TargetKind {
    /// A public host or domain name.
    Domain,
    /// An IPv4 or IPv6 address.
    Ip,
    /// An `http` or `https` address.
    Url,
    /// An e-mail address.
    Email,
    /// A user name, as sites know it.
    Username,
    /// The MD5, SHA-1 or SHA-256 digest of a file or a password, in hexadecimal.
    Hash,
    /// An uploaded file, named `file:ID`.
    File,
    /// The number of an autonomous system, written `AS3333`.
    Asn,
}

/// A domain name in both of its spellings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainName {
    /// As the person wrote it, trimmed.
    pub text: String,
    /// In lower-case ASCII (punycode), without the final dot: the form that is asked for.
    pub ascii: String,
    /// The registrable domain above it (`example.co.uk` of `www.example.co.uk`), in ASCII. `None`
    /// when the name is itself a public suffix.
    pub registrable: Option<String>,
}

/// An e-mail address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmailAddress {
    /// As the person wrote it, trimmed.
    pub text: String,
    /// What stands before the `@`, unchanged: only its mail server may fold its case.
    pub local: String,
    /// What stands after it.
    pub domain: DomainName,
}

/// A target that was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A public host or domain name.
    Domain(DomainName),
    /// An IPv4 or IPv6 address.
    Ip(IpAddr),
    /// An `http` or `https` address, without credentials and without fragment.
    Url(Url),
    /// An e-mail address.
    Email(EmailAddress),
    /// A user name, without a leading `@`.
    Username(String),
    /// A digest in lower-case hexadecimal.
    Hash(String),
    /// The identifier of an uploaded file.
    File(String),
    /// The number of an autonomous system that may be in public use.
    Asn(u32),
}

/// Why a text is no target, as a sentence in Spanish that names what is accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetError {
    sentence: String,
}

impl TargetKind {
    /// Every kind, in the order in which a text is tried. Autonomous systems come last, because `as3333` is a good user
    /// name too, for those who look for one.
    pub const ALL: [Self; 8] =
        [Self::File, Self::Url, Self::Ip, Self::Email, Self::Hash, Self::Domain, Self::Username, Self::Asn];

    /// The word used in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Domain => "domain",
            Self::Ip => "ip",
            Self::Url => "url",
            Self::Email => "email",
            Self::Username => "username",
            Self::Hash => "hash",
            Self::File => "file",
            Self::Asn => "asn",
        }
    }

    /// The word used in sentences for people.
    fn in_spanish(self) -> &'static str {
        match self {
            Self::Domain => "un dominio (ejemplo.es)",
            Self::Ip => "una dirección IP (192.0.2.1 o 2001:db8::1)",
            Self::Url => "una URL http o https",
            Self::Email => "un correo electrónico",
            Self::Username => "un nombre de usuario",
            Self::Hash => "un resumen MD5, SHA-1 o SHA-256 en hexadecimal",
            Self::File => "un fichero subido (file:ID)",
            Self::Asn => "un sistema autónomo (AS3333)",
        }
    }

    fn read(self, text: &str) -> Result<Target, String> {
        match self {
            Self::Domain => DomainName::parse(text).map(Target::Domain),
            Self::Ip => read_ip(text).map(Target::Ip),
            Self::Url => read_url(text).map(Target::Url),
            Self::Email => EmailAddress::parse(text).map(Target::Email),
            Self::Username => read_username(text).map(Target::Username),
            Self::Hash => read_hash(text).map(Target::Hash),
            Self::File => read_file(text).map(Target::File),
            Self::Asn => asn::read(text).map(Target::Asn),
        }
    }
}

impl Target {
    /// Reads `text` as one of the `accepted` kinds; the first that fits, in the order of
    /// [`TargetKind::ALL`], wins.
    ///
    /// # Errors
    /// When it fits none: the sentence says what is wrong and what is accepted.
    pub fn parse_for(text: &str, accepted: &[TargetKind]) -> Result<Self, TargetError> {
        let text = text.trim();
        if let Some(wrong) = unreadable(text) {
            return Err(TargetError::new(&wrong, accepted));
        }
        let mut fitting = TargetKind::ALL.into_iter().filter(|kind| accepted.contains(kind));
        if let Some(target) = fitting.find_map(|kind| kind.read(text).ok()) {
            return Ok(target);
        }
        Err(TargetError::new(&complaint::about(text, accepted), accepted))
    }

    /// Its kind.
    pub fn kind(&self) -> TargetKind {
        match self {
            Self::Domain(_) => TargetKind::Domain,
            Self::Ip(_) => TargetKind::Ip,
            Self::Url(_) => TargetKind::Url,
            Self::Email(_) => TargetKind::Email,
            Self::Username(_) => TargetKind::Username,
            Self::Hash(_) => TargetKind::Hash,
            Self::File(_) => TargetKind::File,
            Self::Asn(_) => TargetKind::Asn,
        }
    }
}

impl fmt::Display for Target {
    /// The canonical spelling: equal targets print equally, so it can be a cache key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Domain(name) => f.write_str(&name.ascii),
            Self::Ip(address) => write!(f, "{address}"),
            Self::Url(url) => f.write_str(url.as_str()),
            Self::Email(address) => write!(f, "{}@{}", address.local, address.domain.ascii),
            Self::Username(name) | Self::Hash(name) => f.write_str(name),
            Self::File(id) => write!(f, "file:{id}"),
            Self::Asn(number) => write!(f, "AS{number}"),
        }
    }
}

impl DomainName {
    /// Reads a public domain name: at least two labels, IDNA (UTS 46) applied, no address in
    /// disguise, no name that exists only inside a network.
    ///
    /// # Errors
    /// A sentence in Spanish, without the list of what is accepted.
    pub fn parse(text: &str) -> Result<Self, String> {
        let bare = text.strip_suffix('.').unwrap_or(text);
        // CheckFirstLast, not Check: real host names carry `--` in the third place (r3---sn-x).
        let ascii = Uts46::new()
            .to_ascii(bare.as_bytes(), AsciiDenyList::STD3, Hyphens::CheckFirstLast, DnsLength::Verify)
            .map_err(|_| {
                format!(
                    "«{}» no es un nombre de dominio: solo letras, cifras y guiones (no al principio ni al final), \
                     de 1 a 63 caracteres entre puntos y 253 en total",
                    shown(text)
                )
            })?
            .into_owned();
        if inside_a_network(&ascii) {
            return Err(format!("«{}» es un nombre de red interna, no un dominio público", shown(text)));
        }
        if below(&ascii, ARPA) {
            return Err(format!(
                "«{}» es un nombre técnico de la red (.arpa), no un dominio: escriba la propia dirección IP",
                shown(text)
            ));
        }
        if looks_numeric(&ascii) {
            return Err(format!("«{}» parece una dirección IP, no un dominio", shown(text)));
        }
        if !ascii.contains('.') && psl::suffix(ascii.as_bytes()).is_some_and(|suffix| suffix.is_known()) {
            return Err(format!(
                "«{}» no es un dominio, sino solo una terminación: escriba también el nombre (ejemplo.{bare})",
                shown(text)
            ));
        }
        if !ascii.contains('.') {
            return Err(format!("«{}» no es un dominio: le falta la extensión (.es, .com…)", shown(text)));
        }
        let registrable = psl::domain_str(&ascii).map(str::to_owned);
        Ok(Self { text: text.to_owned(), ascii, registrable })
    }

    /// The organisation's domain: the registrable one, or the name itself where there is none.
    pub fn organisation(&self) -> &str {
        self.registrable.as_deref().unwrap_or(&self.ascii)
    }
}

impl EmailAddress {
    fn parse(text: &str) -> Result<Self, String> {
        let (local, domain) =
            text.rsplit_once('@').ok_or_else(|| format!("«{}» no es un correo: le falta la @", shown(text)))?;
        let dots_fit = !local.starts_with('.') && !local.ends_with('.') && !local.contains("..");
        if local.is_empty() || !dots_fit || !local.chars().all(allowed_before_at) {
            return Err(format!("«{}» no es un correo: revise lo que va antes de la @", shown(text)));
        }
        let domain = DomainName::parse(domain).map_err(|why| format!("«{}» no es un correo: {why}", shown(text)))?;
        if local.len() > MAX_LOCAL_PART || local.len() + 1 + domain.ascii.len() > MAX_EMAIL {
            return Err(format!(
                "el correo es demasiado largo: {MAX_LOCAL_PART} caracteres como máximo antes \
                 de la @ y {MAX_EMAIL} en total"
            ));
        }
        Ok(Self { text: text.to_owned(), local: local.to_owned(), domain })
    }
}

impl TargetError {
    fn new(wrong: &str, accepted: &[TargetKind]) -> Self {
        let kinds: Vec<_> = accepted.iter().map(|kind| kind.in_spanish()).collect();
        let list = match kinds.split_last() {
            Some((last, [])) => (*last).to_owned(),
            Some((last, rest)) => format!("{} o {last}", rest.join(", ")),
            None => "ningún objetivo".to_owned(),
        };
        Self { sentence: format!("{wrong}. Se admite {list}.") }
    }
}

impl fmt::Display for TargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

impl std::error::Error for TargetError {}

/// True for names that exist only inside a network, in lower-case ASCII without the final dot.
pub(crate) fn inside_a_network(ascii: &str) -> bool {
    PRIVATE_SUFFIXES.into_iter().any(|suffix| below(ascii, suffix))
}

/// True for `suffix` itself and every name below it, both in lower-case ASCII without the final dot.
pub(crate) fn below(ascii: &str, suffix: &str) -> bool {
    ascii.strip_suffix(suffix).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// Says why a text cannot even be looked at.
fn unreadable(text: &str) -> Option<String> {
    if text.is_empty() {
        return Some("el objetivo está vacío".to_owned());
    }
    if text.chars().nth(MAX_TEXT).is_some() {
        return Some(format!("el objetivo es demasiado largo ({MAX_TEXT} caracteres como máximo)"));
    }
    text.chars()
        .any(|c| c.is_control() || invisible(c))
        .then(|| "el objetivo contiene caracteres de control o invisibles".to_owned())
}

/// Marks that print nothing but change what a text means to a machine, or its reading direction.
pub(crate) fn invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// True for what some resolver would take as a number: the last label is digits or `0x…`.
fn looks_numeric(text: &str) -> bool {
    let last = text.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
    let hex = last.strip_prefix("0x").or_else(|| last.strip_prefix("0X"));
    match hex {
        Some(digits) => digits.chars().all(|c| c.is_ascii_hexdigit()),
        None => !last.is_empty() && last.chars().all(|c| c.is_ascii_digit()),
    }
}

/// The characters of RFC 5322 `atext`, the dot, and letters beyond ASCII (RFC 6531). Quoted local
/// parts are refused: no site takes them and they can hide anything.
fn allowed_before_at(c: char) -> bool {
    c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c)
}

fn read_ip(text: &str) -> Result<IpAddr, String> {
    // The standard library reads dotted decimal without leading zeros and nothing else.
    text.parse::<Ipv4Addr>().map(IpAddr::V4).or_else(|_| text.parse::<Ipv6Addr>().map(IpAddr::V6)).map_err(|_| {
        if text.contains(':') {
            return format!(
                "«{}» no es una dirección IPv6: son hasta ocho grupos de cifras hexadecimales separados por «:», y \
                 «::» aparece una vez como máximo",
                shown(text)
            );
        }
        format!(
            "«{}» no es una dirección IP: IPv4 se escribe con cuatro números decimales de 0 a 255 y puntos entre \
             ellos, sin ceros delante",
            shown(text)
        )
    })
}

fn read_url(text: &str) -> Result<Url, String> {
    let wrong = |why: &str| format!("«{}» no es una URL válida: {why}", shown(text));
    let mut url = Url::parse(text).map_err(|_| wrong("no se entiende"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong("solo http y https"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("no puede llevar usuario ni contraseña"));
    }
    match url.host() {
        // The parser turns every spelling into an address; only the plain one is accepted.
        Some(Host::Ipv4(address)) if written_host(text) != address.to_string() => {
            return Err(wrong("la dirección IPv4 debe ir en decimal con puntos"));
        }
        Some(Host::Ipv4(_) | Host::Ipv6(_)) => {}
        Some(Host::Domain(name)) => {
            DomainName::parse(name).map_err(|why| wrong(&why))?;
        }
        None => return Err(wrong("le falta el servidor")),
    }
    url.set_fragment(None);
    Ok(url)
}

/// The host as the person wrote it, before any parser mended it.
fn written_host(text: &str) -> &str {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    authority.rsplit_once(':').map_or(authority, |(host, _)| host)
}

fn read_username(text: &str) -> Result<String, String> {
    let name = text.strip_prefix('@').unwrap_or(text);
    let allowed = |c: char| c.is_alphanumeric() || "._-".contains(c);
    if name.chars().count() > MAX_USERNAME {
        return Err(format!("el nombre de usuario es demasiado largo ({MAX_USERNAME} caracteres como máximo)"));
    }
    if !name.chars().any(char::is_alphanumeric) || !name.chars().all(allowed) {
        return Err(format!(
            "«{}» no es un nombre de usuario: solo letras, cifras, punto, guion y guion bajo",
            shown(text)
        ));
    }
    Ok(name.to_owned())
}

fn read_hash(text: &str) -> Result<String, String> {
    let fits = matches!(text.len(), 32 | 40 | 64) && text.chars().all(|c| c.is_ascii_hexdigit());
    if fits {
        return Ok(text.to_ascii_lowercase());
    }
    Err(format!("«{}» no es un resumen: son 32, 40 o 64 cifras hexadecimales", shown(text)))
}

fn read_file(text: &str) -> Result<String, String> {
    let id = text.strip_prefix("file:").unwrap_or_default();
    let fits = (1..=64).contains(&id.len()) && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if fits { Ok(id.to_owned()) } else { Err(format!("«{}» no nombra un fichero subido", shown(text))) }
}

/// The text as it may be shown in a sentence: short.
fn shown(text: &str) -> String {
    match text.char_indices().nth(80) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
