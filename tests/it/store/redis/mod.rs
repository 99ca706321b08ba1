//! Several instances that share a Redis: one refresh, one memory, purges that reach all.

mod acl;
mod check;
pub(crate) mod clustered;
pub(crate) mod deletion;
mod hooks;
mod load;
mod missed;
pub(crate) mod outages;
pub(crate) mod processes;
mod property;
mod purges;
mod sealed;
mod sharing;
mod soft_purges;
mod stop;
mod topologies;
mod underway;
mod util;
mod wrong_clock;
