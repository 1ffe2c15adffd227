//! `limit(…)` in the attribute: how often a task starts, how many run at once, when nothing starts, and by which argument.

use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::ext::IdentExt as _;
use syn::meta::ParseNestedMeta;
use syn::{LitInt, LitStr, Path};

use crate::parameter::{Parameter, Source};

/// What stands in the parentheses of one `limit`.
pub(crate) struct Limit {
    rate: Option<LitStr>,
    concurrency: Option<LitInt>,
    breaker: Option<LitStr>,
    by: Option<Ident>,
}

impl Limit {
    /// Reads it; what no store would take is told here, where it can be mended.
    pub(crate) fn parse(meta: &ParseNestedMeta<'_>) -> syn::Result<Self> {
        let mut limit = Self { rate: None, concurrency: None, breaker: None, by: None };
        meta.parse_nested_meta(|inner| limit.option(&inner))?;
        Ok(limit)
    }

    fn option(&mut self, meta: &ParseNestedMeta<'_>) -> syn::Result<()> {
        let key = meta.path.get_ident().map(ToString::to_string).unwrap_or_default();
        match key.as_str() {
            "rate" => self.rate = Some(text(meta, is_rate, "a rate, such as \"10/s\", \"5/m\" or \"3/10s\"")?),
            "breaker" => {
                let wanted = "a breaker, such as \"5/1m:30s\": 5 failures in any minute, then 30 s without a start";
                self.breaker = Some(text(meta, is_breaker, wanted)?);
            }
            "concurrency" => {
                let number: LitInt = meta.value()?.parse()?;
                if number.base10_parse::<u32>()? == 0 {
                    return Err(syn::Error::new_spanned(number, "expected at least one at once"));
                }
                self.concurrency = Some(number);
            }
            "by" => self.by = Some(meta.value()?.call(Ident::parse_any)?),
            _ => return Err(meta.error("unknown option of limit; known are rate, concurrency, breaker, by")),
        }
        Ok(())
    }

    /// The limit as an expression, for a task with these parameters.
    pub(crate) fn given(&self, core: &Path, parameters: &[Parameter]) -> syn::Result<TokenStream> {
        let by = self.by.as_ref().map(|name| by(name, parameters)).transpose()?;
        let some = |written: TokenStream| quote!(::std::option::Option::Some(#written));
        let option = |written: Option<TokenStream>| written.map_or_else(|| quote!(::std::option::Option::None), some);
        let rate = option(self.rate.as_ref().map(|rate| quote!(#rate)));
        let concurrency = option(self.concurrency.as_ref().map(|number| quote!(#number)));
        let breaker = option(self.breaker.as_ref().map(|breaker| quote!(#breaker)));
        let limit = quote!(#core::limits::Limit::written(#rate, #concurrency, #breaker));
        Ok(quote!(#core::limits::TaskLimit::new(#limit) #by))
    }
}

fn by(name: &Ident, parameters: &[Parameter]) -> syn::Result<TokenStream> {
    let known: Vec<_> = parameters.iter().filter(|parameter| parameter.is_argument()).collect();
    let Some(found) = known.iter().find(|parameter| name.unraw() == parameter.name()) else {
        let names: Vec<_> = known.iter().map(|parameter| parameter.name()).collect();
        let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        return Err(syn::Error::new_spanned(name, format!("no argument `{name}`; this task has {names}")));
    };
    let (name, ty) = (found.name(), &found.ty);
    let otherwise = match &found.source {
        Source::Default(value) => Some(quote!(.otherwise({ let value: #ty = #value; value }))),
        _ => None,
    };
    Ok(quote!(.by(#name) #otherwise))
}

fn text(meta: &ParseNestedMeta<'_>, fits: fn(&str) -> bool, wanted: &str) -> syn::Result<LitStr> {
    let text: LitStr = meta.value()?.parse()?;
    if fits(&text.value()) {
        return Ok(text);
    }
    Err(syn::Error::new_spanned(text, format!("expected {wanted}")))
}

fn is_rate(text: &str) -> bool {
    text.split_once('/').is_some_and(|(starts, within)| is_count(starts) && is_span(within))
}

fn is_breaker(text: &str) -> bool {
    let parts = text.split_once('/').and_then(|(failures, spans)| Some((failures, spans.split_once(':')?)));
    parts.is_some_and(|(failures, (within, open))| {
        is_count(failures)
            && failures.parse::<u32>().is_ok_and(|count| count <= 1_000)
            && is_span(within)
            && is_span(open)
    })
}

fn is_count(text: &str) -> bool {
    text.parse::<u32>().is_ok_and(|count| count > 0)
}

fn is_span(text: &str) -> bool {
    let at = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let number = number.is_empty() || number.parse::<f64>().is_ok_and(|number| number.is_finite() && number > 0.0);
    number && ["ms", "s", "m", "h", "d"].contains(&unit)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use quote::quote;

    use crate::expand::expand;
    use crate::options::Options;

    /// What the compiler says of a task with this attribute.
    fn told(attribute: proc_macro2::TokenStream) -> String {
        let function = syn::parse2(quote!(
            async fn send(tenant: String, #[default(1)] copies: i64, mail: State<Mailer>) {}
        ))
        .unwrap();
        let written = Options::parse(attribute).and_then(|options| expand(&options, function));
        written.err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn what_no_store_would_take_does_not_compile() {
        assert_eq!(told(quote!(limit(rate = "10/s", concurrency = 4, breaker = "5/1m:30s"))), "");
        assert_eq!(told(quote!(limit(concurrency = 4), limit(rate = "3/10s", by = tenant))), "");
        assert_eq!(told(quote!(limit(by = copies))), "");
        let sentences = [
            (quote!(limit(rate = "10")), "expected a rate, such as"),
            (quote!(limit(rate = "0/s")), "expected a rate, such as"),
            (quote!(limit(rate = "10/x")), "expected a rate, such as"),
            (quote!(limit(breaker = "5/1m")), "expected a breaker, such as"),
            (quote!(limit(concurrency = 0)), "expected at least one at once"),
            (quote!(limit(rate = "1/s", by = mail)), "no argument `mail`; this task has tenant, copies"),
            (quote!(limit(per = "1/s")), "unknown option of limit; known are rate, concurrency, breaker, by"),
        ];
        for (attribute, sentence) in sentences {
            let told = told(attribute);
            assert!(told.starts_with(sentence), "{told}");
        }
    }
}
