//! Several instances that share a Redis: one refresh, one memory, purges that reach all.

mod sharing;
mod util;
