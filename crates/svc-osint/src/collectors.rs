//! The table of collectors: what can be asked for, what it takes, and the way to its code.
//!
//! Only what really works stands here; the API lists this table and nothing else.

pub mod crtsh;
pub mod dns;
pub(crate) mod facts;
pub mod haveibeenpwned;
pub mod identity;
pub mod metadata;
pub mod securitytrails;
pub mod shodan;
pub mod social;
pub mod username;
pub mod virustotal;
pub mod whois;

use crate::contract::CollectorCard;
use crate::enquiry::Enquiry;
use crate::order::Subject;
use crate::providers::{self, Provider, ProviderSettings};
use crate::settings::OsintSettings;
use crate::target::{Target, TargetKind};

/// One collector.
#[derive(Debug)]
pub struct Collector {
    /// The word callers ask for it with.
    pub name: &'static str,
    /// The name of its class in the Python service.
    pub class: &'static str,
    /// What it does, in Spanish.
    pub description: &'static str,
    /// The kinds of target it takes; [`TargetKind::File`] stands for an upload.
    pub accepts: &'static [TargetKind],
    /// The provider it asks, where it is one above all.
    pub provider: Option<&'static Provider>,
    work: Work,
}

#[derive(Debug)]
enum Work {
    Dns,
    Metadata,
    Whois,
    Crtsh,
    Shodan,
    VirusTotal,
    HaveIBeenPwned,
    SecurityTrails,
    Username,
    Social,
    Identity,
}

/// Every collector there is.
pub static COLLECTORS: [Collector; 11] = [
    Collector {
        name: "dns",
        class: "DNSCollector",
        description: "Registros DNS de un dominio o una dirección IP: direcciones, correo (SPF, DKIM, DMARC), \
                      servidores de nombres, DNSSEC, comodines, transferencia de zona y nombres inversos.",
        accepts: &dns::ACCEPTS,
        provider: None,
        work: Work::Dns,
    },
    Collector {
        name: "metadata",
        class: "MetadataCollector",
        description: "Metadatos de documentos e imágenes (autor, programa, fechas, posición GPS): los que publica \
                      un dominio, el de una URL o un fichero subido.",
        accepts: &[TargetKind::Domain, TargetKind::Url, TargetKind::File],
        provider: None,
        work: Work::Metadata,
    },
    Collector {
        name: "whois",
        class: "WhoisCollector",
        description: "Registro de un dominio, una dirección IP o un sistema autónomo por RDAP y, donde no lo hay, por \
                      WHOIS: registrador, fechas, estado, servidores de nombres, red, organización y buzón de abusos.",
        accepts: &whois::ACCEPTS,
        provider: None,
        work: Work::Whois,
    },
    Collector {
        name: "crtsh",
        class: "CrtshCollector",
        description: "Subdominios y certificados de un dominio según los registros públicos de certificados (crt.sh).",
        accepts: &crtsh::ACCEPTS,
        provider: Some(&providers::CRTSH),
        work: Work::Crtsh,
    },
    Collector {
        name: "shodan",
        class: "ShodanCollector",
        description: "Puertos, servicios y vulnerabilidades de una dirección IP, y nombres de un dominio, según Shodan; \
                      de una dirección IP también sin clave, según InternetDB.",
        accepts: &shodan::ACCEPTS,
        provider: Some(&providers::SHODAN),
        work: Work::Shodan,
    },
    Collector {
        name: "virustotal",
        class: "VirusTotalCollector",
        description: "Reputación de un dominio, una dirección IP, una URL o el resumen de un fichero según los antivirus \
                      y las listas que reúne VirusTotal.",
        accepts: &virustotal::ACCEPTS,
        provider: Some(&providers::VIRUSTOTAL),
        work: Work::VirusTotal,
    },
    Collector {
        name: "haveibeenpwned",
        class: "HaveIBeenPwnedCollector",
        description: "Brechas conocidas de un correo o de un dominio, y cuántas veces aparece en ellas la contraseña de \
                      un resumen SHA-1, según Have I Been Pwned; lo filtrado no se muestra.",
        accepts: &haveibeenpwned::ACCEPTS,
        provider: Some(&providers::HIBP),
        work: Work::HaveIBeenPwned,
    },
    Collector {
        name: "securitytrails",
        class: "SecurityTrailsCollector",
        description: "Registros DNS, subdominios y, si se pide, historial de un dominio, o vecinos de una dirección IP, \
                      según SecurityTrails.",
        accepts: &securitytrails::ACCEPTS,
        provider: Some(&providers::SECURITYTRAILS),
        work: Work::SecurityTrails,
    },
    Collector {
        name: "username",
        class: "UsernameCollector",
        description: "Cuentas con un nombre de usuario en cientos de sitios, según las listas de Sherlock, Maigret o \
                      WhatsMyName, con contraprueba de cada una.",
        accepts: &username::ACCEPTS,
        provider: None,
        work: Work::Username,
    },
    Collector {
        name: "social",
        class: "SocialCollector",
        description: "Cuentas con un nombre de usuario en quince grandes redes, solo con pruebas de la propia red.",
        accepts: &social::ACCEPTS,
        provider: None,
        work: Work::Social,
    },
    Collector {
        name: "identity",
        class: "IdentityCollector",
        description: "Lo que se sabe públicamente de quien usa un correo o un nombre de usuario: Gravatar, GitHub, clave \
                      OpenPGP, dominio del correo y cuentas con el mismo nombre.",
        accepts: &identity::ACCEPTS,
        provider: None,
        work: Work::Identity,
    },
];

impl Collector {
    /// The collector of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        COLLECTORS.iter().find(|collector| collector.name == name)
    }

    /// Every name, for sentences and answers.
    pub fn names() -> Vec<&'static str> {
        COLLECTORS.iter().map(|collector| collector.name).collect()
    }

    /// Whether it takes uploaded files.
    pub fn takes_files(&self) -> bool {
        self.accepts.contains(&TargetKind::File)
    }

    /// The kinds of target it takes as a text.
    pub fn takes_texts(&self) -> Vec<TargetKind> {
        self.accepts.iter().copied().filter(|kind| *kind != TargetKind::File).collect()
    }

    /// How the API shows it.
    pub fn card(&self, providers: &ProviderSettings) -> CollectorCard {
        CollectorCard {
            collector_type: self.name,
            class: self.class,
            description: self.description,
            accepts: self.accepts.iter().map(|kind| kind.as_str()).collect(),
            needs_key: self.provider.is_some_and(|provider| provider.key_env.is_some()),
            configured: self.provider.is_none_or(|provider| providers.is_configured(provider)),
            quota_left: None,
            quota_resets: None,
        }
    }

    /// Gathers what it can about `subject`, one of the kinds it accepts.
    pub(crate) async fn collect(&self, settings: &OsintSettings, enquiry: &Enquiry<'_>, subject: &Subject) {
        match (&self.work, subject) {
            (Work::Dns, Subject::Text { target, axfr, .. }) => {
                let mut dns = settings.dns.clone();
                dns.axfr &= axfr.unwrap_or(true);
                dns::collect(&dns, target, enquiry.out).await;
            }
            (Work::Metadata, subject) => {
                if let Some(input) = metadata_input(subject) {
                    metadata::collect(&settings.metadata, enquiry.connector(), input, enquiry.out).await;
                }
            }
            (Work::Whois, Subject::Text { target, .. }) => whois::collect(&settings.whois, enquiry, target).await,
            (Work::Crtsh, Subject::Text { target, .. }) => crtsh::collect(enquiry, target).await,
            (Work::Shodan, Subject::Text { target, .. }) => shodan::collect(enquiry, target).await,
            (Work::VirusTotal, Subject::Text { target, .. }) => virustotal::collect(enquiry, target).await,
            (Work::HaveIBeenPwned, Subject::Text { target, .. }) => haveibeenpwned::collect(enquiry, target).await,
            (Work::SecurityTrails, Subject::Text { target, history, .. }) => {
                securitytrails::collect(enquiry, target, history.unwrap_or_default()).await;
            }
            (Work::Username, Subject::Text { target: Target::Username(name), .. }) => {
                username::collect(&settings.username, enquiry.connector(), name, enquiry.out).await;
            }
            (Work::Social, Subject::Text { target: Target::Username(name), .. }) => {
                social::collect(enquiry, name).await;
            }
            (Work::Identity, Subject::Text { target, .. }) => {
                identity::collect(&settings.dns, &settings.disposable, enquiry, target).await;
            }
            // The table above lets nothing else through.
            (
                Work::Dns
                | Work::Whois
                | Work::Crtsh
                | Work::Shodan
                | Work::VirusTotal
                | Work::HaveIBeenPwned
                | Work::SecurityTrails
                | Work::Username
                | Work::Social
                | Work::Identity,
                _,
            ) => {}
        }
    }
}

/// `None` for what the table above does not let through.
fn metadata_input(subject: &Subject) -> Option<metadata::Input<'_>> {
    match subject {
        Subject::File { name, bytes } => Some(metadata::Input::Upload { filename: name, bytes }),
        Subject::Text { target: Target::Url(url), .. } => Some(metadata::Input::Url(url.as_str())),
        Subject::Text { target: Target::Domain(domain), .. } => Some(metadata::Input::Domain(&domain.ascii)),
        Subject::Text { .. } => None,
    }
}
