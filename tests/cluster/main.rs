//! The processes of a cluster, and the adapters to what they share: real Apache Kafka, Redis and Prometheus, with Chromium
//! to see them on the page.
//!
//! Where one of these is missing, the tests that need it are ignored, with the reason before their names; with
//! `TILEMILL_TEST_REQUIRE=all` they fail.

#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]
#![allow(
    unreachable_pub,
    dead_code,
    reason = "what test programs share has no crate to be public in, and each uses its part"
)]

mod broker;
mod faults;
mod fleet;
mod group;
mod kafka;
mod metrics;
mod mill;
mod network;
mod nights;
mod nodes;
mod obstacles;
mod other_client;
mod our_member;
mod processes;
mod prometheus;
mod redis;
mod remade;
mod store;
mod unusable;
mod watched;
mod workers;

#[path = "../browser/mod.rs"]
mod browser;
#[path = "../conformance/mod.rs"]
mod conformance;
#[path = "../support/mod.rs"]
mod support;
#[path = "../told/mod.rs"]
mod told;

use std::process::ExitCode;

fn main() -> ExitCode {
    support::run_suites(&[
        redis::run,
        kafka::run,
        group::run,
        faults::run,
        processes::run,
        nights::run,
        obstacles::run,
        watched::run,
        nodes::run,
        metrics::run,
    ])
}
