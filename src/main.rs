//! The avatar-proxy command.
fn main() {}
