//! What `tilemill run` shows: a bar on a terminal, and a line for each image.

use std::io::{IsTerminal, Write};
use std::path::Path;

use indicatif::{ProgressBar, ProgressStyle};

use super::outputs::Target;
use crate::model::job::{Outcome, Plan};

/// The progress of a run.
pub(super) struct Progress {
    bar: ProgressBar,
    /// Tiles of images that have ended.
    tiles_ended: u64,
    failed: bool,
}

impl Progress {
    pub(super) fn new(images: usize) -> Self {
        let bar = if std::io::stderr().is_terminal() {
            ProgressBar::new(0)
        } else {
            ProgressBar::hidden()
        };
        let template = "{bar:40} {pos}/{len} tiles  {per_sec:.0}  {eta} left  {msg}";
        let style = ProgressStyle::with_template(template).expect("the template is well formed");
        bar.set_style(style);
        bar.set_message(if images == 1 { String::new() } else { format!("{images} images") });
        Self { bar, tiles_ended: 0, failed: false }
    }

    /// An image of so many tiles was accepted.
    pub(super) fn admitted(&self, tiles: u32) {
        self.bar.inc_length(tiles.into());
    }

    /// So many tiles of images that have not ended are done.
    pub(super) fn tiles_in_work(&self, tiles: u32) {
        self.bar.set_position(self.tiles_ended + u64::from(tiles));
    }

    pub(super) fn complete(&mut self, target: &Target, plan: &Plan, outcome: &Outcome) {
        self.tiles_ended += u64::from(plan.tiles());
        let seconds = outcome.finished_at().duration_since(plan.created_at).as_secs_f64();
        let notes: String = plan.notes.iter().map(|note| format!("; {note}")).collect();
        let (input, output) = (target.input.display(), target.output.display());
        let (size, tiles) = (plan.size, plan.tiles());
        let line =
            format!("{input} -> {output}: {size} pixels, {tiles} tiles, {seconds:.2} s{notes}");
        // Above the bar, which is on the other stream.
        self.bar.suspend(|| {
            // A reader that has gone away is no reason to stop making images.
            let _ = writeln!(std::io::stdout(), "{line}");
        });
    }

    pub(super) fn failed(&mut self, input: &Path, cause: &str) {
        self.failed = true;
        self.bar.suspend(|| {
            let _ = writeln!(std::io::stderr(), "tilemill: {}: {cause}", input.display());
        });
    }

    pub(super) fn interrupted(&self) {
        self.bar.finish_and_clear();
        let text = "tilemill: interrupted; results that were not finished were not written";
        let _ = writeln!(std::io::stderr(), "{text}");
    }

    /// Returns whether every image was done.
    pub(super) fn finish(&self) -> bool {
        self.bar.finish_and_clear();
        !self.failed
    }
}
