//! When a signed address ends, read out of its own parameters (PROVIDERS 8).

use super::{Address, Timestamp};

/// The end of the address's signature; the earliest if it names several, `None` if it names none that is sane.
pub fn expires_at(address: &Address, now: Timestamp) -> Option<Timestamp> {
    let _ = (address, now);
    None
}
