//! One parameter of the function: an argument of the message, or something from the attempt's context.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::ext::IdentExt as _;
use syn::{Attribute, Expr, FnArg, Ident, Meta, Pat, Path, Type};

/// A parameter, sorted.
pub(crate) struct Parameter {
    pub(crate) ident: Ident,
    pub(crate) ty: Type,
    pub(crate) source: Source,
}

/// Where its value comes from.
pub(crate) enum Source {
    /// The message, always.
    Required,
    /// The message, else this expression.
    Default(TokenStream),
    /// All further positional arguments.
    Rest,
    /// All further arguments by name.
    RestNamed,
    /// The attempt's context.
    Context,
}

impl Parameter {
    /// Sorts one parameter and takes our own attributes off it.
    pub(crate) fn take(argument: &mut FnArg) -> syn::Result<Self> {
        let FnArg::Typed(typed) = argument else {
            return Err(syn::Error::new_spanned(argument, "a task is a free function: it takes no self"));
        };
        let Pat::Ident(pattern) = &*typed.pat else {
            return Err(syn::Error::new_spanned(
                &typed.pat,
                "a task's parameter is a plain name, by which callers pass it",
            ));
        };
        if let Type::Reference(reference) = &*typed.ty {
            return Err(syn::Error::new_spanned(
                reference,
                "a task owns its arguments, for they come from a message: take String, Vec<T> or T",
            ));
        }
        let source = source(&typed.attrs, &typed.ty)?;
        typed.attrs.retain(|attribute| !is_ours(attribute));
        Ok(Self { ident: pattern.ident.clone(), ty: (*typed.ty).clone(), source })
    }

    /// True for what callers pass.
    pub(crate) fn is_argument(&self) -> bool {
        !matches!(self.source, Source::Context)
    }

    /// The entry in the table of parameters; after the rest, arguments are passed by name only.
    pub(crate) fn declaration(&self, core: &Path, after_rest: bool) -> TokenStream {
        let name = self.name();
        let optional = !matches!(self.source, Source::Required);
        let kind = match self.source {
            Source::Rest => quote!(Rest),
            Source::RestNamed => quote!(RestNamed),
            _ if after_rest => quote!(NamedOnly),
            _ => quote!(Plain),
        };
        quote!(#core::argument::Parameter {
            name: #name,
            optional: #optional,
            kind: #core::argument::ParameterKind::#kind,
        })
    }

    /// `.arg(x)`: how a signature is given it.
    pub(crate) fn given(&self, after_rest: bool) -> TokenStream {
        let (ident, name) = (&self.ident, self.name());
        match self.source {
            Source::Rest => quote!(.args(#ident)),
            Source::RestNamed => quote!(.kwargs(#ident)),
            _ if after_rest => quote!(.kwarg(#name, #ident)),
            _ => quote!(.arg(#ident)),
        }
    }

    /// The name as Python writes it: `r#type` is `type`.
    pub(crate) fn name(&self) -> String {
        self.ident.unraw().to_string()
    }

    /// `let x: T = …;`
    pub(crate) fn binding(&self, core: &Path) -> TokenStream {
        let Self { ident, ty, source } = self;
        let (name, bound, context) = (self.name(), local("bound"), local("context"));
        match source {
            Source::Required | Source::Rest | Source::RestNamed => quote!(let #ident: #ty = #bound.required(#name)?;),
            Source::Default(value) => quote! {
                let #ident: #ty = match #bound.take(#name)? {
                    ::std::option::Option::Some(given) => given,
                    ::std::option::Option::None => #value,
                };
            },
            Source::Context => quote!(let #ident: #ty = #core::context::FromContext::from_context(&#context)?;),
        }
    }
}

/// A variable of the written code that no parameter of the same name can hide.
pub(crate) fn local(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}

fn source(attributes: &[Attribute], ty: &Type) -> syn::Result<Source> {
    for attribute in attributes {
        if attribute.path().is_ident("context") {
            return Ok(Source::Context);
        }
        if attribute.path().is_ident("args") {
            return Ok(Source::Rest);
        }
        if attribute.path().is_ident("kwargs") {
            return Ok(Source::RestNamed);
        }
        if attribute.path().is_ident("default") {
            return match &attribute.meta {
                Meta::Path(_) => Ok(Source::Default(quote!(::std::default::Default::default()))),
                Meta::List(_) => {
                    let value: Expr = attribute.parse_args()?;
                    Ok(Source::Default(quote!(#value)))
                }
                Meta::NameValue(pair) => Err(syn::Error::new_spanned(pair, "write #[default(value)]")),
            };
        }
    }
    Ok(match last_segment(ty).as_deref() {
        Some("Context" | "State" | "Failed") => Source::Context,
        Some("Option") => Source::Default(quote!(::std::option::Option::None)),
        _ => Source::Required,
    })
}

fn is_ours(attribute: &Attribute) -> bool {
    ["args", "context", "default", "kwargs"].iter().any(|ours| attribute.path().is_ident(ours))
}

/// `Result` of `std::result::Result<A, B>`.
pub(crate) fn last_segment(ty: &Type) -> Option<String> {
    match ty {
        Type::Path(path) => path.path.segments.last().map(|segment| segment.ident.to_string()),
        _ => None,
    }
}
