//! Decides and checks where each result goes, before the first image is opened.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::inputs;
use crate::cli::{self, ExistingArgs};
use crate::raster::encode::OutputFormat;
use crate::refusal::{Code, Refusal};
use crate::storage::Overwrite;

/// The images and the output that a command line names.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) inputs: &'a [PathBuf],
    pub(super) output: &'a Path,
    pub(super) format: Option<OutputFormat>,
    pub(super) existing: Existing,
}

/// What is done about outputs that exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Existing {
    /// The command refuses to begin, so that nothing is lost by mistake.
    Refuse,
    Replace,
    /// They stay, and the others are made.
    Skip,
}

impl Existing {
    /// What the flags say.
    pub(super) const fn of(flags: &ExistingArgs) -> Self {
        match (flags.overwrite, flags.skip_existing) {
            (true, _) => Self::Replace,
            (false, true) => Self::Skip,
            (false, false) => Self::Refuse,
        }
    }

    /// Whether an output that exists when it is to be written may be replaced.
    pub(super) const fn overwrite(self) -> Overwrite {
        match self {
            Self::Replace => Overwrite::Allowed,
            Self::Refuse | Self::Skip => Overwrite::Refused,
        }
    }
}

/// One image and its result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) input: PathBuf,
    pub(super) output: PathBuf,
    /// The size of the image's file.
    pub(super) bytes: u64,
    /// The format of the result, unless it follows from the image.
    pub(super) format: Option<OutputFormat>,
}

impl Target {
    fn new(input: &Path, output: PathBuf, format: OutputFormat) -> Self {
        Self { input: input.to_owned(), output, bytes: inputs::bytes(input), format: Some(format) }
    }
}

/// The results to make, and those that exist already.
#[derive(Debug)]
pub(super) struct Planned {
    /// In the order of the inputs.
    pub(super) targets: Vec<Target>,
    pub(super) skipped: Vec<Target>,
}

/// Plans all results; fails if an output may not be written, or if two images would have the same one.
pub(super) fn plan(wanted: Wanted<'_>) -> Result<Planned, Refusal> {
    if wanted.output == Path::new("-") {
        let what = "standard output takes the result of a server: tilemill submit -o -; name a file or a \
                    directory";
        return Err(Refusal::new(Code::InvalidOption, what));
    }
    let targets = if is_directory(wanted) { in_directory(wanted)? } else { vec![single(wanted)?] };
    refuse_same_names(&targets)?;
    refuse_inputs_as_outputs(&targets)?;
    let (skipped, targets) = match wanted.existing {
        Existing::Skip => targets.into_iter().partition(exists),
        Existing::Refuse => {
            refuse_existing(&targets)?;
            (Vec::new(), targets)
        }
        Existing::Replace => (Vec::new(), targets),
    };
    let targets = targets.into_iter().map(behind_links).collect::<Result<_, _>>()?;
    Ok(Planned { targets, skipped })
}

fn exists(target: &Target) -> bool {
    target.output.symlink_metadata().is_ok()
}

/// Whether the results go into a directory, each under the name of its image.
pub(super) fn is_directory(wanted: Wanted<'_>) -> bool {
    wanted.inputs.len() > 1 || ends_with_slash(wanted.output) || wanted.output.is_dir()
}

fn ends_with_slash(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().ends_with(b"/")
}

fn single(wanted: Wanted<'_>) -> Result<Target, Refusal> {
    let named = by_extension(wanted.output);
    let format = match wanted.format {
        Some(format) if named.is_some_and(|named| named != format) => {
            let what = format!(
                "the extension of the output does not fit the format {format}; leave --format out, or give \
                 the output another extension"
            );
            return Err(Refusal::new(Code::InvalidOption, what).value(wanted.output.display()));
        }
        Some(format) => format,
        None => named.ok_or_else(|| {
            let known = OutputFormat::ALL.iter().map(|format| format!(".{}", format.extension()));
            let what = format!(
                "the extension of the output is not that of a format that can be written; use {}, or \
                 give --format",
                cli::listed(known, "or")
            );
            Refusal::new(Code::InvalidOption, what).value(wanted.output.display())
        })?,
    };
    Ok(Target::new(&wanted.inputs[0], wanted.output.to_owned(), format))
}

fn in_directory(wanted: Wanted<'_>) -> Result<Vec<Target>, Refusal> {
    if wanted.output.is_file() {
        let what = "several images need a directory as output, and this is a file";
        return Err(Refusal::new(Code::InvalidOption, what).value(wanted.output.display()));
    }
    if by_extension(wanted.output).is_some()
        && !ends_with_slash(wanted.output)
        && !wanted.output.exists()
    {
        let what = "several images need a directory as output, and this looks like a file; end it with a \
                    slash if a directory of this name is meant";
        return Err(Refusal::new(Code::InvalidOption, what).value(wanted.output.display()));
    }
    let targets = wanted.inputs.iter().map(|input| {
        // By the extension, since no image is open yet; PNG if the image's format cannot be written.
        let format = wanted.format.or_else(|| by_extension(input)).unwrap_or(OutputFormat::Png);
        let stem = input.file_stem().unwrap_or(OsStr::new("image"));
        let mut name = stem.to_owned();
        name.push(".");
        name.push(extension(input, format));
        Target::new(input, wanted.output.join(name), format)
    });
    Ok(targets.collect())
}

fn by_extension(path: &Path) -> Option<OutputFormat> {
    OutputFormat::from_extension(path.extension()?.to_str()?)
}

/// The input's own extension if it fits the format, such as `.jpeg` or `.JPG`; else the usual one.
fn extension(input: &Path, format: OutputFormat) -> String {
    let own = input.extension().and_then(OsStr::to_str);
    let fitting = own.filter(|own| OutputFormat::from_extension(own) == Some(format));
    fitting.unwrap_or(format.extension()).to_owned()
}

fn refuse_same_names(targets: &[Target]) -> Result<(), Refusal> {
    let mut seen = BTreeMap::new();
    for target in targets {
        if let Some(other) = seen.insert(&target.output, &target.input) {
            let (output, input) = (target.output.display(), target.input.display());
            let what = format!("{} and {input} would both be written to {output}", other.display());
            return Err(Refusal::new(Code::Exists, what));
        }
    }
    Ok(())
}

fn refuse_inputs_as_outputs(targets: &[Target]) -> Result<(), Refusal> {
    let inputs = targets.iter().filter_map(|target| target.input.canonicalize().ok());
    let inputs: BTreeSet<PathBuf> = inputs.collect();
    let is_input = |target: &&Target| {
        target.output.canonicalize().is_ok_and(|output| inputs.contains(&output))
    };
    targets.iter().find(is_input).map_or(Ok(()), |target| {
        let what = "the output is one of the inputs; choose another name or directory";
        Err(Refusal::new(Code::Exists, what).value(target.output.display()))
    })
}

/// Resolves a link to the file that it points to, since that file is replaced, not written into. Refuses what is not a
/// regular file, such as a device.
fn behind_links(mut target: Target) -> Result<Target, Refusal> {
    if target.output.symlink_metadata().is_ok_and(|found| found.is_symlink()) {
        target.output = target.output.canonicalize().map_err(|_| {
            let what = "the output is a link to nowhere; name the file itself";
            Refusal::new(Code::InvalidOption, what).value(target.output.display())
        })?;
    }
    if target.output.metadata().is_ok_and(|found| !found.is_file()) {
        let what = "the output is not a regular file";
        return Err(Refusal::new(Code::InvalidOption, what).value(target.output.display()));
    }
    Ok(target)
}

fn refuse_existing(targets: &[Target]) -> Result<(), Refusal> {
    targets.iter().find(|target| exists(target)).map_or(Ok(()), |target| {
        let what = "the output exists; use --overwrite to replace it, or --skip-existing to keep it and \
                    make the others";
        Err(Refusal::new(Code::Exists, what).value(target.output.display()))
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::{Existing, Planned, Target, Wanted, plan};
    use crate::cli::{Cli, Command};
    use crate::raster::encode::OutputFormat;
    use crate::refusal::{Code, Refusal};

    fn planned(line: &str) -> Result<Vec<Target>, Refusal> {
        Ok(both(line)?.targets)
    }

    fn both(line: &str) -> Result<Planned, Refusal> {
        let words = ["tilemill", "run"].into_iter().chain(line.split(' '));
        match Cli::try_parse_from(words).unwrap().command {
            Command::Run(args) => plan(Wanted {
                inputs: &args.inputs,
                output: &args.output,
                format: args.wishes.format,
                existing: Existing::of(&args.existing),
            }),
            _ => unreachable!("the line begins with run"),
        }
    }

    #[test]
    fn one_image_goes_to_one_file_in_the_format_of_its_extension() {
        let targets = planned("a.jpg -o no-such-dir/b.tif").unwrap();
        assert_eq!(targets[0].format, Some(OutputFormat::Tiff));
        assert_eq!(planned("a.jpg -o b.xyz").unwrap_err().code, Code::InvalidOption);
        assert!(planned("a.jpg -o b.xyz --format png").is_ok());
        assert!(planned("a.jpg -o b.jpeg --format jpeg").is_ok());
        let refusal = planned("a.jpg -o b.jpg --format png").unwrap_err();
        assert!(refusal.what.contains("--format") && refusal.what.contains("PNG"), "{refusal}");
        assert!(planned("a.jpg -o -").unwrap_err().what.contains("submit"));
    }

    #[test]
    fn several_images_go_to_a_directory_under_their_own_names() {
        let targets = planned("x/a.JPG b.bmp -o out").unwrap();
        let names: Vec<_> = targets.iter().map(|t| t.output.to_str().unwrap()).collect();
        assert_eq!(names, ["out/a.JPG", "out/b.png"]);
        assert!(planned("x/a.jpg b.bmp -o out.jpg").unwrap_err().what.contains("slash"));
        assert!(planned("x/a.jpg b.bmp -o out.jpg/").is_ok());
    }

    #[test]
    fn two_images_with_one_output_name_are_refused() {
        let refusal = planned("x/a.jpg y/a.jpg -o out").unwrap_err();
        assert_eq!(refusal.to_string(), "x/a.jpg and y/a.jpg would both be written to out/a.jpg");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_followed_and_a_device_refused() {
        let directory = tempfile::tempdir().unwrap();
        let (file, link) = (directory.path().join("a.png"), directory.path().join("b.png"));
        std::fs::write(&file, "old").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let targets = planned(&format!("x.jpg -o {} --overwrite", link.display())).unwrap();
        assert_eq!(targets[0].output, file.canonicalize().unwrap());
        let refusal = planned("x.jpg -o /dev/null --format png --overwrite").unwrap_err();
        assert!(refusal.what.contains("not a regular file"));
    }

    #[test]
    fn outputs_that_exist_are_kept_where_that_is_wanted() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("b.jpg"), "mine").unwrap();
        let line = format!("a.jpg b.jpg c.jpg -o {}", directory.path().display());
        let refusal = both(&line).unwrap_err().to_string();
        assert!(refusal.contains("--skip-existing"), "{refusal}");
        let Planned { targets, skipped } = both(&format!("{line} --skip-existing")).unwrap();
        let inputs = |targets: &[Target]| -> Vec<_> {
            targets.iter().map(|t| t.input.to_str().unwrap().to_owned()).collect()
        };
        assert_eq!(
            (inputs(&targets), inputs(&skipped)),
            (vec!["a.jpg".into(), "c.jpg".into()], vec!["b.jpg".into()])
        );
    }

    #[test]
    fn an_output_that_exists_needs_overwrite_and_may_not_be_the_input() {
        let file = tempfile::Builder::new().suffix(".png").tempfile().unwrap();
        let path = file.path().display();
        assert_eq!(planned(&format!("a.jpg -o {path}")).unwrap_err().code, Code::Exists);
        assert!(planned(&format!("a.jpg -o {path} --overwrite")).is_ok());
        let refusal = planned(&format!("{path} -o {path} --overwrite")).unwrap_err();
        assert!(refusal.what.contains("one of the inputs"));
    }
}
