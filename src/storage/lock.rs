//! A directory that only one running process uses.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

/// The file in a directory that stands for it.
const NAME: &str = "lock";
/// How often it is tried to take it, and the time between: [`who_has`] takes it for a moment.
const LOOKS: u32 = 4;
const LOOK: Duration = Duration::from_millis(25);

/// Holds a directory as long as this lives. The system lets go of it however the process ends.
#[derive(Debug)]
pub struct DirectoryLock {
    _file: File,
}

/// The directory could not be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
    #[error(
        "{} is in use by a server that runs{holder}; stop that one, or choose another directory \
         with `{setting}`",
        directory.display()
    )]
    Taken {
        /// The directory.
        directory: PathBuf,
        /// Which process, if it said so.
        holder: String,
        /// What names the directory.
        setting: &'static str,
    },
    /// The disk, or what stands for it, failed.
    #[error("cannot lock {} (`{setting}`)", directory.display())]
    Io {
        /// The directory.
        directory: PathBuf,
        /// What names the directory.
        setting: &'static str,
        /// The system's word on it.
        #[source]
        source: io::Error,
    },
}

impl DirectoryLock {
    /// Takes `directory`, which `setting` names, and makes it if it is not there.
    pub fn take(directory: &Path, setting: &'static str) -> Result<Self, LockError> {
        let failed = |source| LockError::Io { directory: directory.to_owned(), setting, source };
        let mut file = open(directory).map_err(failed)?;
        match lock(&file) {
            Ok(()) => sign(&mut file).map_err(failed)?,
            Err(TryLockError::WouldBlock) => {
                let (directory, holder) = (directory.to_owned(), holder(&mut file));
                return Err(LockError::Taken { directory, holder, setting });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        Ok(Self { _file: file })
    }
}

/// Says which process has `directory`, as far as it can be known; `None` if none has it. Leaves no trace.
#[must_use]
pub fn who_has(directory: &Path) -> Option<String> {
    let mut file = File::open(directory.join(NAME)).ok()?;
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => Some(holder(&mut file)),
        Ok(()) | Err(TryLockError::Error(_)) => None,
    }
}

/// Waits out those who only look who has it.
fn lock(file: &File) -> Result<(), TryLockError> {
    for _ in 0..LOOKS {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => thread::sleep(LOOK),
            other => return other,
        }
    }
    file.try_lock()
}

fn open(directory: &Path) -> io::Result<File> {
    fs::create_dir_all(directory)?;
    let path = directory.join(NAME);
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
}

/// Says who has the directory. A full disk keeps nobody from having it.
fn sign(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    let _ = write!(file, "{}", std::process::id());
    Ok(())
}

/// " as process 123", if it said so.
fn holder(file: &mut File) -> String {
    let mut text = String::new();
    let read = file.read_to_string(&mut text);
    let process: Option<u32> = read.ok().and_then(|_| text.parse().ok());
    process.map_or_else(String::new, |process| format!(" as process {process}"))
}
