//! Tests that rows make what the whole image makes.

use std::io::{BufReader, Cursor};
use std::path::Path;

use tempfile::TempDir;

use super::*;
use crate::model::job::JobId;
use crate::raster::decode::Colours;
use crate::raster::encode::{OutputFormat, OutputOptions};
use crate::raster::grid::{Region, Size};
use crate::raster::pixels::{Bands, PixelFormat, Pixels, SampleType};
use crate::service::admit::{Admission, Candidate, Wishes};
use crate::storage::local::{LocalStorage, Paths};
use crate::storage::{Overwrite, ResultStorage};

/// Noise of 16 bits.
fn noise(path: &Path, size: Size, format: OutputFormat) {
    let mut pixels = Pixels::zeroed(size, PixelFormat::new(Bands::RGB, SampleType::U16));
    let mut state = 7_u64;
    for byte in pixels.as_bytes_mut() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        *byte = state.to_be_bytes()[0];
    }
    let encoder = Encoder::new(OutputOptions::new(format), size, pixels.format());
    let file = encoder.unwrap().encode(&pixels, Cursor::new(Vec::new())).unwrap();
    std::fs::write(path, file.into_inner()).unwrap();
}

struct Bench {
    directory: TempDir,
    storage: Arc<LocalStorage>,
    straight: Straight,
    admission: Admission,
}

impl Bench {
    fn new() -> Bench {
        let storage = Arc::new(LocalStorage::new(Overwrite::Allowed));
        let config = Arc::new(Config::default());
        let threads = NonZeroUsize::new(3).unwrap();
        let straight =
            Straight::new(Arc::clone(&storage) as _, &config, threads, Memory::new(1 << 30))
                .unwrap();
        let admission = Admission::new(config, storage.id().clone(), 1);
        Bench { directory: TempDir::new().unwrap(), storage, straight, admission }
    }

    /// The plan for the input.
    fn plan(&self, filters: &str, format: OutputFormat) -> Arc<Plan> {
        let (input, output) = (self.directory.path().join("in"), self.directory.path().join("out"));
        let file = BufReader::new(std::fs::File::open(&input).unwrap());
        let image = Candidate::read("in", 1, file, None, &Config::default()).unwrap();
        let wishes =
            Wishes { filters: Some(filters.into()), format: Some(format), ..Wishes::default() };
        let plan = self.admission.plan(JobId::generate(), image, &wishes).unwrap();
        self.storage.assign(plan.id, Paths { input, output });
        self.storage.admit(plan.clone()).unwrap();
        Arc::new(plan)
    }

    /// What the whole image gives.
    fn whole(&self, plan: &Plan) -> Vec<u8> {
        let file = std::fs::read(self.directory.path().join("in")).unwrap();
        let image = decode::decode(Cursor::new(file), &Limits::NONE, Colours::All).unwrap();
        let all = Region::of(plan.size);
        let pixels = image.window(all).unwrap();
        let made = plan.filters.apply(&pixels, all, all, plan.size);
        let encoder = Encoder::new(plan.output, plan.size, plan.result_format()).unwrap();
        encoder.encode(&made, Cursor::new(Vec::new())).unwrap().into_inner()
    }
}

#[tokio::test]
async fn rows_make_the_bytes_of_the_whole_image() {
    let bench = Bench::new();
    noise(&bench.directory.path().join("in"), Size::new(700, 2900), OutputFormat::Tiff);
    for filters in ["", "invert", "box:40,blur:7", "median:2,sharpen", "pixelate:50"] {
        for format in [OutputFormat::Png, OutputFormat::Tiff, OutputFormat::Jpeg] {
            let plan = bench.plan(filters, format);
            assert!(suffices(&plan, Orientation::UPRIGHT), "{filters}");
            let encoder = Encoder::new(plan.output, plan.size, plan.result_format()).unwrap();
            assert!(cuts::of(&plan, &encoder).unwrap().len() > 3, "{filters} in few windows");
            let done = Arc::<RowsDone>::default();
            let outcome = bench.straight.run(&plan, &done).await;
            assert!(outcome.is_complete(), "{outcome:?}");
            assert_eq!(done.tiles(&plan), plan.tiles());
            let made = std::fs::read(bench.directory.path().join("out")).unwrap();
            assert!(made == bench.whole(&plan), "{filters} to {format:?}");
        }
    }
}

#[tokio::test]
async fn an_image_that_breaks_off_fails_as_damaged_and_leaves_nothing_behind() {
    let bench = Bench::new();
    let input = bench.directory.path().join("in");
    noise(&input, Size::new(700, 2900), OutputFormat::Png);
    let plan = bench.plan("blur", OutputFormat::Png);
    let file = std::fs::read(&input).unwrap();
    std::fs::write(&input, &file[..file.len() / 2]).unwrap();
    let outcome = bench.straight.run(&plan, &Arc::default()).await;
    let Outcome::Failed { error, .. } = outcome else { panic!("{outcome:?}") };
    assert!(error.to_string().contains("damaged or incomplete"), "{error}");
    assert!(!bench.directory.path().join("out").exists());
}

#[test]
fn rows_do_not_suffice_where_the_whole_image_or_its_columns_are_needed() {
    let bench = Bench::new();
    noise(&bench.directory.path().join("in"), Size::new(2000, 3000), OutputFormat::Tiff);
    let is_straight =
        |filters: &str, orientation| suffices(&bench.plan(filters, OutputFormat::Png), orientation);
    assert!(is_straight("blur:10", Orientation::UPRIGHT));
    let reaching = ["box:100"; 8].join(",");
    for filters in ["equalize", "rotate", "crop:10", "blur,flip", &reaching] {
        assert!(!is_straight(filters, Orientation::UPRIGHT), "{filters}");
    }
    assert!(!is_straight("blur", Orientation::from_exif(6).unwrap()));
}
