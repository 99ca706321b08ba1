//! An [`Entry`] with times that a wrong clock wrote, and what a right clock makes of it.

use std::sync::Arc;

use super::{Content, Entry, Picture, Timestamp, TokenEnd, Trouble, Windows};

impl Entry {
    /// The entry with possible times in place of those that lie further ahead than clocks differ; `None` where it has none of
    /// these.
    ///
    /// The rules for an age or an end ([`Timestamp::age`], [`Timestamp::is_ahead`]) judge such a time already. But an entry
    /// that kept it would never grow older, and would seem newer than what is confirmed from now on.
    pub fn corrected(&self, now: Timestamp, windows: &Windows) -> Option<Self> {
        let last_modified = self.picture().map(|picture| picture.last_modified);
        let happened = [
            Some(self.verified_at),
            self.trouble.as_ref().map(|trouble| trouble.at),
            self.field_missing.map(|(_, first)| first),
            self.token_end.and_then(|end| end.noted_at),
            last_modified,
        ];
        let is_wrong = happened.into_iter().flatten().any(|at| at.age(now).is_none())
            || self.rest_until.is_some_and(|until| now < until) && self.rests_until(now).is_none();
        is_wrong.then(|| Self {
            content: content(&self.content, now),
            verified_at: now - self.age(now, windows),
            trouble: self.trouble.as_ref().map(|trouble| corrected_trouble(trouble, now)),
            // The replies were seen, but over how long cannot be known: the span begins anew.
            field_missing: self.field_missing.map(|(count, first)| (count, first.min(now))),
            rest_until: self.rest(now),
            token_end: self.token_end.map(|end| token_end(end, now)),
            ..self.clone()
        })
    }

    /// A rest has no beginning of its own, but the reply that asked for it confirmed the content or failed.
    fn rest(&self, now: Timestamp) -> Option<Timestamp> {
        let failed_at = self.trouble.as_ref().map(|trouble| trouble.at);
        let replied = [Some(self.verified_at), failed_at];
        let is_known = replied.into_iter().flatten().all(|at| at.age(now).is_some());
        self.rests_until(now).filter(|_| is_known)
    }
}

/// The date of a picture goes out as `Last-Modified`, which must not lie ahead (RFC 9110 8.8.2.1).
fn content(content: &Content, now: Timestamp) -> Content {
    match content {
        Content::Picture(picture) if picture.last_modified.age(now).is_none() => {
            Content::Picture(Arc::new(Picture::clone(picture).renamed(picture.identity.clone(), now)))
        }
        content => content.clone(),
    }
}

/// A failure of the future is one of now, after which an attempt may start; one without an end stays so.
fn corrected_trouble(trouble: &Trouble, now: Timestamp) -> Trouble {
    if trouble.at.age(now).is_some() {
        return trouble.clone();
    }
    Trouble { at: now, retry_at: trouble.retry_at.map(|at| at.min(now)), ..trouble.clone() }
}

/// An end that was seen to be near by a wrong clock may be far: it is noted when it is near.
fn token_end(end: TokenEnd, now: Timestamp) -> TokenEnd {
    TokenEnd { noted_at: end.noted_at.filter(|at| at.age(now).is_some()), ..end }
}

#[cfg(test)]
mod tests;
