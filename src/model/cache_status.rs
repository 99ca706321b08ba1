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
    /// Nothing is cached and nothing could be fetched; the reason is there where the provider is not at fault.
    Unavailable(Option<FlightFailure>),
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
            Self::Unavailable(None) => "avatar-proxy; fwd=uri-miss; detail=unavailable",
            Self::Unavailable(Some(why)) => match why {
                FlightFailure::DirectoryDown => "avatar-proxy; fwd=uri-miss; detail=directory-down",
                FlightFailure::QueueFull => "avatar-proxy; fwd=uri-miss; detail=queue-full",
                FlightFailure::Purged => "avatar-proxy; fwd=uri-miss; detail=purged",
                FlightFailure::OtherInstance => "avatar-proxy; fwd=uri-miss; detail=other-instance",
                FlightFailure::Stopping => "avatar-proxy; fwd=uri-miss; detail=stopping",
                FlightFailure::LeaderPanicked => "avatar-proxy; fwd=uri-miss; detail=internal-error",
            },
            Self::Unknown => "avatar-proxy; fwd=uri-miss; detail=unknown-connection",
            Self::Forced => "avatar-proxy; fwd=bypass; detail=forced",
        }
    }
}

/// Why a flight brought nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlightFailure {
    /// The directory cannot be asked, or is misconfigured.
    DirectoryDown,
    /// `avatar.queue` is full of avatars that were viewed later.
    QueueFull,
    /// The avatar was purged meanwhile.
    Purged,
    /// Another instance refreshes it, and has not ended in time.
    OtherInstance,
    /// This process stops.
    Stopping,
    /// The task that refreshed it panicked.
    LeaderPanicked,
}
