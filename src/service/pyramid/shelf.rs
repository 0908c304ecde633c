//! The files of pyramids: `<job>-original` and `<job>-result` in one directory. They can be made again, so
//! nothing is synced. A file that cannot be removed is removed later.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::PathBuf;

use tracing::warn;

use super::file::Pyramid;
use super::{Key, Which};
use crate::causes;
use crate::model::job::JobId;
use crate::storage::{Overwrite, Staged};

/// A directory of pyramids.
#[derive(Debug)]
pub(super) struct Shelf {
    directory: PathBuf,
}

fn name((job, which): Key) -> String {
    match which {
        Which::Original => format!("{job}-original"),
        Which::Result => format!("{job}-result"),
    }
}

fn key(name: &str) -> Option<Key> {
    let (job, which) = name.split_once('-')?;
    let which = match which {
        "original" => Which::Original,
        "result" => Which::Result,
        _ => return None,
    };
    Some((job.parse().ok()?, which))
}

impl Shelf {
    pub(super) fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// Opens a pyramid; `None` if there is none, or if it is damaged and has to be made again.
    pub(super) fn open(&self, key: Key) -> Option<Pyramid> {
        File::open(self.directory.join(name(key))).and_then(Pyramid::open).ok()
    }

    pub(super) fn stage(&self) -> io::Result<Staged> {
        fs::create_dir_all(&self.directory)?;
        Staged::in_directory(&self.directory)
    }

    pub(super) fn keep(&self, key: Key, staged: Staged) -> io::Result<Pyramid> {
        let path = self.directory.join(name(key));
        staged.persist(&path, Overwrite::Allowed)?;
        Pyramid::open(File::open(path)?)
    }

    pub(super) fn remove(&self, key: Key) {
        let name = name(key);
        if let Err(error) = fs::remove_file(self.directory.join(&name))
            && error.kind() != io::ErrorKind::NotFound
        {
            warn!(name, error = causes::field(&error), "could not remove a pyramid");
        }
    }

    /// The bytes of all pyramids, by job. Pyramids whose image is not kept are removed.
    pub(super) fn sizes(&self, is_kept: impl Fn(JobId, Which) -> bool) -> HashMap<JobId, u64> {
        if let Err(error) = Staged::sweep(&self.directory)
            && error.kind() != io::ErrorKind::NotFound
        {
            warn!(error = causes::field(&error), "could not sweep the pyramids");
        }
        let mut sizes = HashMap::new();
        for entry in fs::read_dir(&self.directory).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let Some((job, which)) = key(&name) else { continue };
            if is_kept(job, which) {
                *sizes.entry(job).or_default() += entry.metadata().map_or(0, |file| file.len());
            } else {
                self.remove((job, which));
            }
        }
        sizes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_belongs_to_no_image_is_removed_and_the_rest_is_counted() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf::new(folder.path().to_owned());
        let [kept, gone] = [JobId::generate(), JobId::generate()];
        for (key, bytes) in
            [((kept, Which::Original), 3), ((kept, Which::Result), 4), ((gone, Which::Result), 5)]
        {
            fs::write(folder.path().join(name(key)), vec![0; bytes]).unwrap();
        }
        fs::write(folder.path().join(".staged-left"), "half").unwrap();
        let held = shelf.stage().unwrap();
        let sizes = shelf.sizes(move |job, _| job == kept);
        assert_eq!(sizes, HashMap::from([(kept, 7)]));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
        drop(held);
    }
}
