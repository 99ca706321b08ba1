//! Where avatars are stored: what the stores promise through the whole server.

/// Several instances that share a Redis: one node, Sentinel, a cluster; outages of each.
pub(crate) mod redis;
