//! [`CacheStatus`]: where an answer came from, for the `Cache-Status` header.

/// RFC 9211, with a `detail` that says why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheStatus {
    /// From memory or disk, still fresh.
    Hit,
    /// From memory or disk, past `fresh_for`.
    Stale,
    /// The last good bytes, because the last attempt to refresh them failed or none may start yet.
    LastGood,
    /// The cached bytes were confirmed or replaced while the client waited.
    Refreshed,
    /// Nothing was cached; the picture was fetched for this client.
    Miss,
    /// Nothing was cached; the picture is passed on while it arrives.
    Streamed,
    /// The account is known to have no picture.
    NoPicture,
    /// Nothing is cached and nothing could be fetched.
    Unavailable,
    /// The directory has no such connection.
    Unknown,
    /// The client asked for a generated picture.
    Forced,
}

impl CacheStatus {
    /// The header's value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "avatar-proxy; hit",
            Self::Stale => "avatar-proxy; hit; detail=stale",
            Self::LastGood => "avatar-proxy; hit; detail=last-good",
            Self::Refreshed => "avatar-proxy; fwd=stale; stored; detail=refreshed",
            Self::Miss => "avatar-proxy; fwd=uri-miss; stored",
            Self::Streamed => "avatar-proxy; fwd=uri-miss; detail=streamed",
            Self::NoPicture => "avatar-proxy; hit; detail=no-picture",
            Self::Unavailable => "avatar-proxy; fwd=uri-miss; detail=unavailable",
            Self::Unknown => "avatar-proxy; fwd=uri-miss; detail=unknown-connection",
            Self::Forced => "avatar-proxy; fwd=bypass; detail=forced",
        }
    }
}
