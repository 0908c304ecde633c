//! Passwords and tokens, which are never shown.

use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Its length in bytes.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The secret itself.
    #[must_use]
    pub fn reveal(self) -> String {
        self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        // A number is refused: how it was written, such as 0x10, is lost. The error of `String` is
        // dropped, since it would quote the value.
        let text = String::deserialize(from);
        text.map(Self).map_err(|_| D::Error::custom("expected a string in quotes"))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str("(secret)")
    }
}

#[cfg(test)]
mod tests {
    use figment::Figment;
    use figment::providers::{Format, Toml};

    use super::Secret;

    #[test]
    fn a_secret_that_is_no_string_is_refused_and_not_shown() {
        let read = |file: &str| {
            let read = Figment::from(Toml::string(file)).extract_inner::<Secret>("password");
            read.map_err(|error| error.to_string())
        };
        assert_eq!(read("password = \"0123\"").unwrap().reveal(), "0123");
        for wrong in ["12345678", "-12345678", "12345678.5", "[12345678]", "{ a = 12345678 }"] {
            let error = read(&format!("password = {wrong}")).unwrap_err();
            assert!(error.contains("in quotes") && !error.contains("12345678"), "{error}");
        }
    }
}
