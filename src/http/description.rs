//! The `OpenAPI` description, put together from what the handlers declare.

use std::sync::LazyLock;

use actix_web::HttpResponse;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{AllOf, KnownFormat, ObjectBuilder, RefOr, Schema, SchemaFormat, Type};
use utoipa::{IntoResponses, Modify, OpenApi, openapi};

use super::answers::Foreign;
use super::error::Problem;
use super::forwarded::Forwarded;
use super::{
    archive, batch, download, events, filters, fleet, jobs, limits, metrics, mosaic, previews,
    pyramid, upload,
};

/// The description as a whole. A handler that is missing here fails a test.
#[derive(OpenApi)]
#[openapi(
    info(description = "Filters images of any size in parallel tiles, to the same bytes on one \
                        machine or on many. Names and codes are stable: they change only by \
                        additions. HEAD is answered wherever GET is, except for events."),
    servers((url = "/", description = "The server that this description comes from.")),
    security((), ("basic" = []), ("bearer" = [])),
    tags(
        (name = "jobs", description = "Images to filter, from upload to result."),
        (name = "batches", description = "Jobs that were sent together."),
        (name = "previews", description = "Parts of results before there is a job."),
        (name = "images", description = "Original and result of a job, whole, in tiles and in small."),
        (name = "fleet", description = "Running processes, the queue, events and filters."),
        (name = "health", description = "For monitoring the server, and this description."),
    ),
    paths(
        upload::create, jobs::list, jobs::show, jobs::remove, jobs::cancel, upload::retry,
        download::result, download::original, mosaic::thumbnail,
        batch::show, batch::results, batch::cancel, batch::remove, limits::show,
        mosaic::mosaic, mosaic::tiles, pyramid::show, pyramid::tile,
        previews::create, previews::show, previews::of_job, events::stream,
        fleet::workers, fleet::processes, fleet::queue,
        filters::list, describe, fleet::health, fleet::ready, metrics::show,
    ),
    components(schemas(Problem<'_>)),
    modifiers(&Everywhere, &Images, &InPlace, &Passwords),
)]
struct Description;

/// Adds the response that every operation may give.
struct Everywhere;

impl Modify for Everywhere {
    fn modify(&self, description: &mut openapi::OpenApi) {
        for operation in operations(description) {
            operation.responses.responses.extend(Foreign::responses());
        }
    }
}

/// Describes images as bytes. `Vec<u8>` alone would be described as an array of numbers, which generated
/// clients would then expect.
struct Images;

fn is_binary(kind: &str) -> bool {
    kind.starts_with("image/") || kind == archive::MIME
}

impl Modify for Images {
    fn modify(&self, description: &mut openapi::OpenApi) {
        for operation in operations(description) {
            let responses = &mut operation.responses.responses;
            let Some(RefOr::T(whole)) = responses.get_mut("200") else { continue };
            for (kind, content) in &mut whole.content {
                if let (true, RefOr::T(content)) = (is_binary(kind), content) {
                    content.schema = Some(bytes());
                }
            }
            let content = whole.content.clone();
            if let Some(RefOr::T(part)) = responses.get_mut("206") {
                part.content = content;
            }
        }
    }
}

fn bytes() -> RefOr<Schema> {
    let format = SchemaFormat::KnownFormat(KnownFormat::Binary);
    let bytes = ObjectBuilder::new().schema_type(Type::String).format(Some(format));
    RefOr::T(bytes.build().into())
}

/// Joins what utoipa takes apart: it describes a field with an inline type as an `allOf` of the type and of
/// an object with the field's description, and no value is both.
struct InPlace;

impl Modify for InPlace {
    fn modify(&self, description: &mut openapi::OpenApi) {
        for schema in description.components.iter_mut().flat_map(|all| all.schemas.values_mut()) {
            let RefOr::T(Schema::Object(object)) = schema else { continue };
            for field in object.properties.values_mut() {
                if let Some(joined) = joined(field) {
                    *field = joined.into();
                }
            }
        }
    }
}

fn joined(field: &RefOr<Schema>) -> Option<Schema> {
    let RefOr::T(Schema::AllOf(AllOf { items, .. })) = field else { return None };
    let [RefOr::T(Schema::Object(of)), RefOr::T(Schema::Object(field))] = &items[..] else {
        return None;
    };
    let mut joined = of.clone();
    joined.description.clone_from(&field.description);
    Some(joined.into())
}

/// Declares the credentials that a proxy may require.
struct Passwords;

impl Modify for Passwords {
    fn modify(&self, description: &mut openapi::OpenApi) {
        let components = description.components.get_or_insert_default();
        for (name, scheme, what) in [
            ("basic", HttpAuthScheme::Basic, "A name and a password"),
            ("bearer", HttpAuthScheme::Bearer, "A token"),
        ] {
            let text = format!(
                "{what}, if a proxy in front of the server requires it and answers 401 without. \
                 The server itself requires no login and ignores this."
            );
            let scheme = HttpBuilder::new().scheme(scheme).description(Some(text)).build();
            components.add_security_scheme(name, SecurityScheme::Http(scheme));
        }
    }
}

fn operations(description: &mut openapi::OpenApi) -> impl Iterator<Item = &mut Operation> {
    let paths = description.paths.paths.values_mut();
    paths.flat_map(|path| [&mut path.get, &mut path.post, &mut path.delete]).flatten()
}

static DESCRIPTION: LazyLock<openapi::OpenApi> = LazyLock::new(Description::openapi);
static TEXT: LazyLock<String> = LazyLock::new(|| json(&DESCRIPTION));

fn json(description: &openapi::OpenApi) -> String {
    description.to_json().expect("a description is plain data")
}

/// This description.
///
/// `OpenAPI` 3.1, for people, client generators and other programs.
#[utoipa::path(
    get,
    path = "/api/openapi.json",
    operation_id = "describe_api",
    tag = "health",
    responses((status = 200, description = "The description.", body = inline(HashMap<String, Value>))),
)]
pub async fn describe(seen: Forwarded) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    response.content_type("application/json");
    if seen.prefix.is_root() {
        return response.body(TEXT.as_str());
    }
    let mut description = DESCRIPTION.clone();
    description.servers = Some(vec![openapi::Server::new(seen.prefix.as_str())]);
    response.body(json(&description))
}
