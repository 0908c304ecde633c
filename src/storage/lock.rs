//! A lock by which only one running process uses a directory.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

/// The name of the lock file.
const NAME: &str = "lock";
/// How often taking the lock is retried, and after which pause: [`holder_of`] holds it for a moment.
const LOOKS: u32 = 4;
const LOOK: Duration = Duration::from_millis(25);

/// Holds a directory until it is dropped. The system releases it however the process ends.
#[derive(Debug)]
pub struct DirectoryLock {
    _file: File,
}

/// The directory could not be locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
    #[error(
        "{} is in use by a server that runs{holder}; stop it, or choose another directory \
         with `{setting}`",
        directory.display()
    )]
    Taken {
        /// The directory.
        directory: PathBuf,
        /// ` as process 123`, or empty if the process is unknown.
        holder: String,
        /// The setting that names the directory.
        setting: &'static str,
    },
    /// The lock file could not be used.
    #[error("cannot lock {} (`{setting}`)", directory.display())]
    Io {
        /// The directory.
        directory: PathBuf,
        /// The setting that names the directory.
        setting: &'static str,
        /// The error of the system.
        #[source]
        source: io::Error,
    },
}

impl DirectoryLock {
    /// Locks `directory`, which `setting` names. Creates it if it does not exist.
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

/// The process that has locked `directory`, as ` as process 123`, or empty if it is unknown; `None` if none has it.
/// Leaves no trace.
#[must_use]
pub fn holder_of(directory: &Path) -> Option<String> {
    let mut file = File::open(directory.join(NAME)).ok()?;
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => Some(holder(&mut file)),
        Ok(()) | Err(TryLockError::Error(_)) => None,
    }
}

/// Locks the file, with retries, since a call of [`holder_of`] holds it for a moment.
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

/// Writes this process into the file. That fails on a full disk, which does not keep it from holding the lock.
fn sign(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    let _ = write!(file, "{}", std::process::id());
    Ok(())
}

/// ` as process 123`, or empty if the file does not say.
fn holder(file: &mut File) -> String {
    let mut text = String::new();
    let read = file.read_to_string(&mut text);
    let process: Option<u32> = read.ok().and_then(|_| text.parse().ok());
    process.map_or_else(String::new, |process| format!(" as process {process}"))
}
