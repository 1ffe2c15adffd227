//! What stands in the attribute's parentheses.

use proc_macro2::TokenStream;
use quote::quote;
use syn::meta::ParseNestedMeta;
use syn::parse::Parser;
use syn::{Expr, LitInt, LitStr, Path, parse_quote};

use crate::limit::Limit;
use crate::unique::Unique;

/// The attribute, read.
pub(crate) struct Options {
    /// The task's name; `None`: module path and function name.
    pub(crate) name: Option<LitStr>,
    /// Where `apium_core` is found.
    pub(crate) core: Path,
    /// How long after its sending a call made by `s` is still begun.
    pub(crate) expires: Option<TokenStream>,
    /// What makes a call made by `s` unique.
    pub(crate) unique: Option<Unique>,
    /// Whether it runs in a child process.
    isolated: bool,
    /// The first option that is about children only.
    of_children: Option<Path>,
    /// What all workers keep together.
    pub(crate) limits: Vec<Limit>,
    /// `field: value` for the task's options.
    pub(crate) fields: Vec<TokenStream>,
}

impl Options {
    /// Reads the attribute; an unknown option is an error that lists the known ones.
    pub(crate) fn parse(attribute: TokenStream) -> syn::Result<Self> {
        let mut options = Self {
            name: None,
            core: parse_quote!(::apium::core),
            expires: None,
            unique: None,
            isolated: false,
            of_children: None,
            limits: Vec::new(),
            fields: Vec::new(),
        };
        syn::meta::parser(|meta| options.option(&meta)).parse2(attribute)?;
        match options.of_children.take_if(|_| !options.isolated) {
            Some(path) => Err(syn::Error::new_spanned(path, "only with isolation = \"process\": it is about children")),
            None => Ok(options),
        }
    }

    fn option(&mut self, meta: &ParseNestedMeta<'_>) -> syn::Result<()> {
        let key = meta.path.get_ident().map(ToString::to_string).unwrap_or_default();
        let field = meta.path.get_ident().cloned();
        match key.as_str() {
            "name" => self.name = Some(meta.value()?.parse()?),
            "crate" => self.core = meta.value()?.call(Path::parse_mod_style)?,
            "expires" => self.expires = Some(seconds(meta)?),
            "limit" => self.limits.push(Limit::parse(meta)?),
            "unique" => self.unique = Some(Unique::parse(meta)?),
            "queue" => {
                let queue: LitStr = meta.value()?.parse()?;
                self.fields.push(quote!(queue: ::std::option::Option::Some(::std::string::String::from(#queue))));
            }
            "max_retries" => {
                let value: Expr = meta.value()?.parse()?;
                self.fields.push(quote!(max_retries: #value));
            }
            "isolation" => {
                isolation(meta)?;
                self.isolated = true;
                let core = &self.core;
                self.fields.push(quote!(isolation: #core::task::Isolation::Process));
            }
            "max_memory" => {
                let bytes = memory(meta)?;
                self.of_children.get_or_insert_with(|| meta.path.clone());
                self.fields.push(quote!(max_memory: ::std::option::Option::Some(#bytes)));
            }
            "max_tasks_per_child" => {
                let count: LitInt = meta.value()?.parse()?;
                if count.base10_parse::<u32>()? == 0 {
                    return Err(syn::Error::new_spanned(count, "a child runs one task at least"));
                }
                self.of_children.get_or_insert_with(|| meta.path.clone());
                self.fields.push(quote!(max_tasks_per_child: ::std::option::Option::Some(#count)));
            }
            "rate_limit" => {
                let rate = rate(meta)?;
                let core = &self.core;
                self.fields.push(quote!(rate_limit: #core::task::rate_limit(#rate)));
            }
            "autoretry" | "errback" | "retry_jitter" | "acks_late" | "ignore_result" => {
                let value = flag(meta)?;
                self.fields.push(quote!(#field: #value));
            }
            "track_started" => {
                let value = flag(meta)?;
                self.fields.push(quote!(track_started: ::std::option::Option::Some(#value)));
            }
            "retry_backoff" | "retry_backoff_max" => {
                let span = seconds(meta)?;
                self.fields.push(quote!(#field: #span));
            }
            "default_retry_delay" | "time_limit" | "soft_time_limit" | "result_expires" => {
                let span = seconds(meta)?;
                self.fields.push(quote!(#field: ::std::option::Option::Some(#span)));
            }
            _ => {
                return Err(meta.error(
                    "unknown task option; known are name, queue, expires, max_retries, default_retry_delay, autoretry, \
                     retry_backoff, retry_backoff_max, retry_jitter, acks_late, time_limit, soft_time_limit, track_started, \
                     ignore_result, result_expires, rate_limit, errback, unique, limit, isolation, max_memory, \
                     max_tasks_per_child, crate",
                ));
            }
        }
        Ok(())
    }
}

/// `autoretry` alone means true.
fn flag(meta: &ParseNestedMeta<'_>) -> syn::Result<Expr> {
    if meta.input.peek(syn::Token![=]) { meta.value()?.parse() } else { Ok(parse_quote!(true)) }
}

/// Celery's notation, held to here, where it can be mended.
fn rate(meta: &ParseNestedMeta<'_>) -> syn::Result<LitStr> {
    let text: LitStr = meta.value()?.parse()?;
    let written = text.value();
    let (count, unit) = written.split_once('/').unwrap_or((&written, "s"));
    let count = count.parse::<f64>().is_ok_and(|count| count.is_finite() && count > 0.0);
    if count && ["s", "m", "h"].contains(&unit) {
        return Ok(text);
    }
    Err(syn::Error::new_spanned(text, "expected a rate limit, such as \"10/s\", \"100/m\" or \"1/h\""))
}

fn isolation(meta: &ParseNestedMeta<'_>) -> syn::Result<()> {
    let text: LitStr = meta.value()?.parse()?;
    if text.value() == "process" {
        return Ok(());
    }
    Err(syn::Error::new_spanned(text, "expected \"process\": there is no other isolation"))
}

/// Bytes, written with their unit.
fn memory(meta: &ParseNestedMeta<'_>) -> syn::Result<u64> {
    let text: LitStr = meta.value()?.parse()?;
    let written = text.value();
    let digits = written.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit: Option<u64> = match &written[digits.len()..] {
        "KiB" => Some(1 << 10),
        "MiB" => Some(1 << 20),
        "GiB" => Some(1 << 30),
        _ => None,
    };
    let bytes = unit.zip(digits.trim_end().parse::<u64>().ok()).and_then(|(unit, count)| count.checked_mul(unit));
    let bytes = bytes.filter(|bytes| *bytes > 0);
    bytes.ok_or_else(|| syn::Error::new_spanned(text, "expected an amount of memory, such as \"256MiB\" or \"1GiB\""))
}

pub(crate) fn seconds(meta: &ParseNestedMeta<'_>) -> syn::Result<TokenStream> {
    let value: syn::Lit = meta.value()?.parse()?;
    let seconds: f64 = match &value {
        syn::Lit::Int(number) => number.base10_parse()?,
        syn::Lit::Float(number) => number.base10_parse()?,
        other => return Err(syn::Error::new_spanned(other, "expected a number of seconds, such as 30 or 0.5")),
    };
    // Said here, where it can be mended, and not when the worker starts.
    if std::time::Duration::try_from_secs_f64(seconds).is_err() {
        return Err(syn::Error::new_spanned(value, "more seconds than can be counted"));
    }
    Ok(quote!(::std::time::Duration::from_secs_f64(#seconds)))
}
