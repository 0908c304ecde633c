//! Addresses of brokers.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::address::Address;
use super::list::words;

/// Addresses of brokers, at least one: a list, or one text with commas between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Brokers(Vec<String>);

impl Brokers {
    /// The addresses, each `host:port`.
    #[must_use]
    pub fn addresses(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for Brokers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(","))
    }
}

impl FromStr for Brokers {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let address = |part: &str| part.parse().map(|address: Address| address.to_string());
        text.split(',')
            .map(address)
            .collect::<Result<_, _>>()
            .map(Self)
            .map_err(|error| format!("{error}; several brokers are given with commas between them"))
    }
}

impl<'de> Deserialize<'de> for Brokers {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        words(from)?.join(",").parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for Brokers {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::Brokers;

    #[test]
    fn brokers_are_hosts_with_ports() {
        let brokers: Brokers = "kafka1:9092, [::1]:9093".parse().unwrap();
        assert_eq!(brokers.addresses(), ["kafka1:9092", "[::1]:9093"]);
        for wrong in ["", "kafka1", "kafka1:", ":9092", "kafka1:9092,", "kafka1:99999"] {
            let error = wrong.parse::<Brokers>().unwrap_err();
            assert!(error.contains("a host and a port"), "{error}");
        }
    }
}
