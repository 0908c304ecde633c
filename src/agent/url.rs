//! The address of a server.

use std::fmt;
use std::str::FromStr;

use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use ureq::http::Uri;

use crate::as_text::as_text;
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

    /// The host name or address; an IPv6 address without brackets.
    #[must_use]
    pub fn host(&self) -> String {
        let uri: Option<Uri> = self.0.parse().ok();
        let host = uri.as_ref().and_then(Uri::host).unwrap_or_default();
        host.trim_matches(['[', ']']).to_owned()
    }

    /// Reads an address that may have a name and a password before its host.
    pub fn with_login(text: &str) -> Result<(Self, Option<Login>), Refusal> {
        let start = text.find("://").map_or(0, |at| at + 3);
        let end = text[start..].find(['/', '?', '#']).map_or(text.len(), |at| start + at);
        let Some(at) = text[start..end].rfind('@') else { return Ok((text.parse()?, None)) };
        let login = Login::split(&text[start..start + at]);
        let login = login.map(|Login { name, password }| {
            let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
            Login { name: decoded(&name), password: password.as_deref().map(decoded) }
        });
        let url = format!("{}{}", &text[..start], &text[start + at + 1..]);
        Ok((url.parse()?, login))
    }
}

/// A user's name with an optional password.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// The name.
    pub name: String,
    /// The password.
    pub password: Option<String>,
}

impl Login {
    /// Reads `NAME` or `NAME:PASSWORD`; the name must not be empty.
    #[must_use]
    pub fn split(text: &str) -> Option<Self> {
        let (name, password) = match text.split_once(':') {
            Some((name, password)) => (name, Some(password.to_owned())),
            None => (text, None),
        };
        (!name.is_empty()).then(|| Self { name: name.to_owned(), password })
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// An address without the parts that may be secret: those before an @, and those after a question mark or a hash.
fn shown(text: &str) -> String {
    let (before, host) = match text.rsplit_once('@') {
        // Whether it ends a password or stands in a query is unknown.
        Some((before, _)) if before.contains(['?', '#']) => ("…", ""),
        Some((_, host)) => ("…@", host),
        None => ("", text),
    };
    let end = host.find(['?', '#']).unwrap_or(host.len());
    format!("{before}{}", &host[..end])
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

as_text!(ServerUrl);

impl FromStr for ServerUrl {
    type Err = Refusal;

    /// Reads `https://host/prefix`, or `host:5001`, which means `http`.
    fn from_str(text: &str) -> Result<Self, Refusal> {
        let refused = |what: &str| Err(Refusal::new(Code::InvalidOption, what).value(shown(text)));
        let after = text.find("://").map_or(text, |at| &text[at + 3..]);
        let authority = after.split(['/', '?', '#']).next().unwrap_or_default();
        if authority.contains('@') {
            return refused(
                "a name and password in the server's address are not sent; leave them out",
            );
        }
        // This @ ends a password with an unescaped /, ? or # in it: a part of the password would be looked up as a host.
        if text.contains('@') {
            return refused(
                "a password in the server's address needs %2F, %3F and %23 for /, ? and #",
            );
        }
        if text.contains(['?', '#']) {
            return refused("the server's address must end before ? and #");
        }
        let full = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let Some(uri) =
            full.parse::<Uri>().ok().filter(|uri| uri.host().is_some_and(|host| !host.is_empty()))
        else {
            return refused("the server must be such as http://host:5001");
        };
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return refused("a server is reached by http or https only");
        }
        Ok(Self(full.trim_end_matches('/').to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::{Login, ServerUrl};

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

    #[test]
    fn a_login_is_taken_out_of_the_address() {
        let login = |name: &str, password: Option<&str>| {
            Some(Login { name: name.into(), password: password.map(str::to_owned) })
        };
        for (text, url, expected) in [
            ("host:5001", "http://host:5001", None),
            ("http://me:secret@host/mill/", "http://host/mill", login("me", Some("secret"))),
            ("me@host", "http://host", login("me", None)),
            ("https://m%40e:a%2Fb%3A:@[::1]:1", "https://[::1]:1", login("m@e", Some("a/b::"))),
            ("http://@host", "http://host", None),
        ] {
            let (read, login) = ServerUrl::with_login(text).unwrap();
            assert_eq!((read.to_string().as_str(), login), (url, expected), "{text}");
        }
    }

    #[test]
    fn no_error_shows_a_password() {
        for text in [
            "http://me:sec/ret@host",
            "http://me:12/secret@host",
            "http://me:sec#ret@host",
            "http://me:12#secret@host",
            "http://me:sec?ret@host",
            "http://host#secret",
            "ftp://me:secret@host",
            "http://me:secret@",
            "http://me:secret@host?secret",
            "http://host?token=secret",
            "http://host?me@secret",
            "http://host#me@secret",
            "http://me:se cret@ho st",
        ] {
            let error = ServerUrl::with_login(text).unwrap_err().to_string();
            for part in ["me:", "sec", "ret", "12"] {
                assert!(!error.contains(part), "{text}: {error}");
            }
        }
    }
}
