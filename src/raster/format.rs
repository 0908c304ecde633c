//! Pixel formats: which bands a pixel has, and the type of their samples.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::num::ParseFloatError;

use serde::{Deserialize, Serialize};

use super::grid::Size;

/// The type of a sample in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SampleType {
    /// A whole number from 0 to 255, which is full intensity.
    U8,
    /// A whole number from 0 to 65,535, which is full intensity.
    U16,
    /// A number of single precision, which has no full intensity. Alpha is from 0 to 1.
    F32,
}

impl SampleType {
    /// Bytes of a sample: 1, 2 or 4.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            SampleType::U8 => 1,
            SampleType::U16 => 2,
            SampleType::F32 => 4,
        }
    }

    /// Whether samples are whole numbers, from 0 to a full intensity.
    #[must_use]
    pub const fn is_whole(self) -> bool {
        !matches!(self, SampleType::F32)
    }
}

impl fmt::Display for SampleType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SampleType::U8 => "8 bit",
            SampleType::U16 => "16 bit",
            SampleType::F32 => "float",
        })
    }
}

/// The type of a sample in a file, which may be narrower or wider than in memory. Its names are those of `NumPy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum StoredType {
    /// A whole number of up to 8 bits.
    #[serde(rename = "uint8")]
    U8,
    /// A whole number of up to 16 bits.
    #[serde(rename = "uint16")]
    U16,
    /// A whole number of 32 bits.
    #[serde(rename = "uint32")]
    U32,
    /// A whole number from -128 to 127.
    #[serde(rename = "int8")]
    I8,
    /// A whole number from -32,768 to 32,767.
    #[serde(rename = "int16")]
    I16,
    /// A whole number of 32 bits with a sign.
    #[serde(rename = "int32")]
    I32,
    /// A float of 16 bits.
    #[serde(rename = "float16")]
    F16,
    /// A float of 32 bits.
    #[serde(rename = "float32")]
    F32,
    /// A float of 64 bits.
    #[serde(rename = "float64")]
    F64,
}

impl StoredType {
    /// The type of such a sample in memory.
    #[must_use]
    pub const fn in_memory(self) -> SampleType {
        match self {
            StoredType::U8 => SampleType::U8,
            StoredType::U16 => SampleType::U16,
            _ => SampleType::F32,
        }
    }

    /// Whether some values are rounded in memory.
    #[must_use]
    pub const fn is_rounded(self) -> bool {
        matches!(self, StoredType::U32 | StoredType::I32 | StoredType::F64)
    }
}

impl From<SampleType> for StoredType {
    fn from(sample: SampleType) -> StoredType {
        match sample {
            SampleType::U8 => StoredType::U8,
            SampleType::U16 => StoredType::U16,
            SampleType::F32 => StoredType::F32,
        }
    }
}

impl fmt::Display for StoredType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            StoredType::U8 => "8 bit",
            StoredType::U16 => "16 bit",
            StoredType::U32 => "32 bit",
            StoredType::I8 => "signed 8 bit",
            StoredType::I16 => "signed 16 bit",
            StoredType::I32 => "signed 32 bit",
            StoredType::F16 => "float 16 bit",
            StoredType::F32 => "float 32 bit",
            StoredType::F64 => "float 64 bit",
        })
    }
}

/// The value of empty pixels: any number, or NaN.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Nodata(pub f64);

/// Two values are the same if their bits are: a NaN equals no other number.
impl PartialEq for Nodata {
    fn eq(&self, other: &Nodata) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

impl Eq for Nodata {}

impl Hash for Nodata {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.to_bits().hash(state);
    }
}

/// Writes it as text, since JSON has no NaN. Reading gives the same number.
impl From<Nodata> for String {
    fn from(Nodata(value): Nodata) -> String {
        if value.is_nan() { "nan".to_owned() } else { value.to_string() }
    }
}

impl TryFrom<String> for Nodata {
    type Error = ParseFloatError;

    fn try_from(text: String) -> Result<Nodata, ParseFloatError> {
        text.parse().map(Nodata)
    }
}

/// The meaning of the bands that are not alpha.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Meaning {
    /// One band: luma, or any other single quantity, such as a height.
    Grey,
    /// Three bands: red, green and blue.
    Rgb,
    /// Any number of bands, none of which is known to be a colour.
    Unnamed,
}

/// The alpha of a pixel, which follows its other bands and is never multiplied into them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Alpha {
    /// No alpha.
    None,
    /// Opacity, which filters treat as they treat colours.
    Opacity,
    /// Empty pixels have alpha 0 and zeros in all bands, and all others full alpha. A chain leaves it as it is.
    Mask,
}

/// The bands of a pixel, in their order: colours, or other quantities, then alpha.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Bands {
    colours: u16,
    meaning: Meaning,
    alpha: Alpha,
}

impl Bands {
    /// Luma alone.
    pub const GREY: Bands = Bands { colours: 1, meaning: Meaning::Grey, alpha: Alpha::None };
    /// Luma, alpha.
    pub const GREY_ALPHA: Bands = Bands { alpha: Alpha::Opacity, ..Bands::GREY };
    /// Red, green, blue.
    pub const RGB: Bands = Bands { colours: 3, meaning: Meaning::Rgb, alpha: Alpha::None };
    /// Red, green, blue, alpha.
    pub const RGBA: Bands = Bands { alpha: Alpha::Opacity, ..Bands::RGB };

    /// Bands that are not known to be colours; a single one counts as grey.
    #[must_use]
    pub const fn unnamed(count: u16) -> Bands {
        match count {
            0 | 1 => Bands::GREY,
            colours => Bands { colours, meaning: Meaning::Unnamed, alpha: Alpha::None },
        }
    }

    /// These bands with this alpha instead of their own.
    #[must_use]
    pub const fn with(self, alpha: Alpha) -> Bands {
        Bands { alpha, ..self }
    }

    /// Luma in place of all colours, with the same alpha.
    #[must_use]
    pub const fn to_grey(self) -> Bands {
        Bands::GREY.with(self.alpha)
    }

    /// Red, green and blue in place of all colours, with the same alpha.
    #[must_use]
    pub const fn to_rgb(self) -> Bands {
        Bands::RGB.with(self.alpha)
    }

    /// Samples in a pixel.
    #[must_use]
    pub const fn count(self) -> usize {
        self.colours as usize + self.has_alpha() as usize
    }

    /// Samples in a pixel that are not alpha.
    #[must_use]
    pub const fn colours(self) -> usize {
        self.colours as usize
    }

    /// The meaning of the bands that are not alpha.
    #[must_use]
    pub const fn meaning(self) -> Meaning {
        self.meaning
    }

    /// The alpha.
    #[must_use]
    pub const fn alpha(self) -> Alpha {
        self.alpha
    }

    /// Whether the last sample is alpha.
    #[must_use]
    pub const fn has_alpha(self) -> bool {
        !matches!(self.alpha, Alpha::None)
    }

    /// Whether alpha only says which pixels are empty.
    #[must_use]
    pub const fn has_mask(self) -> bool {
        matches!(self.alpha, Alpha::Mask)
    }

    /// Whether the bands are known to be luma, or red, green and blue.
    #[must_use]
    pub const fn are_colours(self) -> bool {
        !matches!(self.meaning, Meaning::Unnamed)
    }
}

impl fmt::Display for Bands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.meaning, self.alpha) {
            (Meaning::Rgb, Alpha::Opacity) => return f.write_str("RGBA"),
            (Meaning::Rgb, _) => f.write_str("RGB")?,
            (Meaning::Grey, _) => f.write_str("grey")?,
            (Meaning::Unnamed, _) => write!(f, "{} bands", self.colours)?,
        }
        f.write_str(match self.alpha {
            Alpha::None => "",
            Alpha::Opacity => " + alpha",
            Alpha::Mask => " + mask",
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
    /// The bands of a pixel.
    pub bands: Bands,
    /// The type of its samples.
    pub sample: SampleType,
}

impl PixelFormat {
    /// A format of these bands of this type.
    #[must_use]
    pub const fn new(bands: Bands, sample: SampleType) -> PixelFormat {
        PixelFormat { bands, sample }
    }

    /// Samples in a pixel, at least 1.
    #[must_use]
    pub fn samples_per_pixel(self) -> usize {
        self.bands.count()
    }

    /// Bytes in a pixel, at least 1.
    #[must_use]
    pub fn bytes_per_pixel(self) -> usize {
        self.samples_per_pixel() * self.sample.bytes()
    }

    /// Whether the last sample is alpha.
    #[must_use]
    pub fn has_alpha(self) -> bool {
        self.bands.has_alpha()
    }

    /// Bytes of an image of this format.
    #[must_use]
    pub fn bytes(self, size: Size) -> u128 {
        u128::from(size.pixels()) * self.bytes_per_pixel() as u128
    }
}

impl fmt::Display for PixelFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.bands, self.sample)
    }
}
