//! Files that are written whole, once. Everything here blocks on the disk.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tempfile::{NamedTempFile, TempPath};
use uuid::Uuid;

use super::Result;
use crate::model::job::{JobId, StorageId};
use crate::storage::{Overwrite, STAGED_PREFIX, Staged, StorageError};

/// Bytes that are reserved for an outcome: a block of most file systems, several times what it needs.
const ROOM: usize = 4096;

/// Reads the id of the storage, or creates it.
pub(super) fn read_or_create_id(path: &Path) -> Result<StorageId> {
    if let Some(id) = read_id(path)? {
        return Ok(id);
    }
    let fresh = Uuid::new_v4().simple().to_string();
    match create_new(path, fresh.as_bytes()) {
        // Another process may have been faster; the id in the file counts.
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            Err(StorageError::io("write", path)(error))
        }
        _ => Ok(read_id(path)?.unwrap_or(StorageId(fresh))),
    }
}

fn read_id(path: &Path) -> Result<Option<StorageId>> {
    match fs::read_to_string(path) {
        Ok(id) => Ok(Some(StorageId(id.trim().to_owned()))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StorageError::io("read", path)(error)),
    }
}

fn directory_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("."))
}

/// Makes the names in `directory` durable, as the files are.
pub(super) fn sync_directory(directory: &Path) -> Result<()> {
    File::open(directory)
        .and_then(|opened| opened.sync_all())
        .map_err(StorageError::io("sync the directory", directory))
}

/// Creates `path` with `bytes`, atomically; fails if it exists. Durable on return.
fn create_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    fill(Staged::in_directory(directory_of(path))?, path, bytes)
}

/// Creates `path` with a record, atomically; fails if it exists. Durable on return.
pub(super) fn create<T: Serialize>(path: &Path, record: &T) -> io::Result<()> {
    create_new(path, &serde_json::to_vec_pretty(record)?)
}

/// Like [`create`], but in the file that was reserved for it, if that is still there.
pub(super) fn create_in<T: Serialize>(room: &Path, path: &Path, record: &T) -> io::Result<()> {
    let bytes = serde_json::to_vec_pretty(record)?;
    match take(room)? {
        Some(staged) => fill(staged, path, &bytes),
        None => create_new(path, &bytes),
    }
}

/// Reserves room on the disk for a record that must not fail for lack of it.
pub(super) fn reserve(room: &Path) -> io::Result<()> {
    let mut file = File::create(room)?;
    // Not zeros, for which some file systems allocate no room.
    file.write_all(&[b'.'; ROOM])?;
    file.sync_all()
}

/// Takes the reserved file by renaming it: of two concurrent writers, only one gets it.
fn take(room: &Path) -> io::Result<Option<Staged>> {
    let file = match OpenOptions::new().read(true).write(true).open(room) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    // Locked before it gets the name of a staged file, which a sweep would remove. Other errors mean a
    // file system without locks, which no process sweeps while others write.
    if let Err(TryLockError::WouldBlock) = file.try_lock() {
        // Another process is just taking it.
        return Ok(None);
    }
    let name = format!("{STAGED_PREFIX}{}", Uuid::new_v4().simple());
    let taken = TempPath::try_from_path(room.with_file_name(name))?;
    match fs::rename(room, &taken) {
        Ok(()) => Ok(Some(NamedTempFile::from_parts(file, taken).into())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Makes `bytes` the whole content of a staged file, and persists it at `path`.
fn fill(staged: Staged, path: &Path, bytes: &[u8]) -> io::Result<()> {
    staged.file().write_all(bytes)?;
    staged.file().set_len(bytes.len() as u64)?;
    staged.file().sync_all()?;
    staged.persist(path, Overwrite::Refused)?;
    File::open(directory_of(path))?.sync_all()
}

/// Reads a record, if it is there.
pub(super) fn read<T: DeserializeOwned>(
    job: JobId,
    what: &'static str,
    path: &Path,
) -> Result<Option<T>> {
    let parse = |bytes: Vec<u8>| serde_json::from_slice(&bytes);
    bytes(path)?.map(parse).transpose().map_err(|error| StorageError::Damaged(job, what, error))
}

/// Writes a file, atomically, in place of the one before. It may be lost if the machine crashes.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let replaced = || {
        let staged = Staged::in_directory(directory_of(path))?;
        staged.file().write_all(bytes)?;
        staged.persist(path, Overwrite::Allowed)
    };
    replaced().map_err(StorageError::io("write", path))
}

/// Reads a file, if it is there.
pub(super) fn bytes(path: &Path) -> Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StorageError::io("read", path)(error)),
    }
}

/// Copies a file, atomically. Durable on return.
pub(super) fn copy(from: &Path, to: &Path) -> Result<()> {
    let copied = || {
        let staged = Staged::in_directory(directory_of(to))?;
        io::copy(&mut File::open(from)?, &mut staged.file())?;
        Ok(staged)
    };
    persist(copied().map_err(StorageError::io("copy", from))?, to)
}

/// Opens a file of a job for reading.
pub(super) fn open(job: JobId, what: &'static str, path: &Path) -> Result<File> {
    File::open(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => StorageError::NotFound(job, what),
        _ => StorageError::io("open", path)(error),
    })
}

/// Syncs a staged file and moves it to its place. Durable on return.
pub(super) fn persist(staged: Staged, path: &Path) -> Result<()> {
    let synced = staged.file().sync_all();
    let persisted = synced.and_then(|()| staged.persist(path, Overwrite::Allowed));
    persisted.map_err(StorageError::io("write", path))?;
    sync_directory(directory_of(path))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use super::{copy, create, create_in, fill, read_or_create_id, replace, reserve, take};
    use crate::storage::Staged;

    #[test]
    fn a_copy_is_whole_and_the_source_stays() {
        let directory = tempfile::tempdir().unwrap();
        let (from, to) = (directory.path().join("a"), directory.path().join("b"));
        fs::write(&from, "image").unwrap();
        copy(&from, &to).unwrap();
        for path in [&from, &to] {
            assert_eq!(fs::read_to_string(path).unwrap(), "image");
        }
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_record_in_reserved_room_is_no_longer_than_itself() {
        let directory = tempfile::tempdir().unwrap();
        let [room, path, other] =
            ["room", "record", "other"].map(|name| directory.path().join(name));
        reserve(&room).unwrap();
        create_in(&room, &path, &"words").unwrap();
        assert!(!room.exists());
        assert_eq!(fs::read_to_string(&path).unwrap(), "\"words\"");
        create_in(&room, &other, &"without room").unwrap();
        assert!(create(&path, &"again").is_err());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_sweep_leaves_a_record_that_is_being_written() {
        let directory = tempfile::tempdir().unwrap();
        let [room, path] = ["room", "record"].map(|name| directory.path().join(name));
        reserve(&room).unwrap();
        let staged = take(&room).unwrap().unwrap();
        assert_eq!(Staged::sweep(directory.path()).unwrap(), 0);
        fill(staged, &path, b"words").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "words");
    }

    #[test]
    fn room_that_another_is_taking_is_left_to_that_one() {
        let directory = tempfile::tempdir().unwrap();
        let [room, path] = ["room", "record"].map(|name| directory.path().join(name));
        reserve(&room).unwrap();
        let other = File::open(&room).unwrap();
        other.try_lock().unwrap();
        create_in(&room, &path, &"without room").unwrap();
        assert!(room.exists());
        assert_eq!(fs::read_to_string(&path).unwrap(), "\"without room\"");
    }

    #[test]
    fn files_written_here_can_be_read_by_users_that_can_read_others() {
        let directory = tempfile::tempdir().unwrap();
        let in_directory = |name| directory.path().join(name);
        fs::write(in_directory("other"), "").unwrap();
        create(&in_directory("plan"), &"plan").unwrap();
        replace(&in_directory("thumbnail"), b"thumbnail").unwrap();
        read_or_create_id(&in_directory("id")).unwrap();
        reserve(&in_directory("room")).unwrap();
        create_in(&in_directory("room"), &in_directory("outcome"), &"outcome").unwrap();
        let permissions = |name| fs::metadata(in_directory(name)).unwrap().permissions();
        for name in ["plan", "thumbnail", "id", "outcome"] {
            assert_eq!(permissions(name), permissions("other"), "{name}");
        }
    }
}
