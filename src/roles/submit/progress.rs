//! The progress bar that `tilemill submit` shows for each image in work.

use std::io::Read;
use std::path::Path;

use indicatif::ProgressBar;

use crate::roles::client::{Job, Source};
use crate::roles::report::{Report, style};

const UPLOADING: &str = "{prefix:20!} {bar:25} {bytes}/{total_bytes} sent  {bytes_per_sec}";
const UPLOADING_STREAM: &str = "{prefix:20!} {spinner} {bytes} sent  {bytes_per_sec}";
const WAITING: &str = "{prefix:20!} {bar:25} {pos}/{len} tiles  {msg}";
const FETCHING: &str = "{prefix:20!} {bar:25} {bytes}/{total_bytes} fetched  {bytes_per_sec}";

/// The bar of one image.
#[derive(Clone)]
pub(super) struct Progress(ProgressBar);

impl Progress {
    pub(super) fn new(report: &Report, input: &Path) -> Self {
        let bar = report.bar(UPLOADING_STREAM);
        let name = input.file_name().unwrap_or(input.as_os_str());
        bar.set_prefix(name.to_string_lossy().into_owned());
        Self(bar)
    }

    /// Wraps `source`, so that the bar follows the upload.
    pub(super) fn uploading(&self, source: Source) -> Source {
        let template = if source.length.is_some() { UPLOADING } else { UPLOADING_STREAM };
        self.restart(template, source.length.unwrap_or(0));
        Source { reader: Box::new(self.0.wrap_read(source.reader)), ..source }
    }

    pub(super) fn waiting(&self, job: &Job) {
        self.restart(WAITING, job.tiles_total.into());
        self.changed(job);
    }

    pub(super) fn changed(&self, job: &Job) {
        self.0.set_message(job.status.as_str());
        self.0.set_position(job.tiles_done.into());
    }

    /// Wraps `reader`, so that the bar follows the download.
    pub(super) fn fetching<R: Read>(&self, bytes: u64, reader: R) -> impl Read + use<R> {
        self.restart(FETCHING, bytes);
        self.0.wrap_read(reader)
    }

    pub(super) fn ended(&self, report: &Report) {
        report.remove(&self.0);
    }

    fn restart(&self, template: &str, length: u64) {
        // In this order: a bar is drawn at each change.
        self.0.reset();
        self.0.set_length(length);
        self.0.set_style(style(template));
    }
}
