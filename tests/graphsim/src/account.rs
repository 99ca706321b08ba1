//! Accounts and what happens to them.

use crate::pictures::{self, PictureFile};

/// Which API knows the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// graph.instagram.com, `/me`.
    Instagram,
    /// graph.facebook.com, `/{ig-user-id}`.
    InstagramViaFacebook,
    /// graph.facebook.com, `/{page-id}`.
    Facebook,
    /// api.telegram.org, `getChat`.
    Telegram,
    /// api.telegram.org, the bot's own photo: `getUserProfilePhotos`.
    TelegramBot,
}

/// How Instagram says that there is no picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// `"profile_picture_url": null`.
    FieldNull,
    /// No such member in the reply.
    FieldAbsent,
    /// The address of the anonymous picture.
    AnonymousFile,
}

/// An account as a test describes it.
#[derive(Debug, Clone)]
pub struct Account {
    /// Which API knows it.
    pub kind: Kind,
    /// Instagram user id, page id or chat id.
    pub id: String,
    /// Its token; unique.
    pub token: String,
    /// Its display name.
    pub name: String,
    /// Its picture.
    pub picture: Option<PictureFile>,
    /// Instagram answers `{"data":[{...}]}`.
    pub wrapped: bool,
    /// The CDN sends `Cross-Origin-Resource-Policy: same-origin`, as cdninstagram.com does.
    pub corp_same_origin: bool,
}

impl Account {
    /// One with a picture and nothing special.
    pub fn new(kind: Kind, id: &str, token: &str, picture: PictureFile) -> Self {
        Self {
            kind,
            id: id.to_owned(),
            token: token.to_owned(),
            name: format!("Account {id}"),
            picture: Some(picture),
            wrapped: false,
            corp_same_origin: false,
        }
    }
}

/// An account as it is now.
pub(crate) struct State {
    pub(crate) account: Account,
    pub(crate) missing: Missing,
    pub(crate) revoked: bool,
    pub(crate) api_calls: usize,
    pub(crate) downloads: usize,
    /// Rises with each picture: a new one has a new name.
    pub(crate) version: usize,
}

impl State {
    pub(crate) fn new(account: Account) -> Self {
        Self { account, missing: Missing::FieldNull, revoked: false, api_calls: 0, downloads: 0, version: 1 }
    }

    pub(crate) fn set_picture(&mut self, picture: Option<PictureFile>) {
        self.account.picture = picture;
        self.version += 1;
    }

    /// What lies at the CDN under the account's file name: its picture, or Facebook's silhouette, which is a real file.
    pub(crate) fn file(&self) -> Option<PictureFile> {
        let silhouette = || (self.account.kind == Kind::Facebook).then(|| pictures::jpeg(0, 320));
        self.account.picture.clone().or_else(silhouette)
    }

    /// The picture's file name: digits as Meta's, with the account's id in the middle.
    pub(crate) fn file_name(&self) -> String {
        let extension = self.account.picture.as_ref().map_or("jpg", |picture| picture.extension);
        format!("4{:08}_{}_7812_n.{extension}", self.version, self.account.id)
    }

    /// Whose file it is, and whether it is the current one.
    pub(crate) fn owns(&self, name: &str) -> bool {
        name.split('_').nth(1) == Some(&self.account.id)
    }
}
