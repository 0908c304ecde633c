//! Where a server is.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use ureq::http::Uri;

use crate::refusal::{Code, Refusal};

/// The address of a server, without a slash at its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ServerUrl(String);

impl ServerUrl {
    /// The address of something on the server; `path` begins with a slash.
    #[must_use]
    pub fn path(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for ServerUrl {
    type Error = Refusal;

    fn try_from(text: String) -> Result<Self, Refusal> {
        text.parse()
    }
}

impl From<ServerUrl> for String {
    fn from(url: ServerUrl) -> Self {
        url.0
    }
}

impl FromStr for ServerUrl {
    type Err = Refusal;

    /// Reads `https://host/prefix`, or `host:5001`, which means `http`.
    fn from_str(text: &str) -> Result<Self, Refusal> {
        let refused = |what: &str| Err(Refusal::new(Code::InvalidOption, what).value(text));
        let full = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let Some(uri) =
            full.parse::<Uri>().ok().filter(|uri| uri.host().is_some_and(|host| !host.is_empty()))
        else {
            return refused("the server must be such as http://host:5001");
        };
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return refused("a server is reached by http or https only");
        }
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return refused(
                "a name and password in the server's address are not sent; leave them out",
            );
        }
        if uri.query().is_some() {
            return refused("the server's address must end before the question mark");
        }
        Ok(Self(full.trim_end_matches('/').to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::ServerUrl;

    #[test]
    fn an_address_may_lack_its_scheme_and_may_have_a_prefix() {
        for (text, jobs) in [
            ("host:5001", "http://host:5001/api/jobs"),
            ("https://host/mill/", "https://host/mill/api/jobs"),
            ("[::1]:5001", "http://[::1]:5001/api/jobs"),
        ] {
            assert_eq!(text.parse::<ServerUrl>().map(|a| a.path("/api/jobs")), Ok(jobs.into()));
        }
    }

    #[test]
    fn what_is_no_address_of_a_server_is_refused() {
        for text in ["", ":5001", "ftp://host", "http://", "http://me:secret@host", "host/?a=b"] {
            assert!(text.parse::<ServerUrl>().is_err(), "{text:?}");
        }
    }
}
