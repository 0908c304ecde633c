//! The API by a client that openapi-generator made for Rust: ADDRESS IMAGE RESULT.

use std::path::{Path, PathBuf};
use std::time::Duration;

use mill::apis::configuration::Configuration;
use mill::apis::fleet_api::list_filters;
use mill::apis::images_api::{get_original, get_result};
use mill::apis::jobs_api::{create_job, delete_job, get_job};
use mill::apis::Error;
use mill::models::{JobView, ParamSpec, Problem, Status};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let base_path = arguments.next().unwrap();
    let [image, result] = [(); 2].map(|()| PathBuf::from(arguments.next().unwrap()));
    let server = Configuration { base_path, ..Configuration::default() };

    let chain = Some("blur:2.5,invert");
    let job = create_job(&server, None, chain, Some("png"), None, Some(image.clone()), Some(0), Some(80), None, Some(16));
    let job = ended(&server, job.await.unwrap()).await;
    assert_eq!((job.status, job.error.flatten()), (Status::Complete, None));
    assert_eq!(Path::new(&job.name), image.file_name().unwrap());
    let bytes = get_result(&server, &job.id, None, None).await.unwrap().bytes().await.unwrap();
    std::fs::write(result, bytes).unwrap();
    let back = get_original(&server, &job.id, None, None).await.unwrap().bytes().await.unwrap();
    assert_eq!(back, std::fs::read(&image).unwrap());

    let again = create_job(&server, None, Some(""), None, Some(&job.id), None, None, None, None, None).await.unwrap();
    let again = ended(&server, again).await;
    assert_eq!(again.status, Status::Complete);
    delete_job(&server, &again.id).await.unwrap();

    assert_eq!(problem(get_job(&server, &again.id).await).code, "not_found");
    let refused = create_job(&server, None, Some("nonsense"), None, Some(&job.id), None, None, None, None, None).await;
    assert_eq!(problem(refused).code, "invalid_filters");

    let filters = list_filters(&server).await.unwrap();
    let first = |name| filters.iter().find(|filter| filter.name == name).unwrap().params[0].clone();
    assert!(matches!(first("blur"), ParamSpec::NumberParam(_)));
    assert!(matches!(first("median"), ParamSpec::IntegerParam(_)));
    assert!(matches!(first("grayscale"), ParamSpec::ChoiceParam(_)));
    assert!(matches!(first("bands"), ParamSpec::ListParam(_)));
}

async fn ended(server: &Configuration, mut job: JobView) -> JobView {
    while !matches!(job.status, Status::Complete | Status::Failed | Status::Cancelled) {
        tokio::time::sleep(Duration::from_millis(50)).await;
        job = get_job(server, &job.id).await.unwrap();
    }
    job
}

/// The generated errors have the first status that fits, and all of them fit.
fn problem<T, E>(answer: Result<T, Error<E>>) -> Problem {
    let Err(Error::ResponseError(refused)) = answer else { panic!("it was not refused") };
    serde_json::from_str(&refused.content).unwrap()
}
