//! What is known of one person so far, told anew with each thing learnt, so that a scan cut short has told it.

use serde_json::{Map, Value, json};

use super::{Finding, Found, Verdict};
use crate::collectors::identity::gravatar::Gravatar;
use crate::collectors::identity::mailbox::Mailbox;
use crate::collectors::identity::openpgp::Key;
use crate::model::Gathering;
use crate::target::TargetKind;

/// The person, as far as is known.
pub(super) struct Person<'a> {
    out: &'a Gathering,
    kind: TargetKind,
    signals: Vec<&'static str>,
    /// Pieces of the summary.
    told: Vec<String>,
    accounts: Vec<Value>,
    /// Accounts that share the name.
    namesakes: usize,
}

impl<'a> Person<'a> {
    pub(super) fn new(out: &'a Gathering, kind: TargetKind) -> Self {
        let person = Self { out, kind, signals: Vec::new(), told: Vec::new(), accounts: Vec::new(), namesakes: 0 };
        out.set("target_type", json!(kind.as_str()));
        out.set("gravatar", Gravatar::default().told());
        person.tell();
        person
    }

    pub(super) fn gravatar(&mut self, gravatar: &Gravatar) {
        self.out.set("gravatar", gravatar.told());
        if gravatar.avatar == Some(true) {
            self.signals.push("gravatar-avatar");
        }
        if gravatar.profile == Some(true) {
            self.signals.push("gravatar-profile");
            let name = gravatar.display_name.as_ref().map(|name| format!(" «{name}»")).unwrap_or_default();
            let accounts = counted(gravatar.accounts.len(), "cuenta", "cuentas");
            self.told.push(format!("tiene un perfil de Gravatar{name} con {accounts}"));
        } else if gravatar.avatar == Some(true) {
            self.told.push("tiene una imagen en Gravatar".to_owned());
        }
        let source = "gravatar:profile";
        if let Some(name) = &gravatar.display_name {
            self.finding("person", name, source, gravatar.profile_url.clone(), 0.7);
        }
        if let Some(username) = &gravatar.username {
            self.finding("username", username, source, gravatar.profile_url.clone(), 0.8);
        }
        for account in &gravatar.accounts {
            let confidence = if account.verified { 0.9 } else { 0.6 };
            self.finding("account", &account.url, source, Some(account.url.clone()), confidence);
        }
        self.tell();
    }

    /// Accounts that show the address; `None`: nobody said.
    pub(super) fn github(&mut self, accounts: Option<Vec<Value>>) {
        self.out.set("github", json!(accounts));
        let accounts = accounts.unwrap_or_default();
        if !accounts.is_empty() {
            self.signals.push("github-email");
            let count = counted(accounts.len(), "cuenta", "cuentas");
            self.told.push(format!("aparece en {count} de GitHub"));
        }
        for url in accounts.iter().filter_map(|account| account.get("url")?.as_str()) {
            self.finding("account", url, "github:email", Some(url.to_owned()), 0.8);
        }
        self.tell();
    }

    /// What is known of the address's public key.
    pub(super) fn openpgp(&mut self, key: &Key) {
        let (found, user_ids) = match key {
            Key::Untold => (None, &[][..]),
            Key::Missing => (Some(false), &[][..]),
            Key::Found(user_ids) => (Some(true), user_ids.as_slice()),
        };
        self.out.set("openpgp", json!({ "key": found, "user_ids": user_ids }));
        if found == Some(true) {
            self.signals.push("openpgp-key");
            self.told.push("tiene una clave OpenPGP publicada".to_owned());
        }
        for user_id in user_ids {
            let name = user_id.split(['<', '(']).next().unwrap_or_default().trim();
            if !name.is_empty() && !name.contains('@') {
                self.finding("person", name, "keyserver", None, 0.6);
            }
        }
        self.tell();
    }

    pub(super) fn mailbox(&mut self, mailbox: &Mailbox) {
        if mailbox.disposable {
            self.signals.push("disposable-domain");
            self.told.push("es un correo desechable".to_owned());
        }
        match mailbox.servers.as_deref() {
            Some([]) if mailbox.null_mx => {
                self.signals.push("no-mail");
                self.told.push("tiene un dominio que declara no recibir correo".to_owned());
            }
            Some([]) => self.told.push("tiene un dominio sin servidores de correo".to_owned()),
            Some(_) => {
                self.signals.push("mail-server");
                self.told.push("tiene un dominio que recibe correo".to_owned());
            }
            None => {}
        }
        self.out.set("mail", mailbox.told());
        self.tell();
    }

    /// What a network says of the name.
    pub(super) fn account(&mut self, found: &Found, name: &str, confidence: f32) {
        let mut row = found.row();
        if let Value::Object(row) = &mut row {
            row.insert("username".to_owned(), json!(name));
            if found.checked.verdict == Verdict::Claimed {
                row.insert("confidence".to_owned(), json!((f64::from(confidence) * 100.0).round() / 100.0));
            }
        }
        self.accounts.push(row);
        if found.checked.verdict == Verdict::Claimed {
            self.namesakes += 1;
            if self.namesakes == 1 {
                self.signals.push("username-elsewhere");
            }
            self.out.finding(found.finding(name, confidence));
        }
        self.tell();
    }

    fn finding(&self, kind: &str, value: &str, source: &str, source_url: Option<String>, confidence: f32) {
        self.out.finding(Finding {
            kind: kind.to_owned(),
            value: value.to_owned(),
            source: source.to_owned(),
            source_url,
            confidence,
            attributes: Map::new(),
            evidence: Vec::new(),
        });
    }

    fn tell(&self) {
        self.out.set("social_accounts", json!(self.accounts));
        self.out.set("found_signals", json!(self.signals));
        self.out.set("summary", json!(self.summary()));
    }

    fn summary(&self) -> String {
        let subject = if self.kind == TargetKind::Email { "El correo" } else { "El nombre de usuario" };
        let mut sentences = Vec::new();
        match self.told.split_last() {
            None => {}
            Some((last, [])) => sentences.push(format!("{subject} {last}.")),
            Some((last, rest)) => sentences.push(format!("{subject} {} y {last}.", rest.join(", "))),
        }
        if self.namesakes > 0 {
            let accounts = counted(self.namesakes, "cuenta", "cuentas");
            sentences.push(match self.kind {
                TargetKind::Email => format!(
                    "Hay {accounts} con el nombre que va antes de la @, lo que no prueba que sean de la misma persona."
                ),
                _ => format!("Hay {accounts} con ese nombre en otras redes."),
            });
        }
        if sentences.is_empty() {
            return format!("{subject} no ha dejado rastro en las fuentes que han respondido.");
        }
        sentences.join(" ")
    }
}

fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
