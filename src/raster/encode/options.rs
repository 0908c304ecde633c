//! The output formats and their options.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::metadata::Policy;
use crate::pixels::{Nodata, SampleType, StoredType};

/// Declares the formats: all that is known of one stands in one place, but for its encoder.
macro_rules! output_formats {
    ($($(#[$doc:meta])+ $name:ident {
        name: $own:literal,
        words: $words:literal,
        extensions: $($extension:literal)|+,
        mime: $mime:literal,
        max_side: $max_side:expr,
    })+) => {
        /// A format that can be written.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum OutputFormat {
            $($(#[$doc])+ #[serde(rename = $own)] $name,)+
        }

        impl OutputFormat {
            /// All formats.
            pub const ALL: [OutputFormat; [$(OutputFormat::$name),+].len()] =
                [$(OutputFormat::$name),+];

            /// Its name in options and records.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(OutputFormat::$name => $own,)+
                }
            }

            /// The extensions of its files, without a dot, the usual one first.
            #[must_use]
            pub fn extensions(self) -> &'static [&'static str] {
                match self {
                    $(OutputFormat::$name => &[$($extension),+],)+
                }
            }

            /// Its media type.
            #[must_use]
            pub fn mime(self) -> &'static str {
                match self {
                    $(OutputFormat::$name => $mime,)+
                }
            }

            /// The longest side it can store, in pixels.
            #[must_use]
            pub fn max_side(self) -> u32 {
                match self {
                    $(OutputFormat::$name => $max_side,)+
                }
            }
        }

        impl fmt::Display for OutputFormat {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $(OutputFormat::$name => $words,)+
                })
            }
        }
    };
}

output_formats! {
    /// Baseline JPEG, 8 bit, without alpha.
    Jpeg {
        name: "jpeg",
        words: "JPEG",
        extensions: "jpg" | "jpeg",
        mime: "image/jpeg",
        max_side: 65_535,
    }
    /// PNG, lossless, 8 and 16 bit.
    Png {
        name: "png",
        words: "PNG",
        extensions: "png",
        mime: "image/png",
        max_side: i32::MAX.unsigned_abs(),
    }
    /// TIFF in tiles, of any samples and bands; `BigTIFF` from 4 GB of pixels on.
    Tiff {
        name: "tiff",
        words: "TIFF",
        extensions: "tif" | "tiff",
        mime: "image/tiff",
        max_side: u32::MAX,
    }
    /// WebP, lossless, 8 bit.
    WebP {
        name: "webp",
        words: "WebP",
        extensions: "webp",
        mime: "image/webp",
        max_side: 16_383,
    }
}

impl OutputFormat {
    /// The format of files with this extension, in either case and without a dot.
    #[must_use]
    pub fn from_extension(extension: &str) -> Option<OutputFormat> {
        let has = |known: &&str| known.eq_ignore_ascii_case(extension);
        OutputFormat::ALL.into_iter().find(|format| format.extensions().iter().any(has))
    }

    /// The usual extension of its files, without a dot.
    #[must_use]
    pub fn extension(self) -> &'static str {
        self.extensions()[0]
    }
}

/// A name that is no output format.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "there is no output format {name:?}; the formats are {}",
    OutputFormat::ALL.map(OutputFormat::name).join(", ")
)]
pub struct UnknownFormat {
    /// The name given.
    pub name: String,
}

impl FromStr for OutputFormat {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<OutputFormat, UnknownFormat> {
        OutputFormat::from_extension(name).ok_or_else(|| UnknownFormat { name: name.to_owned() })
    }
}

/// How much of its chroma a JPEG keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Subsampling {
    /// All of it from quality 90 on, a quarter below.
    #[default]
    #[serde(rename = "auto")]
    Auto,
    /// All of it.
    #[serde(rename = "4:4:4")]
    Full,
    /// Half: every second column.
    #[serde(rename = "4:2:2")]
    Half,
    /// A quarter: every second column of every second row.
    #[serde(rename = "4:2:0")]
    Quarter,
}

/// Compression effort: more effort gives a smaller PNG and takes longer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PngSpeed {
    /// The least effort; on photographs the file is hardly larger than with more.
    #[default]
    Fast,
    /// About three times as long.
    Balanced,
    /// The most effort, however long it takes.
    Small,
}

/// How the tiles of a TIFF are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TiffCompression {
    /// Not at all.
    #[default]
    None,
    /// By horizontal differences, then deflate.
    Deflate,
}

/// The type of the samples of a result, where pixels are floats in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SampleChoice {
    /// That of the original. An original whose samples are wider than floats of 32 bits is refused.
    #[default]
    Own,
    /// Floats of 32 bits.
    Float32,
}

impl SampleChoice {
    /// All choices.
    pub const ALL: [SampleChoice; 2] = [SampleChoice::Own, SampleChoice::Float32];
}

impl FromStr for SampleChoice {
    type Err = UnknownSampleChoice;

    fn from_str(name: &str) -> Result<SampleChoice, UnknownSampleChoice> {
        let known = SampleChoice::ALL.into_iter().find(|choice| choice.to_string() == name);
        known.ok_or_else(|| UnknownSampleChoice { name: name.to_owned() })
    }
}

impl fmt::Display for SampleChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SampleChoice::Own => "own",
            SampleChoice::Float32 => "float32",
        })
    }
}

/// A name that is no choice of a sample type.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("there is no sample type {name:?}; choose own or float32")]
pub struct UnknownSampleChoice {
    /// The name given.
    pub name: String,
}

/// How an image is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct OutputOptions {
    /// The file format.
    pub format: OutputFormat,
    /// The quality of a JPEG, 1 to 100; other formats are lossless and ignore it.
    pub quality: u8,
    /// The colour, as red, green, blue, over which an image with alpha is laid if the format has no alpha.
    pub background: [u8; 3],
    /// How much of its chroma a JPEG keeps.
    #[serde(default)]
    pub subsampling: Subsampling,
    /// Compression effort of a PNG.
    #[serde(default)]
    pub png_speed: PngSpeed,
    /// How the tiles of a TIFF are compressed.
    #[serde(default)]
    pub tiff_compression: TiffCompression,
    /// What is kept of the original's metadata.
    #[serde(default)]
    pub metadata: Policy,
    /// The type of the samples of a TIFF, if pixels are floats in memory and it is not `float32`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample_type: Option<StoredType>,
    /// The value of empty pixels in a TIFF.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodata: Option<Nodata>,
}

impl OutputOptions {
    /// The type of the samples of a TIFF for samples of this type in memory.
    #[must_use]
    pub fn stored_type(&self, sample: SampleType) -> StoredType {
        let wished = self.sample_type.filter(|wished| wished.in_memory() == sample);
        wished.filter(|wished| !wished.is_rounded()).unwrap_or(sample.into())
    }

    /// The value of empty pixels in a TIFF; `None` if its samples cannot have it, so that it needs alpha.
    pub(super) fn empty_value(&self, sample: SampleType) -> Option<f64> {
        if self.format != OutputFormat::Tiff {
            return None;
        }
        let stored = self.stored_type(sample);
        let is_float = matches!(stored, StoredType::F16 | StoredType::F32);
        match self.nodata {
            // Pixels that are no numbers need no declaration.
            None => is_float.then_some(f64::NAN),
            Some(Nodata(value)) => {
                let range = match stored {
                    StoredType::U8 => 0.0..=255.0,
                    StoredType::U16 => 0.0..=65_535.0,
                    StoredType::I8 => -128.0..=127.0,
                    StoredType::I16 => -32_768.0..=32_767.0,
                    _ => return Some(value),
                };
                (value.fract() == 0.0 && range.contains(&value)).then_some(value)
            }
        }
    }
}

impl OutputOptions {
    /// A format with the defaults for all other options.
    #[must_use]
    pub fn new(format: OutputFormat) -> OutputOptions {
        OutputOptions {
            format,
            quality: 90,
            background: [255; 3],
            subsampling: Subsampling::default(),
            png_speed: PngSpeed::default(),
            tiff_compression: TiffCompression::default(),
            metadata: Policy::default(),
            sample_type: None,
            nodata: None,
        }
    }
}
