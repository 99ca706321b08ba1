//! [`Facebook`]: the pictures of pages (docs/providers.md, "Facebook pages").

use std::sync::Arc;

use serde_json::Value;

use super::config::FacebookConfig;
use super::graph::Graph;
use crate::model::{Connection, LinkConfig, Provider, Secret, Timestamp};
use crate::origin::{AllowedHosts, HostList, Origin};
use crate::provider::api_app::ApiApp;
use crate::provider::error::ProviderError;
use crate::provider::path_segment::path_segment;
use crate::provider::resolution::{PictureField, Resolved};

/// Facebook's pages.
pub(in crate::provider) struct Facebook {
    graph: Arc<Graph>,
    /// The edge of the picture that is asked for, in pixels.
    size: u16,
    hosts: HostList,
}

impl Facebook {
    pub(in crate::provider) fn new(config: FacebookConfig) -> Self {
        let FacebookConfig { graph, size, hosts } = config;
        Self { graph: Arc::new(Graph::new(Provider::Facebook, graph)), size, hosts }
    }

    /// Asks for the page's picture; without an account, for that of the token's own page.
    pub(in crate::provider) async fn ask(
        &self,
        origin: &Origin,
        connection: &Connection,
        token: &Secret,
        now: Timestamp,
        links: &LinkConfig,
    ) -> Result<Resolved, ProviderError> {
        let node = path_segment(connection.account.as_deref())?.unwrap_or_else(|| "me".to_owned());
        let reply = self.graph.get(origin, &node, &fields(self.size), token, now).await?;
        reply.resolve(picture_field, now, links)
    }

    pub(in crate::provider) fn allowed_hosts(&self) -> AllowedHosts<'_> {
        AllowedHosts::Listed(&self.hosts)
    }

    pub(in crate::provider) fn needs_token(&self) -> bool {
        true
    }

    pub(in crate::provider) fn app(&self) -> &ApiApp {
        self.graph.app()
    }

    /// graph.facebook.com, which also knows Instagram accounts.
    pub(super) fn graph(&self) -> Arc<Graph> {
        self.graph.clone()
    }
}

/// The default size is not stable, and Graph leaves out sub-fields that are not named. The braces are encoded.
fn fields(size: u16) -> String {
    format!("picture.width({size}).height({size})%7Burl,is_silhouette,width,height%7D")
}

/// Reads the shape of `/{page}?fields=picture` and that of `/{page}/picture`, which has no outer `picture`.
fn picture_field(reply: &Value) -> Result<PictureField, ProviderError> {
    let Some(data) = reply.pointer("/picture/data").or(reply.get("data")).filter(|data| data.is_object())
    else {
        let is_page = reply.get("id").is_some();
        return if is_page { Ok(PictureField::Missing) } else { Err(ProviderError::unexpected()) };
    };
    if data.get("is_silhouette") == Some(&Value::Bool(true)) {
        return Ok(PictureField::NoPicture);
    }
    match data.get("url") {
        Some(Value::String(address)) if !address.is_empty() => Ok(PictureField::Address(address.clone())),
        Some(Value::String(_) | Value::Null) | None => Ok(PictureField::Missing),
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
    fn no_parser_changes_the_query() {
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
    fn the_picture_is_read_with_and_without_the_outer_member() {
        for data in [
            json!({"url": PICTURE}),
            json!({"height": 640, "is_silhouette": false, "url": PICTURE, "width": 640}),
        ] {
            for reply in [json!({"picture": {"data": data}, "id": "1"}), json!({"data": data})] {
                assert_eq!(
                    picture_field(&reply).unwrap(),
                    PictureField::Address(PICTURE.to_owned()),
                    "{reply}"
                );
            }
        }
    }

    #[test]
    fn a_silhouette_is_no_picture() {
        let data = json!({"is_silhouette": true, "url": PICTURE});
        assert_eq!(
            picture_field(&json!({"picture": {"data": data}, "id": "1"})).unwrap(),
            PictureField::NoPicture
        );
        assert_eq!(picture_field(&json!({"data": data})).unwrap(), PictureField::NoPicture);
    }

    #[test]
    fn a_page_without_the_field_does_not_prove_that_there_is_no_picture() {
        for reply in [
            json!({"id": "1"}),
            json!({"id": "1", "picture": null}),
            json!({"id": "1", "picture": {"data": {}}}),
            json!({"id": "1", "picture": {"data": {"url": null, "is_silhouette": false}}}),
            json!({"data": {"url": ""}}),
        ] {
            assert_eq!(picture_field(&reply).unwrap(), PictureField::Missing, "{reply}");
        }
    }

    #[test]
    fn a_reply_about_no_page_is_unexpected() {
        for reply in [json!({}), json!({"data": []}), json!({"picture": "x"}), json!({"data": {"url": 7}})] {
            assert_eq!(picture_field(&reply).unwrap_err(), ProviderError::unexpected(), "{reply}");
        }
    }
}
