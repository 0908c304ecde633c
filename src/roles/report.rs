//! Prints what becomes of the images of a command: a line for each, a summary, and a file of JSON lines for scripts.

use std::fmt;
use std::fs::File;
use std::io::{LineWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

use anyhow::Context;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde::Serialize;

use super::outputs::Target;
use super::{DONE, FAILED, INTERRUPTED};
use crate::locked::Locked;
use crate::raster::grid::Size;
use crate::refusal::{Code, Refusal};

/// Where lines about results go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lines {
    /// To standard output.
    Out,
    /// To standard error, since an image goes to standard output.
    Error,
}

/// Reports images that were made and images that failed.
pub(super) struct Report {
    /// Drawn on standard error, and only if that is a terminal.
    bars: MultiProgress,
    lines: Lines,
    told: Mutex<Told>,
}

/// What was reported so far.
#[derive(Default)]
struct Told {
    images: usize,
    /// Whether a later call with `--skip-existing` would find what was made.
    goes_on_later: bool,
    done: usize,
    skipped: usize,
    failed: Vec<PathBuf>,
    /// JSON lines for scripts.
    file: Option<LineWriter<File>>,
    /// Whether a line of `file` could not be written.
    file_failed: bool,
}

/// An image that was made.
pub(super) struct Made<'a> {
    pub(super) input: &'a Path,
    pub(super) output: &'a dyn fmt::Display,
    pub(super) size: Size,
    pub(super) tiles: u32,
    pub(super) seconds: f64,
    pub(super) notes: &'a [String],
}

/// A line of the file for scripts.
#[derive(Serialize)]
#[serde(tag = "status", rename_all = "lowercase")]
enum Entry<'a> {
    Done {
        input: String,
        output: String,
        width: u32,
        height: u32,
        tiles: u32,
        seconds: f64,
        notes: &'a [String],
    },
    Failed {
        input: String,
        error: &'a str,
    },
    Skipped {
        input: String,
        output: String,
    },
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// It has dealt with every image.
    Complete,
    /// It was interrupted, or could not go on.
    Early,
}

impl Report {
    /// A report on `images` images. JSON lines go to `file`, which is replaced only if it is an earlier report.
    pub(super) fn new(lines: Lines, images: usize, file: Option<&Path>) -> anyhow::Result<Self> {
        let create = |path: &Path| {
            refuse_to_replace(path)?;
            let file = File::create(path);
            file.with_context(|| format!("--report: write {}", path.display()))
        };
        let file = file.map(create).transpose()?.map(LineWriter::new);
        let told = Mutex::new(Told { images, file, ..Told::default() });
        Ok(Self { bars: MultiProgress::new(), lines, told })
    }

    /// Sets whether the summary of a command that ends early mentions `--skip-existing`.
    pub(super) fn goes_on_later(self, goes_on_later: bool) -> Self {
        self.told().goes_on_later = goes_on_later;
        self
    }

    /// A new bar below the others.
    pub(super) fn bar(&self, template: &str) -> ProgressBar {
        let bar = self.bars.add(ProgressBar::new(0));
        bar.set_style(style(template));
        bar
    }

    /// Removes a bar.
    pub(super) fn remove(&self, bar: &ProgressBar) {
        bar.finish_and_clear();
        self.bars.remove(bar);
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.locked()
    }

    /// Reports an image that was made.
    pub(super) fn made(&self, made: &Made<'_>) {
        self.print(self.lines, &made.to_string());
        let entry = Entry::Done {
            input: made.input.display().to_string(),
            output: made.output.to_string(),
            width: made.size.width,
            height: made.size.height,
            tiles: made.tiles,
            seconds: made.seconds,
            notes: made.notes,
        };
        self.note(&entry, |told| told.done += 1);
    }

    /// Reports an image that was not made.
    pub(super) fn failed(&self, input: &Path, cause: &str) {
        self.remark(&format!("{}: {cause}", input.display()));
        let entry = Entry::Failed { input: input.display().to_string(), error: cause };
        self.note(&entry, |told| told.failed.push(input.to_owned()));
    }

    /// Counts images whose results exist.
    pub(super) fn skipped(&self, targets: &[Target]) {
        for Target { input, output, .. } in targets {
            let (input, output) = (input.display().to_string(), output.display().to_string());
            self.note(&Entry::Skipped { input, output }, |told| told.skipped += 1);
        }
    }

    /// Counts an image, and writes its line for scripts.
    fn note(&self, entry: &Entry<'_>, count: impl FnOnce(&mut Told)) {
        let mut told = self.told();
        count(&mut told);
        let Some(file) = &mut told.file else { return };
        let line = serde_json::to_string(entry).unwrap_or_default();
        if let Err(error) = writeln!(file, "{line}") {
            (told.file, told.file_failed) = (None, true);
            drop(told);
            self.remark(&format!("--report: cannot write, so it ends here: {error}"));
        }
    }

    /// Prints something else that the user should know.
    pub(super) fn remark(&self, text: &str) {
        self.print(Lines::Error, &format!("tilemill: {text}"));
    }

    /// Prints a summary if there are several images, and returns the exit code.
    pub(super) fn finish(&self, end: End) -> u8 {
        let told = self.told();
        let text = told.summary(end);
        let is_well = told.failed.is_empty() && !told.file_failed;
        drop(told);
        if let Some(text) = text {
            self.remark(&text);
        }
        match end {
            End::Early => INTERRUPTED,
            End::Complete if is_well => DONE,
            End::Complete => FAILED,
        }
    }

    /// Prints above the bars. Errors are ignored: a closed pipe is no reason to stop making images.
    fn print(&self, lines: Lines, text: &str) {
        let _ = self.bars.suspend(|| match lines {
            Lines::Out => writeln!(std::io::stdout(), "{text}"),
            Lines::Error => writeln!(std::io::stderr(), "{text}"),
        });
    }
}

impl Told {
    /// How many images were made, and which were not; `None` for a single image, whose own line says it all.
    fn summary(&self, end: End) -> Option<String> {
        let Self { images, done, skipped, failed, .. } = self;
        if *images < 2 && *skipped == 0 {
            return None;
        }
        let mut parts = vec![format!("{done} done")];
        if *skipped > 0 {
            parts.push(format!("{skipped} skipped (their results exist)"));
        }
        if end == End::Early {
            let left = images.saturating_sub(done + skipped + failed.len());
            let how = if self.goes_on_later { " (--skip-existing goes on with them)" } else { "" };
            parts.push(format!("{left} left{how}"));
        }
        if !failed.is_empty() {
            let names: Vec<_> = failed.iter().map(|input| input.display().to_string()).collect();
            parts.push(format!("{} failed:\n  {}", failed.len(), names.join("\n  ")));
        }
        Some(parts.join(", "))
    }
}

/// Refuses a file that is no report: if the name of the report is forgotten before a pattern, it is an image.
fn refuse_to_replace(path: &Path) -> anyhow::Result<()> {
    let mut first = [b'{'];
    let is_file = path.metadata().is_ok_and(|found| found.is_file());
    if is_file
        && File::open(path).is_ok_and(|mut file| file.read(&mut first).is_ok())
        && first != *b"{"
    {
        let what = "--report would replace this file, which is no report; name another file";
        anyhow::bail!(Refusal::new(Code::Exists, what).value(path.display()));
    }
    Ok(())
}

/// How a bar looks.
pub(super) fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the templates in this program are well formed")
}

impl fmt::Display for Made<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { output, size, tiles, seconds, notes, .. } = self;
        write!(f, "{} -> {output}: {size} pixels, ", self.input.display())?;
        write!(f, "{tiles} tiles, {seconds:.2} s")?;
        notes.iter().try_for_each(|note| write!(f, "; {note}"))
    }
}

#[cfg(test)]
mod tests {
    use super::{End, Told};

    fn summary(done: usize, skipped: usize, failed: &[&str], images: usize, end: End) -> String {
        let failed = failed.iter().map(Into::into).collect();
        let told = Told { images, done, skipped, failed, goes_on_later: true, ..Told::default() };
        told.summary(end).unwrap_or_default()
    }

    #[test]
    fn a_summary_counts_all_images_and_names_those_that_failed() {
        let complete = End::Complete;
        assert_eq!(summary(1, 0, &[], 1, complete), "");
        assert_eq!(summary(320, 0, &[], 320, complete), "320 done");
        assert_eq!(
            summary(318, 0, &["a.jpg", "b/c.tif"], 320, complete),
            "318 done, 2 failed:\n  a.jpg\n  b/c.tif"
        );
        assert_eq!(
            summary(73, 247, &[], 320, complete),
            "73 done, 247 skipped (their results exist)"
        );
        assert_eq!(summary(0, 1, &[], 1, complete), "0 done, 1 skipped (their results exist)");
        assert_eq!(
            summary(247, 0, &["a.jpg"], 320, End::Early),
            "247 done, 72 left (--skip-existing goes on with them), 1 failed:\n  a.jpg"
        );
        let told = Told { images: 3, done: 1, ..Told::default() };
        assert_eq!(told.summary(End::Early).as_deref(), Some("1 done, 2 left"));
    }
}
