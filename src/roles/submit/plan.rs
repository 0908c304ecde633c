//! Decides which images go to the server and where their results go, before anything is sent.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::cli::SubmitArgs;
use crate::raster::encode::OutputFormat;
use crate::refusal::{Code, Refusal};
use crate::roles::client::Source;
use crate::roles::inputs;
use crate::roles::outputs::{self, Existing, Planned, Target, Wanted};

/// The argument that stands for standard input or standard output.
const STREAM: &str = "-";

/// One image and its result.
#[derive(Debug)]
pub(super) struct Errand {
    /// A file, or `-`.
    pub(super) input: PathBuf,
    /// The size of the image's file.
    pub(super) bytes: u64,
    pub(super) destination: Destination,
    pub(super) format: Option<OutputFormat>,
}

/// Where a result goes.
#[derive(Debug)]
pub(super) enum Destination {
    /// It stays on the server.
    Server,
    /// Standard output.
    Stream,
    /// A file.
    File(PathBuf),
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server => f.write_str("the server"),
            Self::Stream => f.write_str("standard output"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

impl Errand {
    pub(super) fn reads_stream(&self) -> bool {
        self.input == Path::new(STREAM)
    }

    /// Opens the image. A stream can be opened only once.
    pub(super) fn open(&self) -> io::Result<Source> {
        if self.reads_stream() {
            let name = "standard-input".to_owned();
            return Ok(Source { name, length: None, reader: Box::new(io::stdin()) });
        }
        // Checked first: opening a pipe would block until another process writes to it.
        let metadata = fs::metadata(&self.input)?;
        if !metadata.is_file() {
            return Err(io::Error::other("this is not a regular file"));
        }
        let name = self.input.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let reader = Box::new(File::open(&self.input)?);
        Ok(Source { name, length: Some(metadata.len()), reader })
    }
}

/// What is to be done, in the order of the images, and the results that exist already.
pub(super) struct Errands {
    pub(super) errands: Vec<Errand>,
    pub(super) skipped: Vec<Target>,
}

/// Plans the upload and the destination of all images.
pub(super) fn errands(args: &SubmitArgs) -> Result<Errands, Refusal> {
    let images = inputs::expand(&args.inputs)?;
    let format = args.wishes.format;
    let to = |destination: fn() -> Destination| {
        let errand = |input: &PathBuf| {
            let (input, bytes) = (input.clone(), inputs::bytes(input));
            Errand { input, bytes, destination: destination(), format }
        };
        Errands { errands: images.iter().map(errand).collect(), skipped: Vec::new() }
    };
    match args.output.as_deref() {
        None => refuse_stream(&images, "its result needs an output, --output")
            .map(|()| to(|| Destination::Server)),
        Some(output) if output == Path::new(STREAM) => {
            refuse_several(&images, "several images need a directory as output")?;
            Ok(to(|| Destination::Stream))
        }
        Some(output) => into_files(args, &images, output),
    }
}

fn into_files(args: &SubmitArgs, inputs: &[PathBuf], output: &Path) -> Result<Errands, Refusal> {
    let existing = Existing::of(&args.existing);
    let wanted = Wanted { inputs, output, format: args.wishes.format, existing };
    if outputs::is_directory(wanted) {
        refuse_stream(inputs, "it has no name that its result could have; name a file as output")?;
    }
    let Planned { targets, skipped } = outputs::plan(wanted)?;
    let errand = |Target { input, output, bytes, format }| Errand {
        input,
        bytes,
        destination: Destination::File(output),
        format,
    };
    Ok(Errands { errands: targets.into_iter().map(errand).collect(), skipped })
}

fn refuse_stream(inputs: &[PathBuf], why: &str) -> Result<(), Refusal> {
    if inputs.iter().any(|input| input == Path::new(STREAM)) {
        let what = format!("standard input cannot be used like this: {why}");
        return Err(Refusal::new(Code::InvalidOption, what));
    }
    Ok(())
}

fn refuse_several(inputs: &[PathBuf], why: &str) -> Result<(), Refusal> {
    if inputs.len() == 1 {
        return Ok(());
    }
    Err(Refusal::new(Code::InvalidOption, why).value(format!("{} images", inputs.len())))
}
