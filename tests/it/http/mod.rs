//! The listener against clients that behave, and against those that do not.
