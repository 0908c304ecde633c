//! Responses that handlers share in the description of the API.

use std::collections::BTreeMap;

use utoipa::IntoResponses;
use utoipa::openapi::{
    Content, Header, HeaderBuilder, ObjectBuilder, Ref, RefOr, Response, ResponseBuilder, Type,
};

use super::error::PROBLEM_TYPE;
use crate::raster::decode::Container;
use crate::raster::encode::OutputFormat;

/// Declares problems, each as a type that handlers list among their responses.
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
    let mut response = ResponseBuilder::new().description(text).content(PROBLEM_TYPE, content);
    if ["429", "503"].contains(&status) {
        response = response.header("Retry-After", retry_after());
    }
    (status.to_owned(), response.build().into())
}

fn retry_after() -> Header {
    let seconds = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0));
    let text = "Seconds after which the same request may be accepted.";
    HeaderBuilder::new().schema(Some(seconds)).description(Some(text)).build()
}

problems! {
    Malformed = "400": "The request cannot be read.",
    NotFound = "404": "There is no such job, or it has no such image.",
    NoBatch = "404": "There is no job in such a batch.",
    NoneComplete = "409": "No job of the batch is complete yet.",
    Foreign = "403": "The request comes from another web site, or the host name is not one of this server.",
    Stalled = "408": "The upload sent nothing for too long.",
    WrongStatus = "409": "The job does not have the status that this needs.",
    Gone = "410": "It is no longer kept.",
    TooLarge = "413": "The upload, the image or the number of tiles is above a limit.",
    Unsupported = "415": "This is not an image, or not one that is supported.",
    Unusable = "422": "The filter chain, or another option, cannot be used.",
    TooManyJobs = "429": "Too many jobs wait already; `Retry-After` says when to try again.",
    TooManyUploads = "503": "Too many uploads at a time, or a service of the cluster is away; `Retry-After` says when to try again.",
    NoPreview = "404": "There is no such image, or it is no longer kept.",
    TooManyPreviews = "503": "Too many previews are being made, or a service of the cluster is away; `Retry-After` says when to try again.",
    NoSpace = "507": "The disk is full, or about to be.",
}

/// Failures that are not the client's fault.
pub enum Internal {}

impl IntoResponses for Internal {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let away = "A service of the cluster is away; `Retry-After` says when to try again.";
        let failed = "Something failed; the log of the server says more.";
        [problem("500", failed), problem("503", away)].into()
    }
}

/// An image of a format that can be written.
pub enum Written {}

impl IntoResponses for Written {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        image(&OutputFormat::ALL.map(OutputFormat::mime))
    }
}

/// An image of a format that can be read.
pub enum Readable {}

impl IntoResponses for Readable {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        image(&Container::ALL.map(Container::mime))
    }
}

/// The response that is an image of one of these media types.
fn image(kinds: &[&str]) -> BTreeMap<String, RefOr<Response>> {
    let empty = ResponseBuilder::new().description("The image.");
    // `description::Images` describes the content.
    let add = |all: ResponseBuilder, kind: &&str| all.content(*kind, Content::default());
    [("200".to_owned(), kinds.iter().fold(empty, add).build().into())].into()
}

/// The responses to a download other than the whole file.
pub enum Partly {}

impl IntoResponses for Partly {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let response = |text: &str| RefOr::from(ResponseBuilder::new().description(text).build());
        [
            ("206".into(), response("The requested bytes.")),
            ("304".into(), response("The client has the current version already.")),
            ("412".into(), response("The file is not the requested version.")),
            ("416".into(), response("The file has no such bytes.")),
        ]
        .into()
    }
}
