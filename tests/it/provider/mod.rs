//! How each provider is asked, and what its replies mean.

/// The ready entries of `providers/`, each in front of a scripted API.
mod json;
