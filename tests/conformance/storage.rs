//! What every storage adapter does. `announce` tells the adapter of a job before it is used.
//!
//! An adapter of the results alone is tried together with the storage whose results they are.

use std::io::{Read, Write};

use jiff::Timestamp;
use tilemill::model::job::{Failure, JobId, Outcome, Plan, Step};
use tilemill::raster::colour::Space;
use tilemill::raster::decode::Container;
use tilemill::raster::encode::{OutputFormat, OutputOptions};
use tilemill::raster::grid::Size;
use tilemill::raster::pixels::{Bands, PixelFormat, SampleType};
use tilemill::storage::{Kept, ResultStorage, Staged, Storage, StorageError};

/// A plan for an image of 30 × 20 pixels.
pub fn plan(id: JobId, storage: &dyn Storage) -> Plan {
    Plan {
        batch: None,
        page: None,
        version: Plan::VERSION,
        id,
        name: "image.png".into(),
        created_at: Timestamp::now(),
        storage: storage.id().clone(),
        container: Container::Png,
        original_bytes: 3,
        size: Size::new(30, 20),
        format: PixelFormat::new(Bands::RGB, SampleType::U8),
        space: Space::Stored,
        filters: "grayscale".parse().unwrap(),
        tile_size: 8,
        output: OutputOptions::new(OutputFormat::Png),
        notes: Vec::new(),
        results_partition: 1,
        revision: 1,
    }
}

fn fill(staged: Staged, bytes: &[u8]) -> Staged {
    staged.file().write_all(bytes).unwrap();
    staged
}

fn read(mut from: std::fs::File) -> Vec<u8> {
    let mut bytes = Vec::new();
    from.read_to_end(&mut bytes).unwrap();
    bytes
}

/// A job that was just created.
pub async fn created(storage: &dyn Storage, announce: &impl Fn(JobId)) -> Plan {
    let plan = plan(JobId::generate(), storage);
    announce(plan.id);
    let original = fill(storage.stage_original(plan.id).await.unwrap(), b"abc");
    storage.create(&plan, original).await.unwrap();
    plan
}

pub async fn a_created_job_has_its_plan_and_its_original(
    storage: &dyn Storage,
    announce: impl Fn(JobId),
) {
    let plan = created(storage, &announce).await;
    assert_eq!(storage.plan(plan.id).await.unwrap().hash(), plan.hash());
    assert_eq!(read(storage.open_original(plan.id).await.unwrap()), b"abc");
    assert_eq!(storage.outcome(plan.id).await.unwrap(), None);
}

pub async fn a_collector_reads_the_plan_that_was_written(
    storage: &dyn Storage,
    results: &dyn ResultStorage,
    announce: impl Fn(JobId),
) {
    let plan = created(storage, &announce).await;
    assert_eq!(results.plan(plan.id).await.unwrap().hash(), plan.hash());
    assert_eq!(results.id(), storage.id());
}

pub async fn a_collector_reads_what_the_original_says_beside_its_pixels(
    storage: &dyn Storage,
    results: &dyn ResultStorage,
    announce: impl Fn(JobId),
) {
    let plan = plan(JobId::generate(), storage);
    announce(plan.id);
    let image = std::fs::read("tests/data/wide-16.png").unwrap();
    let original = fill(storage.stage_original(plan.id).await.unwrap(), &image);
    storage.create(&plan, original).await.unwrap();
    let metadata = results.metadata(plan.id).await.unwrap();
    assert!(metadata.icc.is_some(), "{metadata:?}");
    assert_eq!(metadata, storage.metadata(plan.id).await.unwrap());
    let gone = results.metadata(JobId::generate()).await;
    assert!(gone.is_err());
}

pub async fn what_is_not_there_is_not_found(
    storage: &dyn Storage,
    results: &dyn ResultStorage,
    announce: impl Fn(JobId),
) {
    let unknown = results.plan(JobId::generate()).await;
    assert!(matches!(unknown, Err(StorageError::NotFound(_, "plan"))));
    let plan = created(storage, &announce).await;
    assert!(storage.open_final(&plan).await.is_err());
    assert_eq!(results.outcome(JobId::generate()).await.unwrap(), None);
    let ended = results.conclude(JobId::generate(), Outcome::cancelled()).await;
    assert!(matches!(ended, Err(StorageError::NotFound(..))));
}

pub async fn a_plan_is_written_once(storage: &dyn Storage, announce: impl Fn(JobId)) {
    let plan = created(storage, &announce).await;
    let original = fill(storage.stage_original(plan.id).await.unwrap(), b"abc");
    let again = storage.create(&plan, original).await;
    assert!(matches!(again, Err(StorageError::Conflict(_, "plan"))));
}

pub async fn jobs_are_listed_oldest_first(storage: &dyn Storage, announce: impl Fn(JobId)) {
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(created(storage, &announce).await.id);
    }
    assert_eq!(storage.jobs().await.unwrap(), ids);
}

pub async fn the_first_outcome_stands(
    storage: &dyn Storage,
    results: &dyn ResultStorage,
    announce: impl Fn(JobId),
) {
    let plan = created(storage, &announce).await;
    let first = Outcome::failed(Failure::of_job("first"));
    assert_eq!(results.outcome(plan.id).await.unwrap(), None);
    assert_eq!(results.conclude(plan.id, first.clone()).await.unwrap(), first);
    assert_eq!(results.conclude(plan.id, first.clone()).await.unwrap(), first);
    assert_eq!(results.conclude(plan.id, Outcome::cancelled()).await.unwrap(), first);
    assert_eq!(results.outcome(plan.id).await.unwrap(), Some(first.clone()));
    assert_eq!(storage.outcome(plan.id).await.unwrap(), Some(first));
}

pub async fn of_outcomes_at_the_same_time_one_stands_for_all(
    storage: &dyn Storage,
    results: &dyn ResultStorage,
    announce: impl Fn(JobId),
) {
    let plan = created(storage, &announce).await;
    let outcomes = (0..8).map(|n| Outcome::failed(Failure::of_job(n.to_string())));
    let ends = outcomes.map(|outcome| results.conclude(plan.id, outcome));
    let stood = futures_util::future::try_join_all(ends).await.unwrap();
    let read = storage.outcome(plan.id).await.unwrap().unwrap();
    assert!(stood.iter().all(|outcome| *outcome == read), "{stood:?}");
}

pub async fn a_final_image_is_seen_only_when_published(
    storage: &dyn Storage,
    results: &dyn ResultStorage,
    announce: impl Fn(JobId),
) {
    let plan = created(storage, &announce).await;
    drop(fill(results.stage_final(&plan).await.unwrap(), b"half"));
    let staged = fill(results.stage_final(&plan).await.unwrap(), b"whole");
    assert!(storage.open_final(&plan).await.is_err());
    results.publish_final(&plan, staged).await.unwrap();
    assert_eq!(read(storage.open_final(&plan).await.unwrap()), b"whole");
    results.keep_thumbnail(plan.id, b"small".to_vec()).await.unwrap();
    assert_eq!(storage.thumbnail(plan.id).await.unwrap(), Some(b"small".to_vec()));
}

pub async fn a_final_image_of_a_job_that_is_gone_is_not_kept(
    storage: &dyn Storage,
    results: &dyn ResultStorage,
    announce: impl Fn(JobId),
) {
    let plan = created(storage, &announce).await;
    let staged = fill(results.stage_final(&plan).await.unwrap(), b"late");
    storage.remove(plan.id).await.unwrap();
    // It may be stored or refused; the collector then hears that there is no job, and removes it.
    let _ = results.publish_final(&plan, staged).await;
    let ended = results.conclude(plan.id, Outcome::cancelled()).await;
    assert!(matches!(ended, Err(StorageError::NotFound(..))));
    for _ in 0..2 {
        results.remove_final(plan.id).await.unwrap();
    }
    assert!(storage.open_final(&plan).await.is_err());
}

pub async fn what_is_kept_of_a_job_is_told(storage: &dyn Storage, announce: impl Fn(JobId)) {
    let plan = created(storage, &announce).await;
    let kept = storage.kept(&plan).await.unwrap();
    assert_eq!(kept, Kept { original: Some(3), result: None });
    let staged = fill(storage.stage_final(&plan).await.unwrap(), b"whole");
    storage.publish_final(&plan, staged).await.unwrap();
    let kept = storage.kept(&plan).await.unwrap();
    assert_eq!((kept, kept.bytes()), (Kept { original: Some(3), result: Some(5) }, 8));
}

pub async fn starts_are_counted_by_step_until_they_are_cleared(
    storage: &dyn Storage,
    results: &dyn ResultStorage,
    announce: impl Fn(JobId),
) {
    let job = created(storage, &announce).await.id;
    assert_eq!(results.count_start(job, Step::Decode).await.unwrap(), 1);
    assert_eq!(results.count_start(job, Step::Decode).await.unwrap(), 2);
    assert_eq!(results.count_start(job, Step::Encode).await.unwrap(), 1);
    results.clear_starts(job, Step::Decode).await.unwrap();
    results.clear_starts(job, Step::Decode).await.unwrap();
    assert_eq!(results.count_start(job, Step::Decode).await.unwrap(), 1);
}

pub async fn another_jobs_original_outlives_that_job(
    storage: &dyn Storage,
    announce: impl Fn(JobId),
) {
    let source = created(storage, &announce).await;
    let second = plan(JobId::generate(), storage);
    announce(second.id);
    storage.create_from(&second, source.id).await.unwrap();
    storage.remove(source.id).await.unwrap();
    assert_eq!(read(storage.open_original(second.id).await.unwrap()), b"abc");
    let third = plan(JobId::generate(), storage);
    announce(third.id);
    let gone = storage.create_from(&third, source.id).await;
    assert!(matches!(gone, Err(StorageError::NotFound(..))));
}

pub async fn a_removed_job_is_gone_and_may_be_removed_again(
    storage: &dyn Storage,
    announce: impl Fn(JobId),
) {
    let plan = created(storage, &announce).await;
    storage.conclude(plan.id, Outcome::cancelled()).await.unwrap();
    storage.remove(plan.id).await.unwrap();
    storage.remove(plan.id).await.unwrap();
    assert!(storage.plan(plan.id).await.is_err());
    assert_eq!(storage.jobs().await.unwrap(), []);
}
