//! What is told of images on the command line: bars on a terminal, and a line for each image.

use std::fmt;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::raster::grid::Size;

/// Where lines about results go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Lines {
    /// To standard output.
    #[default]
    Out,
    /// To standard error: standard output is taken by an image.
    Error,
}

/// Tells of images that are made and of those that are not.
#[derive(Default)]
pub(super) struct Report {
    /// Drawn on standard error, and only if that is a terminal.
    bars: MultiProgress,
    lines: Lines,
    failed: AtomicBool,
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

impl Report {
    pub(super) fn new(lines: Lines) -> Self {
        Self { lines, ..Self::default() }
    }

    /// A new bar below the others.
    pub(super) fn bar(&self, template: &str) -> ProgressBar {
        let bar = self.bars.add(ProgressBar::new(0));
        bar.set_style(style(template));
        bar
    }

    /// An image was made.
    pub(super) fn made(&self, made: &Made<'_>) {
        self.print(self.lines, &made.to_string());
    }

    /// An image was not made.
    pub(super) fn failed(&self, input: &Path, cause: &str) {
        self.failed.store(true, Ordering::Relaxed);
        self.remark(&format!("{}: {cause}", input.display()));
    }

    /// Something else that a person should know.
    pub(super) fn remark(&self, text: &str) {
        self.print(Lines::Error, &format!("tilemill: {text}"));
    }

    /// Whether no image has failed.
    pub(super) fn all_made(&self) -> bool {
        !self.failed.load(Ordering::Relaxed)
    }

    /// Prints above the bars. A reader that has gone away is no reason to stop making images.
    fn print(&self, lines: Lines, text: &str) {
        let _ = self.bars.suspend(|| match lines {
            Lines::Out => writeln!(std::io::stdout(), "{text}"),
            Lines::Error => writeln!(std::io::stderr(), "{text}"),
        });
    }
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
