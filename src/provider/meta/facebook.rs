//! Facebook pages (PROVIDERS 2.1).

use serde_json::Value;

use super::graph::Graph;
use crate::model::{Connection, Secret, Timestamp};
use crate::origin::Origin;
use crate::provider::error::ProviderError;
use crate::provider::{Asked, Said, node};

/// Asks for the page's picture with an edge of `size` pixels; without an account, for that of the token's page.
pub(in crate::provider) async fn ask(
    origin: &Origin,
    graph: &Graph,
    size: u16,
    connection: &Connection,
    token: &Secret,
    now: Timestamp,
) -> Result<Asked, ProviderError> {
    let node = node(connection.account.as_deref())?.unwrap_or_else(|| "me".to_owned());
    let told = graph.get(origin, &node, &fields(size), token, now).await?;
    let rest = told.rest;
    let said = said(&told.body).map_err(|error| ProviderError { rest, ..error })?;
    Ok(Asked { said, rest })
}

/// The default size is not stable, and sub-fields that are not named are left out. The braces are encoded.
fn fields(size: u16) -> String {
    format!("picture.width({size}).height({size})%7Burl,is_silhouette,width,height%7D")
}

/// The shape of `/{page}?fields=picture` and that of `/{page}/picture`, which has no outer `picture`.
fn said(reply: &Value) -> Result<Said, ProviderError> {
    let Some(data) = reply.pointer("/picture/data").or(reply.get("data")).filter(|data| data.is_object())
    else {
        let is_page = reply.get("id").is_some();
        return if is_page { Ok(Said::FieldMissing) } else { Err(ProviderError::unexpected()) };
    };
    if data.get("is_silhouette") == Some(&Value::Bool(true)) {
        return Ok(Said::NoPicture);
    }
    match data.get("url") {
        Some(Value::String(address)) if !address.is_empty() => Ok(Said::Address(address.clone())),
        Some(Value::String(_) | Value::Null) | None => Ok(Said::FieldMissing),
        Some(_) => Err(ProviderError::unexpected()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const PICTURE: &str =
        "https://scontent.xx.fbcdn.net/v/t39.30808-1/1_2_3_n.jpg?stp=dst-jpg_s100x100_tt6&oe=675F45D2";

    #[test]
    fn the_query_is_one_that_no_parser_changes() {
        let text = format!("https://graph.facebook.com/v25.0/1?fields={}", fields(640));
        assert_eq!(
            text,
            "https://graph.facebook.com/v25.0/1?fields=\
             picture.width(640).height(640)%7Burl,is_silhouette,width,height%7D"
        );
        assert_eq!(url::Url::parse(&text).unwrap().as_str(), text);
        assert!(text.parse::<hyper::Uri>().is_ok_and(|uri| uri == *text));
    }

    #[test]
    fn the_picture_is_named_with_and_without_the_outer_member() {
        for data in [
            json!({"url": PICTURE}),
            json!({"height": 640, "is_silhouette": false, "url": PICTURE, "width": 640}),
        ] {
            for reply in [json!({"picture": {"data": data}, "id": "1"}), json!({"data": data})] {
                assert_eq!(said(&reply).unwrap(), Said::Address(PICTURE.to_owned()), "{reply}");
            }
        }
    }

    #[test]
    fn a_silhouette_is_no_picture() {
        let data = json!({"is_silhouette": true, "url": PICTURE});
        assert_eq!(said(&json!({"picture": {"data": data}, "id": "1"})).unwrap(), Said::NoPicture);
        assert_eq!(said(&json!({"data": data})).unwrap(), Said::NoPicture);
    }

    #[test]
    fn a_page_without_the_field_is_not_yet_no_picture() {
        for reply in [
            json!({"id": "1"}),
            json!({"id": "1", "picture": null}),
            json!({"id": "1", "picture": {"data": {}}}),
            json!({"id": "1", "picture": {"data": {"url": null, "is_silhouette": false}}}),
            json!({"data": {"url": ""}}),
        ] {
            assert_eq!(said(&reply).unwrap(), Said::FieldMissing, "{reply}");
        }
    }

    #[test]
    fn a_reply_about_no_page_is_unexpected() {
        for reply in [json!({}), json!({"data": []}), json!({"picture": "x"}), json!({"data": {"url": 7}})] {
            assert_eq!(said(&reply).unwrap_err(), ProviderError::unexpected(), "{reply}");
        }
    }
}
