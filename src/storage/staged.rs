//! Files that are being written, and become visible only when they are whole.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Seek};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::{Overwrite, absent_is_fine};

/// The prefix of staged files' names: a file with such a name was never whole.
pub(crate) const STAGED_PREFIX: &str = ".staged-";

/// A file that is being written. It leaves nothing behind if it is dropped before it is persisted.
#[derive(Debug)]
pub struct Staged(Stage);

#[derive(Debug)]
enum Stage {
    /// Locked, so that a sweep tells it from the leftovers of dead processes.
    Named(NamedTempFile),
    /// It has no name yet: nothing is left of it however its process ends.
    Unnamed { file: File, directory: PathBuf },
}

impl Staged {
    /// A new staged file in `directory`, which has to be the directory of its final path.
    pub(crate) fn in_directory(directory: &Path) -> io::Result<Self> {
        loop {
            let named = named(directory)?;
            match named.as_file().try_lock() {
                // A file system without locks: no process sweeps it while others write.
                Err(TryLockError::Error(_)) => return Ok(named.into()),
                Ok(()) if named.path().try_exists()? => return Ok(named.into()),
                // A sweep removed the file, or is about to, before it was locked.
                Ok(()) | Err(TryLockError::WouldBlock) => {}
            }
        }
    }

    /// A new staged file in the directory of `path`, its final path. Creates the directory if needed. No process sweeps
    /// there, so the file has no name, if the file system allows that.
    pub(crate) fn beside(path: &Path) -> io::Result<Self> {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let directory = parent.unwrap_or(Path::new(".")).to_owned();
        fs::create_dir_all(&directory)?;
        match unnamed(&directory) {
            Some(file) => Ok(Self(Stage::Unnamed { file, directory })),
            None => Self::in_directory(&directory),
        }
    }

    /// Removes the files that dead processes staged in `directory`. Returns their number.
    pub(crate) fn sweep(directory: &Path) -> io::Result<u32> {
        let mut removed = 0;
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
            let is_staged = name.is_some_and(|name| name.starts_with(STAGED_PREFIX));
            if is_staged && !is_held(&path) {
                absent_is_fine(fs::remove_file(&path))?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// The file, for writing and reading.
    #[must_use]
    pub fn file(&self) -> &File {
        match &self.0 {
            Stage::Named(named) => named.as_file(),
            Stage::Unnamed { file, .. } => file,
        }
    }

    /// The directory of its final path.
    #[must_use]
    pub fn directory(&self) -> &Path {
        match &self.0 {
            Stage::Named(named) => named.path().parent().unwrap_or(Path::new(".")),
            Stage::Unnamed { directory, .. } => directory,
        }
    }

    /// Its path until it is persisted, if it has a name.
    pub(super) fn path(&self) -> Option<&Path> {
        match &self.0 {
            Stage::Named(named) => Some(named.path()),
            Stage::Unnamed { .. } => None,
        }
    }

    /// Makes it the file at `path`, atomically.
    pub(crate) fn persist(self, path: &Path, overwrite: Overwrite) -> io::Result<()> {
        match self.0 {
            Stage::Unnamed { file, directory } => publish(file, &directory, path, overwrite),
            Stage::Named(named) => {
                let persisted = match overwrite {
                    Overwrite::Allowed => named.persist(path),
                    Overwrite::Refused => named.persist_noclobber(path),
                };
                persisted.map(drop).map_err(|error| error.error)
            }
        }
    }
}

impl From<NamedTempFile> for Staged {
    fn from(named: NamedTempFile) -> Self {
        Self(Stage::Named(named))
    }
}

fn named(directory: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(STAGED_PREFIX);
    // By default only the owner may read a temporary file; others have to read these.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(directory)
}

/// Makes an unnamed file the file at `path`.
fn publish(mut file: File, directory: &Path, path: &Path, overwrite: Overwrite) -> io::Result<()> {
    let linked = match link(&file, path) {
        // A link does not replace a file, but a rename does.
        Err(error) if is_there(&error) && overwrite == Overwrite::Allowed => {
            let mut builder = tempfile::Builder::new();
            let linked = builder.prefix(STAGED_PREFIX).make_in(directory, |name| link(&file, name));
            linked.and_then(|linked| Ok(linked.into_temp_path().persist(path)?))
        }
        linked => linked,
    };
    match linked {
        // A file system that has unnamed files but cannot name them later.
        Err(error) if !is_there(&error) && error.kind() != ErrorKind::NotFound => {
            let mut copy = named(directory)?;
            file.rewind()?;
            io::copy(&mut file, copy.as_file_mut())?;
            Staged::from(copy).persist(path, overwrite)
        }
        linked => linked,
    }
}

fn is_there(error: &io::Error) -> bool {
    error.kind() == ErrorKind::AlreadyExists
}

/// An unnamed file in `directory`, if the file system has such files.
#[cfg(target_os = "linux")]
fn unnamed(directory: &Path) -> Option<File> {
    use rustix::fs::{CWD, Mode, OFlags, openat};

    // Without it, the file could not be named later.
    if !Path::new(OWN_FILES).is_dir() {
        return None;
    }
    let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
    openat(CWD, directory, flags, Mode::from_raw_mode(0o666)).ok().map(File::from)
}

#[cfg(target_os = "linux")]
const OWN_FILES: &str = "/proc/self/fd";

/// Names a file, in the way that open(2) describes under `O_TMPFILE`.
#[cfg(target_os = "linux")]
fn link(file: &File, path: &Path) -> io::Result<()> {
    use std::os::fd::AsRawFd;

    use rustix::fs::{AtFlags, CWD, linkat};

    let own = format!("{OWN_FILES}/{}", file.as_raw_fd());
    Ok(linkat(CWD, own, CWD, path, AtFlags::SYMLINK_FOLLOW)?)
}

#[cfg(not(target_os = "linux"))]
fn unnamed(_directory: &Path) -> Option<File> {
    None
}

#[cfg(not(target_os = "linux"))]
fn link(_file: &File, _path: &Path) -> io::Result<()> {
    Err(ErrorKind::Unsupported.into())
}

/// Whether a living process holds the file, or may.
fn is_held(path: &Path) -> bool {
    match File::open(path) {
        // Shared: NFS does not lock a file exclusively that is open for reading only.
        Ok(file) => matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)),
        Err(error) => error.kind() != ErrorKind::NotFound,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::{self, ErrorKind, Write};
    use std::path::Path;

    use super::Staged;
    use crate::storage::Overwrite;

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    fn staged(directory: &Path, is_named: bool) -> Staged {
        let path = directory.join("made/result.png");
        let staged = Staged::beside(&path).unwrap();
        let staged =
            if is_named { Staged::in_directory(path.parent().unwrap()).unwrap() } else { staged };
        staged.file().write_all(b"whole").unwrap();
        staged
    }

    #[test]
    fn a_file_is_there_when_it_is_whole_and_replaces_another_only_where_it_may() {
        for is_named in [false, true] {
            let directory = tempfile::tempdir().unwrap();
            let (made, path) =
                (directory.path().join("made"), directory.path().join("made/result.png"));
            drop(staged(directory.path(), is_named));
            assert!(names(&made).is_empty());
            staged(directory.path(), is_named).persist(&path, Overwrite::Refused).unwrap();
            assert_eq!(fs::read(&path).unwrap(), b"whole");
            fs::write(&path, "mine").unwrap();
            let refused = staged(directory.path(), is_named).persist(&path, Overwrite::Refused);
            assert_eq!(refused.map_err(|e: io::Error| e.kind()), Err(ErrorKind::AlreadyExists));
            assert_eq!(fs::read(&path).unwrap(), b"mine");
            staged(directory.path(), is_named).persist(&path, Overwrite::Allowed).unwrap();
            assert_eq!(fs::read(&path).unwrap(), b"whole");
            assert_eq!(names(&made), ["result.png"]);
        }
    }

    /// The usual file systems of Linux have unnamed files; these tests need such a disk.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_result_has_no_name_before_it_is_whole() {
        let directory = tempfile::tempdir().unwrap();
        let staged = staged(directory.path(), false);
        assert_eq!(staged.path(), None);
        assert!(names(&directory.path().join("made")).is_empty());
    }

    /// Stands for a file system that cannot name unnamed files later: a link to another disk fails, too.
    #[cfg(target_os = "linux")]
    #[test]
    fn what_can_get_no_name_is_copied() {
        let (here, there) =
            (tempfile::tempdir().unwrap(), tempfile::tempdir_in("/dev/shm").unwrap());
        let path = here.path().join("result.png");
        for overwrite in [Overwrite::Refused, Overwrite::Allowed] {
            let mut file = super::unnamed(there.path()).unwrap();
            file.write_all(b"whole").unwrap();
            assert!(super::link(&file, &here.path().join("link")).is_err(), "it is another disk");
            super::publish(file, here.path(), &path, overwrite).unwrap();
            assert_eq!(fs::read(&path).unwrap(), b"whole");
            assert_eq!(names(here.path()), ["result.png"]);
        }
    }

    #[cfg(unix)]
    #[test]
    fn results_have_the_permissions_that_the_umask_leaves() {
        use std::os::unix::fs::PermissionsExt;

        let mode = |is_named: bool| {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("made/result.png");
            staged(directory.path(), is_named).persist(&path, Overwrite::Refused).unwrap();
            fs::metadata(&path).unwrap().permissions().mode() & 0o777
        };
        assert_eq!(mode(false), mode(true));
    }
}
