//! What `tilemill run` shows: one bar for the tiles of all images, and a line for each image.

use std::path::Path;

use indicatif::ProgressBar;

use crate::model::job::{Outcome, Plan};
use crate::roles::outputs::Target;
use crate::roles::report::{Made, Report};

/// The progress of a run.
pub(super) struct Progress {
    report: Report,
    bar: ProgressBar,
    /// Tiles of images that have ended.
    tiles_ended: u64,
}

impl Progress {
    pub(super) fn new(images: usize) -> Self {
        let report = Report::default();
        let bar = report.bar("{bar:40} {pos}/{len} tiles  {per_sec:.0}  {eta} left  {msg}");
        bar.set_message(if images == 1 { String::new() } else { format!("{images} images") });
        Self { report, bar, tiles_ended: 0 }
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
        self.report.made(&Made {
            input: &target.input,
            output: &target.output.display(),
            size: plan.size,
            tiles: plan.tiles(),
            seconds: outcome.finished_at().duration_since(plan.created_at).as_secs_f64(),
            notes: &plan.notes,
        });
    }

    pub(super) fn failed(&self, input: &Path, cause: &str) {
        self.report.failed(input, cause);
    }

    pub(super) fn interrupted(&self) {
        self.bar.finish_and_clear();
        self.report.remark("interrupted; results that were not finished were not written");
    }

    /// Returns whether every image was done.
    pub(super) fn finish(&self) -> bool {
        self.bar.finish_and_clear();
        self.report.all_made()
    }
}
