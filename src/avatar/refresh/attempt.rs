//! The ladder of a refresh; an attempt stops at the first step that succeeds.
//!
//! 1. A live link is held but its bytes are not: fetch them, no API call. With nothing held at all, the row's own address.
//! 2. Ask the provider. The same identity: only the clocks move; else fetch the bytes from the new link.
//! 3. The CDN says 403, 404 or 410: drop the link, ask once more, fetch.
//! 4. The provider fails and no bytes are held: the row's own address, even one without an end, counted as a failed attempt.
//! 5. Last good bytes, or 6. a placeholder: the service decides.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;

use super::failure::Failure;
use super::flight::Flight;
use super::settle::{AttemptResult, Finding};
use super::stream_buffer::StreamBuffer;
use crate::clock::Clock;
use crate::directory::Row;
use crate::model::token::Keyring;
use crate::model::{
    Content, Entry, Generation, ImagesConfig, Link, Picture, Secret, SniffError, Timestamp, TroubleClass,
    Windows, sniff,
};
use crate::origin::{Download, FetchError};
use crate::provider::{Providers, Resolution, Resolved};

/// One attempt and what it works with.
pub(super) struct Attempt<'a> {
    pub(super) clock: &'a Clock,
    pub(super) windows: &'a Windows,
    pub(super) keyring: &'a Keyring,
    pub(super) providers: &'a Providers,
    pub(super) row: &'a Row,
    pub(super) held: Option<&'a Entry>,
    pub(super) flight: &'a Flight,
    /// A purge of a higher generation came later.
    pub(super) generation: Generation,
    /// Pictures of more pixels are refused.
    pub(super) images: ImagesConfig,
    /// Why the provider may not be asked, if it may not.
    pub(super) paused: Option<Failure>,
}

impl Attempt<'_> {
    /// Tries the steps in turn.
    pub(super) async fn run(self) -> AttemptResult {
        match self.by_held_link().await {
            Ok(result) => result,
            Err(tried_row) => self.by_provider(tried_row).await,
        }
    }

    fn picture(&self) -> Option<&Arc<Picture>> {
        self.held.and_then(Entry::picture)
    }

    /// Step 1. `Err` goes on to step 2 and says whether the row's own address was tried.
    async fn by_held_link(&self) -> Result<AttemptResult, bool> {
        let now = self.clock.now();
        if let Some(link) = self.held.and_then(|entry| entry.link.as_ref()).filter(|link| link.is_live(now)) {
            if self.held.is_some_and(|entry| holds_bytes_of(entry, link)) {
                return Err(false);
            }
            return match self.fetch(link).await {
                // The bytes are as old as the provider's answer with the link.
                Ok(picture) => Ok(found(picture, link.resolved_at, link.clone())),
                Err(error) if error.is_link_dead() => Err(false),
                Err(error) => Ok(failed(Failure::from(error), Some(link.clone()))),
            };
        }
        let nothing = self.held.is_none_or(|entry| matches!(entry.content, Content::Nothing));
        if !nothing {
            return Err(false);
        }
        let Some(link) = self.providers.stored_link(&self.row.connection, now) else { return Err(false) };
        match self.by_row(link).await {
            Some((picture, at, link)) => Ok(found(picture, at, link)),
            None => Err(true),
        }
    }

    /// The row's own address. The picture counts as just past `fresh_for`, so that one refresh in the background
    /// confirms it.
    async fn by_row(&self, link: Link) -> Option<(Picture, Timestamp, Link)> {
        let at = self.clock.now() - self.windows.fresh_until;
        let link = Link { resolved_at: at, ..link };
        let picture = self.fetch(&link).await.ok()?;
        Some((picture, at, link))
    }

    /// The row's own address in step 4, unless its signature is over.
    fn last_resort(&self) -> Option<Link> {
        let (connection, now) = (&self.row.connection, self.clock.now());
        let without_end = || self.providers.stored_link_without_end(connection, now);
        self.providers.stored_link(connection, now).or_else(without_end)
    }

    /// Steps 2 to 4.
    async fn by_provider(&self, tried_row: bool) -> AttemptResult {
        let failure = match self.ask().await {
            Ok(Asked::Found(result)) => return *result,
            // An account whose quota is nearly used up is not asked twice.
            Ok(Asked::LinkDead(Some(rest))) => refused_new_address(Some(rest)),
            Ok(Asked::LinkDead(None)) => match self.ask().await {
                Ok(Asked::Found(result)) => return *result,
                Ok(Asked::LinkDead(rest)) => refused_new_address(rest),
                Err(failure) => failure,
            },
            Err(failure) => failure,
        };
        let mut result = failed(failure, None);
        if self.picture().is_none()
            && !tried_row
            && let Some(link) = self.last_resort()
            && let Some((picture, at, link)) = self.by_row(link).await
        {
            result.finding = Finding::Picture(picture, at);
            result.link = Some(link);
        }
        result
    }

    /// Step 2: asks the provider and follows its answer.
    async fn ask(&self) -> Result<Asked, Failure> {
        if let Some(paused) = &self.paused {
            return Err(paused.clone());
        }
        let connection = &self.row.connection;
        let token = match self.providers.needs_token(connection.provider) {
            true => self.keyring.open(&connection.token)?.token,
            false => Secret::new(""),
        };
        let now = self.clock.now();
        let Resolved { resolution, name, rest, token_expires_at } =
            self.providers.resolve(connection, &token, now).await?;
        match self.follow(resolution, now).await {
            Asked::Found(result) => {
                let answer = AttemptResult { answered: true, name, rest, token_expires_at, ..*result };
                Ok(Asked::Found(Box::new(answer)))
            }
            Asked::LinkDead(_) => Ok(Asked::LinkDead(rest)),
        }
    }

    /// What the provider answered, with the bytes if they are new.
    async fn follow(&self, resolution: Resolution, now: Timestamp) -> Asked {
        let link = match resolution {
            Resolution::Picture(link) => link,
            Resolution::NoPicture => return Asked::found(Finding::NoPicture, None),
            Resolution::FieldMissing => return Asked::found(Finding::FieldMissing, None),
        };
        if self.picture().is_some_and(|picture| picture.identity.same(&link.identity)) {
            return Asked::found(Finding::Same, Some(link));
        }
        match self.fetch(&link).await {
            Ok(picture) => Asked::Found(Box::new(found(picture, now, link))),
            Err(error) if error.is_link_dead() => Asked::LinkDead(None),
            // The link stays: the next attempt needs no API call.
            Err(error) => Asked::Found(Box::new(failed(Failure::from(error), Some(link)))),
        }
    }

    /// The bytes behind a link, streamed to the waiters where nothing is held.
    async fn fetch(&self, link: &Link) -> Result<Picture, FetchError> {
        let provider = self.row.connection.provider;
        let now = self.clock.now();
        let mut download = self.providers.open(provider, &link.address).await?;
        // A date in the future would make every conditional request pass for years.
        let last_modified = download.last_modified().filter(|at| *at <= now).unwrap_or(now);
        let header = download.header();
        let bytes = match download.declared_length() {
            Some(length) if self.picture().is_none() && download.streams() => {
                let buffer = Arc::new(StreamBuffer::new(header, length, provider, self.generation));
                self.flight.stream(buffer.clone());
                let bytes = pump(&mut download, &buffer).await;
                buffer.end(bytes.is_ok());
                bytes?
            }
            _ => download.gather().await?,
        };
        // Length and type agree; the whole must still have the header that its beginning had.
        match sniff(&bytes, self.images) {
            Ok(whole) if whole == header => {}
            Ok(_) => return Err(FetchError::NotAPicture(SniffError::NotAPicture)),
            Err(error) => return Err(FetchError::NotAPicture(error)),
        }
        Ok(Picture::new(bytes, header, link.identity.clone(), last_modified))
    }
}

/// Whether the bytes behind an entry's own link are held. Where nothing identifies the picture, that is so if they are not
/// older than the link.
fn holds_bytes_of(entry: &Entry, link: &Link) -> bool {
    entry.picture().is_some_and(|picture| match link.identity.as_deref() {
        Some(_) => picture.identity.same(&link.identity),
        None => entry.verified_at >= link.resolved_at,
    })
}

/// How asking the provider went.
enum Asked {
    Found(Box<AttemptResult>),
    /// The CDN refuses the address; the provider asks to leave the account alone for this long.
    LinkDead(Option<Duration>),
}

impl Asked {
    fn found(finding: Finding, link: Option<Link>) -> Self {
        Self::Found(Box::new(AttemptResult { link, ..unanswered(finding) }))
    }
}

fn found(picture: Picture, verified_at: Timestamp, link: Link) -> AttemptResult {
    AttemptResult { link: Some(link), ..unanswered(Finding::Picture(picture, verified_at)) }
}

fn failed(failure: Failure, link: Option<Link>) -> AttemptResult {
    AttemptResult { link, rest: failure.rest, failure: Some(failure), ..unanswered(Finding::Nothing) }
}

fn refused_new_address(rest: Option<Duration>) -> Failure {
    let reason = "the CDN refuses the address that was just given";
    Failure { rest, ..Failure::new(TroubleClass::Transient, reason) }
}

/// A finding without an answer of the provider.
fn unanswered(finding: Finding) -> AttemptResult {
    AttemptResult {
        finding,
        link: None,
        failure: None,
        answered: false,
        name: None,
        rest: None,
        token_expires_at: None,
    }
}

async fn pump(download: &mut Download, buffer: &StreamBuffer) -> Result<bytes::Bytes, FetchError> {
    let mut whole = BytesMut::new();
    while let Some(chunk) = download.chunk().await? {
        whole.extend_from_slice(&chunk);
        buffer.push(chunk);
    }
    Ok(whole.freeze())
}
