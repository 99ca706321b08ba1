//! [`Lookup`], the answer of the directory, and [`Row`], a connection that it found.

use std::sync::Arc;

use crate::model::{Connection, Fingerprint, Timestamp};

/// What the directory says about an id.
#[derive(Debug, Clone)]
pub enum Lookup {
    /// There is such a connection.
    Found(Arc<Row>),
    /// There is none: every table that could have it was asked.
    Unknown,
}

/// A connection and when it was read.
#[derive(Debug, Clone)]
pub struct Row {
    /// The connection.
    pub connection: Connection,
    /// When it was read.
    pub read_at: Timestamp,
    /// Of provider, account and sealed token.
    pub fingerprint: Fingerprint,
}

impl Row {
    pub(crate) fn new(connection: Connection, read_at: Timestamp) -> Self {
        Self { fingerprint: connection.fingerprint(), connection, read_at }
    }
}
