//! The ready entries of `providers/`, each in front of a scripted reply: the picture arrives in a browser's answer, an error
//! is of the right class, and no picture is none. What holds for every JSON provider is in `gone` and `told`.

mod entry;
mod gone;
mod google;
mod listed;
mod meta;
mod others;
mod tiktok;
mod told;
