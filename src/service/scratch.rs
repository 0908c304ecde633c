//! Scratch files, whose errors name the directory and, on a full disk, how much is left there.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use indicatif::HumanBytes;

use super::space;
use crate::causes;

/// A file that is read and written at any offset.
#[derive(Debug)]
pub(super) struct ScratchFile {
    file: File,
    directory: PathBuf,
}

impl ScratchFile {
    /// Wraps a file that is in `directory`, or was before its name was removed.
    pub(super) fn new(file: File, directory: &Path) -> Self {
        Self { file, directory: directory.to_owned() }
    }

    /// A file without a name on the disk of `directory`, which vanishes with the process.
    pub(super) fn unnamed(directory: &Path) -> io::Result<Self> {
        let file = tempfile::tempfile_in(directory).map_err(|error| failed(directory, &error))?;
        Ok(Self::new(file, directory))
    }

    pub(super) fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, offset).map_err(|error| failed(&self.directory, &error))
    }

    pub(super) fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(bytes, offset).map_err(|error| failed(&self.directory, &error))
    }
}

/// Adds the directory to an error, and on a full disk the free space.
pub(super) fn failed(directory: &Path, error: &io::Error) -> io::Error {
    let shown = directory.display();
    let text = match error.kind() {
        io::ErrorKind::StorageFull => {
            format!("no space left on the disk of {shown}{}", left(directory))
        }
        _ => format!("the scratch file in {shown}: {}", cause(error)),
    };
    io::Error::new(error.kind(), text)
}

/// The system's error, without the name of the temporary file.
fn cause(error: &io::Error) -> String {
    std::error::Error::source(error).map_or_else(|| causes::all(error), ToString::to_string)
}

fn left(directory: &Path) -> String {
    space::free(directory)
        .map_or_else(|_| String::new(), |free| format!(" ({} free)", HumanBytes(free)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_the_directory_and_not_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let gone = directory.path().join("gone");
        let text = ScratchFile::unnamed(&gone).unwrap_err().to_string();
        let expected = format!("the scratch file in {}: No such file", gone.display());
        assert!(text.starts_with(&expected) && text.ends_with("(os error 2)"), "{text}");
        let full = failed(directory.path(), &io::ErrorKind::StorageFull.into());
        let expected = format!("no space left on the disk of {} (", directory.path().display());
        assert!(full.to_string().starts_with(&expected), "{full}");
        assert_eq!(full.kind(), io::ErrorKind::StorageFull);
    }
}
