//! Keeps some of the disks free.

use std::io;
use std::path::{Path, PathBuf};

use crate::config::{Bytes, Config};
use crate::model::job::Plan;
use crate::raster::grid::Size;
use crate::raster::pixels::PixelFormat;
use crate::refusal::{Code, Refusal};

const SETTING: &str = "limits.min_free_space";

/// A directory of the server, by its purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerDirectory {
    /// The files of jobs (`data_dir`).
    Data,
    /// Files that are needed only while a job is in work (`scratch_dir`).
    Scratch,
}

impl ServerDirectory {
    /// Its name in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Scratch => "scratch",
        }
    }

    const fn setting(self) -> &'static str {
        match self {
            Self::Data => "data_dir",
            Self::Scratch => "scratch_dir",
        }
    }
}

/// The disks of a server.
#[derive(Debug, Clone)]
pub struct Space {
    data: PathBuf,
    scratch: PathBuf,
    floor: Bytes,
    /// The memory for decoded images; larger ones go to the scratch disk.
    memory: Bytes,
    /// Whether canvases are on these disks, not on those of collectors on other machines.
    has_canvases: bool,
}

impl Space {
    /// The disks that the configuration names.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let floor = config.limits.min_free_space;
        let memory = config.dispatch.image_memory;
        let (data, scratch) = (config.data_dir.clone(), config.scratch_dir());
        let has_url = config.storage.as_ref().is_some_and(|storage| storage.url.is_some());
        let has_canvases = config.kafka.is_none() || !has_url;
        Self { data, scratch, floor, memory, has_canvases }
    }

    /// The free bytes of each disk; `None` for a disk that does not tell. Blocks on the disk.
    #[must_use]
    pub fn free(&self) -> [(ServerDirectory, Option<u64>); 2] {
        [ServerDirectory::Data, ServerDirectory::Scratch]
            .map(|place| (place, free(self.directory(place)).ok()))
    }

    fn directory(&self, place: ServerDirectory) -> &Path {
        match place {
            ServerDirectory::Data => &self.data,
            ServerDirectory::Scratch => &self.scratch,
        }
    }

    /// Refuses `bytes` more bytes if there is no room for them. Blocks on the disk.
    pub fn check(&self, place: ServerDirectory, bytes: u64) -> Result<(), Refusal> {
        check(free(self.directory(place)).ok(), bytes, self.floor, place.setting())
    }

    /// Refuses a job if there is no room for its scratch files. Blocks on the disk.
    pub fn check_job(&self, plan: &Plan) -> Result<(), Refusal> {
        let bytes =
            |size: Size, format: PixelFormat| size.pixels() * format.bytes_per_pixel() as u64;
        let decoded = bytes(plan.needed().size(), plan.format);
        let canvas = bytes(plan.result_size(), plan.result_format());
        let decoded = if decoded > self.memory.get() { decoded } else { 0 };
        let canvas = if self.has_canvases { canvas } else { 0 };
        self.check(ServerDirectory::Scratch, canvas + decoded)
    }
}

/// The refusal for a disk that is full although there was room when that was checked.
#[must_use]
pub fn full() -> Refusal {
    let what = "the server's disk is full, although some of it should stay free";
    Refusal { setting: Some(SETTING), ..Refusal::new(Code::NoSpace, what) }
}

fn check(free: Option<u64>, wanted: u64, floor: Bytes, place: &str) -> Result<(), Refusal> {
    // A disk whose free space is unknown is not checked: writing to it fails when it is full.
    match free {
        Some(free) if free.saturating_sub(wanted) < floor.get() => {
            let what = format!("there is not enough free space in `{place}`");
            Err(Refusal::new(Code::NoSpace, what)
                .value(format!("{} MiB free, {} MiB wanted", free >> 20, wanted.div_ceil(1 << 20)))
                .limit(format!("{floor} that must stay free"), SETTING))
        }
        _ => Ok(()),
    }
}

/// The free bytes on the disk of a directory.
#[cfg(unix)]
pub fn free(directory: &Path) -> io::Result<u64> {
    let disk = rustix::fs::statvfs(directory)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[cfg(not(unix))]
pub fn free(_directory: &Path) -> io::Result<u64> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::config::Bytes;

    #[test]
    fn what_would_go_below_the_floor_is_refused_with_the_numbers() {
        let floor = Bytes::mib(100);
        assert!(check(Some(150 << 20), 50 << 20, floor, "data_dir").is_ok());
        assert!(check(None, u64::MAX, floor, "data_dir").is_ok());
        let refusal = check(Some(150 << 20), (50 << 20) + 1, floor, "data_dir").unwrap_err();
        assert_eq!(
            refusal.to_string(),
            "there is not enough free space in `data_dir`: 150 MiB free, 51 MiB wanted, the limit \
             is 100 MiB that must stay free (`limits.min_free_space`)"
        );
    }
}
