//! [`Identity`]: which picture an address leads to, independent of its signature.

use sha2::{Digest, Sha256};

use super::Address;

/// Two addresses with the same identity lead to the same picture, so a refresh updates the times and downloads nothing.
///
/// Meta's identity is the last path segment with the `stp` parameter: hosts vary by place and signatures rotate
/// (docs/providers.md, "Signed addresses"). Telegram's is `file_unique_id`. A path of Meta's lookaside has no file name, so
/// its identity is unknown.
#[derive(Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Identity(Option<String>);

impl Identity {
    /// Unknown: not the same as any other.
    pub const UNKNOWN: Self = Self(None);

    /// An identity that the provider names itself.
    pub fn named(name: impl Into<String>) -> Self {
        Self(Some(name.into()))
    }

    /// The hash of a text that names the picture. The text may be long or contain a secret.
    pub fn hashed(text: &str) -> Self {
        Self(Some(hex::encode(Sha256::digest(text.as_bytes()))))
    }

    /// The identity in a picture's address.
    pub fn of(address: &Address) -> Self {
        let (path, query) = address.path_and_query();
        let segment = path.rsplit('/').next().unwrap_or("");
        if !segment.contains('.') {
            return Self::UNKNOWN;
        }
        let stp = query.split('&').find_map(|pair| pair.strip_prefix("stp=")).unwrap_or("");
        Self(Some(format!("{segment}?stp={stp}")))
    }

    /// Whether both are known and equal.
    pub fn same(&self, other: &Self) -> bool {
        self.0.is_some() && self.0 == other.0
    }

    /// The text, for stored forms.
    pub fn as_deref(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

impl From<Option<String>> for Identity {
    fn from(name: Option<String>) -> Self {
        Self(name)
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.as_deref().unwrap_or("unknown"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(text: &str) -> Identity {
        Identity::of(&Address::parse(text).unwrap())
    }

    #[test]
    fn a_new_host_path_or_signature_is_the_same_picture_and_a_new_file_or_size_is_not() {
        let first = of(
            "https://scontent-fra3-1.xx.fbcdn.net/v/t39.30808-1/1_n.jpg?stp=dst-jpg_s100x100&oh=00_A&oe=66648E8A",
        );
        let again = of(
            "https://scontent-ams2-1.xx.fbcdn.net/v/t39.30808-1/1_n.jpg?oe=666C070A&oh=00_B&stp=dst-jpg_s100x100",
        );
        let old = of("https://scontent.cdninstagram.com/vp/0a/5DA39AF1/1_n.jpg?stp=dst-jpg_s100x100");
        assert!(first.same(&again) && first.same(&old));
        for other in [
            "https://scontent.xx.fbcdn.net/v/t39.30808-1/2_n.jpg?stp=dst-jpg_s100x100",
            "https://scontent.xx.fbcdn.net/v/t39.30808-1/1_n.jpg?stp=dst-jpg_s200x200",
            "https://scontent.xx.fbcdn.net/v/t39.30808-1/1_n.jpg",
        ] {
            assert!(!first.same(&of(other)), "{other}");
        }
    }

    #[test]
    fn a_lookaside_address_names_no_picture_so_it_equals_no_other() {
        let lookaside = of("https://platform-lookaside.fbsbx.com/platform/profilepic/?asid=1&ext=1715208892");
        assert!(!lookaside.same(&lookaside.clone()));
    }

    proptest! {
        #[test]
        fn two_signatures_of_one_file_are_one_picture(
            file in r"[0-9]{1,15}_n\.jpg",
            stp in r"dst-jpg_s[0-9]{2,3}x[0-9]{2,3}",
            hosts in (r"[a-z0-9-]{1,20}", r"[a-z0-9-]{1,20}"),
            signatures in (r"oh=[A-Za-z0-9_-]{1,20}&oe=[0-9A-F]{8}", r"oh=[A-Za-z0-9_-]{1,20}&oe=[0-9A-F]{8}"),
        ) {
            let one = of(&format!("https://a{}b.fbcdn.net/v/{file}?stp={stp}&{}", hosts.0, signatures.0));
            let two = of(&format!("https://a{}b.fbcdn.net/v/{file}?{}&stp={stp}", hosts.1, signatures.1));
            prop_assert!(one.same(&two));
            prop_assert!(!one.as_deref().unwrap_or("").contains("oe="));
        }

        #[test]
        fn arbitrary_addresses_never_panic(tail in r"[!-~]{0,80}") {
            if let Ok(address) = Address::parse(&format!("https://a.example/{tail}")) {
                let identity = Identity::of(&address);
                prop_assert_eq!(identity.same(&identity), identity.as_deref().is_some());
            }
        }
    }
}
