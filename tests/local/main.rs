//! The program and its services on one machine, where nothing else is needed.

#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]
#![allow(
    unreachable_pub,
    dead_code,
    reason = "what test programs share has no crate to be public in, and each uses its part"
)]

mod batches;
mod check;
mod configuration;
mod crash;
mod delivery;
mod end_to_end;
mod formats;
mod layers;
mod life;
mod openapi;
mod ports;
mod previews;
mod refusals;
mod remote;
mod stage;
mod submit;
mod topics;

#[path = "../conformance/mod.rs"]
mod conformance;
#[path = "../stills/mod.rs"]
mod stills;
#[path = "../support/mod.rs"]
mod support;
#[path = "../told/mod.rs"]
mod told;
