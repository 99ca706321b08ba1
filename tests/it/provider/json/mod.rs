//! The ready entries of `providers/`, each in front of a scripted reply: the picture arrives in a browser's answer, an error
//! is of the right class, and no picture is none. What holds for every JSON provider is in `addresses` and `metadata`.

mod addresses;
mod entry;
mod google;
mod listed;
mod meta;
mod metadata;
mod others;
mod tiktok;
