//! Keys of jobs and of the work on them: how images are cut, sent, filtered and written.

use std::num::NonZeroUsize;
use std::time::Duration;

use crate::config::key::section;
use crate::config::rule::{at_least, many, that, within};
use crate::config::unit::{Bytes, Colour, Seconds};
use crate::raster::encode::{PngSpeed, SampleChoice, Subsampling, TiffCompression};
use crate::raster::metadata::Policy;

section! {
    /// Tiles, the units of work.
    pub struct Tile in "tile" {
        /// Side of a tile in pixels. The result does not depend on it.
        #[accepts(at_least(1))]
        #[example(256)]
        size: u32 = 512,

        /// How long a worker may filter one tile. A tile that takes longer counts as a failed attempt.
        #[accepts(at_least(Seconds::new(1)))]
        #[example("1h")]
        timeout: Seconds = Seconds::minutes(15),
    }
}

section! {
    /// How final images are written.
    pub struct Output in "output" {
        /// JPEG quality, 1 to 100.
        #[accepts(within(1, 100))]
        #[example(80)]
        quality: u8 = 90,

        /// The colour behind transparent pixels where the output has no alpha (JPEG).
        #[example("#000000")]
        background: Colour = Colour([255; 3]),

        /// Which metadata of the original is kept. "safe": colour profile, copyright, artist, dates, resolution; no
        /// place, no thumbnail. "all": everything that is understood. "none": nothing, and colours become sRGB.
        #[example("none")]
        metadata: Policy = Policy::Safe,

        /// How much chroma a JPEG keeps: "4:4:4", "4:2:2", "4:2:0", or "auto": 4:4:4 from quality 90 on, else 4:2:0.
        #[example("4:4:4")]
        subsampling: Subsampling = Subsampling::Auto,

        /// Compression effort of PNG: "fast", "balanced" or "small"; more effort gives a smaller file and takes longer.
        #[example("small")]
        png_speed: PngSpeed = PngSpeed::Fast,

        /// How a TIFF is compressed: "none" or "deflate".
        #[example("deflate")]
        tiff_compression: TiffCompression = TiffCompression::None,

        /// The samples of a TIFF whose original has signed numbers or floats: "own", those of the original, or "float32".
        /// Originals with 32-bit integers or 64-bit floats need "float32".
        #[example("float32")]
        sample_type: SampleChoice = SampleChoice::Own,
    }
}

section! {
    /// Each job by itself.
    pub struct Job in "job" {
        /// How many times a tile that fails is tried before its job fails.
        #[accepts(within(1, many()))]
        #[example(5)]
        max_attempts: u32 = 3,

        /// A job that is unfinished at this age fails.
        #[example("1d")]
        max_age: Seconds = Seconds::days(7),
    }
}

section! {
    /// All jobs together.
    pub struct Jobs in "jobs" {
        /// Active jobs at a time; the others are queued. `run` uses one more than it has threads.
        #[accepts(within(1, many()))]
        #[example(8)]
        active: u32 = 4,

        /// The most queued jobs; beyond it, new ones are refused for now (status 429).
        #[example(100)]
        queued: u32 = 1000,
    }
}

section! {
    /// The processes and threads that filter tiles.
    pub struct Worker in "worker" {
        /// Threads that compute: this many filter, and as many cut, encode and make copies for viewing. 0 is one for
        /// each core.
        #[accepts(within(0, 1024))]
        #[example(4)]
        threads: usize = 0,

        /// The interval between the heartbeats of a worker.
        #[accepts(at_least(Seconds::millis(100)))]
        #[example("2s")]
        heartbeat: Seconds = Seconds::new(5),

        /// Silence after which a worker is called dead.
        #[fits(that(
            |worker: &Self| worker.dead_after.duration() >= 2 * worker.heartbeat.duration(),
            "it must be at least twice `worker.heartbeat`",
        ))]
        #[example("30s")]
        dead_after: Seconds = Seconds::new(15),
    }
}

impl Worker {
    /// Filter threads: as configured, or one for each core of this machine.
    #[must_use]
    pub fn threads(&self) -> NonZeroUsize {
        let cores = || std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        NonZeroUsize::new(self.threads).unwrap_or_else(cores)
    }

    /// The silence after which a worker is late: it has missed two heartbeats.
    #[must_use]
    pub fn late_after(&self) -> Duration {
        2 * self.heartbeat.duration()
    }
}

section! {
    /// How tiles are sent to workers.
    pub struct Dispatch in "dispatch" {
        /// The most tiles sent to workers and not yet back; the number in use follows the measured speed.
        #[accepts(at_least(8))]
        #[example(1024)]
        max_tiles_in_flight: u32 = 4096,

        /// The most bytes of pixels in these tiles; `run` stays below 16 MiB for each thread.
        #[accepts(at_least(Bytes::new(1)))]
        #[example("1 GiB")]
        max_bytes_in_flight: Bytes = Bytes::mib(256),

        /// Decoded images are kept in memory as long as they fit into this together, the others in `scratch_dir`.
        #[example("2 GiB")]
        image_memory: Bytes = Bytes::mib(128),
    }
}
