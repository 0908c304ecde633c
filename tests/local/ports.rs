//! Every adapter passes the suite of its port.

use std::time::Duration;

use tilemill::model::job::JobId;
use tilemill::queue::embedded::EmbeddedTopic;
use tilemill::raster::pixels::{Bands, PixelFormat, SampleType};
use tilemill::state::embedded::EmbeddedState;
use tilemill::storage::Overwrite;
use tilemill::storage::files::FileStorage;
use tilemill::storage::local::{LocalStorage, Paths};

macro_rules! embedded_queue {
    ($($check:ident),* $(,)?) => {
        mod embedded_queue {
            $(#[tokio::test]
            async fn $check() {
                crate::conformance::queue::$check(&super::EmbeddedTopic::new(4)).await;
            })*
        }
    };
}

crate::conformance::each_queue_check!(embedded_queue);

macro_rules! embedded_state {
    ($($check:ident),* $(,)?) => {
        mod embedded_state {
            $(#[tokio::test(start_paused = true)]
            async fn $check() {
                let state = super::EmbeddedState::default();
                crate::conformance::state::$check(&state, super::pass).await;
            })*
        }
    };
}

/// Tokio's clock is paused: it jumps when all tasks wait for it.
async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}

crate::conformance::each_state_check!(embedded_state);

/// A storage of files in a directory of its own.
fn files() -> (tempfile::TempDir, FileStorage) {
    let directory = tempfile::tempdir().unwrap();
    let storage = FileStorage::open(directory.path()).unwrap();
    (directory, storage)
}

/// A storage of a run, and how it is told where the files of a job are.
fn local() -> (std::sync::Arc<LocalStorage>, impl Fn(JobId)) {
    let directory = tempfile::tempdir().unwrap();
    let storage = std::sync::Arc::new(LocalStorage::new(Overwrite::Refused));
    let told = std::sync::Arc::clone(&storage);
    let announce = move |job| {
        let [input, output] =
            ["in", "out"].map(|end| directory.path().join(format!("{job}.{end}")));
        told.assign(job, Paths { input, output });
    };
    (storage, announce)
}

macro_rules! storages {
    ($($check:ident),* $(,)?) => {
        mod file_storage {
            $(#[tokio::test]
            async fn $check() {
                let (_directory, storage) = super::files();
                crate::conformance::storage::$check(&storage, |_| {}).await;
            })*
        }

        mod local_storage {
            $(#[tokio::test]
            async fn $check() {
                let (storage, announce) = super::local();
                crate::conformance::storage::$check(&*storage, announce).await;
            })*
        }
    };
}

crate::conformance::each_storage_check!(storages);

macro_rules! results {
    ($($check:ident),* $(,)?) => {
        mod file_results {
            $(#[tokio::test]
            async fn $check() {
                let (_directory, storage) = super::files();
                crate::conformance::storage::$check(&storage, &storage, |_| {}).await;
            })*
        }

        mod local_results {
            $(#[tokio::test]
            async fn $check() {
                let (storage, announce) = super::local();
                crate::conformance::storage::$check(&*storage, &*storage, announce).await;
            })*
        }
    };
}

crate::conformance::each_result_check!(results);

#[test]
fn a_storage_keeps_its_name() {
    use tilemill::storage::ResultStorage;

    let directory = tempfile::tempdir().unwrap();
    let first = FileStorage::open(directory.path()).unwrap();
    let second = FileStorage::open(directory.path()).unwrap();
    assert_eq!(first.id(), second.id());
}

#[tokio::test]
async fn a_job_outlives_its_original_and_its_result() {
    use tilemill::storage::{Kept, ResultStorage, Storage};

    let directory = tempfile::tempdir().unwrap();
    let storage = FileStorage::open(directory.path()).unwrap();
    let plan = crate::conformance::storage::created(&storage, &|_| {}).await;
    let staged = storage.stage_final(&plan).await.unwrap();
    storage.publish_final(&plan, staged).await.unwrap();
    for _ in 0..2 {
        storage.remove_original(plan.id).await.unwrap();
        storage.remove_final(plan.id).await.unwrap();
    }
    assert_eq!(storage.kept(&plan).await.unwrap(), Kept::default());
    assert_eq!(storage.jobs().await.unwrap(), [plan.id]);
}

#[tokio::test]
async fn a_run_does_not_replace_an_output_that_appeared_in_the_meantime() {
    use tilemill::storage::ResultStorage;

    let directory = tempfile::tempdir().unwrap();
    let storage = LocalStorage::new(Overwrite::Refused);
    let job = tilemill::model::job::JobId::generate();
    let output = directory.path().join("out");
    storage.assign(job, Paths { input: directory.path().join("in"), output: output.clone() });
    let plan = crate::conformance::storage::plan(job, &storage);
    let staged = storage.stage_final(&plan).await.unwrap();
    std::fs::write(&output, "somebody else's").unwrap();
    assert!(storage.publish_final(&plan, staged).await.is_err());
    assert_eq!(std::fs::read_to_string(&output).unwrap(), "somebody else's");
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn a_plan_of_the_first_version_is_read_with_its_pixel_format() {
    use serde_json::{Value, json};
    use tilemill::storage::ResultStorage;

    let directory = tempfile::tempdir().unwrap();
    let storage = FileStorage::open(directory.path()).unwrap();
    let formats = [
        ("grey", "eight", PixelFormat::new(Bands::GREY, SampleType::U8)),
        ("grey_alpha", "sixteen", PixelFormat::new(Bands::GREY_ALPHA, SampleType::U16)),
        ("rgb", "sixteen", PixelFormat::new(Bands::RGB, SampleType::U16)),
        ("rgba", "eight", PixelFormat::new(Bands::RGBA, SampleType::U8)),
    ];
    for (channels, depth, format) in formats {
        let plan = crate::conformance::storage::created(&storage, &|_| {}).await;
        let record = directory.path().join(format!("uploads/{}/job.json", plan.id));
        let mut written: Value = serde_json::from_slice(&std::fs::read(&record).unwrap()).unwrap();
        written["version"] = json!(1);
        written["format"] = json!({ "channels": channels, "depth": depth });
        std::fs::write(&record, written.to_string()).unwrap();
        assert_eq!(storage.plan(plan.id).await.unwrap().format, format);
    }
}

#[tokio::test]
async fn a_plan_of_a_newer_program_is_told_from_a_damaged_one() {
    use tilemill::storage::ResultStorage;

    let directory = tempfile::tempdir().unwrap();
    let storage = FileStorage::open(directory.path()).unwrap();
    let plan = crate::conformance::storage::created(&storage, &|_| {}).await;
    let record = directory.path().join(format!("uploads/{}/job.json", plan.id));
    let written = std::fs::read_to_string(&record).unwrap();
    let reads = async |text: &str| {
        std::fs::write(&record, text).unwrap();
        let error = storage.plan(plan.id).await.unwrap_err();
        format!("{error}: {}", std::error::Error::source(&error).unwrap())
    };
    // What else has changed need not parse.
    let newer = reads(r#"{ "version": 3, "size": "large" }"#).await;
    let words = "cannot be worked on: a program that reads plans of version 2 is too old for one of version 3: \
                 finish the upgrade";
    assert_eq!(newer, format!("job {} {words}", plan.id));
    let damaged = reads(&written.replace("\"filters\"", "\"filter\"")).await;
    assert!(damaged.starts_with(&format!("the plan of job {} is damaged: ", plan.id)), "{damaged}");
}
