//! Refusals: why something was not accepted, naming the value, the limit and the setting.

use std::fmt;

use crate::raster::decode::{DecodeError, Quantity};
use crate::raster::encode::EncodeError;
use crate::raster::filter::ChainError;

macro_rules! codes {
    ($($(#[$doc:meta])+ $name:ident = $text:literal,)+) => {
        /// The kind of a refusal. [`Code::as_str`] is stable: scripts may match on it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Code {
            $($(#[$doc])+ $name,)+
        }

        impl Code {
            /// All codes.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The stable text of the code, as in the `code` field of an API error.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }
        }
    };
}

codes! {
    /// The bytes are not an image of a known format, or are damaged.
    InvalidImage = "invalid_image",
    /// The image is of an unsupported kind, such as an animation.
    UnsupportedImage = "unsupported_image",
    /// The image, the upload or the tile count is above a limit.
    TooLarge = "too_large",
    /// The filter chain does not parse, or names a filter or parameter that does not exist.
    InvalidFilters = "invalid_filters",
    /// Another option has a value outside its range.
    InvalidOption = "invalid_option",
    /// An output file exists already, or two outputs would have the same name.
    Exists = "exists",
    /// Too many jobs are waiting already.
    TooManyJobs = "too_many_jobs",
    /// Too many uploads are running already.
    TooManyUploads = "too_many_uploads",
    /// Too many previews are being made already.
    TooManyPreviews = "too_many_previews",
    /// An upload stopped sending bytes.
    Stalled = "stalled",
    /// The disk has no room.
    NoSpace = "no_space",
    /// It was kept for a limited time, which is over.
    Gone = "gone",
    /// The request comes from another site, or is addressed to one.
    ForeignSite = "foreign_site",
}

/// One refusal; the command line, the API and the log all print this.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Refusal {
    /// The kind.
    pub code: Code,
    /// What is refused and why, without the numbers below.
    pub what: String,
    /// The offending value, with its unit.
    pub value: Option<String>,
    /// The limit or the accepted values, with the unit.
    pub limit: Option<String>,
    /// The configuration key or option that moves the limit.
    pub setting: Option<&'static str>,
}

impl Refusal {
    /// A refusal without a value, limit or setting.
    pub fn new(code: Code, what: impl Into<String>) -> Self {
        Self { code, what: what.into(), value: None, limit: None, setting: None }
    }

    /// Names the offending value.
    #[must_use]
    pub fn value(mut self, value: impl fmt::Display) -> Self {
        self.value = Some(value.to_string());
        self
    }

    /// Names the limit and the setting that moves it.
    #[must_use]
    pub fn limit(mut self, limit: impl fmt::Display, setting: &'static str) -> Self {
        self.limit = Some(limit.to_string());
        self.setting = Some(setting);
        self
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if let Some(value) = &self.value {
            write!(f, ": {value}")?;
        }
        if let Some(limit) = &self.limit {
            write!(f, ", the limit is {limit}")?;
        }
        match self.setting {
            Some(setting) => write!(f, " (`{setting}`)"),
            None => Ok(()),
        }
    }
}

impl From<DecodeError> for Refusal {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::TooLarge { quantity, value, limit } => {
                let [value, limit] = [value, limit].map(|number| amount(number, quantity));
                Self::new(Code::TooLarge, "the image is too large")
                    .value(value)
                    .limit(limit, setting(quantity))
            }
            DecodeError::Unsupported { .. } => Self::new(Code::UnsupportedImage, error.to_string()),
            DecodeError::NoPage { .. } => Self::new(Code::InvalidOption, error.to_string()),
            other => Self::new(Code::InvalidImage, other.to_string()),
        }
    }
}

/// The setting that limits a quantity.
fn setting(quantity: Quantity) -> &'static str {
    match quantity {
        Quantity::Pixels | Quantity::Drawn => "limits.max_megapixels",
        Quantity::Side => "limits.max_side",
        Quantity::Memory => "limits.decode_memory",
    }
}

/// An amount in the unit of that setting.
#[expect(clippy::cast_precision_loss, reason = "rounded for display")]
fn amount(number: u64, quantity: Quantity) -> String {
    match quantity {
        Quantity::Pixels => format!("{:.1} megapixels", number as f64 / 1e6),
        Quantity::Drawn => {
            let megapixels = number as f64 / 1e6;
            format!("{megapixels:.1} megapixels in the frames that this page is drawn from")
        }
        Quantity::Side => format!("{number} {quantity}"),
        Quantity::Memory => {
            format!("{:.1} MiB of memory while it is decoded", number as f64 / 1_048_576.0)
        }
    }
}

impl From<ChainError> for Refusal {
    fn from(error: ChainError) -> Self {
        Self::new(Code::InvalidFilters, error.to_string())
    }
}

impl From<EncodeError> for Refusal {
    fn from(error: EncodeError) -> Self {
        Self::new(Code::InvalidOption, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::{Code, Refusal};
    use crate::raster::decode::{DecodeError, Quantity};

    #[test]
    fn an_image_beyond_a_limit_names_the_value_the_limit_and_the_setting() {
        for (quantity, value, limit, told) in [
            (
                Quantity::Pixels,
                2_623_000,
                2_600_000,
                "2.6 megapixels, the limit is 2.6 megapixels (`limits.max_megapixels`)",
            ),
            (
                Quantity::Side,
                61,
                60,
                "61 pixels a side, the limit is 60 pixels a side (`limits.max_side`)",
            ),
            (
                Quantity::Drawn,
                5_000_000,
                4_000_000,
                "5.0 megapixels in the frames that this page is drawn from, the limit is 4.0 megapixels in the frames that this page is drawn from (`limits.max_megapixels`)",
            ),
            (
                Quantity::Memory,
                3 << 20,
                2 << 20,
                "3.0 MiB of memory while it is decoded, the limit is 2.0 MiB of memory while it is decoded (`limits.decode_memory`)",
            ),
        ] {
            let refusal = Refusal::from(DecodeError::TooLarge { quantity, value, limit });
            assert_eq!(refusal.to_string(), format!("the image is too large: {told}"));
        }
    }

    #[test]
    fn a_refusal_reads_value_then_limit_then_setting() {
        let refusal = Refusal::new(Code::TooLarge, "the image is too large")
            .value("84 megapixels")
            .limit("50 megapixels", "limits.max_megapixels");
        assert_eq!(
            refusal.to_string(),
            "the image is too large: 84 megapixels, the limit is 50 megapixels \
             (`limits.max_megapixels`)"
        );
    }
}
