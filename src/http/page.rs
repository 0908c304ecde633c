//! Serves the files of the page: those in the executable, or those of a directory, for development.

use std::collections::HashMap;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};
use std::sync::LazyLock;

use actix_files::NamedFile;
use actix_web::http::header::{self, AcceptEncoding, ContentEncoding, Encoding, Header};
use actix_web::http::{Method, StatusCode};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, ResponseError, web};
use flate2::Compression;
use flate2::read::GzEncoder;
use rust_embed::{EmbeddedFile, RustEmbed};

use super::Api;
use super::READ;
use super::error::ApiError;
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

/// Handles `/` and every path that has no route of its own.
pub async fn file(api: web::Data<Api>, request: HttpRequest) -> HttpResponse {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return ApiError::WrongMethod { allowed: READ }.error_response();
    }
    let path = match request.path() {
        "/" => "index.html",
        path => path.trim_start_matches('/'),
    };
    let found = match &api.page {
        Page::Embedded => Files::get(path).map(|file| embedded(&request, path, file)),
        Page::Directory(directory) => current(&request, directory, path).await,
    };
    found.unwrap_or_else(|| {
        HttpResponse::NotFound().content_type("text/plain").body("there is no such page\n")
    })
}

/// The files compressed with gzip: over a slow network a third of the bytes takes a third of the time.
static COMPRESSED: LazyLock<HashMap<String, Bytes>> = LazyLock::new(|| {
    let compress = |path: &str| -> io::Result<Bytes> {
        let file = Files::get(path).ok_or(io::ErrorKind::NotFound)?;
        let mut bytes = Vec::new();
        GzEncoder::new(&*file.data, Compression::best()).read_to_end(&mut bytes)?;
        Ok(bytes.into())
    };
    Files::iter().filter_map(|path| Some((path.to_string(), compress(&path).ok()?))).collect()
});

impl Page {
    /// Compresses the files beforehand, so that the first client does not wait for it.
    pub(super) fn prepare(&self) {
        if matches!(self, Self::Embedded) {
            tokio::spawn(blocking::run(|| {
                LazyLock::force(&COMPRESSED);
            }));
        }
    }
}

/// A file compressed with gzip, if the client accepts that.
fn compressed(request: &HttpRequest, path: &str) -> Option<Bytes> {
    let accepted = AcceptEncoding::parse(request).ok()?;
    let forms = [Encoding::gzip(), Encoding::identity()];
    let is_gzip = accepted.negotiate(forms.iter()) == Some(Encoding::gzip());
    is_gzip.then(|| COMPRESSED.get(path).cloned()).flatten()
}

/// A file of the executable. Clients revalidate it each time, so that an upgrade takes effect at once.
fn embedded(request: &HttpRequest, path: &str, file: EmbeddedFile) -> HttpResponse {
    let gzip = compressed(request, path);
    let form = if gzip.is_some() { "-gzip" } else { "" };
    let tag = format!("\"{}{form}\"", hex(&file.metadata.sha256_hash()));
    let known = request.headers().get(header::IF_NONE_MATCH);
    let same = known.is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let status = if same { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
    let mut response = HttpResponse::build(status);
    response
        .insert_header((header::ETAG, tag))
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .insert_header((header::VARY, "accept-encoding"))
        .content_type(file.metadata.mimetype());
    if gzip.is_some() {
        response.insert_header(ContentEncoding::Gzip);
    }
    if same {
        response.finish()
    } else {
        response.body(gzip.unwrap_or_else(|| file.data.into_owned().into()))
    }
}

/// A file as it is now, if the path leads to one inside the directory; not to be cached.
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
