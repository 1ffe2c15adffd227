//! Who is responsible, in WHOIS answers: by prefix (`Tech Email:`), by heading, or as an object of its own.

use super::layout::{Entry, Sheet};
use super::record::{Contact, Record};

/// What the word before a field, a heading, or a reference says of somebody's role.
const ROLES: [(&str, &str); 13] = [
    ("registrant", "registrant"),
    ("holder", "registrant"),
    ("owner", "registrant"),
    ("titular", "registrant"),
    ("administrative contact", "administrative"),
    ("administrative", "administrative"),
    ("admin contact", "administrative"),
    ("admin", "administrative"),
    ("technical contact", "technical"),
    ("technical", "technical"),
    ("tech", "technical"),
    ("billing", "billing"),
    ("zone", "zone"),
];
/// Most objects of people looked at.
const MAX_OBJECTS: usize = 100;
/// Keys that open an object about somebody.
const OBJECTS: [&str; 7] = ["nic hdl", "nic hdl br", "person", "role", "contact", "irt", "organisation"];
/// Lines that refer to such an object.
const REFERENCES: [(&str, &str); 8] = [
    ("holder c", "registrant"),
    ("owner c", "registrant"),
    ("admin c", "administrative"),
    ("tech c", "technical"),
    ("zone c", "zone"),
    ("billing c", "billing"),
    ("abuse c", "abuse"),
    ("org", "registrant"),
];
const NAMES: [&str; 5] = ["name", "person", "role", "contact", "contact name"];
const ORGANISATIONS: [&str; 6] = ["organization", "organisation", "org name", "company", "irt", "organization name"];
const EMAILS: [&str; 5] = ["email", "e mail", "contact email", "email address", "eppid email"];
const PHONES: [&str; 5] = ["phone", "phone number", "telephone", "contact phone", "tel"];
const COUNTRIES: [&str; 3] = ["country", "country code", "country/economy"];
const HANDLES: [&str; 4] = ["nic hdl", "nic hdl br", "registry id", "contact id"];

/// Where a mailbox for complaints stands.
const ABUSE_MAIL: [&str; 9] = [
    "registrar abuse contact email",
    "abuse contact email",
    "abuse contact",
    "abuse mailbox",
    "abuse email",
    "abuse e mail",
    "orgabuseemail",
    "rabuseemail",
    "registrar abuse email",
];
const ABUSE_PHONE: [&str; 6] = [
    "registrar abuse contact phone",
    "abuse contact phone",
    "abuse phone",
    "orgabusephone",
    "rabusephone",
    "registrar abuse phone",
];

/// Whether an entry speaks of somebody, not of the target.
pub(super) fn is_about_somebody(sheet: &Sheet, entry: &Entry) -> bool {
    let headed = ROLES.iter().any(|(word, _)| entry.section.starts_with(word)) || entry.section == "registrar";
    headed || is_object(sheet, entry.object)
}

/// Reads everybody there is, and whom to complain to.
pub(super) fn read(sheet: &Sheet, record: &mut Record) {
    for word in ["registrant", "holder", "owner", "admin", "administrative", "tech", "technical", "billing", "orgtech"]
    {
        by_prefix(sheet, word, record);
    }
    by_heading(sheet, record);
    objects(sheet, record);
    abuse(sheet, record);
}

fn role_of(word: &str) -> String {
    let known = ROLES.iter().find(|(known, _)| word.starts_with(known)).map(|(_, role)| (*role).to_owned());
    known.unwrap_or_else(|| "technical".to_owned())
}

/// `Registrant Organization: …`, `Admin Contact Email: …`, `OrgTechEmail: …`; also `Registrant: …` alone.
fn by_prefix(sheet: &Sheet, word: &str, record: &mut Record) {
    let field = |entry: &Entry| -> Option<String> {
        let rest = entry.key.strip_prefix(word)?;
        let rest = rest.strip_prefix(' ').or_else(|| (word == "orgtech").then_some(rest))?;
        Some(rest.strip_prefix("contact ").unwrap_or(rest).to_owned())
    };
    let own: Vec<(String, &str)> =
        sheet.entries.iter().filter_map(|entry| Some((field(entry)?, entry.value.as_str()))).collect();
    let alone = sheet.first(&[word], |entry| entry.section.is_empty() || entry.section == word);
    let alone = alone.map(|value| ("name".to_owned(), value));
    let fields: Vec<_> = own.into_iter().chain(alone).collect();
    add(&fields, vec![role_of(word)], record);
}

/// What stands under `Registrant:`, `[Tech-C]`.
fn by_heading(sheet: &Sheet, record: &mut Record) {
    let mut headings: Vec<&str> = Vec::new();
    for entry in &sheet.entries {
        let heads = ROLES.iter().any(|(word, _)| entry.section.starts_with(word));
        if heads && !headings.contains(&entry.section.as_str()) {
            headings.push(&entry.section);
        }
    }
    for heading in headings {
        let fields: Vec<_> = sheet
            .entries
            .iter()
            .filter(|entry| entry.section == heading && entry.key != heading)
            .map(|entry| (entry.key.clone(), entry.value.as_str()))
            .collect();
        add(&fields, vec![role_of(heading)], record);
    }
}

/// Objects of people, with the roles in which others refer to them.
fn objects(sheet: &Sheet, record: &mut Record) {
    let last = sheet.entries.last().map_or(0, |entry| entry.object);
    for object in (0..=last).filter(|object| is_object(sheet, *object)).take(MAX_OBJECTS) {
        let own = sheet.entries.iter().filter(|entry| entry.object == object);
        let fields: Vec<_> = own.map(|entry| (entry.key.clone(), entry.value.as_str())).collect();
        let handle = fields.iter().find(|(key, _)| HANDLES.contains(&key.as_str()) || key == "organisation");
        let handle = handle.map(|(_, handle)| *handle).unwrap_or_default();
        let refers = |(key, _): &&(&str, &str)| sheet.all(&[*key]).any(|entry| entry.value == handle);
        let mut roles: Vec<String> = Vec::new();
        for (_, role) in REFERENCES.iter().filter(refers) {
            if !roles.iter().any(|known| known == role) {
                roles.push((*role).to_owned());
            }
        }
        // In the object of an organisation this line is its handle.
        let fields: Vec<_> = fields.into_iter().filter(|(key, _)| key != "organisation").collect();
        add(&fields, roles, record);
    }
}

fn is_object(sheet: &Sheet, object: usize) -> bool {
    OBJECTS.contains(&sheet.head(object))
}

fn add(fields: &[(String, &str)], roles: Vec<String>, record: &mut Record) {
    let find = |keys: &[&str]| {
        keys.iter().find_map(|key| fields.iter().find(|(field, _)| field == key).map(|(_, value)| *value))
    };
    let mut shown = |keys: &[&str]| find(keys).and_then(|text| record.shown(text));
    let contact = Contact {
        handle: shown(&HANDLES),
        name: shown(&NAMES),
        organisation: shown(&ORGANISATIONS),
        phone: shown(&PHONES),
        country: shown(&COUNTRIES),
        email: None,
        roles,
    };
    let email = find(&EMAILS).and_then(|text| record.email(text));
    record.contact(Contact { email, ..contact });
}

fn abuse(sheet: &Sheet, record: &mut Record) {
    // RIPE and its like tell it in a comment: % Abuse contact for '192.0.2.0 - 192.0.2.255' is 'abuse@example.net'
    let comments = sheet.comments.iter().filter(|line| line.starts_with("Abuse contact for"));
    let told = comments.filter_map(|line| line.rsplit_once(" is ")).map(|(_, mailbox)| mailbox);
    let lines = ABUSE_MAIL.iter().flat_map(|key| sheet.entries.iter().filter(move |entry| entry.key == *key));
    let mailboxes: Vec<&str> = told.chain(lines.map(|entry| entry.value.as_str())).collect();
    if let Some(mailbox) = mailboxes.into_iter().find_map(|text| record.email(text)) {
        record.set("abuse.email", Some(&mailbox));
    }
    record.set("abuse.phone", sheet.first(&ABUSE_PHONE, |_| true));
}
