//! What this server answers, header by header: pictures, placeholders, conditions, bad input, and the admin port.

mod admin;
mod bad_input;
mod conditional;
pub(crate) mod connections;
mod headers;
mod hosts;
mod http2;
mod util;
