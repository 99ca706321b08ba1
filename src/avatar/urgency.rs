//! [`Urgency`]: why a refresh is asked for.

/// Why a refresh is asked for, and so whether a pause after a failed attempt holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Urgency {
    /// By a view, or ahead of one: pauses hold.
    View,
    /// The row has changed, or an operator wants it: pauses of this avatar are over.
    Forced,
}
