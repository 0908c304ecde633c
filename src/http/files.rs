//! Serves the files of jobs to collectors on other machines that have the token: they read plans and metadata, and
//! write final images, thumbnails and outcomes. The client is `storage/remote`; no script should rely on these routes.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::PayloadError;
use actix_web::http::StatusCode;
use actix_web::http::header::{AUTHORIZATION, HeaderMap, IF_NONE_MATCH};
use actix_web::middleware::{Next, from_fn};
use actix_web::web::{self, resource};
use actix_web::{HttpRequest, HttpResponse};
use sha2::{Digest, Sha256};

use super::error::{ApiError, Result};
use super::{Api, receive};
use crate::model::job::{JobId, Outcome, Plan, Step, StorageId};
use crate::storage::remote::{self, paths};

/// The most bytes of a body other than a final image: more than a thumbnail or an outcome has.
const MAX_RECORD: usize = 8 << 20;

/// The routes, all of which require the token.
pub(super) fn configure(routes: &mut web::ServiceConfig) {
    routes.service(
        web::scope(paths::ROOT)
            .wrap(from_fn(authorized))
            .app_data(web::PayloadConfig::new(MAX_RECORD))
            .app_data(web::JsonConfig::default().limit(MAX_RECORD).content_type_required(false))
            .service(resource("/id").route(web::get().to(id)))
            .service(resource("/{job}/plan").route(web::get().to(plan)))
            .service(resource("/{job}/metadata").route(web::get().to(metadata)))
            .service(
                resource("/{job}/outcome")
                    .route(web::get().to(outcome))
                    .route(web::put().to(conclude)),
            )
            .service(
                resource("/{job}/final")
                    .route(web::put().to(publish_final))
                    .route(web::delete().to(remove_final)),
            )
            .service(resource("/{job}/thumbnail").route(web::put().to(keep_thumbnail)))
            .service(
                resource("/{job}/starts/{step}")
                    .route(web::post().to(count_start))
                    .route(web::delete().to(clear_starts)),
            ),
    );
}

async fn authorized(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let token = request.app_data::<web::Data<Api>>().and_then(|api| api.token());
    match check(token.as_deref(), request.headers()) {
        Ok(()) => Ok(next.call(request).await?.map_into_left_body()),
        Err(error) => Ok(request.error_response(error).map_into_right_body()),
    }
}

fn check(token: Option<&str>, headers: &HeaderMap) -> Result<()> {
    let Some(token) = token else {
        let text = "this server gives its files to no other machine: set `storage.token` there";
        return Err(ApiError::Unauthorized(text));
    };
    let given = headers.get(AUTHORIZATION).and_then(|given| given.to_str().ok());
    let given = given.and_then(|given| given.strip_prefix("Bearer ")).unwrap_or_default();
    // Digests are compared, so that the time does not tell how much of a guess is right.
    if Sha256::digest(given) == Sha256::digest(token) {
        return Ok(());
    }
    Err(ApiError::Unauthorized("the token is not the one of this server (`storage.token`)"))
}

impl Api {
    fn token(&self) -> Option<String> {
        let storage = self.app.config.storage.as_ref()?;
        Some(storage.token.clone().reveal())
    }
}

async fn id(api: web::Data<Api>) -> web::Json<StorageId> {
    web::Json(api.app.storage.id().clone())
}

async fn plan(api: web::Data<Api>, job: web::Path<JobId>) -> Result<web::Json<Plan>> {
    Ok(web::Json(api.app.storage.plan(*job).await?))
}

async fn metadata(api: web::Data<Api>, job: web::Path<JobId>) -> Result<Vec<u8>> {
    Ok(remote::metadata::write(&api.app.storage.metadata(*job).await?))
}

async fn outcome(api: web::Data<Api>, job: web::Path<JobId>) -> Result<web::Json<Option<Outcome>>> {
    Ok(web::Json(api.app.storage.outcome(*job).await?))
}

async fn conclude(
    api: web::Data<Api>,
    job: web::Path<JobId>,
    request: HttpRequest,
    outcome: web::Json<Outcome>,
) -> Result<HttpResponse> {
    let condition = request.headers().get(IF_NONE_MATCH);
    if condition.is_none_or(|condition| condition != "*") {
        return Err(ApiError::Malformed("an outcome is put with `If-None-Match: *` only".into()));
    }
    let outcome = outcome.into_inner();
    let stands = api.app.ledger.conclude(*job, outcome.clone()).await?;
    let same = stands == outcome;
    let status = if same { StatusCode::CREATED } else { StatusCode::PRECONDITION_FAILED };
    Ok(HttpResponse::build(status).json(stands))
}

async fn publish_final(
    api: web::Data<Api>,
    job: web::Path<JobId>,
    body: web::Payload,
) -> Result<HttpResponse> {
    let plan = api.app.storage.plan(*job).await?;
    let staged = api.app.storage.stage_final(&plan).await?;
    let file = staged.file().try_clone().map_err(ApiError::io)?;
    receive::into_file(&api, file, None, body).await?;
    api.app.storage.publish_final(&plan, staged).await?;
    Ok(done())
}

impl From<PayloadError> for ApiError {
    fn from(error: PayloadError) -> Self {
        Self::Malformed(format!("the body broke off: {error}"))
    }
}

async fn remove_final(api: web::Data<Api>, job: web::Path<JobId>) -> Result<HttpResponse> {
    api.app.storage.remove_final(*job).await?;
    Ok(done())
}

async fn keep_thumbnail(
    api: web::Data<Api>,
    job: web::Path<JobId>,
    png: web::Bytes,
) -> Result<HttpResponse> {
    api.app.storage.keep_thumbnail(*job, png.into()).await?;
    Ok(done())
}

async fn count_start(
    api: web::Data<Api>,
    path: web::Path<(JobId, Step)>,
) -> Result<web::Json<u32>> {
    let (job, step) = path.into_inner();
    Ok(web::Json(api.app.storage.count_start(job, step).await?))
}

async fn clear_starts(api: web::Data<Api>, path: web::Path<(JobId, Step)>) -> Result<HttpResponse> {
    let (job, step) = path.into_inner();
    api.app.storage.clear_starts(job, step).await?;
    Ok(done())
}

fn done() -> HttpResponse {
    HttpResponse::NoContent().finish()
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{AUTHORIZATION, HeaderMap, HeaderValue};

    use super::check;

    #[test]
    fn only_requests_with_the_token_are_answered() {
        let headers = |given: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, HeaderValue::from_static(given));
            headers
        };
        let (token, right) = (Some("secret"), headers("Bearer secret"));
        assert!(check(token, &right).is_ok());
        for wrong in [headers("Bearer Secret"), headers("secret"), headers(""), HeaderMap::new()] {
            assert!(check(token, &wrong).is_err(), "{wrong:?}");
        }
        let closed = check(None, &right).unwrap_err();
        assert!(closed.to_string().contains("`storage.token`"), "{closed}");
    }
}
