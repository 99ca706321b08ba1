//! The accounts of the tests: in the stand-in and as `[[connection]]` or rows.

use graphsim::{Account, Graphsim, Kind, PictureFile, pictures};

/// One connected account.
#[derive(Clone)]
pub(crate) struct Connected {
    pub(crate) id: &'static str,
    pub(crate) provider: &'static str,
    pub(crate) account: &'static str,
    pub(crate) token: &'static str,
    pub(crate) kind: Kind,
}

pub(crate) const INSTAGRAM: Connected = Connected {
    id: "clx3instagram",
    provider: "instagram",
    account: "17841400000000001",
    token: "IGAAtoken-of-instagram-7f3a91",
    kind: Kind::Instagram,
};
pub(crate) const FACEBOOK: Connected = Connected {
    id: "clx3facebook",
    provider: "facebook",
    account: "104500000000002",
    token: "EAAtoken-of-the-page-5c2e88",
    kind: Kind::Facebook,
};
pub(crate) const TELEGRAM: Connected = Connected {
    id: "clx3telegram",
    provider: "telegram",
    account: "-1001234567890",
    token: "123456789:AAtoken-of-the-bot-9d41",
    kind: Kind::Telegram,
};
pub(crate) const ALL: [Connected; 3] = [INSTAGRAM, FACEBOOK, TELEGRAM];

impl PartialEq for Connected {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Connected {
    /// Adds it to the stand-in.
    pub(crate) fn add(&self, sim: &Graphsim, picture: PictureFile) {
        sim.add(Account::new(self.kind, self.account, self.token, picture));
    }

    /// As an entry of the configuration; `picture_url` is what the dashboard last stored.
    pub(crate) fn entry(&self, picture_url: &str) -> String {
        let Self { id, provider, account, token, .. } = self;
        format!(
            "[[connection]]\nid = \"{id}\"\nprovider = \"{provider}\"\naccount = \"{account}\"\n\
             token = \"plain:{token}\"\nname = \"Ada Lovelace\"\npicture_url = \"{picture_url}\"\n"
        )
    }

    /// Its address at the proxy.
    pub(crate) fn path(&self) -> String {
        format!("/avatar/{}", self.id)
    }
}

/// A picture below `origin.stream_above`.
pub(crate) fn small(seed: u32) -> PictureFile {
    let picture = pictures::jpeg(seed, 160);
    assert!(picture.bytes.len() < 60_000, "{}", picture.bytes.len());
    picture
}

/// A picture above it.
pub(crate) fn large(seed: u32) -> PictureFile {
    let picture = pictures::jpeg(seed, 900);
    assert!(picture.bytes.len() > 100_000, "{}", picture.bytes.len());
    picture
}
