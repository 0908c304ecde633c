//! A host and a port.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Where a service listens: `redis1:6379`, `[::1]:6379`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// A name or an address; an IPv6 address without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.trim().rsplit_once(':').and_then(|(host, port)| {
            let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
            let host = bare.unwrap_or(host);
            let is_name = bare.is_some() || !host.contains(':');
            Some((host, port.parse().ok()?)).filter(|_| is_name && !host.is_empty())
        });
        let (host, port) = parts.ok_or_else(|| {
            format!("{text:?} is not an address: expected a host and a port such as \"node1:6379\"")
        })?;
        Ok(Self { host: host.to_owned(), port })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::Address;

    #[test]
    fn an_address_is_a_host_with_a_port() {
        for text in ["redis1:6379", "10.0.0.1:1", "[::1]:6379"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        for wrong in ["", "redis1", "redis1:", ":6379", "::1:6379", "redis1:99999", "redis://r:1"] {
            assert!(wrong.parse::<Address>().unwrap_err().contains("node1:6379"), "{wrong}");
        }
    }
}
