//! Tests that messages are read as they were written, and that any bytes are read or refused.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::{Compression, MAGIC, Message, PREFIX, VERSION, WireError};
use crate::model::job::JobId;
use crate::model::report::{PutAside, Report};
use crate::model::tile::{Retry, TileFailure, TileResult, TileTask};
use crate::model::worker::{Heartbeat, Phase, WorkerId};
use crate::raster::filter::Chain;
use crate::raster::grid::{Region, Size};
use crate::raster::pixels::{Alpha, Bands, PixelFormat, Pixels, SampleType};

fn pixels() -> impl Strategy<Value = Pixels> {
    let bands = prop::sample::select(vec![
        Bands::GREY,
        Bands::GREY_ALPHA,
        Bands::RGB,
        Bands::RGBA,
        Bands::unnamed(7).with(Alpha::Mask),
    ]);
    let sample = prop::sample::select(vec![SampleType::U8, SampleType::U16, SampleType::F32]);
    // Few different values, which LZ4 can compress, or all of them, which it cannot.
    (1..40_u32, 1..40_u32, bands, sample, prop::sample::select(vec![1_u8, 255]), any::<u64>())
        .prop_map(|(width, height, bands, sample, mask, seed)| {
            let (size, format) = (Size { width, height }, PixelFormat { bands, sample });
            let mut pixels = Pixels::zeroed(size, format);
            let mut state = seed | 1;
            for byte in pixels.as_bytes_mut() {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                *byte = state.to_be_bytes()[0] & mask;
            }
            pixels
        })
}

fn task() -> impl Strategy<Value = TileTask> {
    let chain = prop::sample::select(vec!["blur:2.5,invert", "resize:percent=50", "rotate,flip"]);
    (pixels(), any::<[u8; 16]>(), any::<[u32; 4]>(), 0..1000_u32, chain).prop_map(
        |(pixels, job, [tile, attempt, results_partition, revision], x, chain)| {
            // The window is the whole image: what any tile needs is in it.
            let (filters, image) = (Chain::parse(chain).unwrap(), pixels.size());
            let result = filters.output_size(image);
            TileTask {
                job: JobId::from_bytes(job),
                tile,
                attempt,
                results_partition,
                revision,
                filters: Arc::new(filters),
                image,
                window: Region::of(image),
                keep: Region { x: x % result.width, y: 0, width: 1, height: 1 },
                pixels,
            }
        },
    )
}

fn compression() -> impl Strategy<Value = Compression> {
    prop::sample::select(vec![Compression::Lz4, Compression::None])
}

fn result(pixels: Result<Pixels, TileFailure>) -> TileResult {
    let (worker, elapsed) = (WorkerId::new("w"), Duration::from_micros(7));
    TileResult {
        job: JobId::generate(),
        tile: 4,
        attempt: 2,
        worker,
        elapsed,
        taken_over: true,
        pixels,
    }
}

fn report() -> Report {
    let aside = PutAside { topic: "tasks".into(), reason: "batch".into(), records: 3 };
    let obstacle = Some("the disk is on fire".into());
    Report { obstacle, put_aside: vec![aside], refusals: 7, connections: 4 }
}

fn heartbeat() -> Heartbeat {
    Heartbeat {
        id: WorkerId::new("w"),
        host: "h".into(),
        threads: 2,
        in_flight: 3,
        done: 4,
        failed: 5,
        rate: 6.5,
        version: "1".into(),
        phase: Phase::Leaving,
        report: report(),
    }
}

/// Reads a record as each kind of message. It only has to return.
fn read_as_anything(record: &[u8]) {
    let _ = TileTask::decode(record);
    let _ = TileResult::decode(record);
    let _ = Heartbeat::decode(record);
}

proptest! {
    #[test]
    fn a_task_arrives_as_it_was_sent(task in task(), compression in compression()) {
        let read = TileTask::decode(&task.encode(compression)).unwrap();
        prop_assert_eq!(format!("{read:?}"), format!("{task:?}"));
    }

    #[test]
    fn a_result_arrives_as_it_was_sent(pixels in pixels(), compression in compression()) {
        let sent = result(Ok(pixels));
        let read = TileResult::decode(&sent.encode(compression)).unwrap();
        prop_assert_eq!(format!("{read:?}"), format!("{sent:?}"));
    }

    #[test]
    fn a_record_that_holds_anything_is_an_error(mut record: Vec<u8>, version in 0..3_u16) {
        read_as_anything(&record);
        let head = [&MAGIC[..], &version.to_be_bytes()].concat();
        record.splice(..0, head);
        read_as_anything(&record);
    }

    #[test]
    fn a_record_with_bytes_changed_is_read_or_refused(
        task in task(),
        compression in compression(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut record = task.encode(compression);
        for (at, byte) in changes {
            // Most of a record is pixels, which may have any value; the rest is at the beginning.
            let at = at.index(record.len().min(PREFIX + 80));
            record[at] = byte;
        }
        read_as_anything(&record);
        read_as_anything(&record[..cut.index(record.len())]);
    }
}

#[test]
fn a_task_whose_tile_cannot_be_made_of_its_window_is_refused() {
    let task = |window: Region, keep: Region, chain: &str, image: Size| TileTask {
        job: JobId::generate(),
        tile: 0,
        attempt: 1,
        results_partition: 0,
        revision: 6,
        filters: Arc::new(Chain::parse(chain).unwrap()),
        image,
        window,
        keep,
        pixels: Pixels::zeroed(window.size(), PixelFormat::new(Bands::GREY, SampleType::U8)),
    };
    let read = |task: TileTask| TileTask::decode(&task.encode(Compression::Lz4)).is_ok();
    let region = |x, y, width, height| Region { x, y, width, height };
    let image = Size::new(20, 10);
    assert!(read(task(region(2, 0, 14, 10), region(4, 2, 8, 4), "box:2", image)));
    let wrong = [
        // The halo is one pixel too small.
        (region(3, 0, 13, 10), region(4, 2, 8, 4), "box:2", image),
        // The tile is not inside the result, or the window not inside the image.
        (region(0, 0, 20, 10), region(4, 2, 8, 4), "crop:0:0:10:10", image),
        (region(0, 0, 20, 11), region(4, 2, 8, 4), "box:2", image),
        // Turned: a tile at the right needs the bottom.
        (region(0, 0, 20, 5), region(0, 0, 1, 20), "rotate", image),
        // What the filter cannot be applied to.
        (region(0, 0, 20, 10), region(0, 0, 4, 4), "crop:15:0:10:10", image),
        (region(0, 0, 2, 2), region(0, 0, 1, 1), "resize:10", Size::new(u32::MAX, 10)),
    ];
    for (window, keep, chain, image) in wrong {
        assert!(!read(task(window, keep, chain, image)), "{chain} of {window} makes {keep}");
    }
}

#[test]
fn a_heartbeat_arrives_as_it_was_sent() {
    assert_eq!(Heartbeat::decode(&heartbeat().encode(Compression::Lz4)), Ok(heartbeat()));
}

#[test]
fn a_failure_arrives_with_a_cause_of_bounded_length() {
    let failure = TileFailure { cause: "ä".repeat(100_000), retry: Retry::Futile };
    let read = TileResult::decode(&result(Err(failure)).encode(Compression::Lz4)).unwrap();
    let failure = read.pixels.unwrap_err();
    assert_eq!((failure.cause.len(), failure.retry), (8 << 10, Retry::Futile));
}

#[test]
fn another_version_is_told_apart_and_says_which_tile_it_is() {
    let sent = result(Err(TileFailure { cause: "c".into(), retry: Retry::Useful }));
    let mut record = sent.encode(Compression::None);
    record[2..4].copy_from_slice(&(VERSION + 1).to_be_bytes());
    // The rest is not read by this version.
    record.truncate(PREFIX);
    let Err(WireError::OtherVersion(prefix)) = TileResult::decode(&record) else {
        panic!("not told apart");
    };
    assert_eq!((prefix.job, prefix.tile, prefix.attempt), (sent.job, 4, 2));
    assert_eq!(prefix.version, VERSION + 1);
}

#[test]
fn pixels_that_a_few_bytes_cannot_stand_for_are_refused_before_they_take_memory() {
    let flat = Pixels::zeroed(
        Size { width: 1000, height: 1000 },
        PixelFormat::new(Bands::RGBA, SampleType::U16),
    );
    let record = result(Ok(flat)).encode(Compression::Lz4);
    assert!(TileResult::decode(&record).is_ok());
    let Err(WireError::Unreadable(reason)) = TileResult::decode(&record[..record.len() / 2]) else {
        panic!("half of the pixels are taken for all");
    };
    assert!(reason.contains("1000 × 1000 pixels"), "{reason}");
}
