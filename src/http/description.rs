//! The API described for machines: what the handlers say of themselves, put together.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use actix_web::HttpResponse;
use serde::Deserialize;
use utoipa::openapi::{Content, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoParams, IntoResponses, Modify, OpenApi, ToSchema, openapi};

use super::error::{PROBLEM_TYPE, Problem};
use super::forwarded::Forwarded;
use super::{download, events, metrics, mosaic, pyramid, routes, upload};
use crate::raster::encode::OutputFormat;

/// The description as a whole. A handler that is missing here fails a test.
#[derive(OpenApi)]
#[openapi(
    info(description = "Filters images of any size in parallel tiles, to the same bytes on one \
                        machine or on many. Names and codes are stable: they change only by \
                        additions. HEAD is answered wherever GET is, but for events."),
    paths(
        upload::create, routes::list, routes::show, routes::remove, routes::cancel, upload::retry,
        download::result, download::original, mosaic::thumbnail,
        mosaic::mosaic, mosaic::tiles, pyramid::show, pyramid::tile, events::stream,
        routes::workers, routes::processes, routes::queue,
        routes::list_filters, describe, routes::health, routes::ready, metrics::show,
    ),
    components(schemas(Problem<'_>)),
    modifiers(&Everywhere),
)]
struct Description;

/// Adds what any request may be answered with, whatever it is for.
struct Everywhere;

impl Modify for Everywhere {
    fn modify(&self, description: &mut openapi::OpenApi) {
        for path in description.paths.paths.values_mut() {
            let operations =
                [&mut path.get, &mut path.post, &mut path.delete].into_iter().flatten();
            for operation in operations {
                operation.responses.responses.extend(Foreign::responses());
            }
        }
    }
}

static DESCRIPTION: LazyLock<String> = LazyLock::new(|| json(&Description::openapi()));

fn json(description: &openapi::OpenApi) -> String {
    description.to_json().expect("a description is plain data")
}

/// The description that is read here.
#[utoipa::path(
    get,
    path = "/api/openapi.json",
    operation_id = "describe_api",
    tag = "health",
    responses((status = 200, description = "The description.", body = Object)),
)]
pub async fn describe(seen: Forwarded) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    response.content_type("application/json");
    if seen.prefix.is_root() {
        return response.body(DESCRIPTION.as_str());
    }
    let mut description = Description::openapi();
    description.servers = Some(vec![openapi::Server::new(seen.prefix.as_str())]);
    response.body(json(&description))
}

/// The form that creates a job: either `image` or `from`, and what is to be done with it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewJob {
    /// The image, with its file name. Of which format it is, its content says.
    #[schema(value_type = Option<String>, format = Binary, nullable = false)]
    pub image: Option<Vec<u8>>,
    /// The id of a job whose image is used again.
    #[schema(nullable = false)]
    pub from: Option<String>,
    /// The filter chain, such as `blur:2.5,invert`; `grayscale` if left out, and empty for none.
    #[schema(nullable = false)]
    pub filters: Option<String>,
    /// Side of a tile in pixels. The result does not depend on it.
    #[schema(minimum = 1, nullable = false)]
    pub tile_size: Option<u32>,
    /// Format of the result; that of the image if left out, PNG where it cannot be written.
    #[schema(nullable = false)]
    pub format: Option<OutputFormat>,
    /// Quality of a JPEG.
    #[schema(minimum = 1, maximum = 100, nullable = false)]
    pub quality: Option<u8>,
}

/// What a path with `{id}` takes.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "the handlers take it as a plain string")]
pub struct OneJob {
    /// The job.
    id: String,
}

/// What a download takes. Read by actix-files.
#[derive(IntoParams)]
#[into_params(parameter_in = Header, rename_all = "kebab-case")]
#[expect(dead_code, reason = "it is for the description only")]
pub struct Parts {
    /// Which bytes, such as `bytes=0-99`.
    range: Option<String>,
    /// Entity tags that are known.
    if_none_match: Option<String>,
}

/// Problems, by the name under which handlers list them among their responses.
macro_rules! problems {
    ($($name:ident = $status:literal: $text:literal,)+) => {$(
        #[doc = $text]
        pub enum $name {}

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                [problem($status, $text)].into()
            }
        }
    )+};
}

fn problem(status: &str, text: &str) -> (String, RefOr<Response>) {
    let schema = RefOr::from(Ref::from_schema_name("Problem"));
    let content = Content::new(Some(schema));
    let response = ResponseBuilder::new().description(text).content(PROBLEM_TYPE, content);
    (status.to_owned(), response.build().into())
}

problems! {
    Malformed = "400": "The request cannot be read.",
    NotFound = "404": "There is no such job, or it has no such image.",
    Foreign = "403": "Another web site sent this, or the host name is not one of this server.",
    Stalled = "408": "The upload sent nothing for too long.",
    WrongStatus = "409": "The job is not in the status that this needs.",
    Gone = "410": "It was there and is not kept any more.",
    TooLarge = "413": "The upload, the image or the number of tiles is above a limit.",
    Unsupported = "415": "This is not an image, or not one that is handled.",
    Unusable = "422": "The filter chain, or another option, cannot be used.",
    TooManyJobs = "429": "Too many jobs wait already; `Retry-After` says when to try again.",
    TooManyUploads = "503": "Too many uploads are on their way, or a service of the cluster is away; `Retry-After` says when to try again.",
    NoSpace = "507": "The disk is full, or about to be.",
}

/// What is not the client's business.
pub enum Internal {}

impl IntoResponses for Internal {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let away = "A service of the cluster is away; `Retry-After` says when to try again.";
        let failed = "Something failed; the log of the server says more.";
        [problem("500", failed), problem("503", away)].into()
    }
}

/// What a download that is not of a whole file is answered with.
pub enum Partly {}

impl IntoResponses for Partly {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let response = |text: &str| RefOr::from(ResponseBuilder::new().description(text).build());
        [
            ("206".into(), response("The bytes that were asked for.")),
            ("304".into(), response("It is the one that is known.")),
            ("412".into(), response("It is not the one that was asked for.")),
            ("416".into(), response("It has no such bytes.")),
        ]
        .into()
    }
}
