//! Several instances that share a Redis: one refresh, one memory, purges that reach all.

mod processes;
mod sharing;
mod util;
