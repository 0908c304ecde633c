//! One progress bar for all images of a command.

use std::fmt::Write;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;

use super::report::Report;

/// The time before which no remaining time is estimated.
const FIRST_GUESS: Duration = Duration::from_secs(1);

/// The progress of all images of a command. Each counts by the bytes of its file, times the share of its tiles that are
/// done.
pub(super) struct Overall {
    bar: ProgressBar,
    began: Instant,
    images: Tally,
    bytes: Tally,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Tally {
    ended: u64,
    all: u64,
}

/// An image that has begun and not ended.
#[derive(Debug, Clone)]
pub(super) struct InWork {
    pub(super) name: String,
    pub(super) bytes: u64,
    pub(super) tiles_done: u32,
    pub(super) tiles: u32,
}

impl InWork {
    fn bytes_done(&self) -> u64 {
        let done = u128::from(self.bytes) * u128::from(self.tiles_done);
        u64::try_from(done / u128::from(self.tiles.max(1))).unwrap_or(self.bytes)
    }
}

impl Overall {
    /// For images whose files have these sizes in bytes.
    pub(super) fn new(report: &Report, images: impl Iterator<Item = u64>) -> Self {
        let (mut count, mut bytes) = (Tally::default(), Tally::default());
        for image in images {
            count.all += 1;
            bytes.all += image;
        }
        let bar = report.bar("{bar:30} {msg}");
        bar.set_length(bytes.all);
        let this = Self { bar, began: Instant::now(), images: count, bytes };
        this.show(&[]);
        this
    }

    /// Counts an image of `bytes` bytes that is done or has failed.
    pub(super) fn ended(&mut self, bytes: u64) {
        self.images.ended += 1;
        self.bytes.ended += bytes;
    }

    /// Redraws the bar, with these images in work.
    pub(super) fn show(&self, in_work: &[InWork]) {
        let bytes = self.bytes.ended + in_work.iter().map(InWork::bytes_done).sum::<u64>();
        self.bar.set_position(bytes);
        let done = Tally { ended: bytes, ..self.bytes };
        self.bar.set_message(text(self.images, done, in_work, self.began.elapsed()));
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// The text beside the bar: how many images are done, how far the largest in work is, and how long the rest takes.
fn text(images: Tally, bytes: Tally, in_work: &[InWork], elapsed: Duration) -> String {
    let mut text = String::new();
    if images.all > 1 {
        let _ = write!(text, "{} of {} images  ", images.ended, images.all);
    }
    if let Some(InWork { name, tiles_done, tiles, .. }) =
        in_work.iter().filter(|image| image.tiles > 1).max_by_key(|image| image.bytes)
    {
        let _ = write!(text, "{tiles_done} of {tiles} tiles");
        let _ = if images.all > 1 { write!(text, " of {name}  ") } else { write!(text, "  ") };
    }
    if elapsed >= FIRST_GUESS && (1..bytes.all).contains(&bytes.ended) {
        let millis =
            elapsed.as_millis() * u128::from(bytes.all - bytes.ended) / u128::from(bytes.ended);
        let left = Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX));
        let _ = write!(text, "{} left", duration(left));
    }
    text.trim_end().to_owned()
}

fn duration(left: Duration) -> String {
    let seconds = left.as_secs();
    match seconds {
        0..60 => format!("{:.1} s", left.as_secs_f64()),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{InWork, Tally, text};

    fn in_work(name: &str, bytes: u64, tiles_done: u32, tiles: u32) -> InWork {
        InWork { name: name.into(), bytes, tiles_done, tiles }
    }

    #[test]
    fn a_batch_shows_its_images_and_how_far_the_largest_is() {
        let images = Tally { ended: 247, all: 320 };
        let working = [in_work("small.jpg", 10, 1, 4), in_work("large.tif", 500, 12, 96)];
        let shown = |bytes, seconds| {
            let bytes = Tally { ended: bytes, all: 1000 };
            text(images, bytes, &working, Duration::from_millis(seconds))
        };
        assert_eq!(
            shown(250, 10_000),
            "247 of 320 images  12 of 96 tiles of large.tif  30.0 s left"
        );
        assert_eq!(
            shown(1, 10_000),
            "247 of 320 images  12 of 96 tiles of large.tif  2 h 46 min left"
        );
        assert_eq!(
            shown(400, 120_000),
            "247 of 320 images  12 of 96 tiles of large.tif  3 min 00 s left"
        );
    }

    #[test]
    fn nothing_is_guessed_before_there_is_a_rate_nor_at_the_end() {
        let images = Tally { ended: 0, all: 1 };
        let working = [in_work("a.tif", 100, 1, 9)];
        for (bytes, millis) in [(0, 60_000), (50, 900), (100, 60_000)] {
            let bytes = Tally { ended: bytes, all: 100 };
            let shown = text(images, bytes, &working, Duration::from_millis(millis));
            assert_eq!(shown, "1 of 9 tiles");
        }
        let empty = Tally { ended: 0, all: 0 };
        assert_eq!(text(images, empty, &[], Duration::from_mins(1)), "");
    }

    #[test]
    fn an_image_counts_by_its_tiles() {
        assert_eq!(in_work("a", 1000, 1, 4).bytes_done(), 250);
        assert_eq!(in_work("a", u64::MAX, 4, 4).bytes_done(), u64::MAX);
        assert_eq!(in_work("a", 1000, 0, 0).bytes_done(), 0);
    }
}
