//! Instagram, by Instagram Login or through Facebook Login (PROVIDERS 1.1, 1.2).

use serde_json::Value;

use super::graph::Graph;
use crate::model::{Connection, Secret, Timestamp, TroubleClass};
use crate::origin::Origin;
use crate::provider::error::ProviderError;
use crate::provider::{Asked, Said, node};

const OWN_FIELDS: &str = "id,user_id,username,profile_picture_url";
const FACEBOOK_FIELDS: &str = "id,profile_picture_url,username";
/// Tokens of Facebook Login begin so, and only graph.facebook.com knows them.
const FACEBOOK_TOKEN: &str = "EAA";
/// What is shown for accounts without a picture. It comes from many hosts, so the file's name tells.
const ANONYMOUS: [&str; 2] = [
    "44884218_345707102882519_2446069589734326272_n.jpg",
    "464760996_1254146839119862_3605321457742435801_n.jpg",
];

/// Asks for the account's picture; the token tells which host knows it.
pub(in crate::provider) async fn ask(
    origin: &Origin,
    instagram: &Graph,
    facebook: &Graph,
    connection: &Connection,
    token: &Secret,
    now: Timestamp,
) -> Result<Asked, ProviderError> {
    let told = match request(connection.account.as_deref(), token)? {
        Request::Own => instagram.get(origin, "me", OWN_FIELDS, token, now).await?,
        Request::ByFacebook(node) => facebook.get(origin, &node, FACEBOOK_FIELDS, token, now).await?,
    };
    let rest = told.rest;
    let said = said(&told.body).map_err(|error| ProviderError { rest, ..error })?;
    Ok(Asked { said, rest })
}

/// Whether an address leads to the picture of those who have none.
pub(in crate::provider) fn is_anonymous(address: &str) -> bool {
    let path = address.split(['?', '#']).next().unwrap_or("");
    path.rsplit('/').next().is_some_and(|name| ANONYMOUS.contains(&name))
}

#[derive(Debug, PartialEq, Eq)]
enum Request {
    /// `/me` cannot mismatch: it is the account that the token belongs to.
    Own,
    /// To graph.facebook.com, where `/me` would be the person and not the account.
    ByFacebook(String),
}

fn request(account: Option<&str>, token: &Secret) -> Result<Request, ProviderError> {
    if !token.expose().starts_with(FACEBOOK_TOKEN) {
        return Ok(Request::Own);
    }
    match node(account)? {
        Some(node) => Ok(Request::ByFacebook(node)),
        None => Err(ProviderError::new(TroubleClass::Misconfigured, "an EAA token needs the account column")),
    }
}

/// Both shapes: an object, or the same as the only element of `data`.
fn said(reply: &Value) -> Result<Said, ProviderError> {
    let account = reply.pointer("/data/0").unwrap_or(reply);
    match account.get("profile_picture_url") {
        Some(Value::Null) => Ok(Said::NoPicture),
        Some(Value::String(address)) if is_anonymous(address) => Ok(Said::NoPicture),
        Some(Value::String(address)) if !address.is_empty() => Ok(Said::Address(address.clone())),
        // An empty text is as good as none: too little to take a picture away at once.
        Some(Value::String(_)) => Ok(Said::FieldMissing),
        None if account.get("id").or(account.get("user_id")).is_some() => Ok(Said::FieldMissing),
        None | Some(_) => Err(ProviderError::unexpected()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const PICTURE: &str = "https://scontent.cdninstagram.com/v/t51.2885-15/1_2_3_n.jpg?oh=00_A&oe=675F3D44";

    #[test]
    fn flat_and_wrapped_replies_name_the_picture() {
        let account = json!({"id": "1", "user_id": "2", "username": "a", "profile_picture_url": PICTURE});
        for reply in [account.clone(), json!({"data": [account]}), json!({"profile_picture_url": PICTURE})] {
            assert_eq!(said(&reply).unwrap(), Said::Address(PICTURE.to_owned()), "{reply}");
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
            assert_eq!(said(&account).unwrap(), Said::NoPicture, "{account}");
            assert_eq!(said(&json!({"data": [account]})).unwrap(), Said::NoPicture);
        }
        assert!(!is_anonymous(&format!("https://a.fbcdn.net/1_n.jpg?x=/{}", ANONYMOUS[0])));
    }

    #[test]
    fn an_account_without_the_field_is_not_yet_no_picture() {
        for account in
            [json!({"id": "1"}), json!({"user_id": "2", "username": "a"}), json!({"profile_picture_url": ""})]
        {
            assert_eq!(said(&account).unwrap(), Said::FieldMissing, "{account}");
            assert_eq!(said(&json!({"data": [account]})).unwrap(), Said::FieldMissing);
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
            assert_eq!(said(&reply).unwrap_err(), ProviderError::unexpected(), "{reply}");
        }
    }

    #[test]
    fn the_token_tells_the_host() {
        for (token, account, expected) in [
            ("IGAAx", None, Ok(Request::Own)),
            ("IGAAx", Some("17841400"), Ok(Request::Own)),
            ("IGQVx", None, Ok(Request::Own)),
            ("anything", None, Ok(Request::Own)),
            ("EAAx", Some("17841400"), Ok(Request::ByFacebook("17841400".to_owned()))),
            ("EAAx", None, Err("an EAA token needs the account column".to_owned())),
            ("EAAx", Some(""), Err("an EAA token needs the account column".to_owned())),
        ] {
            let got = request(account, &Secret::new(token)).map_err(|error| {
                assert_eq!(error.class, TroubleClass::Misconfigured);
                error.reason
            });
            assert_eq!(got, expected, "{token} {account:?}");
        }
    }
}
