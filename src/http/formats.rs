//! How the API describes output formats, since the raster core knows no API.

use std::borrow::Cow;

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::raster::encode;

/// The schema of [`encode::OutputFormat`].
pub struct OutputFormat;

impl PartialSchema for OutputFormat {
    fn schema() -> RefOr<Schema> {
        let names = encode::OutputFormat::ALL.map(|format| serde_json::json!(format));
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("A format that can be written."))
            .enum_values(Some(names))
            .into()
    }
}

impl ToSchema for OutputFormat {
    fn name() -> Cow<'static, str> {
        "OutputFormat".into()
    }
}

/// The schema of [`encode::SampleChoice`].
pub struct SampleType;

impl PartialSchema for SampleType {
    fn schema() -> RefOr<Schema> {
        let choices = [encode::SampleChoice::Own, encode::SampleChoice::Float32];
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("A type of samples that can be written."))
            .enum_values(Some(choices.map(|choice| serde_json::json!(choice))))
            .into()
    }
}

impl ToSchema for SampleType {
    fn name() -> Cow<'static, str> {
        "SampleType".into()
    }
}
