//! One stable address for the profile picture of each connected social account.

pub mod clock;
pub mod directory;
pub mod model;
