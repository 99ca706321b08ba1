//! Several instances that share a Redis: one refresh, one memory, purges that reach all.

mod acl;
mod check;
mod clustered;
mod deletion;
mod load;
mod missed;
mod outages;
mod processes;
mod property;
mod purges;
mod sealed;
mod sharing;
mod told;
mod topologies;
mod underway;
mod util;
