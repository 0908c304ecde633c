#!/usr/bin/env bash
# prometheus-client 0.26.0 leaves out a family of metrics, with HELP and TYPE, until its first series exists. A counter
# with labels, such as failures by cause, is absent until the first failure, and then starts at 1. `rate()` and
# `increase()` see no rise, since there was no earlier sample, and an alert on them misses the first failure. Each
# series that an alert names has to be created beforehand.
#
# Seen on 2026-11-30:
#   before: # EOF
#   after get_or_create: # HELP failures Failures. # TYPE failures counter failures_total{cause="disk"} 0 # EOF
#
# Needs cargo. Compiles for some ten seconds.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
mkdir src
cat >Cargo.toml <<'TOML'
[package]
name = "finding"
version = "1.0.0"
edition = "2021"

[dependencies]
prometheus-client = { version = "=0.26.0", default-features = false }
TOML
cat >src/main.rs <<'RUST'
use prometheus_client::{encoding::text::encode, metrics::counter::Counter, metrics::family::Family, registry::Registry};

fn main() {
    let failures = Family::<Vec<(&str, &str)>, Counter>::default();
    let mut registry = Registry::default();
    registry.register("failures", "Failures", failures.clone());
    let say = |when: &str| {
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        println!("{when}: {}", text.trim_end().replace('\n', " "));
    };
    say("before");
    drop(failures.get_or_create(&vec![("cause", "disk")]));
    say("after get_or_create");
}
RUST
cargo run --quiet | tee seen
diff seen - <<'SEEN' || { echo "it has changed" >&2; exit 1; }
before: # EOF
after get_or_create: # HELP failures Failures. # TYPE failures counter failures_total{cause="disk"} 0 # EOF
SEEN
