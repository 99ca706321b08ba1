//! The dashboard is told what has happened: at least once, in order, signed; and nobody waits for its receiver.

mod delivery;
pub(crate) mod expiry;
pub(crate) mod full_disk;
mod kinds;
mod operators;
mod restart;
mod sharing;
mod util;
