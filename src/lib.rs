//! One stable address for the profile picture of each connected social account: `/avatar/<connection_id>`.
//!
//! # Layout
//!
//! A folder is a noun of the field. A file imports from its own folder and from lower floors; neighbours on a floor do
//! not see each other (`tests/it/floors.rs` holds this true).
//!
//! | floor | folders | what it knows |
//! |---|---|---|
//! | 6 entrance | [`cli`], [`config`] | what the operator wants |
//! | 5 front | | what this server answers |
//! | 2 works | [`origin`], [`http`], [`store`] | five neighbours, blind to each other |
//! | 1 words | [`model`] | values: no I/O, no async, no clock |
//! | 0 ground | [`clock`], [`telemetry`] | time and logs |

pub mod cli;
pub mod clock;
pub mod config;
pub mod directory;
pub mod http;
pub mod model;
pub mod origin;
pub mod render;
pub mod store;
pub mod telemetry;
