//! The code a task becomes: a type named like the function, its `Task`, and a typed signature.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};
use syn::ext::IdentExt as _;
use syn::{ItemFn, ReturnType, Visibility};

use crate::options::Options;
use crate::parameter::{Parameter, Source, last_segment, local};

/// Writes the task.
pub(crate) fn expand(options: &Options, mut function: ItemFn) -> syn::Result<TokenStream> {
    if !function.sig.generics.params.is_empty() {
        return Err(syn::Error::new_spanned(
            &function.sig.generics,
            "a task cannot be generic: messages carry no types",
        ));
    }
    let parameters = function.sig.inputs.iter_mut().map(Parameter::take).collect::<syn::Result<Vec<_>>>()?;
    let name = std::mem::replace(&mut function.sig.ident, format_ident!("run"));
    let visibility = function.vis.clone();
    let docs: Vec<_> = function.attrs.iter().filter(|attribute| attribute.path().is_ident("doc")).cloned().collect();
    let core = &options.core;
    let signature = signature(options, &visibility, &name, &parameters)?;
    let implementation = implementation(options, &name, &function, &parameters)?;
    let declarations = arguments(&parameters).map(|(p, after_rest)| p.declaration(core, after_rest));
    let task_name = task_name(options, &name);
    Ok(quote! {
        #(#docs)*
        #[allow(non_camel_case_types)]
        #[derive(Debug, Clone, Copy, Default)]
        #visibility struct #name;

        impl #name {
            const PARAMETERS: &'static [#core::argument::Parameter] = &[#(#declarations),*];

            /// The name messages call this task by.
            #visibility fn task_name() -> &'static str {
                #task_name
            }

            #signature

            #[allow(clippy::unused_async, reason = "a task may be async without awaiting")]
            #[allow(clippy::needless_pass_by_value, reason = "a task owns its arguments: they come from a message")]
            #function
        }

        #implementation
    })
}

fn task_name(options: &Options, function: &Ident) -> TokenStream {
    if let Some(name) = &options.name {
        return quote!(#name);
    }
    let function = function.unraw().to_string();
    quote! {
        static NAME: ::std::sync::LazyLock<::std::string::String> =
            ::std::sync::LazyLock::new(|| ::std::format!("{}.{}", ::std::module_path!().replace("::", "."), #function));
        &NAME
    }
}

/// The arguments callers pass, each with whether it comes after the rest.
fn arguments(parameters: &[Parameter]) -> impl Iterator<Item = (&Parameter, bool)> {
    let rest = parameters.iter().position(|p| matches!(p.source, Source::Rest)).unwrap_or(parameters.len());
    parameters.iter().enumerate().filter(|(_, p)| p.is_argument()).map(move |(place, p)| (p, place > rest))
}

fn signature(
    options: &Options,
    visibility: &Visibility,
    function: &Ident,
    parameters: &[Parameter],
) -> syn::Result<TokenStream> {
    let core = &options.core;
    let unique = options.unique.as_ref().map(|unique| unique.given(core, parameters)).transpose()?;
    let expires = options.expires.as_ref().map(|span| quote!(.expires_in(#span)));
    let idents = arguments(parameters).map(|(p, _)| &p.ident);
    let types = arguments(parameters).map(|(p, _)| &p.ty);
    let given = arguments(parameters).map(|(p, after_rest)| p.given(after_rest));
    let doc = format!("A call of `{function}` with these arguments, not yet sent.");
    Ok(quote! {
        #[doc = #doc]
        #[allow(dead_code, reason = "not every program that runs a task sends it")]
        #[allow(clippy::needless_pass_by_value, reason = "the types are the task's own")]
        #[allow(clippy::used_underscore_binding, reason = "a task may take what it does not look at")]
        #visibility fn s(#(#idents: #types),*) -> #core::Signature {
            #core::Signature::new(Self::task_name()).taking(Self::PARAMETERS)#(#given)*#expires #unique
        }
    })
}

fn implementation(
    options: &Options,
    name: &Ident,
    function: &ItemFn,
    parameters: &[Parameter],
) -> syn::Result<TokenStream> {
    let core = &options.core;
    let mut fields = options.fields.clone();
    let limits = options.limits.iter().map(|limit| limit.given(core, parameters)).collect::<syn::Result<Vec<_>>>()?;
    if !limits.is_empty() {
        fields.push(quote!(limits: ::std::vec![#(#limits),*]));
    }
    let python_name = name.unraw().to_string();
    let (bound, context) = (local("bound"), local("context"));
    let bindings = parameters.iter().map(|p| p.binding(core));
    let idents: Vec<_> = parameters.iter().map(|p| &p.ident).collect();
    let run = if function.sig.asyncness.is_some() {
        quote!(#name::run(#(#idents),*).await)
    } else {
        quote!(#core::task::blocking(move || #name::run(#(#idents),*)).await)
    };
    let finish = match &function.sig.output {
        ReturnType::Type(_, ty) if last_segment(ty).is_some_and(|name| name == "Result" || name == "TaskResult") => {
            quote! {
                match #run {
                    ::std::result::Result::Ok(value) => #core::argument::to_result(&value),
                    ::std::result::Result::Err(error) => ::std::result::Result::Err(#core::TaskError::from(error)),
                }
            }
        }
        _ => quote!(#core::argument::to_result(&#run)),
    };
    Ok(quote! {
        impl #core::Task for #name {
            fn name(&self) -> &str {
                Self::task_name()
            }

            #[allow(clippy::needless_update, reason = "every option may have been given")]
            fn options(&self) -> #core::TaskOptions {
                #core::TaskOptions { #(#fields,)* ..::std::default::Default::default() }
            }

            fn parameters(&self) -> &'static [#core::argument::Parameter] {
                Self::PARAMETERS
            }

            #[allow(clippy::used_underscore_binding, reason = "a task may take what it does not look at")]
            fn call(&self, call: #core::Call) -> #core::task::BoxFuture<'static, #core::TaskResult> {
                ::std::boxed::Box::pin(async move {
                    #[allow(unused_variables, reason = "not every task reads its context")]
                    let #core::Call { args, kwargs, context: #context } = call;
                    #[allow(unused_mut, reason = "not every task has arguments")]
                    let mut #bound = #core::argument::Bound::bind(#python_name, #name::PARAMETERS, args, kwargs)?;
                    #(#bindings)*
                    #finish
                })
            }
        }
    })
}
