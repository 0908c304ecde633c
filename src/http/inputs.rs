//! The parameters, headers and forms of requests, as the API describes them.

use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::formats;
use crate::raster::encode::{OutputFormat, SampleChoice};

/// The form that creates a job: either `image` or `from`, and the options of the job.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(json!({"image": "(the bytes of the file)", "filters": "blur:2.5,grayscale", "format": "png"})))]
pub struct NewJob {
    /// The image, with its file name. Its format is detected from its content.
    #[schema(value_type = Option<String>, format = Binary, nullable = false)]
    pub image: Option<Vec<u8>>,
    /// The id of a job whose image is used again.
    #[schema(nullable = false)]
    pub from: Option<String>,
    /// The filter chain, such as `blur:2.5,invert`; `grayscale` by default, empty for no filter.
    #[schema(nullable = false)]
    pub filters: Option<String>,
    /// Side of a tile in pixels. The result does not depend on it.
    #[schema(minimum = 1, nullable = false)]
    pub tile_size: Option<u32>,
    /// Format of the result. By default that of the image, or PNG if that cannot be written.
    // Inline: with a reference in a form, openapi-generator's Rust client sends the word in quotes.
    #[schema(value_type = Option<formats::OutputFormat>, inline, nullable = false)]
    pub format: Option<OutputFormat>,
    /// Quality of a JPEG.
    #[schema(minimum = 1, maximum = 100, nullable = false)]
    pub quality: Option<u8>,
    /// The samples of a TIFF whose original has signed numbers or floats.
    #[schema(value_type = Option<formats::SampleType>, inline, nullable = false)]
    pub sample_type: Option<SampleChoice>,
    /// Page of a TIFF, or frame of an animated GIF, WebP or PNG, counted from 0. By default the first page of a TIFF
    /// that is no smaller copy of another one; an animation has no default.
    #[schema(nullable = false)]
    pub page: Option<u32>,
    /// The batch that the job belongs to: 32 hexadecimal digits that the client has chosen.
    #[schema(pattern = "^[0-9a-f]{32}$", nullable = false)]
    pub batch: Option<String>,
}

/// The form that uploads an image for previews.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPreview {
    /// The image, with its file name.
    #[schema(value_type = String, format = Binary)]
    pub image: Vec<u8>,
    /// Page of a TIFF, or frame of an animated GIF, WebP or PNG, counted from 0. By default the first page of a TIFF
    /// that is no smaller copy of another one; an animation has no default.
    #[schema(nullable = false)]
    pub page: Option<u32>,
}

/// The parameter of a path with the `{id}` of a job.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "the handlers take it as a plain string")]
pub struct OneJob {
    /// The job.
    #[param(example = "0199a3c5b8e77d3c9f5c6a1e2b4d8f70")]
    id: String,
}

/// The headers that a download accepts. Read by actix-files.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "it is for the description only")]
pub struct Parts {
    /// The bytes to send, such as `bytes=0-99`.
    #[param(rename = "Range", nullable = false, example = "bytes=0-99")]
    range: Option<String>,
    /// Entity tags of versions that the client has.
    #[param(rename = "If-None-Match", nullable = false)]
    if_none_match: Option<String>,
}
