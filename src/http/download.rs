//! Downloads of originals and results: with ranges, an entity tag and a file name.

use std::fs::File;
use std::path::Path;

use actix_files::NamedFile;
use actix_web::http::header::{
    Charset, ContentDisposition, DispositionParam, DispositionType, ExtendedValue,
};
use actix_web::web;

use super::Api;
use super::answers::{Gone, Internal, NotFound, Partly, Readable, Written, WrongStatus};
use super::error::{ApiError, Result};
use super::inputs::{OneJob, Parts};
use crate::model::job::Plan;
use crate::service::retention;

/// The result of a complete job.
///
/// Whole, or in parts by `Range`. `Content-Disposition` has a name for the file.
#[utoipa::path(
    get,
    path = "/api/jobs/{id}/result",
    operation_id = "get_result",
    tag = "images",
    params(OneJob, Parts),
    responses(Written, Partly, NotFound, WrongStatus, Gone, Internal,)
)]
pub async fn result(api: web::Data<Api>, id: web::Path<String>) -> Result<NamedFile> {
    let entry = api.find_complete(&id, "only a complete job has a result").await?;
    if entry.kept.result.is_none() {
        return Err(retention::result_gone(&entry, &api.app.config.retention).into());
    }
    let file = api.app.storage.open_final(&entry.plan).await?;
    named(file, &result_name(&entry.plan, 1), entry.plan.output.format.mime())
}

/// The image of a job as it was uploaded.
///
/// Whole, or in parts by `Range`. `Content-Disposition` has the name that it was uploaded with.
#[utoipa::path(
    get,
    path = "/api/jobs/{id}/original",
    operation_id = "get_original",
    tag = "images",
    params(OneJob, Parts),
    responses(Readable, Partly, NotFound, Gone, Internal,)
)]
pub async fn original(api: web::Data<Api>, id: web::Path<String>) -> Result<NamedFile> {
    let plan = api.find_with_original(&id)?.plan;
    let file = api.app.storage.open_original(plan.id).await?;
    named(file, &plan.name, plan.container.mime())
}

/// The longest name that file systems take, in bytes.
const LONGEST_NAME: usize = 255;

/// The name of the original with `_complete` and the extension of the result, and a number from the second copy on. A
/// name that would be too long is truncated.
pub(super) fn result_name(plan: &Plan, copy: usize) -> String {
    let stem = Path::new(&plan.name).file_stem().unwrap_or_default().to_string_lossy();
    let number = if copy > 1 { format!(" ({copy})") } else { String::new() };
    let end = format!("_complete{number}.{}", plan.output.format.extension());
    let stem = &stem[..stem.floor_char_boundary(LONGEST_NAME - end.len())];
    format!("{stem}{end}")
}

fn named(file: File, name: &str, mime: &str) -> Result<NamedFile> {
    let file = NamedFile::from_file(file, name).map_err(ApiError::internal)?;
    let name = if name.is_ascii() {
        DispositionParam::Filename(name.to_owned())
    } else {
        DispositionParam::FilenameExt(ExtendedValue {
            charset: Charset::Ext("UTF-8".into()),
            language_tag: None,
            value: name.as_bytes().to_owned(),
        })
    };
    let disposition =
        ContentDisposition { disposition: DispositionType::Inline, parameters: vec![name] };
    Ok(file
        .set_content_type(mime.parse().map_err(ApiError::internal)?)
        .set_content_disposition(disposition))
}
