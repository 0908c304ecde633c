//! How the API describes choices of the raster core, since that knows no API.

use std::borrow::Cow;

use serde::Serialize;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::raster::encode::{self, SampleChoice};

/// The schema of [`encode::OutputFormat`].
pub struct OutputFormat;

/// The schema of [`SampleChoice`].
pub struct SampleType;

impl PartialSchema for OutputFormat {
    fn schema() -> RefOr<Schema> {
        one_of("A format that can be written.", &encode::OutputFormat::ALL)
    }
}

impl ToSchema for OutputFormat {
    fn name() -> Cow<'static, str> {
        "OutputFormat".into()
    }
}

impl PartialSchema for SampleType {
    fn schema() -> RefOr<Schema> {
        one_of("A type of samples that can be written.", &SampleChoice::ALL)
    }
}

impl ToSchema for SampleType {
    fn name() -> Cow<'static, str> {
        "SampleType".into()
    }
}

fn one_of<T: Serialize>(description: &str, choices: &[T]) -> RefOr<Schema> {
    let names = choices.iter().map(|choice| serde_json::json!(choice));
    let words = ObjectBuilder::new().schema_type(Type::String).description(Some(description));
    words.enum_values(Some(names)).into()
}
