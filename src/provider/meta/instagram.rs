//! [`Instagram`]: accounts by Instagram Login or through Facebook Login (docs/providers.md, "Instagram").

use std::sync::Arc;

use serde_json::Value;

use super::config::InstagramConfig;
use super::facebook::Facebook;
use super::graph::Graph;
use crate::model::{Connection, LinkConfig, Provider, Secret, Timestamp, TroubleClass};
use crate::origin::{AllowedHosts, HostList, Origin};
use crate::provider::api_app::ApiApp;
use crate::provider::error::ProviderError;
use crate::provider::path_segment::path_segment;
use crate::provider::resolution::{PictureField, Resolved};

const OWN_FIELDS: &str = "id,user_id,username,profile_picture_url";
const FACEBOOK_FIELDS: &str = "id,profile_picture_url,username";
/// Tokens of Facebook Login begin with this, and only graph.facebook.com knows them.
const FACEBOOK_TOKEN: &str = "EAA";
/// The picture that Instagram shows for accounts without one. Many hosts serve it, so the file name identifies it.
const ANONYMOUS: [&str; 2] = [
    "44884218_345707102882519_2446069589734326272_n.jpg",
    "464760996_1254146839119862_3605321457742435801_n.jpg",
];

/// Instagram's professional accounts.
pub(in crate::provider) struct Instagram {
    own: Graph,
    facebook: Arc<Graph>,
    hosts: HostList,
}

#[derive(Debug, PartialEq, Eq)]
enum Question {
    /// `/me` at graph.instagram.com: always the account that the token belongs to.
    Own,
    /// This node at graph.facebook.com, where `/me` would be the person and not the account.
    ThroughFacebook(String),
}

impl Instagram {
    /// Accounts that are asked for at graph.instagram.com, or at `facebook`'s host.
    pub(in crate::provider) fn new(config: InstagramConfig, facebook: &Facebook) -> Self {
        let InstagramConfig { graph, hosts } = config;
        Self { own: Graph::new(Provider::Instagram, graph), facebook: facebook.graph(), hosts }
    }

    /// Asks for the account's picture; the token tells which host knows it.
    pub(in crate::provider) async fn ask(
        &self,
        origin: &Origin,
        connection: &Connection,
        token: &Secret,
        now: Timestamp,
        links: &LinkConfig,
    ) -> Result<Resolved, ProviderError> {
        let reply = match question(connection.account.as_deref(), token)? {
            Question::Own => self.own.get(origin, "me", OWN_FIELDS, token, now).await?,
            Question::ThroughFacebook(node) => {
                self.facebook.get(origin, &node, FACEBOOK_FIELDS, token, now).await?
            }
        };
        reply.resolve(picture_field, now, links)
    }

    pub(in crate::provider) fn allowed_hosts(&self) -> AllowedHosts<'_> {
        AllowedHosts::Listed(&self.hosts)
    }

    pub(in crate::provider) fn needs_token(&self) -> bool {
        true
    }

    /// The app at graph.instagram.com. Calls through Facebook count for Facebook's.
    pub(in crate::provider) fn app(&self) -> &ApiApp {
        self.own.app()
    }
}

/// Whether an address leads to the picture that stands for "no picture".
pub(in crate::provider) fn is_anonymous(address: &str) -> bool {
    let path = address.split(['?', '#']).next().unwrap_or("");
    path.rsplit('/').next().is_some_and(|name| ANONYMOUS.contains(&name))
}

fn question(account: Option<&str>, token: &Secret) -> Result<Question, ProviderError> {
    if !token.expose().starts_with(FACEBOOK_TOKEN) {
        return Ok(Question::Own);
    }
    match path_segment(account)? {
        Some(node) => Ok(Question::ThroughFacebook(node)),
        None => Err(ProviderError::new(TroubleClass::Misconfigured, "an EAA token needs the account column")),
    }
}

/// Reads both shapes: an object, or the same object as the only element of `data`.
fn picture_field(reply: &Value) -> Result<PictureField, ProviderError> {
    let account = reply.pointer("/data/0").unwrap_or(reply);
    match account.get("profile_picture_url") {
        Some(Value::Null) => Ok(PictureField::NoPicture),
        Some(Value::String(address)) if is_anonymous(address) => Ok(PictureField::NoPicture),
        Some(Value::String(address)) if !address.is_empty() => Ok(PictureField::Address(address.clone())),
        // An empty text proves no more than an absent field, so it takes no picture away at once.
        Some(Value::String(_)) => Ok(PictureField::Missing),
        None if account.get("id").or(account.get("user_id")).is_some() => Ok(PictureField::Missing),
        None | Some(_) => Err(ProviderError::unexpected()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const PICTURE: &str = "https://scontent.cdninstagram.com/v/t51.2885-15/1_2_3_n.jpg?oh=00_A&oe=675F3D44";

    #[test]
    fn flat_and_wrapped_replies_are_read() {
        let account = json!({"id": "1", "user_id": "2", "username": "a", "profile_picture_url": PICTURE});
        for reply in [account.clone(), json!({"data": [account]}), json!({"profile_picture_url": PICTURE})] {
            assert_eq!(picture_field(&reply).unwrap(), PictureField::Address(PICTURE.to_owned()), "{reply}");
        }
    }

    #[test]
    fn null_and_the_anonymous_picture_are_no_picture() {
        let mut values = vec![Value::Null];
        for name in ANONYMOUS {
            for host in ["scontent-fra3-1.cdninstagram.com", "instagram.fbog4-1.fna.fbcdn.net"] {
                values.push(json!(format!("https://{host}/v/t51.2885-19/{name}?oe=603C4E0F")));
                values.push(json!(format!("https://{host}/v/{name}")));
            }
        }
        for value in values {
            let account = json!({"id": "1", "profile_picture_url": value});
            assert_eq!(picture_field(&account).unwrap(), PictureField::NoPicture, "{account}");
            assert_eq!(picture_field(&json!({"data": [account]})).unwrap(), PictureField::NoPicture);
        }
        assert!(!is_anonymous(&format!("https://a.fbcdn.net/1_n.jpg?x=/{}", ANONYMOUS[0])));
    }

    #[test]
    fn an_account_without_the_field_does_not_prove_that_there_is_no_picture() {
        for account in
            [json!({"id": "1"}), json!({"user_id": "2", "username": "a"}), json!({"profile_picture_url": ""})]
        {
            assert_eq!(picture_field(&account).unwrap(), PictureField::Missing, "{account}");
            assert_eq!(picture_field(&json!({"data": [account]})).unwrap(), PictureField::Missing);
        }
    }

    #[test]
    fn a_reply_about_no_account_is_unexpected() {
        for reply in [
            json!({}),
            json!({"username": "a"}),
            json!({"data": []}),
            json!({"data": {}}),
            json!({"id": "1", "profile_picture_url": 7}),
        ] {
            assert_eq!(picture_field(&reply).unwrap_err(), ProviderError::unexpected(), "{reply}");
        }
    }

    #[test]
    fn the_token_tells_the_host() {
        for (token, account, expected) in [
            ("IGAAx", None, Ok(Question::Own)),
            ("IGAAx", Some("17841400"), Ok(Question::Own)),
            ("IGQVx", None, Ok(Question::Own)),
            ("anything", None, Ok(Question::Own)),
            ("EAAx", Some("17841400"), Ok(Question::ThroughFacebook("17841400".to_owned()))),
            ("EAAx", None, Err("an EAA token needs the account column".to_owned())),
            ("EAAx", Some(""), Err("an EAA token needs the account column".to_owned())),
        ] {
            let got = question(account, &Secret::new(token)).map_err(|error| {
                assert_eq!(error.class, TroubleClass::Misconfigured);
                error.reason
            });
            assert_eq!(got, expected, "{token} {account:?}");
        }
    }
}
