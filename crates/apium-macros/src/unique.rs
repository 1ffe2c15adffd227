//! `unique(…)` in the attribute: the arguments that count, for how long, until when, and what becomes of another.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote};
use syn::ext::IdentExt as _;
use syn::meta::ParseNestedMeta;
use syn::punctuated::Punctuated;
use syn::{LitStr, Path, Token, bracketed};

use crate::options::seconds;
use crate::parameter::{Parameter, Source};

/// What stands in the parentheses.
pub(crate) struct Unique {
    /// The arguments that count; `None`: all.
    by: Option<Vec<Ident>>,
    /// A span, as an expression.
    keep: Option<TokenStream>,
    until: Option<LitStr>,
    policy: Option<LitStr>,
}

impl Unique {
    /// Reads it; contradictions are told here, where they can be mended.
    pub(crate) fn parse(meta: &ParseNestedMeta<'_>) -> syn::Result<Self> {
        let mut unique = Self { by: None, keep: None, until: None, policy: None };
        if meta.input.peek(syn::token::Paren) {
            meta.parse_nested_meta(|inner| unique.option(&inner))?;
        }
        unique.check(meta)?;
        Ok(unique)
    }

    fn option(&mut self, meta: &ParseNestedMeta<'_>) -> syn::Result<()> {
        let key = meta.path.get_ident().map(ToString::to_string).unwrap_or_default();
        match key.as_str() {
            "by" => {
                let names;
                let value = meta.value()?;
                bracketed!(names in value);
                let names = Punctuated::<Ident, Token![,]>::parse_terminated_with(&names, Ident::parse_any)?;
                if names.is_empty() {
                    return Err(meta
                        .error("name the arguments that make it unique, such as by = [order]; all count without by"));
                }
                self.by = Some(names.into_iter().collect());
            }
            "for" => self.keep = Some(seconds(meta)?),
            "until" => self.until = Some(one_of(meta, &["start", "done", "period"])?),
            "policy" => self.policy = Some(one_of(meta, &["reject", "return", "replace", "keep_last"])?),
            _ => return Err(meta.error("unknown option of unique; known are by, for, until, policy")),
        }
        Ok(())
    }

    fn check(&self, meta: &ParseNestedMeta<'_>) -> syn::Result<()> {
        let until = self.until.as_ref().map(LitStr::value);
        if let (Some(policy), Some("done" | "period")) = (&self.policy, until.as_deref())
            && policy.value() == "keep_last"
        {
            return Err(syn::Error::new_spanned(
                policy,
                "keep_last goes with until = \"start\": the one that runs goes on, and the newest runs once more after it",
            ));
        }
        if until.as_deref() == Some("period") && self.keep.is_none() {
            return Err(meta.error("until = \"period\" needs for = …, the seconds of the period"));
        }
        Ok(())
    }

    /// `.unique(…)` on a signature of a task with these parameters.
    pub(crate) fn given(&self, core: &Path, parameters: &[Parameter]) -> syn::Result<TokenStream> {
        let known: Vec<_> = parameters.iter().filter(|parameter| parameter.is_argument()).collect();
        for name in self.by.iter().flatten() {
            if !known.iter().any(|parameter| name.unraw() == parameter.name()) {
                let names: Vec<_> = known.iter().map(|parameter| parameter.name()).collect();
                let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
                return Err(syn::Error::new_spanned(name, format!("no argument `{name}`; this task has {names}")));
            }
        }
        let by = self.by.as_ref().map(|names| {
            let names = names.iter().map(|name| name.unraw().to_string());
            quote!(.by([#(#names),*]))
        });
        let policy = self.policy.as_ref().map(LitStr::value);
        let keeps_last = policy.as_deref() == Some("keep_last");
        let until = match self.until.as_ref().map(LitStr::value).as_deref() {
            Some("period") => {
                let keep = &self.keep;
                quote!(once_in(#keep))
            }
            Some("start") => quote!(until_started()),
            None if keeps_last => quote!(until_started()),
            _ => quote!(until_done()),
        };
        let keep = self.keep.as_ref().map(|keep| quote!(.for_at_most(#keep)));
        let policy = policy.map(|policy| {
            let variant = format_ident!(
                "{}",
                match policy.as_str() {
                    "return" => "Return",
                    "replace" => "Replace",
                    "keep_last" => "KeepLast",
                    _ => "Reject",
                },
                span = Span::call_site()
            );
            quote!(.policy(#core::unique::Policy::#variant))
        });
        let defaults = known.iter().filter_map(|parameter| {
            let (name, ty) = (parameter.name(), &parameter.ty);
            match &parameter.source {
                Source::Default(value) => Some(quote!(.default_of(#name, { let value: #ty = #value; value }))),
                _ => None,
            }
        });
        Ok(quote!(.unique(#core::unique::Unique::#until #keep #by #policy #(#defaults)*)))
    }
}

fn one_of(meta: &ParseNestedMeta<'_>, known: &[&str]) -> syn::Result<LitStr> {
    let text: LitStr = meta.value()?.parse()?;
    if known.contains(&text.value().as_str()) {
        return Ok(text);
    }
    Err(syn::Error::new_spanned(text, format!("expected one of {}", known.join(", "))))
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
            async fn invoice(order: i64, note: String, mail: State<Mailer>) {}
        ))
        .unwrap();
        let written = Options::parse(attribute).and_then(|options| expand(&options, function));
        written.err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn what_does_not_go_together_does_not_compile() {
        assert_eq!(told(quote!(unique)), "");
        assert_eq!(told(quote!(unique(by = [order, note], for = 60, until = "done", policy = "return"))), "");
        assert_eq!(told(quote!(unique(policy = "keep_last", until = "start"))), "");
        let sentences = [
            (quote!(unique(by = [ordre])), "no argument `ordre`; this task has order, note"),
            (quote!(unique(by = [mail])), "no argument `mail`; this task has order, note"),
            (quote!(unique(by = [])), "name the arguments that make it unique"),
            (quote!(unique(until = "never")), "expected one of start, done, period"),
            (quote!(unique(policy = "wait")), "expected one of reject, return, replace, keep_last"),
            (quote!(unique(policy = "keep_last", until = "done")), "keep_last goes with until = \"start\""),
            (quote!(unique(until = "period")), "until = \"period\" needs for = …"),
            (quote!(unique(of = 3)), "unknown option of unique; known are by, for, until, policy"),
        ];
        for (attribute, sentence) in sentences {
            let told = told(attribute);
            assert!(told.starts_with(sentence), "{told}");
        }
    }
}
