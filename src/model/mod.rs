//! The domain: jobs, tiles, workers, and what roles tell each other about them.
//!
//! * [`job`]: a job's identity, its plan and its outcome.
//! * [`batch`]: jobs that a client counts as one.
//! * [`tile`]: a tile on its way to a worker and back.
//! * [`board`]: which tiles of a job are in its canvas.
//! * [`mosaic`]: a small picture of a job, and the workers that made its tiles.
//! * [`worker`]: a worker, its heartbeat and its liveness.
//! * [`process`]: the other processes of a mill.
//! * [`report`]: what a process reports beside its work.
//! * [`event`]: signals that something changed.
//! * `id`: the text form of ids.

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
