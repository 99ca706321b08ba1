//! Several instances that share a Redis: one refresh, one memory, purges that reach all.

mod load;
mod outages;
mod processes;
mod purges;
mod sealed;
mod sharing;
mod util;
