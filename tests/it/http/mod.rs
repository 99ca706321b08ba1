//! The listener with well-behaved and with hostile clients.

mod drain;
mod floods;
mod hosts;
mod limits;
mod requests;
mod timeouts;
mod util;
