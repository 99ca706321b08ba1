//! The listener against clients that behave, and against those that do not.

mod drain;
mod floods;
mod hosts;
mod limits;
mod requests;
mod timeouts;
mod util;
