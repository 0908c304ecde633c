//! The credentials that a client sends to a proxy: a name with a password, or a token. They are never shown in errors
//! or logs.

use std::fmt;
use std::fs;
use std::path::PathBuf;

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ureq::http::HeaderValue;

use super::netrc;
use super::password;
use crate::agent::url::{Login, ServerUrl};

/// The environment variable that holds a token.
pub(crate) const TOKEN: &str = "TILEMILL_TOKEN";
/// The environment variable that names a file to use instead of `~/.netrc`.
const NETRC: &str = "NETRC";

/// A value of the header `Authorization`.
#[derive(Clone)]
pub(crate) struct Credentials(HeaderValue);

impl Credentials {
    fn basic(name: &str, password: &str) -> anyhow::Result<Self> {
        anyhow::ensure!(!name.contains(':'), "a user's name must not contain a colon");
        Self::header(&format!("Basic {}", STANDARD.encode(format!("{name}:{password}"))))
            .context("the user's name and password")
    }

    fn bearer(token: &str) -> anyhow::Result<Self> {
        Self::header(&format!("Bearer {}", token.trim())).context(TOKEN)
    }

    fn header(text: &str) -> anyhow::Result<Self> {
        let mut value =
            HeaderValue::from_str(text).ok().context("it cannot be sent in a header")?;
        value.set_sensitive(true);
        Ok(Self(value))
    }

    pub(super) fn value(&self) -> &HeaderValue {
        &self.0
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// Finds the credentials for the server: from `--user`, its address, `--netrc` or `TILEMILL_TOKEN`, in this order. A
/// name without a password gets it from `--netrc`, else from the terminal.
pub(crate) async fn find(
    server: &ServerUrl,
    user: Option<Login>,
    in_address: Option<Login>,
    use_netrc: bool,
) -> anyhow::Result<Option<Credentials>> {
    let given = user.or(in_address);
    if let Some(Login { name, password: Some(password) }) = &given {
        return Credentials::basic(name, password).map(Some);
    }
    let name = given.as_ref().map(|login| login.name.as_str());
    if use_netrc {
        let (name, password) = in_netrc(server, name)?;
        return Credentials::basic(&name, &password).map(Some);
    }
    if let Some(name) = name {
        let password = password::ask(name, &server.to_string()).await?;
        return Credentials::basic(name, &password).map(Some);
    }
    let token = std::env::var(TOKEN).ok().filter(|token| !token.trim().is_empty());
    token.map(|token| Credentials::bearer(&token)).transpose()
}

fn in_netrc(server: &ServerUrl, name: Option<&str>) -> anyhow::Result<(String, String)> {
    let path = netrc_path().context("--netrc: neither NETRC nor HOME says where the file is")?;
    let shown = path.display();
    let text = fs::read_to_string(&path).with_context(|| format!("--netrc: read {shown}"))?;
    let host = server.host();
    let found = netrc::find(&text, &host, name);
    found.with_context(|| match name {
        Some(name) => format!("--netrc: {shown} has no password of {name} for the machine {host}"),
        None => format!("--netrc: {shown} has no login with a password for the machine {host}"),
    })
}

fn netrc_path() -> Option<PathBuf> {
    let named = std::env::var_os(NETRC).filter(|path| !path.is_empty());
    let at_home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".netrc"));
    named.map(PathBuf::from).or_else(at_home)
}

#[cfg(test)]
mod tests {
    use super::Credentials;

    #[test]
    fn a_name_with_a_password_is_sent_as_rfc_7617_describes_it() {
        let header = Credentials::basic("Aladdin", "open sesame").unwrap();
        assert_eq!(header.value().to_str().unwrap(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert!(Credentials::basic("a:b", "c").is_err());
    }

    #[test]
    fn what_cannot_be_sent_is_refused_and_not_shown() {
        let error = Credentials::bearer("sec\nret").unwrap_err();
        let text = format!("{error:#} {error:?}");
        assert!(text.contains("TILEMILL_TOKEN") && !text.contains("ret"), "{text}");
        assert!(!format!("{:?}", Credentials::bearer("secret")).contains("secret\""));
    }
}
