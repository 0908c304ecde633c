//! The paths of the server.

use actix_web::web::resource;
use actix_web::{HttpResponse, Resource, Route, guard, web};

use super::error::{ApiError, Result};
use super::{
    READ, batch, description, download, events, filters, fleet, jobs, limits, metrics, mosaic,
    page, previews, pyramid, upload,
};

/// All routes.
pub fn configure(routes: &mut web::ServiceConfig) {
    routes
        .service(
            web::scope("/api")
                .service(
                    at("/jobs", "GET, HEAD, POST")
                        .route(web::post().to(upload::create))
                        .route(read().to(jobs::list)),
                )
                .service(
                    at("/jobs/{id}", "GET, HEAD, DELETE")
                        .route(web::delete().to(jobs::remove))
                        .route(read().to(jobs::show)),
                )
                .service(at("/jobs/{id}/cancel", "POST").route(web::post().to(jobs::cancel)))
                .service(at("/jobs/{id}/retry", "POST").route(web::post().to(upload::retry)))
                .service(read_at("/jobs/{id}/result").route(read().to(download::result)))
                .service(read_at("/jobs/{id}/original").route(read().to(download::original)))
                .service(read_at("/jobs/{id}/thumbnail").route(read().to(mosaic::thumbnail)))
                .service(read_at("/jobs/{id}/mosaic").route(read().to(mosaic::mosaic)))
                .service(read_at("/jobs/{id}/tiles").route(read().to(mosaic::tiles)))
                .service(read_at("/jobs/{id}/pyramid/{image}").route(read().to(pyramid::show)))
                .service(
                    read_at("/jobs/{id}/pyramid/{image}/{level}/{column}/{row}")
                        .route(read().to(pyramid::tile)),
                )
                .service(
                    at("/batches/{id}", "GET, HEAD, DELETE")
                        .route(web::delete().to(batch::remove))
                        .route(read().to(batch::show)),
                )
                .service(at("/batches/{id}/cancel", "POST").route(web::post().to(batch::cancel)))
                .service(read_at("/batches/{id}/results").route(read().to(batch::results)))
                .service(read_at("/jobs/{id}/preview").route(read().to(previews::of_job)))
                .service(at("/previews", "POST").route(web::post().to(previews::create)))
                .service(read_at("/previews/{id}").route(read().to(previews::show)))
                .service(at("/events", "GET").route(web::get().to(events::stream)))
                .service(read_at("/workers").route(read().to(fleet::workers)))
                .service(read_at("/processes").route(read().to(fleet::processes)))
                .service(read_at("/queue").route(read().to(fleet::queue)))
                .service(read_at("/filters").route(read().to(filters::list)))
                .service(read_at("/limits").route(read().to(limits::show)))
                .service(read_at("/openapi.json").route(read().to(description::describe)))
                .default_service(web::to(unknown)),
        )
        .service(read_at("/healthz").route(read().to(fleet::health)))
        .service(read_at("/readyz").route(read().to(fleet::ready)))
        .service(read_at("/metrics").route(read().to(metrics::show)))
        .default_service(web::to(page::file));
}

/// A path that accepts the methods `allowed` only, and answers others with 405.
fn at(path: &str, allowed: &'static str) -> Resource {
    let wrong = move || async move { Err::<HttpResponse, _>(ApiError::WrongMethod { allowed }) };
    resource(path).default_service(web::to(wrong))
}

/// A path that is only read.
fn read_at(path: &str) -> Resource {
    at(path, READ)
}

/// A route for GET, and for HEAD, which is GET without the body.
fn read() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

async fn unknown(request: actix_web::HttpRequest) -> Result<HttpResponse> {
    Err(ApiError::NotFound(format!("{} {}", request.method(), request.path())))
}
