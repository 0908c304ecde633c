//! The files of the page: those in the executable, or those of a directory that somebody works on.

use std::path::{Component, Path, PathBuf};

use actix_files::NamedFile;
use actix_web::http::{Method, StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, ResponseError, web};
use rust_embed::{EmbeddedFile, RustEmbed};

use super::Api;
use super::error::ApiError;
use super::routes::READ;
use crate::blocking;

#[derive(RustEmbed)]
#[folder = "static/"]
struct Files;

/// Where the files of the page are.
#[derive(Debug, Clone)]
pub enum Page {
    /// In the executable.
    Embedded,
    /// In this directory, as they are now.
    Directory(PathBuf),
}

/// `/` and everything that is neither the API nor a health check.
pub async fn file(api: web::Data<Api>, request: HttpRequest) -> HttpResponse {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return ApiError::WrongMethod { allowed: READ }.error_response();
    }
    let path = match request.path() {
        "/" => "index.html",
        path => path.trim_start_matches('/'),
    };
    let found = match &api.page {
        Page::Embedded => Files::get(path).map(|file| embedded(&request, file)),
        Page::Directory(directory) => current(&request, directory, path).await,
    };
    found.unwrap_or_else(|| {
        HttpResponse::NotFound().content_type("text/plain").body("there is no such page\n")
    })
}

/// Clients ask each time whether a file is the same, so that an upgrade is seen at once.
fn embedded(request: &HttpRequest, file: EmbeddedFile) -> HttpResponse {
    let tag = format!("\"{}\"", hex(&file.metadata.sha256_hash()));
    let known = request.headers().get(header::IF_NONE_MATCH);
    let same = known.is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let status = if same { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
    let mut response = HttpResponse::build(status);
    response
        .insert_header((header::ETAG, tag))
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .content_type(file.metadata.mimetype());
    if same { response.finish() } else { response.body(file.data.into_owned()) }
}

/// A file as it is now, if the path leads to one inside the directory.
async fn current(request: &HttpRequest, directory: &Path, path: &str) -> Option<HttpResponse> {
    if !Path::new(path).components().all(|part| matches!(part, Component::Normal(_))) {
        return None;
    }
    let file = directory.join(path);
    let file = blocking::run(move || NamedFile::open(file)).await.ok()?;
    let mut response = file.into_response(request);
    let uncached = header::HeaderValue::from_static("no-store");
    response.headers_mut().insert(header::CACHE_CONTROL, uncached);
    Some(response)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}
