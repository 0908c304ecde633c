//! Pixel formats: which samples a pixel has, and how many bits each has.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::grid::Size;

/// Bits per sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Depth {
    /// 8 bits, 0 to 255.
    Eight,
    /// 16 bits, 0 to 65,535.
    Sixteen,
}

impl Depth {
    /// 8 or 16.
    #[must_use]
    pub fn bits(self) -> u8 {
        match self {
            Depth::Eight => 8,
            Depth::Sixteen => 16,
        }
    }
}

/// What the samples of a pixel mean, in their order. Alpha is never premultiplied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channels {
    /// Luma alone.
    Grey,
    /// Luma, alpha.
    GreyAlpha,
    /// Red, green, blue.
    Rgb,
    /// Red, green, blue, alpha.
    Rgba,
}

impl Channels {
    /// Samples in a pixel, 1 to 4.
    #[must_use]
    pub fn count(self) -> usize {
        match self {
            Channels::Grey => 1,
            Channels::GreyAlpha => 2,
            Channels::Rgb => 3,
            Channels::Rgba => 4,
        }
    }

    /// Whether the last sample is alpha.
    #[must_use]
    pub fn has_alpha(self) -> bool {
        matches!(self, Channels::GreyAlpha | Channels::Rgba)
    }

    /// Samples in a pixel that are not alpha, 1 or 3.
    #[must_use]
    pub fn colours(self) -> usize {
        self.count() - usize::from(self.has_alpha())
    }
}

impl fmt::Display for Channels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Channels::Grey => "grey",
            Channels::GreyAlpha => "grey + alpha",
            Channels::Rgb => "RGB",
            Channels::Rgba => "RGBA",
        })
    }
}

/// Which colours of an image are needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colours {
    /// All that it has.
    All,
    /// Only its BT.601 luma, if the decoder can give that alone.
    Luma,
}

/// The format of a pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PixelFormat {
    /// The samples of a pixel.
    pub channels: Channels,
    /// The size of a sample.
    pub depth: Depth,
}

impl PixelFormat {
    /// A format of these channels at this depth.
    #[must_use]
    pub const fn new(channels: Channels, depth: Depth) -> PixelFormat {
        PixelFormat { channels, depth }
    }

    /// Samples in a pixel, 1 to 4.
    #[must_use]
    pub fn channel_count(self) -> usize {
        self.channels.count()
    }

    /// Bytes in a pixel, 1 to 8.
    #[must_use]
    pub fn bytes_per_pixel(self) -> usize {
        self.channel_count() * usize::from(self.depth.bits() / 8)
    }

    /// Whether the last sample is alpha.
    #[must_use]
    pub fn has_alpha(self) -> bool {
        self.channels.has_alpha()
    }

    /// Bytes of an image of this format.
    #[must_use]
    pub fn bytes(self, size: Size) -> u128 {
        u128::from(size.pixels()) * self.bytes_per_pixel() as u128
    }
}

impl fmt::Display for PixelFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} bit", self.channels, self.depth.bits())
    }
}
