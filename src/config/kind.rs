//! The types of values: what documents call them, and how an error quotes one.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::address::Address;
use super::brokers::Brokers;
use super::network::Network;
use super::path::BasePath;
use super::secret::Secret;
use super::unit::{Bytes, Colour, Seconds};
use crate::agent::url::ServerUrl;
use crate::raster::encode::{PngSpeed, SampleChoice, Subsampling, TiffCompression};
use crate::raster::metadata::Policy;

/// The type of a key's value.
pub(super) trait Kind: Serialize {
    /// Whether a value must not be shown.
    const SECRET: bool = false;
    /// Whether there may be no value.
    const OPTIONAL: bool = false;

    /// What is to be written, in words.
    fn name() -> String;

    /// The value as an error quotes it.
    fn quoted(&self) -> String {
        let value = serde_json::to_value(self).unwrap_or_default();
        value.as_str().map_or_else(|| value.to_string(), str::to_owned)
    }

    /// The value as the end of a range.
    fn bound(&self) -> String {
        self.quoted()
    }
}

/// The words that a type accepts. Only the error of serde lists them.
pub(super) fn choices<T: DeserializeOwned>() -> String {
    let refused = serde_json::from_value::<T>("".into()).err();
    let text = refused.map(|error| error.to_string()).unwrap_or_default();
    let listed = text.split_once("expected ").map_or("", |(_, listed)| listed);
    listed.trim_start_matches("one of ").to_owned()
}

macro_rules! named {
    ($($type:ty: $name:expr;)+) => {$(
        impl Kind for $type {
            fn name() -> String {
                $name.into()
            }
        }
    )+};
}

named! {
    u8: "number";
    u16: "number";
    u32: "number";
    usize: "number";
    Address: "host and port";
    BasePath: "path";
    Brokers: "list of hosts and ports";
    Colour: "colour";
    PathBuf: "path";
    ServerUrl: "address of a server";
    SocketAddr: "IP address and port";
    Vec<Network>: "list of IP addresses and networks";
    Vec<String>: "list of words";
    PngSpeed: choices::<Self>();
    Policy: choices::<Self>();
    SampleChoice: choices::<Self>();
    Subsampling: choices::<Self>();
    TiffCompression: choices::<Self>();
}

impl Kind for String {
    fn name() -> String {
        "text".into()
    }

    fn quoted(&self) -> String {
        format!("{self:?}")
    }
}

impl Kind for Secret {
    const SECRET: bool = true;

    fn name() -> String {
        "text, never shown".into()
    }

    /// Says what the only rule for secrets is about.
    fn quoted(&self) -> String {
        "too short".into()
    }
}

impl Kind for Bytes {
    fn name() -> String {
        "size".into()
    }

    fn bound(&self) -> String {
        if self.get() < 1024 { self.get().to_string() } else { self.quoted() }
    }
}

impl Kind for Seconds {
    fn name() -> String {
        "time".into()
    }

    /// With `min`, which in a sentence cannot be taken for metres.
    fn bound(&self) -> String {
        let text = self.quoted();
        text.strip_suffix(" m").map(|minutes| format!("{minutes} min")).unwrap_or(text)
    }
}

impl<T: Kind> Kind for Option<T> {
    const SECRET: bool = T::SECRET;
    const OPTIONAL: bool = true;

    fn name() -> String {
        T::name()
    }
}

#[cfg(test)]
mod tests {
    use super::{Bytes, Kind, Seconds, Subsampling, TiffCompression};

    #[test]
    fn choices_are_those_of_the_type() {
        assert_eq!(TiffCompression::name(), "`none` or `deflate`");
        assert_eq!(Subsampling::name(), "`auto`, `4:4:4`, `4:2:2`, `4:2:0`");
    }

    #[test]
    fn bounds_read_well_in_a_sentence() {
        assert_eq!(Seconds::new(30 * 60).bound(), "30 min");
        assert_eq!(Seconds::new(1).bound(), "1 s");
        assert_eq!(Bytes::new(1).bound(), "1");
        assert_eq!(Bytes::mib(90).bound(), "90 MiB");
    }
}
