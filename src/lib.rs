//! tilemill filters images of any size in parallel tiles, to the same bytes on one machine or many.
//!
//! A module uses only those below it in this list.
//!
//! - [`roles`]: what a process is: a server, a run
//! - [`cli`]: the command line
//! - [`telemetry`]: the logs of a process
//! - [`http`]: the API and the page
//! - [`app`]: puts services and adapters together
//! - [`service`]: what roles do; the path of a tile leads through it
//! - [`config`]: what can be configured
//! - [`queue`], [`state`], [`storage`]: the ports, each with its adapters
//! - [`health`]: what keeps this process from its work
//! - [`meters`]: what a server counts about its jobs
//! - [`model`]: jobs, tiles, workers
//! - [`agent`]: requests to a tilemill server, and where it is
//! - [`refusal`]: why something was not accepted
//! - `as_text`, `blocking`, `causes`, `locked`: types as text in files, blocking work, errors with their causes, and locks
//! - [`raster`]: pixels; a crate of its own, which knows nothing of all the above

pub mod agent;
pub mod app;
mod as_text;
mod blocking;
mod causes;
pub mod cli;
pub mod config;
pub mod health;
pub mod http;
mod locked;
pub mod meters;
pub mod model;
pub mod queue;
pub mod refusal;
pub mod roles;
pub mod service;
pub mod state;
pub mod storage;
pub mod telemetry;

/// Pixels: a crate of its own, so that it can use nothing of this one.
pub use tilemill_raster as raster;
