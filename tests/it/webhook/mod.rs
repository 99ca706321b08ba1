//! Events reach the dashboard at least once, in order and signed, and no view waits for their receiver.

mod delivery;
pub(crate) mod expiry;
pub(crate) mod full_disk;
mod kinds;
mod operators;
mod restart;
mod sharing;
mod util;
