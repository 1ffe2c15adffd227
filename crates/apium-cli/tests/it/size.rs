//! How much of something a test does: little in every run, more when `cargo xtask interop --all` asks for it.

/// The number that this environment variable holds, else the usual one.
pub(crate) fn size(variable: &str, usual: usize) -> usize {
    let Ok(text) = std::env::var(variable) else { return usual };
    text.parse().unwrap_or_else(|_| panic!("{variable} must be a number, not {text:?}"))
}
