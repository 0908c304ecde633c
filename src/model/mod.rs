//! The domain: jobs, tiles, workers, and what is said about them between roles.
//!
//! * [`job`]: a job's identity, its plan and its outcome.
//! * [`batch`]: jobs that a client counts as one.
//! * [`tile`]: a tile on its way to a worker and back.
//! * [`board`]: which tiles of a job are in its canvas.
//! * [`mosaic`]: a small picture of a job, and who made its tiles.
//! * [`worker`]: who works, and how it is.
//! * [`process`]: who else runs.
//! * [`event`]: the signals that make somebody look.
//! * `id`: how ids are written.

pub mod batch;
pub mod board;
pub mod event;
mod id;
pub mod job;
pub mod mosaic;
pub mod process;
pub mod report;
pub mod tile;
pub mod worker;
