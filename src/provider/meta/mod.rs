//! Meta's two API hosts: graph.instagram.com and graph.facebook.com.

pub(super) mod facebook;
pub(super) mod graph;
mod graph_error;
pub(super) mod instagram;
pub(super) mod usage;
