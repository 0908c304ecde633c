//! Reads the form that creates a job: the image is streamed to storage, options are checked as they arrive.

use std::fmt::Display;
use std::str::FromStr;

use actix_multipart::{Field, Multipart, MultipartError};
use futures_util::TryStreamExt;

use super::Api;
use super::error::{ApiError, Result};
use super::receive::{self, Limit, within};
use crate::config::{Bytes, Config};
use crate::model::batch::BatchId;
use crate::model::job::JobId;
use crate::refusal::{Code, Refusal};
use crate::service::admit::{self, Wishes};
use crate::storage::Staged;

/// The longest text that a field beside the image may have, in bytes.
const MAX_FIELD: usize = 16 * 1024;

/// What a form contained.
#[derive(Default)]
pub(super) struct Form {
    pub(super) image: Option<Upload>,
    pub(super) from: Option<String>,
    pub(super) wishes: Wishes,
}

/// An image that has arrived.
pub(super) struct Upload {
    pub(super) name: String,
    pub(super) bytes: u64,
    pub(super) staged: Staged,
}

/// Reads a form to its end. Fails as soon as a field cannot be accepted, and then stores nothing.
pub(super) async fn read(api: &Api, id: JobId, mut body: Multipart) -> Result<Form> {
    let config = &api.app.config;
    let mut form = Form::default();
    while let Some(field) = within(config, body.try_next()).await? {
        let name = field.name().unwrap_or_default().to_owned();
        match name.as_str() {
            "image" if form.image.is_some() => {
                return Err(ApiError::Malformed("the form has more than one `image`".into()));
            }
            "image" => form.image = Some(receive(api, id, field).await?),
            "from" => form.from = Some(text(config, field).await?),
            _ => {
                // Checked before the value is read: it may be a large file under a wrong name.
                let wish = Wish::named(&name)?;
                wish.take(&mut form.wishes, &name, &text(config, field).await?)?;
                admit::check(&form.wishes, config)?;
            }
        }
    }
    Ok(form)
}

/// A field with an option of the job.
#[derive(Clone, Copy)]
enum Wish {
    Filters,
    TileSize,
    Format,
    Quality,
    SampleType,
    Page,
    Batch,
}

impl Wish {
    const ALL: [(&str, Self); 7] = [
        ("filters", Self::Filters),
        ("tile_size", Self::TileSize),
        ("format", Self::Format),
        ("quality", Self::Quality),
        ("sample_type", Self::SampleType),
        ("page", Self::Page),
        ("batch", Self::Batch),
    ];

    fn named(name: &str) -> Result<Self> {
        let found = Self::ALL.iter().find(|(known, _)| *known == name);
        found.map(|(_, wish)| *wish).ok_or_else(|| {
            let known = Self::ALL.map(|(known, _)| known).join(", ");
            ApiError::Malformed(format!(
                "the form has an unknown field {name:?}; the fields are image, which is the file, or \
                 from, and {known}"
            ))
        })
    }

    fn take(self, wishes: &mut Wishes, name: &str, value: &str) -> Result<()> {
        match self {
            Self::Filters => wishes.filters = Some(value.to_owned()),
            Self::TileSize => wishes.tile_size = Some(option(name, value)?),
            Self::Format => wishes.format = Some(option(name, value)?),
            Self::Quality => wishes.quality = Some(option(name, value)?),
            Self::SampleType => wishes.sample_type = Some(option(name, value)?),
            Self::Page => wishes.page = Some(option(name, value)?),
            Self::Batch => wishes.batch = Some(batch(value)?),
        }
        Ok(())
    }
}

impl From<MultipartError> for ApiError {
    fn from(error: MultipartError) -> Self {
        Self::Malformed(format!("the upload is not a multipart form, or it broke off: {error}"))
    }
}

/// The batch that a field or a query names.
pub(super) fn batch(text: &str) -> Result<BatchId> {
    text.parse().map_err(|error| ApiError::Malformed(format!("`batch` cannot be used: {error}")))
}

pub(super) fn option<T: FromStr<Err: Display>>(name: &str, text: &str) -> Result<T> {
    text.trim().parse().map_err(|error| {
        let what = format!("`{name}` has a value that cannot be used: {error}");
        Refusal::new(Code::InvalidOption, what).value(format!("{text:?}")).into()
    })
}

pub(super) async fn text(config: &Config, mut field: Field) -> Result<String> {
    let name = field.name().unwrap_or_default().to_owned();
    let mut bytes = Vec::new();
    while let Some(chunk) = within(config, field.try_next()).await? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > MAX_FIELD {
            let what = format!("`{name}` is longer than {}", Bytes::new(MAX_FIELD as u64));
            return Err(Refusal::new(Code::TooLarge, what).into());
        }
    }
    String::from_utf8(bytes).map_err(|_| ApiError::Malformed(format!("`{name}` is not UTF-8 text")))
}

/// Streams the image to a staged file in the storage.
async fn receive(api: &Api, id: JobId, field: Field) -> Result<Upload> {
    let config = &api.app.config;
    let limit = Limit::of_upload(config);
    let name = file_name(&field);
    let staged = api.app.storage.stage_original(id).await?;
    let file = staged.file().try_clone().map_err(ApiError::io)?;
    let bytes = receive::into_file(api, file, Some(limit), field).await?;
    Ok(Upload { name, bytes, staged })
}

/// The file name from the client, without directories and control characters, and at most 255 characters; `image` if
/// there is none.
pub(super) fn file_name(field: &Field) -> String {
    let given = field.content_disposition().and_then(|disposition| disposition.get_filename());
    let last = given.unwrap_or_default().rsplit(['/', '\\']).next().unwrap_or_default();
    let name: String = last.chars().filter(|c| !c.is_control()).take(255).collect();
    if ["", ".", ".."].contains(&name.as_str()) { "image".into() } else { name }
}
